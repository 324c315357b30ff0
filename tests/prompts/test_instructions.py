"""Instructions are data files, and a user's own take the place of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayframe.errors import SpecError
from wayframe.prompts.instructions import load_instruction

OWN = 'name = "pair"\nversion = 7\nsystem = "Be brief."\nquestion = "What moves? {max_words} words."\n'


@pytest.mark.parametrize("name", ["pair", "single"])
def test_ours_name_what_they_ask_for(name: str):
    asked = load_instruction(name).ask(prompt="", max_words=42, language=None)
    assert "At most 42 words." in asked.question
    assert "video model" in asked.system
    assert "{" not in asked.system + asked.question
    assert "author" not in asked.question
    assert "Answer in" not in asked.question
    assert ("START" in asked.question) == (name == "pair")


def test_the_users_prompt_and_the_language_are_asked_for_where_they_are_said():
    asked = load_instruction("pair").ask(prompt=" she runs ", max_words=42, language="German")
    assert "asks for: she runs\n" in asked.question
    assert asked.question.endswith("Answer in German.")


def test_marks_in_the_users_prompt_stay_as_they_are():
    asked = load_instruction("pair").ask(prompt="{max_words} {language} {prompt}", max_words=42, language="German")
    assert "asks for: {max_words} {language} {prompt}\n" in asked.question


def test_a_users_file_takes_the_place_of_ours(tmp_path: Path):
    (tmp_path / "pair.toml").write_text(OWN)
    asked = load_instruction("pair", folder=tmp_path).ask(prompt="she runs", max_words=9, language="German")
    assert (asked.system, asked.question) == ("Be brief.", "What moves? 9 words.\nshe runs\nAnswer in German.")
    assert "START" not in load_instruction("single", folder=tmp_path).question


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "pair.toml: is not TOML"),
        ('name = "pair"\nversion = 1\nquestion = "?"', "pair.toml: system: Field required"),
        (OWN + 'colour = "red"', "pair.toml: colour: Extra inputs"),
        (OWN.replace("7", "0"), "pair.toml: version"),
        (OWN.replace('"pair"', '"other"'), r"pair.toml: name: expected 'pair' \(got 'other'\)"),
    ],
)
def test_a_users_file_that_cannot_be_used_is_an_error_that_names_the_place(tmp_path: Path, text: str, message: str):
    (tmp_path / "pair.toml").write_text(text)
    with pytest.raises(SpecError, match=message):
        load_instruction("pair", folder=tmp_path)
