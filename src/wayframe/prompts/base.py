"""The seam between a run and whatever writes its prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterSetup:
    """What a writer is made with; making one loads and asks nothing.

    `model` is the writer's own name of a model ("" takes the writer's default), `base_url` the endpoint (None: the
    writer's default). `budget` is the most requests that may leave this machine; None sets no limit. `models` is the
    folder that a local writer keeps its models in, and `options` holds its further settings (device, dtype, ...).
    """

    model: str = ""
    base_url: str | None = None
    budget: int | None = None
    models: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRequest:
    """One segment's question, whole: a writer shows the pictures, says `system` and `question`, and takes the answer.

    `pictures` are JPEG files in the order in which they are shown (one framed picture with both keyframes, or a lone
    keyframe). `max_words` is what the question asks for; `language` is named in it too, None when it is free.
    """

    segment: int
    pictures: tuple[bytes, ...]
    system: str
    question: str
    max_words: int
    language: str | None = None

    def again(self, reason: str) -> PromptRequest:
        """The same question after an answer that was refused, with the reason."""
        return replace(self, question=f"{self.question}\n\nYour last answer was refused: {reason}. Answer anew.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model said to one request, as it came.

    `cut`: it was stopped by a limit before its end; `declined`: it says itself that it refuses to answer.
    """

    text: str
    cut: bool = False
    declined: bool = False
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A prompt that passed the checks, and what it took: answers asked for, tokens of all of them, seconds."""

    text: str
    tries: int
    tokens_in: int
    tokens_out: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFailure:
    """A prompt that could not be written. `reason` reads after "segment 3: " and holds no secret.

    `hopeless`: it would be the same for every further request (no key, no such model, nobody answers).
    """

    reason: str
    tries: int = 0
    hopeless: bool = False


Result: TypeAlias = Written | PromptFailure


class PromptWriter(Protocol):
    """Answers requests.

    `identity` names the writer, its version and its model ("qwen/1 Qwen2.5-VL-7B-Instruct ..."): it enters the key that
    an answer is kept under, and changes whenever the answers may. Reading it loads no weights and asks nobody; it
    raises `PromptError` when it cannot be told yet (a local model that is not on this disk).
    `model` is the model's name for people.
    """

    name: str
    model: str

    @property
    def identity(self) -> str:
        """See above."""
        ...

    def write(
        self, requests: Sequence[PromptRequest], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Result]]:
        """Yield (segment, result) for each request, as they become ready.

        Every answer goes through `cleaning.clean`; a refused one is asked for once more (`asking.written`). After a
        hopeless failure the rest fails for the same reason, unasked. Raises `CancelledError` once `cancelled()` is
        true, `PromptError` when nothing can be asked at all (an extra that is not installed).
        """
        ...

    def close(self) -> None:
        """Free what the writer holds (weights, connections); calling it again does nothing."""
        ...
