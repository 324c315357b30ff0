"""The writer `openai`: an endpoint that speaks OpenAI's chat completions.

What it stands on comes with the extra `prompts`, and is imported when the first prompt is written: a plan that finds
all its prompts in the store can do without.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec

from wayframe.errors import PromptError
from wayframe.prompts.background import results_of
from wayframe.prompts.base import PromptFailure, PromptRequest, Result, WriterSetup
from wayframe.prompts.keys import FILE_VARIABLE, KEY_VARIABLE, OPENAI_URL, endpoint, key_of
from wayframe.prompts.openai_options import OpenAIOptions

DEFAULT_MODEL = "gpt-4o-mini"


class OpenAIWriter:
    """Writes prompts by asking an endpoint, a few requests at once.

    `setup.options` are those of `OpenAIOptions`. Raises `SpecError` for an option that is unknown.
    """

    name = "openai"

    def __init__(self, setup: WriterSetup, *, environment: Mapping[str, str] = os.environ) -> None:
        self.model = setup.model or DEFAULT_MODEL
        self._options = OpenAIOptions.parse(setup.options)
        self._url = endpoint(setup.base_url, environment=environment)
        self._environment, self._budget = environment, setup.budget

    @property
    def identity(self) -> str:
        """Writer, version and model. Where the model is asked does not count: a server may move."""
        return f"openai/1 {self.model}"

    def write(
        self, requests: Sequence[PromptRequest], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Result]]:
        """As `PromptWriter.write`. Raises `PromptError` without the extra, or when the key's file cannot be read."""
        if find_spec("openai") is None:
            raise PromptError("writer openai needs an extra: pip install 'wayframe[prompts]'")
        from wayframe.prompts.openai_asking import Conversation, Place

        key = key_of(self._url, environment=self._environment)
        if not key and self._url == OPENAI_URL:
            reason = f"there is no key: set {KEY_VARIABLE}, or name a file that holds it with {FILE_VARIABLE}"
            yield from ((request.segment, PromptFailure(reason=reason, hopeless=True)) for request in requests)
            return
        place = Place(url=self._url, model=self.model, key=key)
        conversation = Conversation(place, options=self._options, budget=self._budget)
        try:
            yield from results_of(partial(conversation.hold, requests), cancelled=cancelled)
        finally:
            self._budget = conversation.left

    def close(self) -> None:
        """Nothing is held between two calls of `write`."""
