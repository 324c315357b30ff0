"""LoRAs of two subjects under common names: by digest where both are known, else by address or file name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Any

from wayframe.core.subject import Level, StepTable, Subject, SubjectSegment, address, lora_name

BYTES, SHORT = "sha256", 8
LISTS: Mapping[str, str] = {"activated_loras": "loras_multipliers", "lora_names": "lora_multipliers"}
"""Upstream's lists of LoRAs, and the multipliers that go with them by position."""
UNSAID = "1.0"
"""WanGP's multiplier for a LoRA without an entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraNames:
    """What a subject's LoRAs are called in a comparison: by their names in its plan, and by the files in its spec."""

    by_id: Mapping[str, str] = field(default_factory=dict)
    by_file: Mapping[str, str] = field(default_factory=dict)

    def of_file(self, reference: str) -> str:
        """The common name of a file or address; a name of its own when the plan does not know it."""
        identity = lora_identity(reference)
        return self.by_file.get(identity, identity)


def lora_identity(reference: str) -> str:
    """What a LoRA is known by when its digest is not: its address without query, or its file's name."""
    bare = address(reference)
    return bare if "://" in bare else bare.replace("\\", "/").rsplit("/", 1)[-1]


def under_common_names(a: Subject, b: Subject) -> tuple[Subject, Subject, LoraNames, LoraNames]:
    """Both subjects with their LoRAs named alike in plans and step tables, and the names that were given.

    Files of the same digest have one name, whatever they are called; files of the same name with other digests have
    two. The order of the two subjects makes no difference.
    """
    left, right = _digests(a), _digests(b)
    names_a, names_b = _common(left, right)
    return (
        _renamed(a, names_a),
        _renamed(b, names_b),
        LoraNames(by_id=names_a, by_file=_by_file(a, names_a)),
        LoraNames(by_id=names_b, by_file=_by_file(b, names_b)),
    )


def _planned(subject: Subject) -> Mapping[str, Any]:
    loras = subject.values.get(Level.PLANNED, {}).get("loras")
    return loras if isinstance(loras, Mapping) else {}


def _digests(subject: Subject) -> dict[str, str]:
    return {name: entry["digest"] for name, entry in _planned(subject).items()}


def _by_file(subject: Subject, names: Mapping[str, str]) -> dict[str, str]:
    return {lora_identity(entry["file"]): names[name] for name, entry in _planned(subject).items()}


def _common(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    uses: dict[str, set[str]] = {}
    for name, digest in chain(a.items(), b.items()):
        uses.setdefault(name, set()).add(digest)

    left, right = ({name: _label(name, digest=own, uses=uses[name]) for name, own in side.items()} for side in (a, b))
    for digest in sorted({*a.values()} & {*b.values()}):
        first, second = (sorted(name for name, own in side.items() if own == digest) for side in (a, b))
        alike = [name for name in first if name in second]
        rest = zip((n for n in first if n not in alike), (n for n in second if n not in alike), strict=False)
        for one, other in rest:
            left[one] = right[other] = min(left[one], right[other])
    return left, right


def _label(name: str, *, digest: str, uses: Collection[str]) -> str:
    """The name, with its digest where others use the name for another file."""
    return name if len(uses) == 1 else f"{name} ({_short(digest)})"


def _short(digest: str) -> str:
    """The first digits of a digest of bytes; an address or a name is shown whole."""
    kind, _, rest = digest.rpartition(":")
    return rest[:SHORT] if kind in ("", BYTES) else digest


def _renamed(subject: Subject, names: Mapping[str, str]) -> Subject:
    if all(name == common for name, common in names.items()):
        return subject
    planned = {**subject.values[Level.PLANNED]}
    planned["loras"] = {names[name]: entry for name, entry in planned["loras"].items()}
    segments = tuple(_segment(segment, names) for segment in subject.segments)
    return replace(subject, values={**subject.values, Level.PLANNED: planned}, segments=segments)


def _segment(segment: SubjectSegment, names: Mapping[str, str]) -> SubjectSegment:
    return replace(segment, steps=_table(segment.steps, names), wanted=_table(segment.wanted, names))


def _table(table: StepTable | None, names: Mapping[str, str]) -> StepTable | None:
    if table is None:
        return None
    rows = (
        replace(row, loras={names.get(name, name): weight for name, weight in row.loras.items()}) for row in table.rows
    )
    return replace(table, rows=tuple(rows))


def reordered(a: Mapping[str, Any], b: Mapping[str, Any]) -> frozenset[str]:
    """Keys of upstream's LoRA lists and multipliers that say the same in two tables, if in another order."""
    found: set[str] = set()
    for names, multipliers in LISTS.items():
        left, right = (_weighted(side.get(names), side.get(multipliers)) for side in (a, b))
        if left and left == right:
            found |= {names, multipliers}
    return frozenset(found)


def _weighted(names: object, multipliers: object) -> list[tuple[str, str]] | None:
    """LoRAs with their multipliers, in the order of their names; None when they cannot be told."""
    if not isinstance(names, Sequence) or isinstance(names, str):
        return None
    entries = multiplier_entries(multipliers)
    if len(entries) > len(names):
        return None
    padded = chain(entries, repeat(multiplier_entries(UNSAID)[0]))
    return sorted(zip((lora_identity(str(name)) for name in names), padded, strict=False))


def multiplier_entries(value: object) -> list[str]:
    """The entries of multipliers, given as a list or as WanGP's text, with their numbers written one way."""
    parts: Iterable[object] = value.split() if isinstance(value, str) else value if isinstance(value, Sequence) else ()
    return [";".join(",".join(map(_number, part.split(","))) for part in str(entry).split(";")) for entry in parts]


def _number(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        return text.strip()


def unique_names(references: Iterable[str]) -> list[str]:
    """The names of LoRAs in tables, numbered where two share one."""
    names: list[str] = []
    for reference in references:
        stem, number = lora_name(reference), 2
        name = stem
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return names
