"""Which prompts of a trip a model is to write, what the store has of them, and the asking for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wayframe.core.digest import content_digest
from wayframe.core.events import PromptWritten, RunEvent
from wayframe.core.findings import Finding, finding
from wayframe.core.plan import KeyframeFacts
from wayframe.core.prompting import PROMPT_FAILED, PROMPT_UNWRITTEN, PromptSpec, WrittenPrompt, wanted, wish
from wayframe.core.resolve import Resolved
from wayframe.core.spec import TravelSpec
from wayframe.core.wording import counted
from wayframe.errors import ImageError, PromptError
from wayframe.files import sha256_file
from wayframe.media.images import Fit, fit_image, load_image
from wayframe.media.pixels import Frame
from wayframe.prompts.base import PromptRequest, PromptWriter, WriterSetup, Written
from wayframe.prompts.cleaning import CLEANING
from wayframe.prompts.instructions import Question, load_instruction
from wayframe.prompts.pictures import Framing, framed, framing_of
from wayframe.prompts.registry import make_writer
from wayframe.store.home import Home
from wayframe.store.prompts import PromptStore
from wayframe.workflow.engine_options import engine_options


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptJob:
    """A prompt that is to be written: what is asked, and the keyframes that are shown; one, or start and end."""

    segment: int
    key: str
    question: Question
    images: tuple[Path, ...]
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The written prompts of a trip, by segment, and the jobs for those that are missing.

    `trouble` says why the writer cannot be asked at all, nor its prompts be looked up (a local model that is not here).
    """

    said: PromptSpec
    model: str
    framing: Framing
    fit: Fit
    written: Mapping[int, WrittenPrompt]
    missing: tuple[PromptJob, ...]
    trouble: str = ""

    def unwritten(self) -> Iterator[Finding]:
        """A finding when prompts are missing; a plan goes on without them."""
        if self.missing:
            numbers = [job.segment for job in self.missing]
            why = f": {self.trouble}" if self.trouble else ""
            message = f"{_segments(numbers)}: no prompt is written yet by {self.said.writer}/{self.model}{why}"
            yield finding(PROMPT_UNWRITTEN, message, where="prompts", evidence={"segments": numbers})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The keyframes of a spec: their files, and what is known of them."""

    images: Sequence[Path]
    facts: Sequence[KeyframeFacts]


def find_prompts(spec: TravelSpec, *, resolved: Resolved, shown: Shown, home: Home) -> Prompts | None:
    """What the store has of the prompts that a spec asks a model for; None when it asks for none. Asks nobody.

    `resolved` is the spec without them. Raises `SpecError` for wrong options of the writer and wrong instructions.
    """
    segments = wanted(spec)
    if spec.prompts is None or not segments:
        return None
    framing = framing_of(resolved.resolution, fit=resolved.fit, matte=resolved.matte)
    model, identity, trouble = _writer_facts(spec.prompts, home=home)
    jobs = [_job(spec, index, shown=shown, framing=framing, identity=identity, home=home) for index in segments]
    store, written = PromptStore(home), dict[int, WrittenPrompt]()
    for job in jobs:
        found = store.find(job.key) if job.key else None
        if found is not None:
            name = spec.prompts.writer
            written[job.segment] = WrittenPrompt(text=found.text, writer=name, model=model, key=job.key)
    missing = tuple(job for job in jobs if job.segment not in written)
    return Prompts(
        said=spec.prompts,
        model=model,
        framing=framing,
        fit=resolved.fit,
        written=written,
        missing=missing,
        trouble=trouble,
    )


def _writer(said: PromptSpec, *, home: Home) -> PromptWriter:
    options = engine_options(said.writer, home=home, given={})
    setup = WriterSetup(
        model=said.model or "", base_url=said.base_url, budget=said.budget, models=home.models, options=options
    )
    return make_writer(said.writer, setup)


def _writer_facts(said: PromptSpec, *, home: Home) -> tuple[str, str, str]:
    """The model's name, the writer's identity, and why there is none."""
    with closing(_writer(said, home=home)) as writer:
        try:
            return writer.model, writer.identity, ""
        except PromptError as error:
            return writer.model, "", str(error)


def _job(spec: TravelSpec, index: int, *, shown: Shown, framing: Framing, identity: str, home: Home) -> PromptJob:
    said = spec.prompts or PromptSpec.model_validate({})
    ends = slice(index, index + 2)
    digests = tuple(facts.digest for facts in shown.facts[ends])
    instruction = load_instruction("pair" if len(digests) > 1 else "single", folder=home.instructions)
    question = instruction.ask(prompt=wish(spec, index), max_words=said.max_words, language=said.language)
    key = content_digest(
        {
            "writer": identity,
            "system": question.system,
            "question": question.question,
            "pictures": list(digests),
            "framing": framing.facts(),
            "language": said.language,
            "max_words": said.max_words,
            "cleaning": CLEANING,
        }
    )
    images = tuple(shown.images[ends])
    return PromptJob(segment=index, key=key if identity else "", question=question, images=images, digests=digests)


def write_prompts(
    prompts: Prompts, *, home: Home, listen: Callable[[RunEvent], None], cancelled: Callable[[], bool]
) -> dict[int, str]:
    """Have the missing prompts written and kept; returns why some could not be, by segment, under `base-prompt`.

    Each prompt is kept as soon as it is there. One process of a home asks at a time, and what another one wrote in the
    meantime is not asked for. The writer is freed before this returns. Raises `PromptError` under `on_failure: stop`,
    and `CancelledError`.
    """
    if prompts.trouble:
        return _failed(prompts, {job.segment: prompts.trouble for job in prompts.missing})
    store = PromptStore(home)
    with store.turn(cancelled=cancelled):
        jobs = {job.key: job for job in prompts.missing if store.find(job.key) is None}
        if not jobs:
            return {}
        _check_budget(prompts.said, count=len(jobs))
        desk = _Desk(prompts=prompts, store=store, listen=listen, jobs={job.segment: job for job in jobs.values()})
        with closing(_writer(prompts.said, home=home)) as writer:
            reasons = desk.work(writer, cancelled=cancelled)
    return _failed(prompts, {job.segment: reasons[job.key] for job in prompts.missing if job.key in reasons})


def _check_budget(said: PromptSpec, *, count: int) -> None:
    """Under `stop`, refuse to begin what the budget cannot end."""
    if said.on_failure == "stop" and said.writer == "openai" and said.budget is not None and count > said.budget:
        fix = "raise prompts.budget, or write some of them yourself"
        raise PromptError(f"{counted(count, 'prompt')} to write and a budget of {said.budget} requests; {fix}")


def _failed(prompts: Prompts, reasons: dict[int, str]) -> dict[int, str]:
    if not reasons or prompts.said.on_failure != "stop":
        return reasons
    told = "; ".join(f"{_segments(numbers)}: {reason}" for reason, numbers in _by_reason(reasons).items())
    count = f"{counted(len(reasons), 'prompt')} could not be written"
    raise PromptError(f"{count}: {told}; the others are kept: mend it and run again, or say on_failure: base-prompt")


def check_written(prompts: Prompts | None) -> None:
    """Raise `PromptError` when a prompt is missing that `on_failure: stop` makes a condition of the run."""
    if prompts is not None and prompts.missing and prompts.said.on_failure == "stop":
        numbers = [job.segment for job in prompts.missing]
        raise PromptError(f"{_segments(numbers)}: no prompt is written yet; `wayframe plan --write-prompts` writes it")


def failed_findings(reasons: Mapping[int, str]) -> Iterator[Finding]:
    """A finding for each reason why prompts could not be written."""
    for reason, numbers in _by_reason(reasons).items():
        message = f"{_segments(numbers)}: the base prompt stands in for a written one: {reason}"
        yield finding(PROMPT_FAILED, message, where="prompts", evidence={"segments": numbers, "reason": reason})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """One process's turn at asking; `jobs` are those that differ, by the segment that they are asked for."""

    prompts: Prompts
    store: PromptStore
    listen: Callable[[RunEvent], None]
    jobs: Mapping[int, PromptJob]

    def work(self, writer: PromptWriter, *, cancelled: Callable[[], bool]) -> dict[str, str]:
        """Ask for all jobs and keep the answers; returns the reasons of failures by key."""
        requests = {segment: self._request(job) for segment, job in self.jobs.items()}
        reasons, done = dict[str, str](), 0
        for segment, result in writer.write(list(requests.values()), cancelled=cancelled):
            done, job = done + 1, self.jobs[segment]
            if not isinstance(result, Written):
                reasons[job.key] = result.reason
                continue
            facts = self._facts(job, writer=writer, result=result)
            self.store.publish(job.key, text=result.text, facts=facts, picture=requests[segment].pictures[0])
            name = f"{writer.name}/{writer.model}"
            self.listen(PromptWritten(segment=segment, text=result.text, writer=name, done=done, total=len(self.jobs)))
        return reasons

    def _request(self, job: PromptJob) -> PromptRequest:
        frames = [self._frame(path, digest=digest) for path, digest in zip(job.images, job.digests, strict=True)]
        said = self.prompts.said
        return PromptRequest(
            segment=job.segment,
            pictures=(framed(first=frames[0], last=frames[1] if len(frames) > 1 else None),),
            system=job.question.system,
            question=job.question.question,
            max_words=said.max_words,
            language=said.language,
        )

    def _frame(self, path: Path, *, digest: str) -> Frame:
        framing = self.prompts.framing
        pixels = load_image(path, matte=framing.matte)
        if sha256_file(path) != digest:
            raise ImageError(str(path), "was changed since the plan was made", fix="start again")
        return fit_image(pixels, width=framing.width, height=framing.height, fit=self.prompts.fit, matte=framing.matte)

    def _facts(self, job: PromptJob, *, writer: PromptWriter, result: Written) -> dict[str, Any]:
        return {
            "writer": writer.name,
            "model": writer.model,
            "identity": writer.identity,
            "base_url": self.prompts.said.base_url,
            "system": job.question.system,
            "question": job.question.question,
            "pictures": list(job.digests),
            "framing": self.prompts.framing.facts(),
            "tries": result.tries,
            "tokens_in": result.tokens_in,
            "tokens_out": result.tokens_out,
            "seconds": result.seconds,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def _by_reason(reasons: Mapping[int, str]) -> dict[str, list[int]]:
    grouped: dict[str, list[int]] = {}
    for segment, reason in reasons.items():
        grouped.setdefault(reason, []).append(segment)
    return grouped


def _segments(numbers: Iterable[int]) -> str:
    listed = [str(number) for number in numbers]
    return f"segment{'' if len(listed) == 1 else 's'} {', '.join(listed)}"
