"""Values as upstream prints them: the whole Python literals of claims, and the values of FINAL_PARAMS."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from typing import NoReturn, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Object: TypeAlias = "dict[str, Json]"

_BRACKETS = {"{": "}", "[": "]", "(": ")"}
_SPECIAL = re.compile(r"[\[\](){}'\"]")
_STRINGS = {quote: re.compile(rf"{quote}(?:[^{quote}\\]|\\.)*{quote}", re.DOTALL) for quote in "'\""}
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARK = re.compile(r" (?:⭐|\*)$")
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]{0,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,4})?$")
_PYTHON_TOKEN = re.compile(r"""(?s)'(?:[^'\\]|\\.)*+'?+|"(?:[^"\\]|\\.)*+"?+|\b(?:True|False|None)\b""")
"""Strings and words; a string that is cut off matches too, or every quote in it would be tried as a beginning."""
_JSON_WORDS = {"True": "true", "False": "false", "None": "null"}
_WORDS: dict[str, Json] = {"None": None, "True": True, "False": False}
TEXT_KEYS = frozenset(
    {
        "prompt",
        "negative_prompt",
        "alt_prompt",
        "loras_multipliers",
        "resolution",
        "sample_solver",
        "model_type",
        "model_filename",
        "mode",
        "video_prompt_type",
        "image_prompt_type",
        "audio_prompt_type",
        "MMAudio_prompt",
        "MMAudio_neg_prompt",
        "keep_frames_video_guide",
        "keep_frames_video_source",
        "frames_positions",
        "speakers_locations",
        "spatial_upsampling",
        "temporal_upsampling",
        "force_fps",
        "skip_steps_cache_type",
        "video_guide_outpainting",
    }
)
"""Engine parameters that are text whatever they look like: ``0.75,0.0`` is a multiplier string, not a tuple."""


def literal_end(text: str, *, start: int) -> int | None:
    """The position after the literal that begins with a bracket at `start`, or None when it is cut off."""
    open_brackets: list[str] = []
    at = start
    while (token := _SPECIAL.search(text, at)) is not None:
        character = token[0]
        at = token.end()
        if character in _STRINGS:
            string = _STRINGS[character].match(text, token.start())
            if string is None:
                return None
            at = string.end()
        elif character in _BRACKETS:
            open_brackets.append(_BRACKETS[character])
        elif not open_brackets or open_brackets.pop() != character:
            return None
        if not open_brackets:
            return at
    return None


def read_literal(text: str) -> Json:
    """The value of a Python literal as plain JSON data. Raises ValueError when it is not whole, or no JSON data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape is not ours to complain about
        try:
            return _read_as_json(text)
        except (ValueError, SyntaxError, RecursionError):
            return _read_as_python(text)


def _read_as_json(text: str) -> Json:
    # Nearly every literal of a claim is JSON but for its quotes and three words, and C reads JSON several times faster.
    translated = _PYTHON_TOKEN.sub(_json_token, text)
    read: Json = json.loads(translated, parse_constant=_refuse, parse_float=_finite)
    return read


def _json_token(match: re.Match[str]) -> str:
    token = match[0]
    if token in _JSON_WORDS:
        return _JSON_WORDS[token]
    if len(token) == 1 or token[-1] != token[0]:
        raise ValueError("a string is cut off")
    if "\\" in token:
        return _SURROGATE.sub("\ufffd", json.dumps(ast.literal_eval(token), ensure_ascii=False))
    body = token[1:-1]
    return f'"{body}"' if '"' not in body else '"' + body.replace('"', '\\"') + '"'


def _finite(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON data")


def _read_as_python(text: str) -> Json:
    try:
        value = ast.literal_eval(text)
        plain = json.dumps(value, ensure_ascii=False, allow_nan=False)
        read: Json = json.loads(plain if plain.isascii() else _SURROGATE.sub("\ufffd", plain))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as exc:
        raise ValueError("not a whole literal of JSON data") from exc
    return read


def typed(text: str, *, key: str) -> tuple[Json, bool]:
    """What the engine was sent as `key`, in its type, and whether the value is known (a truncated one is not).

    A star at the end of a number is upstream's mark and no part of it. Numbers, None, True, False and bracketed
    literals are read as such; everything else, and every key of `TEXT_KEYS`, is text, with its blanks.
    """
    if text.endswith("(truncated)"):
        return None, False
    if key in TEXT_KEYS:
        return _SURROGATE.sub("\ufffd", text), True
    bare = _MARK.sub("", text)
    if bare in _WORDS:
        return _WORDS[bare], True
    if _NUMBER.match(bare) or bare[:1] in _BRACKETS:
        try:
            return read_literal(bare), True
        except ValueError:
            return text, True
    return text, True
