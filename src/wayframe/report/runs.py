"""One run by itself: overview, settings of each level, segments, phases, LoRAs, prompts, lines of the log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from wayframe.core.diff import PAYLOAD_COPIES
from wayframe.core.impact import Impact, impact_of
from wayframe.core.subject import FrameCount, Level, Missing, Subject, SubjectSegment
from wayframe.report.document import (
    Block,
    Bullets,
    Code,
    Paragraph,
    Row,
    Section,
    Table,
    Text,
    Tone,
    code,
    faint,
    section,
    strong,
    words,
)
from wayframe.report.inputs import own_prompts
from wayframe.report.steps import phases_blocks, timestep_blocks
from wayframe.report.values import KINDS, letter, level_words, line_text, segments_text, subject_title, value_text

PROOFS = (
    "status",
    "requested",
    "planned.quantised_segment_frames",
    "planned.expected_frames",
    "segments[{}].requested",
    "segments[{}].planned.motion_lora_multiplier",
    "segments[{}].applied.activated_loras",
    "segments[{}].applied.loras_multipliers",
    "segments[{}].applied.guidance_phases",
    "segments[{}].applied.guidance_scale",
    "segments[{}].applied.guidance2_scale",
    "segments[{}].applied.guidance3_scale",
    "segments[{}].applied.flow_shift",
    "segments[{}].applied.sample_solver",
    "segments[{}].applied.switch_threshold",
    "segments[{}].applied.switch_threshold2",
    "segments[{}].applied.model_switch_phase",
    "segments[{}].applied.num_inference_steps",
    "segments[{}].applied.video_length",
    "segments[{}].applied.seed",
    "segments[{}].applied.prompt",
    "segments[{}].status",
    "stitch.status",
)
SHORT_LINE = 200


def run_section(subject: Subject, *, at: int, everything: bool) -> Section:
    """Everything that is known of one run."""
    anchor = f"run-{letter(at).lower().replace('#', '')}"
    parts = [
        *section("Overview", _overview(subject), anchor=f"{anchor}-overview"),
        *section("Settings of the whole run", _settings(subject, everything=everything), anchor=f"{anchor}-settings"),
        *section("Segments", _segments(subject, everything=everything), anchor=f"{anchor}-segments"),
        *section("Phase config as requested", _phase_config(subject), anchor=f"{anchor}-phase-config", folded=True),
        *section("Phases and LoRAs in words", phases_blocks(subject), anchor=f"{anchor}-phases"),
        *section("Timesteps and thresholds", timestep_blocks(subject), anchor=f"{anchor}-timesteps"),
        *section("Prompts", own_prompts(subject), anchor=f"{anchor}-prompts", folded=True),
        *section("Lines of the log that say so", _lines(subject), anchor=f"{anchor}-lines", folded=True),
    ]
    return Section(title=f"Run {subject_title(subject, at=at)}", blocks=tuple(parts), anchor=anchor, folded=True)


def _overview(subject: Subject) -> Iterator[Block]:
    made = [segment.frames.new for segment in subject.segments]
    total = sum(count for count in made if count is not None) if None not in made else None
    tasks = [f"{task.kind} {task.task[:8]}" for task in subject.flow if task.segment is None and task.task]
    facts: tuple[tuple[str, str | None], ...] = (
        ("what", KINDS.get(subject.kind, subject.kind)),
        ("run id", subject.run_id),
        ("from", subject.source),
        ("status", subject.status),
        ("error", subject.error),
        ("segments", str(len(subject.segments))),
        ("frames after overlaps", None if total is None else str(total)),
        ("tasks", ", ".join(tasks) or None),
    )
    rows = tuple(Row(cells=(words(name), words(said))) for name, said in facts if said is not None)
    yield Table(head=("fact", "value"), rows=rows, caption="from the record")


def _settings(subject: Subject, *, everything: bool) -> Iterator[Block]:
    """The run's own values, a table for each level; with their origins where they are known."""
    for level in (Level.REQUESTED, Level.RESOLVED, Level.PLANNED, Level.OUTCOME, Level.ENVIRONMENT):
        values = subject.values.get(level)
        if not values:
            continue
        shown = _telling(values, level=level, everything=everything)
        origins = subject.origins if level is Level.RESOLVED else {}
        rows = tuple(_setting(name, value, origins) for name, value in shown.items())
        if rows:
            proved = level is Level.REQUESTED and subject.proof("requested") is not None
            head = ("setting", "value", *(("origin",) if origins else ()))
            where = f", {line_text(subject.proof('requested'))}" if proved else ""
            yield Table(head=head, rows=rows, caption=f"{level_words(level, subject)}{where}")
            hidden = len(values) - len(shown)
            if hidden:
                text = f"{hidden} ids, paths and the like are left out; --all shows them."
                yield Paragraph(text=words(faint(text)))


def _telling(values: Mapping[str, Any], *, level: Level, everything: bool) -> dict[str, Any]:
    if everything:
        return dict(values)
    return {name: value for name, value in values.items() if _tells(f"{level.value}.{name}") and name != "phase_config"}


def _tells(path: str) -> bool:
    name = path.rpartition(".")[2]
    if name == "input_image_paths_resolved":  # keyframes have a section of their own
        return False
    return impact_of(path)[0] is not Impact.NOISE and name not in PAYLOAD_COPIES


def _setting(name: str, value: object, origins: Mapping[str, str]) -> Row:
    cells = [words(code(name)), value_text(value)]
    if origins:
        cells.append(words(origins.get(name, "")))
    return Row(cells=tuple(cells))


def _segments(subject: Subject, *, everything: bool) -> Iterator[Block]:
    if any(segment.frames != FrameCount() for segment in subject.segments):
        yield _frames(subject)
    failed = [segment for segment in subject.segments if segment.error]
    if failed:
        yield Bullets(
            items=tuple(words(strong(f"segment {segment.index} failed: "), segment.error or "") for segment in failed)
        )
    for level in (Level.REQUESTED, Level.RESOLVED, Level.PLANNED, Level.APPLIED):
        yield from _segment_tables(subject, level, everything=everything)


def _frames(subject: Subject) -> Table:
    """Frames asked for, on the grid, made, shared and new; segments that agree in one row."""
    groups: dict[FrameCount, list[int]] = {}
    for segment in subject.segments:
        groups.setdefault(segment.frames, []).append(segment.index)
    rows = tuple(
        Row(
            cells=(
                words(segments_text(found)),
                *(
                    words("-" if value is None else str(value))
                    for value in (count.asked, count.quantised, count.delivered, count.overlap_before, count.new)
                ),
            )
        )
        for count, found in groups.items()
    )
    head = ("where", "asked for", "on the grid", "sent or made", "overlap before", "new in the output")
    return Table(head=head, rows=rows, caption="frame arithmetic, derived")


def _segment_tables(subject: Subject, level: Level, *, everything: bool) -> Iterator[Block]:
    """What all segments share in one table, what changes from one to the next in another."""
    known = [segment for segment in subject.segments if level in segment.values]
    if not known:
        return
    names = [
        name
        for name in dict.fromkeys(name for segment in known for name in segment.values[level])
        if (everything or (_tells(f"{level.value}.{name}") and name != "phase_config")) and not _is_prompt(name)
    ]
    shared = [name for name in names if _is_shared(known, level, name)]
    rows = tuple(Row(cells=(words(code(name)), _segment_value(known[0], level, name))) for name in shared)
    if rows:
        indices = segments_text(segment.index for segment in known)
        yield Section(
            title=f"Same in {indices}: {len(rows)} settings, level {level.value}",
            blocks=(Table(head=("setting", "value"), rows=rows, caption=level_words(level, subject)),),
            anchor="",
            folded=True,
        )
    apart = [name for name in names if name not in shared]
    if apart:
        body = tuple(
            Row(cells=(words(str(segment.index)), *(_segment_value(segment, level, name) for name in apart)))
            for segment in known
        )
        yield Table(
            head=("segment", *apart), rows=body, caption=f"{level_words(level, subject)}; what changes between segments"
        )


def _is_prompt(name: str) -> bool:
    return name in ("prompt", "base_prompt", "negative_prompt")


def _is_shared(known: list[SubjectSegment], level: Level, name: str) -> bool:
    first = known[0].values[level].get(name, Missing.ABSENT)
    return all(segment.values[level].get(name, Missing.ABSENT) == first for segment in known)


def _segment_value(segment: SubjectSegment, level: Level, name: str) -> Text:
    return value_text(segment.values[level].get(name, Missing.ABSENT))


def _phase_config(subject: Subject) -> Iterator[Block]:
    requested = subject.values.get(Level.REQUESTED, {})
    config = requested.get("phase_config") or {key: requested[key] for key in ("phases", "loras") if requested.get(key)}
    if config:
        yield Code(text=json.dumps(config, indent=2, ensure_ascii=False), language="json")


def _lines(subject: Subject) -> Iterator[Block]:
    """The lines that prove what matters, once for each segment."""
    paths = [path for path in PROOFS if "{}" not in path and not path.startswith("stitch")]
    for segment in subject.segments:
        paths += [path.format(segment.index) for path in PROOFS if "{}" in path]
    paths.append("stitch.status")
    seen: dict[tuple[str | None, int], str] = {}
    for path in paths:
        proof = subject.evidence.get(path)
        if proof is not None:
            seen.setdefault((proof.file, proof.line), _shortened(f"{line_text(proof)}: {proof.text}"))
    if seen:
        yield Code(text="\n".join(seen.values()), language="text")


def _shortened(text: str) -> str:
    first = text.splitlines()[0]
    return first if len(first) <= SHORT_LINE else first[: SHORT_LINE - 1] + "…"


def flow_blocks(subject: Subject, *, at: int) -> Iterator[Block]:
    """The tasks of a run in their order, segments that go alike in one line."""
    if not subject.flow and not subject.segments:
        return
    waits = {task.segment: task.after for task in subject.flow if task.kind == "segment"}
    items: list[Text] = [
        words(strong(task.kind), _state(task.state)) for task in subject.flow if task.kind == "orchestrator"
    ]
    groups: dict[tuple[str, str], list[int]] = {}
    for segment in subject.segments:
        after = " after the segment before it" if waits.get(segment.index) else ""
        groups.setdefault((_work(segment), after), []).append(segment.index)
    items += [words(strong(segments_text(found)), f"{after}: {work}") for (work, after), found in groups.items()]
    items += [words(strong(task.kind), _state(task.state)) for task in subject.flow if task.kind == "stitch"]
    yield Paragraph(text=words(strong(subject_title(subject, at=at))), tone=Tone.NONE)
    yield Bullets(items=tuple(items), numbered=True)


def _state(state: str) -> str:
    return f": {state}"


def _work(segment: SubjectSegment) -> str:
    parts = []
    if segment.frames.delivered is not None:
        parts.append(f"{segment.frames.delivered} frames")
    if segment.steps is not None:
        phases = len({row.phase for row in segment.steps.rows})
        count = len(segment.steps.rows)
        parts.append(f"{count} steps in {phases} phase{'s' if phases > 1 else ''}, {segment.steps.forwards} forwards")
    if segment.status:
        parts.append(segment.status)
    return ", ".join(parts) or "nothing more is known"
