"""Differences between two subjects: typed, nested, level by level, with segments matched by their keyframes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from enum import StrEnum
from fnmatch import fnmatchcase
from math import isclose
from typing import Any

from wayframe.core.impact import IMPACT_RANK, Impact, impact_of
from wayframe.core.subject import Evidence, Level, Missing, Subject, SubjectSegment, Value, address

TOLERANCE = 1e-9
COMPARED_LEVELS = (Level.REQUESTED, Level.RESOLVED, Level.PLANNED, Level.APPLIED, Level.OUTCOME, Level.ENVIRONMENT)
IDENTITY_KEYS = ("url", "file", "name")
PROMPTS = frozenset({"prompt", "negative_prompt", "base_prompt"})


class Sort(StrEnum):
    """How two values differ."""

    CHANGED = "changed"
    ADDED = "only in the second"
    REMOVED = "only in the first"
    UNKNOWN = "known of one only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference. `path` begins with the level, or with ``segments[I]`` and the level; `effect` is 0 to 100."""

    path: str
    level: Level
    segment: int | None
    a: Value
    b: Value
    sort: Sort
    impact: Impact
    effect: int
    note: str = ""
    proof_a: Evidence | None = None
    proof_b: Evidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Segments of the first and of the second that belong together; None where one has no partner."""

    a: int | None
    b: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is shown: noise too (`everything`), not these paths (`ignore`), these alone (`only`); glob patterns."""

    everything: bool = False
    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def keeps(self, difference: Difference) -> bool:
        """Whether a difference is shown."""
        if difference.impact is Impact.NOISE and not self.everything:
            return False
        return self.keeps_path(difference.path)

    def keeps_path(self, path: str) -> bool:
        """Whether what is said about a path is shown."""
        if any(_matches(path, pattern) for pattern in self.ignore):
            return False
        return not self.only or any(_matches(path, pattern) for pattern in self.only)


def _matches(path: str, pattern: str) -> bool:
    """A pattern matches a whole path, its beginning up to a dot, or its last name; with or without its segment."""
    bare = pattern.replace("[", "[[]")
    inside = path.partition("].")[2] if path.startswith("segments[") else path
    candidates = (path, *_beginnings(path), inside, *_beginnings(inside), path.rpartition(".")[2])
    return any(fnmatchcase(candidate, bare) for candidate in candidates)


def _beginnings(path: str) -> Iterator[str]:
    parts = path.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))


def match_segments(a: Sequence[SubjectSegment], b: Sequence[SubjectSegment]) -> tuple[Pairing, ...]:
    """Pair segments by their keyframes, so that one put in between does not shift all the others.

    Where no keyframes are known, or none agree, the order counts.
    """
    left, right = [_pictures(segment) for segment in a], [_pictures(segment) for segment in b]
    if not set(left) & set(right) - {None}:
        return _by_order(len(a), len(b))
    pairs: list[Pairing] = []
    for tag, a0, a1, b0, b1 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal" or (tag == "replace" and a1 - a0 == b1 - b0):
            pairs += [Pairing(a=a0 + at, b=b0 + at) for at in range(a1 - a0)]
        else:
            pairs += [Pairing(a=at, b=None) for at in range(a0, a1)]
            pairs += [Pairing(a=None, b=at) for at in range(b0, b1)]
    return tuple(pairs)


def _pictures(segment: SubjectSegment) -> tuple[str | None, str | None] | None:
    return None if segment.keyframes == (None, None) else segment.keyframes


def _by_order(left: int, right: int) -> tuple[Pairing, ...]:
    return tuple(Pairing(a=at if at < left else None, b=at if at < right else None) for at in range(max(left, right)))


def differences(a: Subject, b: Subject, *, pairs: Sequence[Pairing]) -> tuple[Difference, ...]:
    """All differences of the raw values, noise included, strongest first."""
    found = [*_run_wide(a, b), *_keyframes(a, b)]
    for pair in pairs:
        if pair.a is None or pair.b is None:
            found.append(_lone_segment(a, b, pair))
        else:
            found += _of_segments(a, b, a.segments[pair.a], b.segments[pair.b])
    return tuple(sorted(found, key=lambda d: (-IMPACT_RANK[d.impact], -d.effect, d.path)))


def _run_wide(a: Subject, b: Subject) -> Iterator[Difference]:
    for level in (level for level in COMPARED_LEVELS if level in a.values and level in b.values):
        whole = level in a.whole, level in b.whole
        for path, left, right in _walk(level.value, a.values[level], b.values[level], whole=whole):
            if not _told_by_keyframes(path):
                yield _difference(a, b, path, level=level, segment=None, values=(left, right))


def _told_by_keyframes(path: str) -> bool:
    """Pictures are compared as keyframes, once."""
    return path.endswith(".input_image_paths_resolved") or (
        ".keyframes[" in path and path.endswith((".image", ".digest"))
    )


def _keyframes(a: Subject, b: Subject) -> Iterator[Difference]:
    left, right = [address(k) for k in a.keyframes], [address(k) for k in b.keyframes]
    if left and right and left != right:
        path = "requested.keyframes"
        found = _difference(a, b, path, level=Level.REQUESTED, segment=None, values=(left, right))
        yield replace(found, impact=Impact.PICTURE, effect=82, note=_keyframes_note(left, right))


def _keyframes_note(left: Sequence[str], right: Sequence[str]) -> str:
    if sorted(left) == sorted(right):
        return "the same pictures in another order"
    shared = len(set(left) & set(right))
    return f"{shared} of {len(set(left) | set(right))} pictures are in both"


def _lone_segment(a: Subject, b: Subject, pair: Pairing) -> Difference:
    side, number, owner = ("first", pair.a, a) if pair.b is None else ("second", pair.b, b)
    index = number or 0
    known = {"frames": owner.segments[index].frames.delivered}
    return Difference(
        path=f"segments[{index}]",
        level=Level.PLANNED,
        segment=index,
        a=known if pair.b is None else Missing.ABSENT,
        b=Missing.ABSENT if pair.b is None else known,
        sort=Sort.REMOVED if pair.b is None else Sort.ADDED,
        impact=Impact.WORKFLOW,
        effect=84,
        note=f"only the {side} has a segment between these keyframes",
    )


def _of_segments(a: Subject, b: Subject, left: SubjectSegment, right: SubjectSegment) -> Iterator[Difference]:
    """Differences of two segments that belong together; a block that only repeats the run's own is left out."""
    for level in COMPARED_LEVELS:
        if level not in left.values or level not in right.values:
            continue
        base = f"segments[{left.index}].{level.value}"
        whole = level in left.whole, level in right.whole
        tables = _own(left.values[level], a, level), _own(right.values[level], b, level)
        for path, first, second in _walk(base, *tables, whole=whole):
            yield _difference(a, b, path, level=level, segment=left.index, values=(first, second))


def _own(values: Mapping[str, Any], subject: Subject, level: Level) -> dict[str, Any]:
    """A segment's values without copies of the run's: blocks that stand there too, and the run's whole payload."""
    shared = subject.values.get(level, {})
    return {
        key: value
        for key, value in values.items()
        if not (isinstance(value, Mapping) and (shared.get(key) == value or key in PAYLOAD_COPIES))
    }


PAYLOAD_COPIES = frozenset({"orchestrator_details", "orchestrator_payload", "full_orchestrator_payload"})


def _walk(path: str, a: Any, b: Any, *, whole: tuple[bool, bool] = (True, True)) -> Iterator[tuple[str, Value, Value]]:
    """Every place at which two values differ."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        gone = [Missing.ABSENT if complete else Missing.UNKNOWN for complete in whole]
        for key in dict.fromkeys([*a, *b]):
            yield from _walk(f"{path}.{key}", a.get(key, gone[0]), b.get(key, gone[1]))
    elif _rows(a) and _rows(b):
        yield from _walk_rows(path, a, b)
    elif not same(a, b):
        yield path, a, b


def _rows(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, Mapping) for v in value)


def _walk_rows(path: str, a: Sequence[Any], b: Sequence[Any]) -> Iterator[tuple[str, Value, Value]]:
    """Lists of mappings: by identity where rows have one (LoRAs), else by position."""
    key = next((key for key in IDENTITY_KEYS if all(key in row for row in [*a, *b])), None) if a or b else None
    if key is None:
        for at in range(max(len(a), len(b))):
            left, right = (side[at] if at < len(side) else Missing.ABSENT for side in (a, b))
            yield from _walk(f"{path}[{at}]", left, right)
        return
    left_rows, right_rows = ({address(str(row[key])): row for row in side} for side in (a, b))
    for name in dict.fromkeys([*left_rows, *right_rows]):
        short = name.rsplit("/", 1)[-1]
        place = f"{path}[{short}]"
        yield from _walk(place, left_rows.get(name, Missing.ABSENT), right_rows.get(name, Missing.ABSENT))


def same(a: Value, b: Value) -> bool:
    """Whether two values are equal; numbers are within `TOLERANCE`, and true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def _difference(
    a: Subject, b: Subject, path: str, *, level: Level, segment: int | None, values: tuple[Value, Value]
) -> Difference:
    left, right = values
    impact, effect = impact_of(path)
    if Missing.UNKNOWN in (left, right):  # known of one side only: that is no proof of a difference
        impact, effect = Impact.NOISE, 0
    return Difference(
        path=path,
        level=level,
        segment=segment,
        a=left,
        b=right,
        sort=_sort(left, right),
        impact=impact,
        effect=effect,
        note=_note(path, left, right),
        proof_a=a.proof(path),
        proof_b=b.proof(path),
    )


def _sort(a: Value, b: Value) -> Sort:
    if Missing.UNKNOWN in (a, b):
        return Sort.UNKNOWN
    if a is Missing.ABSENT:
        return Sort.ADDED
    return Sort.REMOVED if b is Missing.ABSENT else Sort.CHANGED


def _note(path: str, a: Value, b: Value) -> str:
    name = path.rpartition(".")[2]
    if name in PROMPTS and isinstance(a, str) and isinstance(b, str):
        return word_note(a, b)
    if isinstance(a, int | float | str) and isinstance(b, int | float | str) and str(a) == str(b):
        return f"the same text, but {type(a).__name__} and {type(b).__name__}"
    return ""


def word_note(a: str, b: str) -> str:
    """How far two prompts are apart, in words."""
    left, right = a.split(), b.split()
    if left == right:
        return "the same words, other spaces"
    if not left or not right:
        return "empty against a prompt"
    kept = sum(block.size for block in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks())
    return f"{len(left) - kept} of {len(left)} words replaced by {len(right) - kept}"


def word_changes(a: str, b: str) -> tuple[tuple[str, str], ...]:
    """Two prompts as runs of words: (``equal``, ``-`` or ``+``; text)."""
    left, right = a.split(), b.split()
    parts: list[tuple[str, str]] = []
    for tag, a0, a1, b0, b1 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            parts.append(("equal", " ".join(left[a0:a1])))
            continue
        parts += [(mark, " ".join(words)) for mark, words in (("-", left[a0:a1]), ("+", right[b0:b1])) if words]
    return tuple(parts)
