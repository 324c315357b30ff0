"""Whether a text can be in the language that was asked for: by its script, and by English words in it."""

from __future__ import annotations

import re

_LATIN_LANGUAGES = (
    *("en", "english", "de", "german", "fr", "french", "es", "spanish", "it", "italian", "pt", "portuguese"),
    *("nl", "dutch", "pl", "polish", "sv", "swedish", "da", "danish", "no", "norwegian", "fi", "finnish"),
    *("cs", "czech", "tr", "turkish", "ro", "romanian", "hu", "hungarian", "id", "indonesian", "vi", "vietnamese"),
)
_ENGLISH = ("en", "english")
_SCRIPTS = {
    "Latin": re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]"),
    "Chinese": re.compile(r"[\u3400-\u9fff]"),
    "Japanese": re.compile(r"[\u3040-\u30ff\u3400-\u9fff]"),
    "Korean": re.compile(r"[\uac00-\ud7af]"),
    "Cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "Arabic": re.compile(r"[\u0600-\u06ff]"),
    "Greek": re.compile(r"[\u0370-\u03ff]"),
    "Devanagari": re.compile(r"[\u0900-\u097f]"),
    "Thai": re.compile(r"[\u0e00-\u0e7f]"),
    "Hebrew": re.compile(r"[\u0590-\u05ff]"),
}
_SCRIPT_OF = {
    **dict.fromkeys(_LATIN_LANGUAGES, "Latin"),
    **dict.fromkeys(("zh", "chinese"), "Chinese"),
    **dict.fromkeys(("ja", "japanese"), "Japanese"),
    **dict.fromkeys(("ko", "korean"), "Korean"),
    **dict.fromkeys(("ru", "russian", "uk", "ukrainian", "bg", "bulgarian"), "Cyrillic"),
    **dict.fromkeys(("ar", "arabic", "fa", "persian", "ur", "urdu"), "Arabic"),
    **dict.fromkeys(("el", "greek"), "Greek"),
    **dict.fromkeys(("hi", "hindi", "mr", "marathi", "ne", "nepali"), "Devanagari"),
    **dict.fromkeys(("th", "thai"), "Thai"),
    **dict.fromkeys(("he", "hebrew"), "Hebrew"),
}
_ENGLISH_WORDS = frozenset(
    ("the", "and", "of", "with", "while", "from", "into", "its", "his", "her", "their", "is", "are", "as")
)
_FEWEST_LETTERS, _MOST_ENGLISH = 0.5, 0.15


def language_problem(text: str, *, language: str) -> str:
    """Why `text` cannot be in `language` (an English name, or a code such as `de`); "" when nothing speaks against it.

    A language that is not listed here is not checked.
    """
    name = language.strip().lower()
    name = name if name in _SCRIPT_OF else re.split(r"[-_ ]", name)[0]
    script = _SCRIPT_OF.get(name)
    if script is None:
        return ""
    letters = [character for character in text if character.isalpha()]
    if len(_SCRIPTS[script].findall(text)) < _FEWEST_LETTERS * len(letters):
        return f"it is not in {language}"
    if script == "Latin" and name not in _ENGLISH and _reads_english(text):
        return f"it is in English, not in {language}"
    return ""


def _reads_english(text: str) -> bool:
    words = text.lower().split()
    return sum(word.strip(".,;:!?") in _ENGLISH_WORDS for word in words) > _MOST_ENGLISH * len(words)
