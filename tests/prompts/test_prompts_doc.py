"""What the page about prompts shows can be used as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from wayframe.cli.docs import commands
from wayframe.cli.lazily import offered
from wayframe.core.spec import parse_spec
from wayframe.prompts.instructions import load_instruction
from wayframe.prompts.keys import FILE_VARIABLE, KEY_VARIABLE, URL_VARIABLE
from wayframe.prompts.openai_options import OpenAIOptions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "prompts.md").read_text()
SPECS, TOML = (re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("yaml", "toml"))


@pytest.mark.parametrize("text", SPECS, ids=range(len(SPECS)))
def test_every_spec_can_be_read(text: str):
    assert parse_spec(yaml.safe_load(text)).prompts is not None


def test_the_options_are_all_there_are_and_have_their_defaults():
    words = {name: str(value) for name, value in tomllib.loads(TOML[0])["openai"].items()}
    assert OpenAIOptions.parse(words) == OpenAIOptions()
    assert list(words) == list(OpenAIOptions.__slots__)


def test_the_instruction_can_be_used(tmp_path: Path):
    (tmp_path / "pair.toml").write_text(TOML[1])
    asked = load_instruction("pair", folder=tmp_path).ask(prompt="she runs", max_words=9, language="German")
    assert asked.question.splitlines()[1:] == ["The author asks for: she runs", "Answer in German."]


def test_every_variable_and_every_linked_file_is_there():
    for name in (KEY_VARIABLE, URL_VARIABLE, FILE_VARIABLE):
        assert f"`{name}`" in PAGE
    for link in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (ROOT / "docs" / link).exists(), link


def test_every_command_that_it_names_exists():
    known = {name for name, _ in commands(offered(), prefix="wayframe")}
    named = {f"wayframe {words}" for words in re.findall(r"wayframe ((?:models )?[a-z]+) ", PAGE)}
    assert "wayframe models pull" in named
    assert named <= known
