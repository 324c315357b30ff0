"""What goes into the runs beside their settings: prompts and keyframes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from wayframe.core.comparison import Comparison
from wayframe.core.dossier import Dossier
from wayframe.core.subject import Level, Missing, Subject, SubjectSegment, address, segment_value
from wayframe.core.wording import ranges
from wayframe.report.document import Block, Paragraph, Row, Strip, Table, Text, Tone, faint, listed, strong, words
from wayframe.report.values import (
    changed_words,
    is_digest,
    letter,
    level_words,
    names_text,
    picture_text,
    segments_text,
)

PROMPT_KEYS: tuple[tuple[Level, str], ...] = (
    (Level.APPLIED, "prompt"),
    (Level.PLANNED, "prompt"),
    (Level.REQUESTED, "base_prompt"),
    (Level.APPLIED, "negative_prompt"),
    (Level.PLANNED, "negative_prompt"),
    (Level.REQUESTED, "negative_prompt"),
)
MOST_ROWS = 24


def prompt_blocks(comparison: Comparison, *, names: tuple[str, str]) -> Iterator[Block]:
    """Prompts of paired segments, word by word, on the surest level that both have."""
    for negative in (False, True):
        yield from _prompts(comparison, names=names, negative=negative)


def _prompts(comparison: Comparison, *, names: tuple[str, str], negative: bool) -> Iterator[Block]:
    groups: dict[tuple[str, str, str], list[int]] = {}
    for pair in comparison.pairs:
        if pair.a is None or pair.b is None:
            continue
        found = _prompt(comparison.a.segments[pair.a], comparison.b.segments[pair.b], negative=negative)
        if found is not None:
            groups.setdefault(found, []).append(pair.a)
    apart = {key: found for key, found in groups.items() if key[1].split() != key[2].split()}
    if not apart:
        if groups and not negative:
            yield Paragraph(text=words("The prompts are the same, word by word."))
        return
    rows = tuple(
        Row(cells=(words(segments_text(found)), _said(left), _said(right), _change(left, right)), tone=Tone.DIFFERS)
        for (_, left, right), found in apart.items()
    )
    level = level_words(Level(next(iter(apart))[0]), comparison.a, comparison.b)
    title = "negative prompt" if negative else "prompt"
    yield Table(head=("where", f"{title} {names[0]}", f"{title} {names[1]}", "word by word"), rows=rows, caption=level)


def _prompt(a: SubjectSegment, b: SubjectSegment, *, negative: bool) -> tuple[str, str, str] | None:
    for level, key in PROMPT_KEYS:
        if key.startswith("negative") is negative:
            left, right = segment_value(a, level, key), segment_value(b, level, key)
            if isinstance(left, str) and isinstance(right, str):
                return level.value, left, right
    return None


def _said(prompt: str) -> Text:
    return words(prompt) if prompt.strip() else words(faint("empty"))


def _change(a: str, b: str) -> Text:
    """What became of the words; nothing to compare where one side is empty."""
    return changed_words(a, b) if a.strip() and b.strip() else words(faint("only one says anything"))


def own_prompts(subject: Subject) -> Iterator[Block]:
    """The prompts of one run, each level by itself."""
    for level, key in PROMPT_KEYS:
        groups: dict[str, list[int]] = {}
        for segment in subject.segments:
            found = segment_value(segment, level, key)
            if isinstance(found, str):
                groups.setdefault(found, []).append(segment.index)
        if groups:
            rows = tuple(Row(cells=(words(segments_text(at)), _said(text))) for text, at in groups.items())
            yield Table(head=("where", key), rows=rows, caption=level_words(level, subject))


def keyframe_blocks(dossier: Dossier) -> Iterator[Block]:
    """Whether the runs go through the same pictures, by content where it is known."""
    subjects = dossier.subjects
    if not any(subject.keyframes for subject in subjects):
        return
    by_content = all(is_digest(name) for subject in subjects for name in subject.keyframes)
    equal = all(subject.passed == subjects[0].passed for subject in subjects)
    known = "by the digest of their bytes" if by_content else "by their addresses; their bytes are not known"
    runs = "both runs" if len(subjects) == len(("a", "b")) else "all runs"
    verdict = f"{runs} go through the same pictures in the same order" if equal else "the runs' pictures differ"
    yield Paragraph(text=words(strong(f"{verdict[:1].upper()}{verdict[1:]}"), f" ({known})."))
    yield from _keyframe_table(subjects, equal=equal)
    looped = [letter(at) for at, subject in enumerate(subjects) if subject.loops]
    if looped:
        yield Paragraph(text=words(f"The first keyframe stands at the end again in {', '.join(looped)}, which loops."))
    strip = tuple(
        (letter(at), clip.thumbnails) for at, clip in enumerate(dossier.clips) if clip is not None and clip.thumbnails
    )
    if strip:
        yield Strip(runs=strip)


def exchanged_pictures(a: Subject, b: Subject, *, names: tuple[str, str]) -> str:
    """What became of the first side's pictures: replaced, put in, left out, or in another order."""
    left, right = [address(name) for name in a.passed], [address(name) for name in b.passed]
    if sorted(left) == sorted(right):
        return "the same pictures in another order"
    changes = [
        _became(range(a0, a1), range(b0, b1), names=names) + _by_name(a.pictures[a0:a1], b.pictures[b0:b1])
        for tag, a0, a1, b0, b1 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
        if tag != "equal"
    ]
    return "; ".join(changes)


def _became(left: range, right: range, *, names: tuple[str, str]) -> str:
    if not left:
        return f"{_numbers(right)} of {names[1]} put in"
    if not right:
        return f"{_numbers(left)} of {names[0]} left out"
    if left == right:
        return f"{_numbers(left)} replaced"
    return f"{_numbers(left)} of {names[0]} replaced by {_numbers(right)} of {names[1]}"


def _by_name(left: Sequence[str], right: Sequence[str]) -> str:
    """The names of what was replaced, put in or left out, where they are known: ` (dawn.png by noon.png)`."""
    shown = [names_text(names) for names in (left, right) if names]
    if not shown:
        return ""
    return (
        " (another picture of the same name)"
        if shown[0] == shown[-1] and len(shown) > 1
        else f" ({' by '.join(shown)})"
    )


def _numbers(found: range) -> str:
    return f"keyframe{'s' if len(found) > 1 else ''} {ranges(found)}"


def _keyframe_table(subjects: tuple[Subject, ...], *, equal: bool) -> Iterator[Block]:
    """A row for each keyframe; of many, only those about which there is something to say."""
    count = max(len(subject.passed) for subject in subjects)
    columns = subjects[:1] if equal else subjects
    rows = []
    for at in range(count):
        names = [subject.passed[at] if at < len(subject.passed) else None for subject in columns]
        repeated = [letter(number) for number, subject in enumerate(columns) if _repeats(subject, at)]
        note = "the same picture as the one before" if repeated else ""
        if repeated and len(columns) > 1:
            note += f" ({', '.join(repeated)})"
        tone = Tone.DIFFERS if len(set(names)) > 1 else Tone.NONE
        if count > MOST_ROWS and not note and tone is Tone.NONE:
            continue
        cells = [_picture(subject, at) for subject in (_unlike(subjects, at) if equal else columns)]
        shown = [listed(cells)] if equal else cells
        rows.append(Row(cells=(words(str(at)), *shown, words(note)), tone=tone))
    titles = ("picture in all",) if equal else tuple(letter(at) for at in range(len(columns)))
    if rows:
        yield Table(head=("keyframe", *titles, "note"), rows=tuple(rows), caption="level: requested")
    if len(rows) < count:
        yield Paragraph(text=words(faint(f"{count - len(rows)} of {count} keyframes need no remark.")))


def _repeats(subject: Subject, at: int) -> bool:
    return any(left == right for left, right in list(pairwise(subject.keyframes))[at - 1 : at] if at > 0)


def _unlike(subjects: Sequence[Subject], at: int) -> Iterator[Subject]:
    """Of subjects with the same pictures, one for each name that they give to a picture."""
    yield from {subject.pictures[at] if subject.pictures else None: subject for subject in subjects}.values()


def _picture(subject: Subject, at: int) -> Text:
    return picture_text(subject, at) if at < len(subject.passed) else words(faint(Missing.ABSENT.value))
