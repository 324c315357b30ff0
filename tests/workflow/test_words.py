"""Words of a spec said on the command line."""

from __future__ import annotations

import pytest

from wayframe.errors import SpecError
from wayframe.workflow.words import parse_words


def test_values_are_read_as_in_yaml():
    said = ("prompts.writer=openai", "seed=7", "cfg_star=true", "bundles=[reward]", "prompt=a = b", "preset=")
    assert parse_words(said, beside=()) == {
        "prompts.writer": "openai",
        "seed": 7,
        "cfg_star": True,
        "bundles": ["reward"],
        "prompt": "a = b",
        "preset": None,
    }


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["seed"], "--set: expected WORD=VALUE (got 'seed'); such as --set prompts.writer=openai"),
        (["=5"], "--set: expected WORD=VALUE (got '=5'); such as --set prompts.writer=openai"),
        (["steps=5", "steps=6"], "--set steps: is said twice (got '6'); say it once"),
        (["seed=5"], "--set seed: is said twice (got '5'); say it once"),
        (["a.b.c=5"], "--set a.b.c: reaches no deeper than block.word; write it into a spec"),
        (["bundles=[x"], "--set bundles: cannot be read as YAML: line 1, column 3: expected ',' or ']'"),
        (["look={a: 1, a: 2}"], "--set look: cannot be read as YAML: line 1: key 'a' stands twice in one mapping"),
    ],
)
def test_what_cannot_be_read_is_named(said: list[str], message: str):
    with pytest.raises(SpecError) as caught:
        parse_words(said, beside=("seed",))
    assert str(caught.value).startswith(message)
