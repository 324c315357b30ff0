"""Requests in two languages, ours and upstream's: what only one of them says is no difference between two runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from wayframe.core.diff import Difference, Sort, same, word_note
from wayframe.core.impact import impact_of
from wayframe.core.pairing import Pairing
from wayframe.core.payload_keys import REQUIRED
from wayframe.core.subject import Evidence, Level, Missing, Subject, SubjectSegment, Value

LOG = "log"
SENT_WORDS: Mapping[str, str] = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "seed": "seed",
    "solver": "sample_solver",
    "resolution": "resolution",
}
"""Words that our plans and WanGP's settings share: ours, and the engine's."""


def speak_alike(a: Subject, b: Subject) -> bool:
    """Whether two subjects have plans in one language: both from upstream's logs, or neither."""
    return (a.kind == LOG) is (b.kind == LOG)


def tell_the_engine(a: Subject, b: Subject) -> bool:
    """Whether a plan and a log have anything in common: a log may hold nothing of what the engine was sent."""
    logs = [] if speak_alike(a, b) else [subject for subject in (a, b) if subject.kind == LOG]
    return all(any(Level.APPLIED in segment.values for segment in log.segments) for log in logs)


def in_one_language(a: Subject, b: Subject) -> tuple[Subject, Subject]:
    """Both subjects without the levels that each says in a language of its own."""
    foreign = set() if speak_alike(a, b) else {Level.PLANNED}
    if _asks_upstream(a) is not _asks_upstream(b):
        foreign.add(Level.REQUESTED)
    return _without(a, foreign), _without(b, foreign)


def _asks_upstream(subject: Subject) -> bool:
    return subject.kind == LOG or any(key in subject.values.get(Level.REQUESTED, {}) for key in REQUIRED)


def _without(subject: Subject, levels: set[Level]) -> Subject:
    if not levels & {*subject.values, *(level for segment in subject.segments for level in segment.values)}:
        return subject
    segments = tuple(replace(each, values=_kept(each.values, levels)) for each in subject.segments)
    return replace(subject, values=_kept(subject.values, levels), segments=segments)


def _kept(values: Mapping[Level, Mapping[str, Value]], levels: set[Level]) -> dict[Level, Mapping[str, Value]]:
    return {level: table for level, table in values.items() if level not in levels}


def told_differences(a: Subject, b: Subject, *, pairs: Sequence[Pairing]) -> Iterator[Difference]:
    """What the engine was told by a plan of ours and by an upstream log, in the words that both have."""
    for pair in pairs:
        if pair.a is None or pair.b is None:
            continue
        left, right = a.segments[pair.a], b.segments[pair.b]
        for word in SENT_WORDS:
            (first, proof_a), (second, proof_b) = _told(a, left, word=word), _told(b, right, word=word)
            if Missing.UNKNOWN in (first, second) or same(first, second):
                continue
            path = f"segments[{left.index}].derived.{word}"
            impact, effect = impact_of(path)
            yield Difference(
                path=path,
                level=Level.DERIVED,
                segment=left.index,
                a=first,
                b=second,
                sort=Sort.CHANGED,
                impact=impact,
                effect=effect,
                note=word_note(str(first), str(second)) if word.endswith("prompt") else "",
                proof_a=proof_a,
                proof_b=proof_b,
            )


def _told(subject: Subject, segment: SubjectSegment, *, word: str) -> tuple[Value, Evidence | None]:
    """A word's value, and where it stands; WanGP is sent a blank for an empty prompt."""
    if subject.kind != LOG:
        planned = {**subject.values.get(Level.PLANNED, {}), **segment.values.get(Level.PLANNED, {})}
        return planned.get(word, Missing.UNKNOWN), None
    name = SENT_WORDS[word]
    value = segment.values.get(Level.APPLIED, {}).get(name, Missing.UNKNOWN)
    proof = subject.proof(f"segments[{segment.index}].applied.{name}")
    return value.strip() if isinstance(value, str) else value, proof
