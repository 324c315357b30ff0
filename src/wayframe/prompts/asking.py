"""Asking once, and once more when the answer is refused: the same for every writer."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

from wayframe.prompts.base import Answer, PromptFailure, PromptRequest, Written
from wayframe.prompts.cleaning import Refused, clean

MOST_TRIES = 2


def exchange(request: PromptRequest) -> Generator[PromptRequest, Answer, Written | PromptFailure]:
    """A conversation about one request: yields what to ask, takes the answer, returns the result.

    A generator, so that writers that wait for a network and writers that compute can both drive it.
    """
    begin, tokens_in, tokens_out = time.perf_counter(), 0, 0
    reason, asked = "", request
    for tries in range(1, MOST_TRIES + 1):
        answer = yield asked
        tokens_in, tokens_out = tokens_in + answer.tokens_in, tokens_out + answer.tokens_out
        text = clean(answer, max_words=request.max_words, language=request.language)
        if not isinstance(text, Refused):
            seconds = round(time.perf_counter() - begin, 3)
            return Written(text=text, tries=tries, tokens_in=tokens_in, tokens_out=tokens_out, seconds=seconds)
        reason, asked = text.reason, request.again(text.reason)
    return PromptFailure(reason=f"the answer was refused twice: {reason}", tries=MOST_TRIES)


def written(request: PromptRequest, *, ask: Callable[[PromptRequest], Answer]) -> Written | PromptFailure:
    """The result of one request, asked for by calling `ask` once or twice."""
    talk = exchange(request)
    asked = next(talk)
    while True:
        try:
            asked = talk.send(ask(asked))
        except StopIteration as stop:
            result: Written | PromptFailure = stop.value
            return result
