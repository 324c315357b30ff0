"""How an endpoint is asked: a few requests at once, each repeated where that may help, none beyond the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAIError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from wayframe.files import Redactor
from wayframe.prompts.asking import exchange
from wayframe.prompts.base import Answer, PromptFailure, PromptRequest, Result
from wayframe.prompts.openai_errors import asked_pause, failure_of, may_pass, refuses_temperature
from wayframe.prompts.openai_options import OpenAIOptions
from wayframe.prompts.openai_wire import answer_of, body_of

_NONE = "none"
"""Stands where the SDK wants a key and the endpoint has none; it is not sent."""
_SENT_HEADERS = frozenset(
    {"host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent", "authorization"}
    | {"x-stainless-raw-response"}  # by this one the SDK knows what form its caller wants
)
"""The SDK's others tell of this machine, or come from the environment and are meant for OpenAI."""


class _Outgoing(Protocol):
    @property
    def headers(self) -> MutableMapping[str, str]: ...


class _StoppedError(Exception):
    """No request may be made any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An endpoint, the model that is asked there, and the key for it ("" for none)."""

    url: str
    model: str
    key: str


@dataclass(slots=True)
class _Sent:
    """Requests that were made for one prompt."""

    count: int = 0


class Conversation:
    """Requests to one endpoint; `left` is what the budget still allows, None without one."""

    def __init__(self, place: Place, *, options: OpenAIOptions, budget: int | None) -> None:
        self.left = budget
        self._place, self._options = place, options
        self._spent = PromptFailure(reason=f"the budget of {budget} requests is spent", hopeless=True)
        self._redactor = Redactor([place.key] if place.key else [])
        self._with_temperature = True
        self._ended: PromptFailure | None = None

    async def hold(self, requests: Sequence[PromptRequest], tell: Callable[[tuple[int, Result]], None]) -> None:
        """Ask for all requests and tell each (segment, result) as it is there."""
        places = asyncio.Semaphore(self._options.concurrency)

        async def one(client: AsyncOpenAI, request: PromptRequest) -> None:
            async with places:
                tell((request.segment, await self._result(client, request)))

        async with self._client() as client, asyncio.TaskGroup() as group:
            for request in requests:
                group.create_task(one(client, request))

    def _client(self) -> AsyncOpenAI:
        async def only_ours(request: _Outgoing) -> None:
            left_out = () if self._place.key else ("authorization",)
            for name in [name for name in request.headers if name not in _SENT_HEADERS or name in left_out]:
                del request.headers[name]

        plain = DefaultAsyncHttpxClient(
            follow_redirects=False, timeout=self._options.timeout, event_hooks={"request": [only_ours]}
        )
        key = self._place.key or _NONE
        return AsyncOpenAI(api_key=key, base_url=self._place.url, max_retries=0, http_client=plain)

    async def _result(self, client: AsyncOpenAI, request: PromptRequest) -> Result:
        talk, sent = exchange(request), _Sent()
        asked = next(talk)
        while True:
            try:
                asked = talk.send(await self._answer(client, asked, sent=sent))
            except StopIteration as stop:
                result: Result = stop.value
                return result
            except _StoppedError:
                return replace(self._ended or self._spent, tries=sent.count)
            except OpenAIError as error:
                return self._failure(error, sent=sent)

    def _failure(self, error: OpenAIError, *, sent: _Sent) -> PromptFailure:
        failure = failure_of(error, url=self._place.url, model=self._place.model, tries=sent.count)
        failure = replace(failure, reason=self._redactor.text(failure.reason))
        if failure.hopeless:
            self._ended = self._ended or failure
        return failure

    async def _answer(self, client: AsyncOpenAI, request: PromptRequest, *, sent: _Sent) -> Answer:
        """The answer to one question, asked for until it comes or asking again does not help."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(self._is_worth_repeating),
            stop=stop_after_attempt(self._options.attempts),
            wait=self._pause,
            reraise=True,
        )
        answer = answer_of(await retrying(self._post, client, request, sent))
        if answer is None:
            raise OpenAIError("the answer is not what the protocol says")
        return replace(answer, text=self._redactor.text(answer.text))

    async def _post(self, client: AsyncOpenAI, request: PromptRequest, sent: _Sent) -> bytes:
        """Send one request and give back the body of the response."""
        if self.left == 0:
            self._ended = self._ended or self._spent
        if self._ended is not None:
            raise _StoppedError
        self.left = None if self.left is None else self.left - 1
        sent.count += 1
        model, url = self._place.model, self._place.url
        body = body_of(request, model=model, url=url, temperature=self._with_temperature)
        response = await client.chat.completions.with_raw_response.create(**body)
        content: bytes = response.content
        return content

    def _is_worth_repeating(self, error: BaseException) -> bool:
        if self._with_temperature and refuses_temperature(error):
            self._with_temperature = False
            return True
        return may_pass(error) and (asked_pause(error) or 0) <= self._options.longest_pause

    def _pause(self, state: RetryCallState) -> float:
        """Seconds before the next attempt; none after a refused temperature, which was not the server's fault."""
        error = state.outcome.exception() if state.outcome else None
        if error is None or not may_pass(error):
            return 0
        asked = asked_pause(error)
        own = self._options.pause * 2 ** (state.attempt_number - 1)
        return min(own, self._options.longest_pause) if asked is None else asked
