"""How values, runs and segments are named and written in a report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from string import ascii_uppercase

from wayframe.core.diff import Difference, word_changes
from wayframe.core.subject import Evidence, Level, Missing, Subject, Value
from wayframe.core.wording import ranges
from wayframe.report.document import Span, Style, Text, code, faint, listed, words

LONGEST_VALUE = 160
KINDS = {
    "run": "a run of wayframe",
    "log": "a run known from a log",
    "spec": "a spec (planned, not run)",
    "payload": "a payload (planned, not run)",
    "plan": "a plan (not run)",
    "video": "what a video carries",
}


def letter(at: int) -> str:
    """What a subject is called in the report: A, B, C..."""
    return ascii_uppercase[at] if at < len(ascii_uppercase) else f"#{at + 1}"


def value_text(value: Value, *, whole: bool = False) -> Text:
    """A value as text; what is not there is said in words, and what is long is cut unless `whole` is wanted."""
    if isinstance(value, Missing):
        return words(faint(value.value))
    if isinstance(value, str) and not value.strip():
        return words(faint("blank" if value else "empty"))
    shown = compact(value)
    if not whole and len(shown) > LONGEST_VALUE:
        shown = shown[: LONGEST_VALUE - 1] + "…"
    return words(code(shown))


def compact(value: object) -> str:
    """Plain JSON data on one line; text without its quotes, addresses without the folders that lead to the file."""
    if isinstance(value, str):
        return short_digest(short_address(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(_inner(part) for part in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{short_address(str(key))}: {_inner(part)}' for key, part in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def _inner(value: object) -> str:
    return repr(short_digest(short_address(value))) if isinstance(value, str) else compact(value)


def short_address(text: str) -> str:
    """An address as `…/` and its file's name; other text as it is."""
    if "://" in text and " " not in text:
        return "…/" + text.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
    return text


def short_digest(text: str) -> str:
    """The beginning of a digest, which tells it from any other; other text as it is."""
    return DIGEST.sub(r"\1…", text)


DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


def is_digest(keyframe: str) -> bool:
    """Whether a keyframe is known by its content."""
    return DIGEST.fullmatch(keyframe) is not None


def picture_text(subject: Subject, at: int) -> Text:
    """A keyframe by its picture's name, beside the beginning of its digest; one of no known content by its address."""
    keyframe = subject.keyframes[at]
    if not is_digest(keyframe):
        return words(code(short_address(keyframe)))
    short = DIGEST.sub(r"\1", keyframe)
    return words(code(subject.pictures[at]), " ", faint(short)) if subject.pictures else words(code(short))


def pictures_text(subject: Subject) -> Text:
    """All pictures of a subject; only the number of many."""
    if not subject.keyframes:
        return words(faint(Missing.UNKNOWN.value))
    if len(subject.keyframes) > MOST_NAMES:
        return words(faint(f"{len(subject.keyframes)} pictures, see Keyframes"))
    return listed([picture_text(subject, at) for at in range(len(subject.keyframes))])


def names_text(names: Sequence[str]) -> str:
    """Names in a row, the first of many."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


MOST_NAMES = 6


def level_words(level: Level, *subjects: Subject) -> str:
    """A level in a caption; of a run that is known from a log, what was applied is what was sent to the engine."""
    sent = level is Level.APPLIED and any(subject.kind == "log" for subject in subjects)
    return f"level: {level.value}" + (", as sent to the engine" if sent else "")


def number(value: float) -> str:
    """A number without needless digits: 3, 0.75, 0.0015, 952.4."""
    return f"{value:.{DIGITS}g}" if abs(value) < LARGE else f"{value:.1f}"


LARGE, DIGITS = 100, 4


def weights(values: Iterable[float]) -> str:
    """One value for each step, in a row; of many steps those in a row that are alike are counted: `0.75 x15, 0 x25`."""
    shown = [f"{value:g}" for value in values]
    if len(shown) <= MOST_STEPS:
        return " ".join(shown)
    counts = [(text, len(list(alike))) for text, alike in groupby(shown)]
    return ", ".join(f"{text} x{count}" if count > 1 else text for text, count in counts)


MOST_STEPS = 12


def segments_text(indices: Iterable[int]) -> str:
    """Segments in words: `segment 3`, `segments 0, 1`, `segments 0 to 499`."""
    found = sorted(set(indices))
    if len(found) == 1:
        return f"segment {found[0]}"
    return f"segments {ranges(found)}"


def path_text(difference: Difference) -> str:
    """The name of what differs, without its segment and its level."""
    path = difference.path
    if path.startswith("segments["):
        path = path.partition("].")[2] or "segment"
    return path.removeprefix(f"{difference.level.value}.")


def line_text(proof: Evidence | None) -> str:
    """Where a value stands in a log, short."""
    if proof is None:
        return ""
    return f"{proof.file}:{proof.line}" if proof.file else f"line {proof.line}"


def changed_words(a: str, b: str) -> Text:
    """Two prompts in one, word by word."""
    spans: list[Span] = []
    styles = {"equal": Style.PLAIN, "-": Style.REMOVED, "+": Style.ADDED}
    for mark, text in word_changes(a, b):
        spans += [*([Span(text=" ")] if spans else []), Span(text=text, style=styles[mark])]
    return tuple(spans)


def subject_title(subject: Subject, *, at: int) -> str:
    """A subject in a heading: `A: 20251007044548003`."""
    return f"{letter(at)}: {subject.name}"
