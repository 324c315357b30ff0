"""Differences between two subjects: typed, nested, level by level, with segments matched by their keyframes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import chain
from math import isclose, isnan
from typing import Any, TypeVar

from wayframe.core.impact import IMPACT_RANK, Impact, impact_of, names_of, parts_of
from wayframe.core.lora_names import LoraNames, reordered
from wayframe.core.pairing import WAY, Pairing, way_of
from wayframe.core.subject import Evidence, Level, Missing, Subject, SubjectSegment, Value, address, lora_name
from wayframe.core.wording import counted

TOLERANCE = 1e-9
COMPARED_LEVELS = (Level.REQUESTED, Level.RESOLVED, Level.PLANNED, Level.APPLIED, Level.OUTCOME, Level.ENVIRONMENT)
IDENTITY_KEYS = ("url", "file", "name")
PROMPTS = frozenset({"prompt", "negative_prompt", "base_prompt"})
_Side = TypeVar("_Side")


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
    """A pattern matches a whole path or any run of its parts (``segments[0].applied``, ``phases``, ``loras[x].url``).

    It may leave out what stands in brackets.
    """
    parts = parts_of(path)
    glob = pattern.replace("[", "[[]")
    return any(
        fnmatchcase(".".join(run), glob)
        for named in (parts, names_of(path))
        for start in range(len(parts))
        for run in (named[start:end] for end in range(start + 1, len(parts) + 1))
    )


NO_NAMES = LoraNames()


def differences(
    a: Subject, b: Subject, *, pairs: Sequence[Pairing], names: tuple[LoraNames, LoraNames] = (NO_NAMES, NO_NAMES)
) -> tuple[Difference, ...]:
    """All differences of the raw values, noise included, strongest first; `names` are those of both sides' LoRAs."""
    walk = Walk(names_a=names[0], names_b=names[1])
    found = [*_run_wide(a, b, walk), *_keyframes(a, b)]
    for pair in pairs:
        if pair.a is None or pair.b is None:
            found.append(_lone_segment(a, b, pair))
        else:
            found += _of_segments(_Sides(a=a, b=b, left=a.segments[pair.a], right=b.segments[pair.b]), walk)
    return tuple(sorted(found, key=lambda d: (-IMPACT_RANK[d.impact], -d.effect, d.path)))


def _run_wide(a: Subject, b: Subject, walk: Walk) -> Iterator[Difference]:
    for level in (level for level in COMPARED_LEVELS if level in a.values and level in b.values):
        whole = level in a.whole, level in b.whole
        for path, left, right in walk.over(level.value, a.values[level], b.values[level], whole=whole):
            if not _told_by_keyframes(path):
                yield _difference(a, b, path, level=level, segment=None, values=(left, right))


def _told_by_keyframes(path: str) -> bool:
    """Pictures are compared as keyframes, once."""
    return path.endswith(".input_image_paths_resolved") or (
        ".keyframes[" in path and path.endswith((".image", ".digest"))
    )


def _keyframes(a: Subject, b: Subject) -> Iterator[Difference]:
    left, right = [address(k) for k in a.passed], [address(k) for k in b.passed]
    if {*map(_is_digest, left)} == {*map(_is_digest, right)} and left != right:
        path = "requested.keyframes"
        found = _difference(a, b, path, level=Level.REQUESTED, segment=None, values=(left, right))
        yield replace(found, impact=Impact.PICTURE, effect=82, note=_keyframes_note(left, right))


def _is_digest(keyframe: str) -> bool:
    """Whether a picture is known by its content: nothing follows from a digest beside an address."""
    return re.fullmatch(r"[0-9a-f]{64}", keyframe) is not None


def _keyframes_note(left: Sequence[str], right: Sequence[str]) -> str:
    if sorted(left) == sorted(right):
        return "the same pictures in another order"
    shared = len(set(left) & set(right))
    return f"{shared} of {len(set(left) | set(right))} pictures are in both"


def _lone_segment(a: Subject, b: Subject, pair: Pairing) -> Difference:
    whose, side, index = ("first", a, pair.a) if pair.a is not None else ("second", b, pair.b or 0)
    way, segment = way_of(side, index), side.segments[index]
    known = {"frames": segment.frames.delivered, **({WAY: way} if way else {})}
    what = f"has {way}" if way else "has a segment between these keyframes"
    return Difference(
        path=f"segments[{segment.index}]",
        level=Level.PLANNED,
        segment=segment.index,
        a=known if pair.b is None else Missing.ABSENT,
        b=Missing.ABSENT if pair.b is None else known,
        sort=Sort.REMOVED if pair.b is None else Sort.ADDED,
        impact=Impact.WORKFLOW,
        effect=84,
        note=f"only the {whose} {what}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """Two segments that belong together, and whose they are."""

    a: Subject
    b: Subject
    left: SubjectSegment
    right: SubjectSegment

    def own(self, level: Level) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both segments' values without copies of their runs': blocks that stand there too, and the whole payload."""
        left, right = self.left.values[level], self.right.values[level]
        copies = {key for key in {*left, *right} if self._is_copy(level, key)} | PAYLOAD_COPIES
        first, second = ({key: side[key] for key in side if key not in copies} for side in (left, right))
        return first, second

    def _is_copy(self, level: Level, key: str) -> bool:
        return all(
            key not in own or (isinstance(own[key], Mapping) and shared.get(key) == own[key])
            for own, shared in (
                (self.left.values[level], self.a.values.get(level, {})),
                (self.right.values[level], self.b.values.get(level, {})),
            )
        )


def _of_segments(sides: _Sides, walk: Walk) -> Iterator[Difference]:
    """Differences of two segments that belong together; a block that only repeats the run's own is left out."""
    left, right = sides.left, sides.right
    for level in COMPARED_LEVELS:
        if level not in left.values or level not in right.values:
            continue
        base = f"segments[{left.index}].{level.value}"
        tables, whole = sides.own(level), (level in left.whole, level in right.whole)
        same_loras = {f"{base}.{key}" for key in reordered(*tables)}
        for path, first, second in walk.over(base, *tables, whole=whole):
            values = (first, second)
            found = _difference(sides.a, sides.b, path, level=level, segment=left.index, values=values)
            place = f"segments[{right.index}]{path.removeprefix(f'segments[{left.index}]')}"
            found = replace(found, proof_b=sides.b.proof(place))
            if path in same_loras:
                found = replace(
                    found, impact=Impact.NOISE, effect=0, note="the same LoRAs and weights, written otherwise"
                )
            yield found


PAYLOAD_COPIES = frozenset({"orchestrator_details", "orchestrator_payload", "full_orchestrator_payload"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Goes through two values side by side, with LoRAs under their common names."""

    names_a: LoraNames = NO_NAMES
    names_b: LoraNames = NO_NAMES

    def over(
        self, path: str, a: Any, b: Any, *, whole: tuple[bool, bool] = (True, True)
    ) -> Iterator[tuple[str, Value, Value]]:
        """Every place at which two values differ; a key that is missing from a side that is not whole is unknown."""
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from self._mappings(path, a, b, whole=whole)
        elif _rows(a) and _rows(b):
            yield from self._rows(path, a, b)
        elif not same(a, b):
            yield path, a, b

    def _mappings(
        self, path: str, a: Mapping[str, Any], b: Mapping[str, Any], *, whole: tuple[bool, bool]
    ) -> Iterator[tuple[str, Value, Value]]:
        gone = [Missing.ABSENT if complete else Missing.UNKNOWN for complete in whole]
        if any("://" in key for key in chain(a, b)):  # LoRAs and their strengths
            a, b = ({names.of_file(key): side[key] for key in side} for names, side in self._sides(a, b))
        for key in dict.fromkeys([*a, *b]):
            place = f"{path}[{_short(key)}]" if re.search(r"[./\[\]]", key) else f"{path}.{key}"
            yield from self.over(place, a.get(key, gone[0]), b.get(key, gone[1]))

    def _rows(
        self, path: str, a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[str, Value, Value]]:
        """Lists of mappings: by identity where rows have one (LoRAs), else by position."""
        key = next((key for key in IDENTITY_KEYS if all(key in row for row in [*a, *b])), None) if a or b else None
        if key is None:
            for at in range(max(len(a), len(b))):
                left, right = (side[at] if at < len(side) else Missing.ABSENT for side in (a, b))
                yield from self.over(f"{path}[{at}]", left, right)
            return
        left_rows, right_rows = (
            _numbered(names.of_file(str(row[key])) for row in side) for names, side in self._sides(a, b)
        )
        first, second = dict(zip(left_rows, a, strict=True)), dict(zip(right_rows, b, strict=True))
        for name in dict.fromkeys([*first, *second]):
            place = f"{path}[{_short(name)}]"
            yield from self.over(place, first.get(name, Missing.ABSENT), second.get(name, Missing.ABSENT))

    def _sides(self, a: _Side, b: _Side) -> tuple[tuple[LoraNames, _Side], tuple[LoraNames, _Side]]:
        return (self.names_a, a), (self.names_b, b)


def _numbered(names: Iterator[str]) -> list[str]:
    """Names, with the second of a name told from the first."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return found


def _short(name: str) -> str:
    """A name without the site and folders in front of it, and without what would end the brackets around it."""
    return lora_name(name).replace("[", "(").replace("]", ")")


def _rows(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, Mapping) for v in value)


def same(a: Value, b: Value) -> bool:
    """Whether two values are equal; numbers that are not whole are within `TOLERANCE`, and true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (isnan(a) and isnan(b))
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
    gone, new = len(left) - kept, len(right) - kept
    if gone and new:
        return f"{gone} of {counted(len(left), 'word')} replaced by {new}"
    return f"{gone} of {counted(len(left), 'word')} removed" if gone else f"{counted(new, 'word')} added to {len(left)}"


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
