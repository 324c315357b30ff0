"""All runs in one table: what was asked for, what was sent or applied, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from wayframe.core.comparison import KEYFRAMES_PATH
from wayframe.core.diff import Filters, same
from wayframe.core.subject import Level, Missing, StepTable, Subject, Value, segment_value
from wayframe.report.document import Block, Row, Table, Text, Tone, strong, words
from wayframe.report.values import letter, level_words, pictures_text, value_text, weights

Reading: TypeAlias = Callable[[Subject], Value]

OF_THE_RUN: tuple[tuple[Level, tuple[str, ...]], ...] = (
    (
        Level.REQUESTED,
        (
            *("generation_mode", "advanced_mode", "enhance_prompt", "mode", "engine", "model", "model_name", "preset"),
            *("resolution", "parsed_resolution_wh", "steps", "seed", "seed_base", "amount_of_motion", "chaining"),
            *(
                "at",
                "segment_frames",
                "overlap",
                "segment_frames_expanded",
                "frame_overlap_expanded",
                "phases",
                "loras",
            ),
        ),
    ),
    (
        Level.RESOLVED,
        (
            *("mode", "engine", "model", "preset", "resolution", "fps", "chaining", "segment_frames", "overlap"),
            *("positions", "fit", "seed_policy"),
        ),
    ),
)
OF_SEGMENTS: tuple[tuple[Level, tuple[str, ...]], ...] = (
    (
        Level.REQUESTED,
        ("guidance_phases", "lora_multipliers", "flow_shift", "sample_solver", "model_switch_phase"),
    ),
    (
        Level.RESOLVED,
        ("phases", "loras", "flow_shift", "sample_solver", "seed", "amount_of_motion"),
    ),
    (
        Level.APPLIED,
        (
            *("model_type", "num_inference_steps", "guidance_phases", "guidance_scale", "guidance2_scale"),
            *("guidance3_scale", "flow_shift", "sample_solver", "switch_threshold", "switch_threshold2"),
            *("model_switch_phase", "activated_loras", "loras_multipliers", "seed", "resolution", "video_length"),
        ),
    ),
)
MOST_SHOWN = 6


def side_by_side(subjects: Sequence[Subject], *, filters: Filters) -> Iterator[Block]:
    """A table for each level: a row for each setting that any of the runs has, those that differ marked.

    Settings that `filters` leave out are not there.
    """
    for level in (Level.REQUESTED, Level.RESOLVED, Level.APPLIED):
        readings = [item for item in _readings(level) if filters.keeps_path(f"{level.value}.{item[0].split()[0]}")]
        rows = list(_keyframes(subjects)) if level is Level.REQUESTED and filters.keeps_path(KEYFRAMES_PATH) else []
        rows += [row for name, reading in readings if (row := _row(name, subjects, reading)) is not None]
        if rows:
            yield Table(head=_head(subjects), rows=tuple(rows), caption=level_words(level, *subjects))
    follows = [item for item in _derived(subjects) if filters.keeps_path(f"derived.{item[0].split()[0]}")]
    derived = [row for name, reading in follows if (row := _row(name, subjects, reading)) is not None]
    if derived:
        yield Table(head=_head(subjects), rows=tuple(derived), caption="derived from the surest level that is known")


def _keyframes(subjects: Sequence[Subject]) -> Iterator[Row]:
    """The pictures by their names; equal ones may have other names."""
    if any(subject.keyframes for subject in subjects):
        differs = any(subject.keyframes != subjects[0].keyframes for subject in subjects)
        name = words(strong("keyframes")) if differs else words("keyframes")
        tone = Tone.DIFFERS if differs else Tone.NONE
        yield Row(cells=(name, *(pictures_text(subject) for subject in subjects)), tone=tone)


def _head(subjects: Sequence[Subject]) -> tuple[str, ...]:
    return ("setting", *(letter(at) for at in range(len(subjects))))


def _readings(level: Level) -> Iterator[tuple[str, Reading]]:
    for found, names in OF_THE_RUN:
        if found is level:
            yield from ((name, _of_the_run(level, name)) for name in names)
    for found, names in OF_SEGMENTS:
        if found is level:
            yield from ((f"{name} (segments)", _of_segments(level, name)) for name in names)


def _of_the_run(level: Level, name: str) -> Reading:
    return lambda subject: subject.value(level, name)


def _of_segments(level: Level, name: str) -> Reading:
    return lambda subject: _merged([segment_value(segment, level, name) for segment in subject.segments])


def _derived(subjects: Sequence[Subject]) -> Iterator[tuple[str, Reading]]:
    yield "experts at each step", _of_tables(lambda table: _runs([row.expert for row in table.rows]))
    yield "guidance at each step", _of_tables(lambda table: weights(row.guidance for row in table.rows))
    tables = [segment.steps for subject in subjects for segment in subject.segments if segment.steps is not None]
    for name in dict.fromkeys(name for table in tables for row in table.rows for name in row.loras):
        yield f"{name} at each step", _of_tables(_weight(name))
    yield "forwards of a segment", _of_tables(lambda table: table.forwards)
    yield "frames of each segment", lambda subject: _merged([_known(s.frames.delivered) for s in subject.segments])
    yield "frames after overlaps", _total


def _weight(name: str) -> Callable[[StepTable], Value]:
    return lambda table: weights(row.loras[name] for row in table.rows) if name in table.rows[0].loras else "absent"


def _of_tables(read: Callable[[StepTable], Value]) -> Reading:
    def reading(subject: Subject) -> Value:
        return _merged([Missing.UNKNOWN if s.steps is None else read(s.steps) for s in subject.segments])

    return reading


def _runs(names: Sequence[str]) -> str:
    """`high x4, low x2`."""
    return ", ".join(f"{name} x{len(list(found))}" for name, found in groupby(names))


def _known(value: int | None) -> Value:
    return Missing.UNKNOWN if value is None else value


def _total(subject: Subject) -> Value:
    counts = [segment.frames.new for segment in subject.segments]
    return Missing.UNKNOWN if None in counts or not counts else sum(count or 0 for count in counts)


def _merged(values: Sequence[Value]) -> Value:
    """One value where all segments agree, else the list."""
    if not values:
        return Missing.UNKNOWN
    if all(same(value, values[0]) for value in values):
        return values[0]
    if len(values) > MOST_SHOWN:
        return f"{len({repr(value) for value in values})} different values in {len(values)} segments"
    return [value.value if isinstance(value, Missing) else value for value in values]


def _row(name: str, subjects: Sequence[Subject], reading: Reading) -> Row | None:
    values = [reading(subject) for subject in subjects]
    if all(isinstance(value, Missing) for value in values):
        return None
    differs = not all(same(value, values[0]) for value in values)
    cells = [value_text(value) for value in values]
    marked: list[Text] = [words(strong(name)) if differs else words(name), *cells]
    return Row(cells=tuple(marked), tone=Tone.DIFFERS if differs else Tone.NONE)
