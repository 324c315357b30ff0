"""Words of a spec that are said on the command line: ``WORD=VALUE``, the value as YAML has it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from wayframe.errors import SpecError
from wayframe.files import redact_text
from wayframe.store.specs import read_value


def parse_words(said: Sequence[str], *, beside: Collection[str]) -> dict[str, object]:
    """Each word with its value; a word inside of a block is ``block.word``. What may be said is for the spec to judge.

    Raises `SpecError` for another form, a value that is no YAML, and a word that is said twice, here or `beside`.
    """
    words: dict[str, object] = {}
    for one in said:
        word, is_there, value = one.partition("=")
        if not (word and is_there):
            raise SpecError("--set", "expected WORD=VALUE", redact_text(one), fix="such as --set prompts.writer=openai")
        if word in words or word in beside:
            raise SpecError(f"--set {word}", "is said twice", redact_text(value), fix="say it once")
        if word.count(".") > 1:
            raise SpecError(f"--set {word}", "reaches no deeper than block.word", fix="write it into a spec")
        words[word] = read_value(value, field=f"--set {word}")
    return words
