"""What to do next: open questions with the command that answers each, runs to try, commands to reproduce."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wayframe.core.comparison import KEYFRAMES_PATH, Cause, Comparison, Topic, Verdict
from wayframe.core.dossier import Dossier
from wayframe.core.findings import Finding
from wayframe.core.subject import TO_RUN, Level, Missing, Subject
from wayframe.report.document import Block, Code, Paragraph, Row, Table, code, strong, words
from wayframe.report.findings import Owned, owned_findings
from wayframe.report.values import letter, names_text, path_text, segments_text

FLAGS: Mapping[str, str] = {
    "requested.seed": "--seed",
    "requested.prompt": "--prompt",
    "requested.resolution": "--resolution",
    "requested.amount_of_motion": "--motion",
    "requested.segment_frames": "--frames",
    "requested.overlap": "--overlap",
    "requested.chaining": "--chaining",
    "requested.fps": "--fps",
    "requested.steps": "--steps",
    "requested.model": "--model",
    "requested.preset": "--preset",
    "requested.engine": "--engine",
}
MOST_TRIES, MOST_ADDRESSES, MOST_LINES = 4, 3, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is not known, and the command that would tell."""

    text: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A run that would tell more; `lines` are its commands or the settings to send."""

    title: str
    why: str
    lines: tuple[str, ...]
    language: str


def compare_command(dossier: Dossier, *more: str) -> str:
    """The command that made this, with further arguments."""
    return shlex.join(["wayframe", "compare", *dossier.arguments, *more])


def open_questions(dossier: Dossier) -> Iterator[Question]:
    """What the records leave open."""
    owned = list(owned_findings(dossier))
    if any(item.finding.code == "inferred" and "experts" in item.finding.message for item in owned):
        yield Question(
            text="How many experts does the model have, and which LoRAs does its definition bring along?",
            command=f"{compare_command(dossier)} --model-defaults FOLDER_OF_WANGPS_DEFAULTS",
        )
    yield from _ways(dossier, owned)
    yield from _unsent(dossier)
    yield from _addresses(dossier)
    for item in dossier.findings:
        if item.code == "run-kind-missing":
            wanted = item.evidence["wanted"]
            text = f"Is there a run with {wanted} phase{'s' if wanted != 1 else ''} among the records?"
            yield Question(text=text, command=f'wayframe runs --where "num_phases == {wanted}"')
    yield from _renderings(dossier)


def _ways(dossier: Dossier, owned: list[Owned]) -> Iterator[Question]:
    """Where on its way a value changed."""
    if dossier.log is None and not any("#" in argument for argument in dossier.arguments):
        return
    for item in owned:
        if item.finding.code != "type-changed-on-the-way":
            continue
        lines = [_line(item.finding, f"{side}_line") for side in ("requested", "sent")]
        file = _log_file(dossier, item)
        if None not in lines and file is not None:
            name = item.finding.where.rpartition(".")[2]
            shown = f"sed -n '{lines[0]},{lines[1]}p' {shlex.quote(file)} | grep -n -i multipliers"
            yield Question(text=f"Between which two lines did {name} of {item.run} change?", command=shown)
            return


def _line(item: Finding, name: str) -> int | None:
    found = re.search(r"(\d+)$", str(item.evidence.get(name, "")))
    return int(found.group(1)) if found else None


def _log_file(dossier: Dossier, item: Owned) -> str | None:
    if dossier.log is not None:
        return dossier.log.files[0] if len(dossier.log.files) == 1 else None
    subject = next((subject for subject in dossier.subjects if subject.name == item.name), None)
    return subject.source.partition("#")[0] if subject is not None and "#" in subject.source else None


def _unsent(dossier: Dossier) -> Iterator[Question]:
    """Segments of logged runs whose settings were not logged as sent."""
    for at, subject in enumerate(dossier.subjects):
        unknown = [segment.index for segment in subject.segments if Level.APPLIED not in segment.values]
        if subject.kind == "log" and unknown:
            file = dossier.log.files[0] if dossier.log else subject.source.partition("#")[0]
            yield Question(
                text=f"What was {segments_text(unknown)} of {letter(at)} sent? No line that is surely theirs says so.",
                command=f"grep -n -F '[FINAL_PARAMS]' {shlex.quote(file)}",
            )


def _addresses(dossier: Dossier) -> Iterator[Question]:
    names = list(dict.fromkeys(name for subject in dossier.subjects for name in subject.keyframes if "://" in name))
    if names:
        shown = names[:MOST_ADDRESSES]
        command = "\n".join(f"curl -sL {shlex.quote(name)} | sha256sum" for name in shown)
        yield Question(
            text="Are the pictures behind equal addresses equal, and are others really other?", command=command
        )


def _renderings(dossier: Dossier) -> Iterator[Question]:
    for at, subject in enumerate(dossier.subjects):
        if subject.kind in TO_RUN:
            command = shlex.join(["wayframe", "run", subject.source])
            yield Question(
                text=f"What does {letter(at)} look like, and are its steps applied as planned?", command=command
            )
    pairs = zip(dossier.comparisons, dossier.videos, strict=True)
    if dossier.noise is None and any(pair is not None and not pair.same_packets for _, pair in pairs):
        runs = [subject.run_id for subject in dossier.subjects if subject.kind == "run" and subject.run_id]
        if runs:
            command = f"{compare_command(dossier)} --repeat {runs[0]} --keyframes FOLDER_OF_THE_PICTURES"
            yield Question(text="How much do two renderings of the same plan differ here?", command=command)


def question_blocks(dossier: Dossier) -> Iterator[Block]:
    """Open questions, each with its command."""
    for question in open_questions(dossier):
        yield Paragraph(text=words(question.text))
        yield Code(text=question.command, language="sh")


def tries(dossier: Dossier) -> Iterator[Try]:
    """Runs to try: first what was requested and not sent, then the second run with one setting of the first."""
    for at, comparison in enumerate(dossier.comparisons, start=1):
        yield from _as_requested(comparison.b, run=letter(at))
        if at == 1:
            yield from _as_requested(comparison.a, run=letter(0))
        yield from _exchanges(comparison, at=at)


def _as_requested(subject: Subject, *, run: str) -> Iterator[Try]:
    """The run again, with its LoRAs sent as they were requested."""
    for segment in subject.segments:
        asked, sent = segment.values.get(Level.REQUESTED, {}), segment.values.get(Level.APPLIED, {})
        wanted, got = asked.get("lora_multipliers"), sent.get("loras_multipliers")
        if not isinstance(wanted, list) or got is None or " ".join(map(str, wanted)) == got:
            continue
        settings = {"activated_loras": asked.get("lora_names"), "loras_multipliers": " ".join(map(str, wanted))}
        yield Try(
            title=f"{run} again, with the LoRA weights that were requested",
            why="Its request was not what ran; this tells what the request itself is worth. Settings to send:",
            lines=(json.dumps(settings, indent=2, ensure_ascii=False),),
            language="json",
        )
        return


def _exchanges(comparison: Comparison, *, at: int) -> Iterator[Try]:
    """The second run with one setting of the first at a time, strongest cause first."""
    if comparison.verdict is Verdict.NOT_COMPARABLE:
        return
    real = [
        cause for cause in comparison.causes if not cause.paper and cause.effect and cause.topic is not Topic.RESULT
    ]
    logged = comparison.b.kind == "log"
    for cause in [cause for cause in real if not (logged and cause.topic is Topic.OTHER)][:MOST_TRIES]:
        made = _exchange(cause, comparison, run=letter(at))
        if made is not None:
            yield made


def _exchange(cause: Cause, comparison: Comparison, *, run: str) -> Try | None:
    settings, pictures = _settings(cause), _pictures(cause, comparison)
    if not (settings or pictures) and comparison.b.kind != "log":
        return None
    what = _what(cause, settings)
    title = f"{run} with {letter(0)}'s {what}"
    others = [
        found.topic.value
        for found in comparison.causes
        if not found.paper and found is not cause and found.effect and _stands_alone(found, comparison)
    ]
    why = (
        f"Changes {what} alone; what then still differs comes from {', '.join(others)}."
        if others
        else ("Nothing else differs: the result should be the first run's.")
    )
    subject = comparison.b
    if subject.kind == "log":
        return Try(title=title, why=f"{why} {_LOGGED}", lines=_cut(list(_logged_lines(cause))), language="text")
    source, opening = _spec_of(subject)
    flags = [part for path, value in settings if _is_flag(path, value) for part in (FLAGS[path], _flag(value))]
    edits = [
        f"#   {path.removeprefix('requested.')} = {_written(value)}"
        for path, value in settings
        if not _is_flag(path, value)
    ]
    edits = [*pictures, *_cut(edits, mark="#   ")]
    run_line = shlex.join(["wayframe", "run", source, *flags])
    heading = [f"# in {source}, beside the pictures:"] if edits else []
    back = shlex.join(["wayframe", "compare", comparison.a.source, "last"])
    return Try(title=title, why=why, lines=(*opening, *heading, *edits, run_line, back), language="sh")


def _what(cause: Cause, settings: Sequence[tuple[str, object]]) -> str:
    """A topic by its name, and those settings that have none by theirs."""
    if cause.topic is not Topic.OTHER:
        return cause.topic.value
    return ", ".join(dict.fromkeys(path.rpartition(".")[2] for path, _ in settings))


def _stands_alone(cause: Cause, comparison: Comparison) -> bool:
    """Whether a cause was asked for; in plans, what nobody asked for follows from another one."""
    return comparison.b.kind == "log" or any(item.level is Level.REQUESTED for item in cause.differences)


def _cut(lines: Sequence[str], *, mark: str = "") -> tuple[str, ...]:
    """The first lines of many, and how many more there are."""
    more = len(lines) - MOST_LINES
    return tuple(lines) if more <= 1 else (*lines[:MOST_LINES], f"{mark}and {more} more, see Differences by severity")


_LOGGED = "Settings to send to the engine, or to request where nothing was sent:"


def _logged_lines(cause: Cause) -> Iterator[str]:
    """What the first run was sent: its request may have been changed on the way."""
    sent = tuple(item for item in cause.differences if item.level is Level.APPLIED)
    asked = tuple(item for item in cause.differences if item.level is Level.REQUESTED)
    lines: dict[str, list[int]] = {}
    for item in sent or asked:
        segments = lines.setdefault(f"{path_text(item)} = {_written(item.a)}", [])
        segments += [] if item.segment is None else [item.segment]
    for line, segments in lines.items():
        yield f"{line}  ({segments_text(segments)})" if segments else line


def _spec_of(subject: Subject) -> tuple[str, tuple[str, ...]]:
    """The spec file of a subject, and the command that writes it where there is none."""
    if subject.kind in TO_RUN:
        return subject.source, ()
    return "next.json", (f"{shlex.join(['wayframe', 'show', subject.source, '--level', 'requested'])} > next.json",)


def _settings(cause: Cause) -> list[tuple[str, object]]:
    """Requested settings of the first run, by path; those of segments with their number."""
    asked = [item for item in cause.differences if item.level is Level.REQUESTED and item.path != KEYFRAMES_PATH]
    return [(_in_spec(item.path), item.a) for item in asked if item.a is not Missing.UNKNOWN]


def _pictures(cause: Cause, comparison: Comparison) -> list[str]:
    """That the first run's pictures belong to its settings, where its request names them."""
    if not any(item.path == KEYFRAMES_PATH for item in cause.differences):
        return []
    named = f": {names_text(comparison.a.pictures)}" if comparison.a.pictures else ""
    return [f"#   keyframes = those of {comparison.a.source}{named}"]


def _in_spec(path: str) -> str:
    """A path as a spec has it: what a segment is asked stands at the keyframe that it leaves."""
    if path == "requested.at":
        return "requested.keyframes[].at"
    return re.sub(r"^segments\[(\d+)\]\.requested\.", r"requested.keyframes[\1].", path)


def _written(value: object) -> str:
    if isinstance(value, Missing):
        return "(leave it out)"
    return json.dumps(value, ensure_ascii=False)


def _is_flag(path: str, value: object) -> bool:
    """Whether `wayframe run` takes the setting as a flag; none takes a setting away."""
    return path in FLAGS and isinstance(value, str | int | float)


def _flag(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def try_blocks(dossier: Dossier) -> Iterator[Block]:
    """Runs to try, in their order."""
    for number, item in enumerate(tries(dossier), start=1):
        yield Paragraph(text=words(strong(f"{number}. {item.title}. "), item.why))
        yield Code(text="\n".join(item.lines), language=item.language)


def reproduce_blocks(dossier: Dossier) -> Iterator[Block]:
    """Commands that give this report, and these runs, again."""
    lines = ["# this report", compare_command(dossier)]
    if dossier.log is not None and len(dossier.log.files) == 1:
        names = [f"{dossier.log.files[0]}#{subject.name}" for subject in dossier.subjects]
        lines += ["# the same runs, by name", shlex.join(["wayframe", "compare", *names, *_beside_the_log(dossier)])]
    for at, subject in enumerate(dossier.subjects):
        lines += _again(subject, at=at)
    yield Code(text="\n".join(lines), language="sh")
    if dossier.log is not None:
        rows = tuple(
            Row(cells=(words(code(run.name)), words(run.status), words("-" if run.phases is None else str(run.phases))))
            for run in dossier.log.runs
        )
        yield Table(head=("run in the log", "status", "phases sent"), rows=rows, caption="all runs of the log")


def _beside_the_log(dossier: Dossier) -> Iterator[str]:
    """The command's arguments without those that say from which log, and how many runs of it."""
    arguments = iter(dossier.arguments)
    for argument in arguments:
        if argument in ("--log", "--last"):
            next(arguments, None)
        else:
            yield argument


def _again(subject: Subject, *, at: int) -> list[str]:
    if subject.kind in TO_RUN:
        return [f"# {letter(at)}", shlex.join(["wayframe", "run", subject.source])]
    if subject.kind == "plan":
        return [f"# {letter(at)}", shlex.join(["wayframe", "run", "--plan", subject.source])]
    if subject.kind == "video":
        return [f"# {letter(at)}", shlex.join(["wayframe", "run", "--from", subject.source])]
    if subject.kind == "log" and "#" in subject.source:
        file, _, run = subject.source.partition("#")
        return [f"# {letter(at)}, as the log tells it", shlex.join(["wayframe", "logs", "show", file, run])]
    if subject.kind == "run" and subject.run_id:
        plan = f"plan-{letter(at).lower()}.json"
        named = f" ({names_text(list(dict.fromkeys(subject.pictures)))})" if subject.pictures else ""
        return [
            f"# {letter(at)}; its pictures{named} are found by their digests",
            f"wayframe show {subject.run_id} --level planned > {plan}",
            f"wayframe run --plan {plan} --keyframes FOLDER_OF_THE_PICTURES",
        ]
    return []
