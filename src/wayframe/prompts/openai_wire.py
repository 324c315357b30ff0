"""The chat completions protocol: what is sent, and what an answer must hold.

https://platform.openai.com/docs/api-reference/chat; vLLM, Ollama, LM Studio and llama.cpp speak it too.
"""

from __future__ import annotations

import base64
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from wayframe.prompts.base import Answer, PromptRequest
from wayframe.prompts.keys import OPENAI_URL, host_of

MOST_TOKENS = 2048
"""Room for models that think before they answer; a prompt itself has a hundred tokens or two."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Message(_Part):
    content: str | None = None
    refusal: str | None = None


class _Choice(_Part):
    message: _Message
    finish_reason: str | None = None


class _Usage(_Part):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(_Part):
    choices: tuple[_Choice, ...]
    usage: _Usage | None = None


def body_of(request: PromptRequest, *, model: str, url: str, temperature: bool) -> dict[str, Any]:
    """The arguments of a chat completion: pictures as data URLs, then the question.

    Servers of others know a limit of tokens by its older name. Models that think refuse a temperature: it is left out
    for them.
    """
    pictures = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"}}
        for picture in request.pictures
    ]
    is_openai = host_of(url) == host_of(OPENAI_URL)
    return {
        "model": model,
        "messages": [
            *([{"role": "system", "content": request.system}] if request.system else []),
            {"role": "user", "content": [*pictures, {"type": "text", "text": request.question}]},
        ],
        "max_completion_tokens" if is_openai else "max_tokens": MOST_TOKENS,
        **({"temperature": 0} if temperature else {}),
    }


def answer_of(content: bytes) -> Answer | None:
    """The answer in the body of a response; None when it is not what the protocol says."""
    try:
        completion = _Completion.model_validate_json(content)
    except ValidationError:
        return None
    if not completion.choices:
        return None
    choice, usage = completion.choices[0], completion.usage or _Usage()
    return Answer(
        text=choice.message.content or "",
        cut=choice.finish_reason == "length",
        declined=bool(choice.message.refusal) or choice.finish_reason == "content_filter",
        tokens_in=usage.prompt_tokens,
        tokens_out=usage.completion_tokens,
    )
