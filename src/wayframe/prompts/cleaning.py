"""What a model answered -> a prompt, or the reason why it is none."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from wayframe.files import REDACTED, redact_text
from wayframe.prompts.base import Answer
from wayframe.prompts.language import language_problem

CLEANING = 1
"""Version of the rules in here: it enters the key of a written prompt."""

TOLERANCE = 1.5
"""An answer may have this many times the words that were asked for: models do not count well."""
FEWEST_WORDS = 3
LONGEST = 20_000

_RUN_WORDS, _MOST_RUNS, _MOST_IN_A_ROW = 4, 2, 3
_FEWEST_LETTERS = 0.6

_THINKING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_THINKING_ENDS = re.compile(r"^.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
_THINKING_OPENS = re.compile(r"<(?:think|thinking|reasoning)>", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*```[\w-]*[ \t]*$", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|[-*•][ \t]+|\d{1,2}[.)][ \t]+|>[ \t]+)", re.MULTILINE)
_EMPHASIS = re.compile(r"(\*\*|__|\*|`)(?=\S)([^*`\n]{1,2000}?)(?<=\S)\1")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,80}>|<\|[^|<>]{1,40}\|>")
_PREFACE = re.compile(
    r"(?:(?:sure|certainly|of course|okay|ok)\b[^\n.:!]{0,80}[.:!,]\s*)?"
    r"(?:here(?:['\u2019]s|\s+is|\s+are)\b[^\n:]{0,80}:|(?:the\s+)?(?:(?:final|video|motion|text)\s+)?"
    r"(?:prompt|description|answer|caption|output|transition)\s*:)\s*",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»", "\u2018": "\u2019", "「": "」"}
_REFUSAL = re.compile(
    r"\b(?:i(?:['\u2019]m|\s+am)\s+(?:sorry|unable|not\s+able)|i\s+apologi[sz]e|as\s+an?\s+(?:ai|language\s+model)\b|"
    r"i\s+(?:can(?:['\u2019]t|not|\s+not)|won['\u2019]t|will\s+not)\s+(?:help|assist|do|see|view|describe|provide|comply|"
    r"create|generate|identify|fulfil|process|analy[sz]e|write|determine)|"
    r"(?:unable|not\s+able)\s+to\s+(?:view|see|process|analy[sz]e|assist|provide)|against\s+my\s+guidelines)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{1,2}|[^\W_]+(?:['\u2019-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that is no prompt; the reason is in words that can be told to the model and to the user."""

    reason: str


def clean(answer: Answer, *, max_words: int, language: str | None = None) -> str | Refused:
    """The prompt in an answer, on one line: without thinking, markup, quotes and prefaces; or why there is none.

    An answer is refused when it is cut off, empty, too long, a refusal, in another language, repeats itself, or is not
    made of words.
    """
    if len(answer.text) > LONGEST:
        return Refused(f"it has {len(answer.text)} characters")
    text = cleaned_text(answer.text)
    problem = _unfinished(answer, text) or _wrong_length(text, max_words=max_words) or _nonsense(text)
    problem = problem or (language_problem(text, language=language) if language else "")
    return Refused(problem) if problem else text


def cleaned_text(text: str) -> str:
    """A model's text without thinking blocks, markup, quotes around it and a preface, on one line."""
    text = _THINKING_ENDS.sub("", _THINKING.sub(" ", text))  # some servers leave out the opening mark
    if _THINKING_OPENS.search(text):
        return ""
    text = _ITEM.sub("", _FENCE.sub("", text))
    text = _EMPHASIS.sub(r"\2", _TAG.sub(" ", text))
    text = " ".join(text.split())
    return _unquoted(_unquoted(text[_preface_end(text) :]))


def word_count(text: str) -> int:
    """How many words a text has; two characters of a script without spaces count as one."""
    return len(_words(text))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _preface_end(text: str) -> int:
    match = _PREFACE.match(text)
    return match.end() if match else 0


def _unquoted(text: str) -> str:
    """Text without the quotes around the whole of it."""
    text = text.strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[-1] not in text[1:-1]:
        return text[1:-1].strip()
    return text


def _unfinished(answer: Answer, text: str) -> str:
    if answer.declined:
        return "it is a refusal"
    if answer.cut:
        return "it was cut off before its end"
    return "" if text else "it is empty"


def _wrong_length(text: str, *, max_words: int) -> str:
    count = word_count(text)
    if count > max_words * TOLERANCE:
        return f"it has {count} words, asked for were at most {max_words}"
    return "" if count >= FEWEST_WORDS else f"it has only {count} words"


def _nonsense(text: str) -> str:
    refusal = _REFUSAL.search(text)
    if refusal:
        return f"it is a refusal ({refusal.group()!r})"
    solid = [character for character in text if not character.isspace()]
    if sum(map(str.isalpha, solid)) < _FEWEST_LETTERS * len(solid):
        return "it is not made of words"
    if REDACTED in text or redact_text(text) != text:
        return "it holds what looks like a secret"
    return "it repeats itself" if _repeats(_words(text)) else ""


def _repeats(words: list[str]) -> bool:
    """Whether a run of four words comes three times, or one word four times in a row."""
    runs = Counter(tuple(words[i : i + _RUN_WORDS]) for i in range(len(words) - _RUN_WORDS + 1))
    rows = (set(words[i : i + _MOST_IN_A_ROW + 1]) for i in range(len(words) - _MOST_IN_A_ROW))
    return any(count > _MOST_RUNS for count in runs.values()) or any(len(row) == 1 for row in rows)
