"""Specs from files: three languages, one meaning, and one line for whatever is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wayframe.errors import SpecError
from wayframe.store import specs
from wayframe.store.specs import read_data

MEANING = {"mode": "timeline", "fps": 16, "keyframes": [{"image": "ü.png", "at": 0}, {"image": "b.png", "at": "3.2s"}]}
YAML = """
mode: timeline
fps: 16
keyframes:
  - {image: ü.png, at: 0}
  - {image: b.png, at: 3.2s}
"""
TOML = """
mode = "timeline"
fps = 16
[[keyframes]]
image = "ü.png"
at = 0
[[keyframes]]
image = "b.png"
at = "3.2s"
"""
TEXTS = {"yaml": YAML, "yml": YAML, "toml": TOML, "json": json.dumps(MEANING), "YAML": YAML}


def file(folder: Path, text: str | bytes, suffix: str) -> Path:
    path = folder / f"trip.{suffix}"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("suffix", TEXTS)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
def test_all_languages_say_the_same(tmp_path: Path, suffix: str, mark: str) -> None:
    assert read_data(file(tmp_path, mark + TEXTS[suffix], suffix)) == MEANING


@pytest.mark.parametrize(
    ("suffix", "text", "says"),
    [
        ("yaml", "fps: 16\nseed: 1\nfps: 24\n", "line 3: key 'fps' stands twice"),
        ("yaml", "keyframes:\n- {image: a, image: b}\n", "line 2: key 'image' stands twice"),
        ("json", '{"fps": 16, "fps": 24}', "key 'fps' stands twice"),
        ("json", '{"keyframes": [{"at": 1, "at": 2}]}', "key 'at' stands twice"),
        ("toml", "fps = 16\nfps = 24\n", "line 2"),
        ("yaml", "keyframes: [\n", "line 2, column 1"),
        ("yaml", "a: b: c\n", "line 1, column 5"),
        ("yaml", "fps: 16\n? [a, b]\n: c\n", "line 2, column 3: found unhashable key"),
        ("yaml", "prompt: 2024-13-45\n", "month must be in 1..12"),
        ("yaml", 'seed: !!int "x"\n', "invalid literal"),
        ("yaml", "seed: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("yaml", "prompt: \0\n", "special characters are not allowed"),
        ("json", '{"fps": 16,}', "line 1 column"),
        ("json", '{"fps": NaN}', "NaN is not a number of JSON"),
        ("json", '{"seed": ' + "1" * 5000 + "}", "integer string conversion"),
        ("json", "", "line 1 column 1"),
        ("toml", "fps = \n", "line 1"),
        ("json", "[" * 100_000, "nested too deeply"),
        ("yaml", "[" * 5_000, "nested too deeply"),
        ("yaml", b"prompt: \xff\n", r"is not UTF-8 text \(byte 8\)"),
    ],
)
def test_a_broken_file_is_one_line_with_its_name_and_the_place(
    tmp_path: Path, suffix: str, text: str | bytes, says: str
) -> None:
    path = file(tmp_path, text, suffix)
    with pytest.raises(SpecError, match=says) as caught:
        read_data(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_is_a_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gone\.yaml: there is no such file"):
        read_data(tmp_path / "gone.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(SpecError, match=r"folder\.yaml: cannot be read: Is a directory"):
        read_data(tmp_path / "folder.yaml")


def test_another_suffix_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"is not a spec \(got '\.txt'\); expected \.yaml, \.yml, \.toml, \.json"):
        read_data(file(tmp_path, YAML, "txt"))


def test_a_file_above_the_limit_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs, "MAX_BYTES", 10)
    with pytest.raises(SpecError, match=r"is larger than 10 bytes \(got 11\)"):
        read_data(file(tmp_path, "seed: 12345", "yaml"))
    assert read_data(file(tmp_path, "seed: 1234", "yaml")) == {"seed": 1234}


def test_yaml_may_share_parts_by_name_and_merge_them(tmp_path: Path) -> None:
    text = "keyframes:\n- &first {image: a.png, prompt: rain}\n- {<<: *first, prompt: sun}\n"
    assert read_data(file(tmp_path, text, "yaml")) == {
        "keyframes": [{"image": "a.png", "prompt": "rain"}, {"image": "a.png", "prompt": "sun"}]
    }
