"""The catalogue's files: those of the package, and the user's own on top of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayframe.errors import CatalogueError
from wayframe.store.catalogue import load_catalogue
from wayframe.store.home import Home, open_home

MODEL = """
name = "{name}"
title = "Mine"
kind = "t2v"
experts = 1
steps = 12
guidance = 4
flow_shift = 3
"""
PRESET = """
name = "{name}"
title = "Mine"
models = ["{model}"]
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = open_home(tmp_path)
    home.models.mkdir()
    home.presets.mkdir()
    return home


def test_the_package_brings_the_wan_models_and_their_presets(tmp_path: Path) -> None:
    catalogue = load_catalogue(open_home(tmp_path))
    assert {
        model.experts for name, model in catalogue.models.items() if name.startswith("wan2.2") and "a14b" in name
    } == {2}
    assert {model.experts for name, model in catalogue.models.items() if name.startswith("wan2.1")} == {1}
    assert {"wan2.2-t2v-a14b", "wan2.2-i2v-a14b", "wan2.2-vace-a14b", "wan2.1-flf2v-14b"} <= catalogue.models.keys()
    assert {"lightning_baseline_2_2_2", "lightning_3_3", "plain"} <= catalogue.presets.keys()


def test_a_users_file_adds_a_model_and_replaces_one_by_its_name(home: Home) -> None:
    (home.models / "new.toml").write_text(MODEL.format(name="mine"))
    (home.models / "any name.toml").write_text(MODEL.format(name="wan2.1-t2v-14b"))
    catalogue = load_catalogue(home)
    assert catalogue.model("mine").steps == 12
    assert catalogue.model("wan2.1-t2v-14b").title == "Mine"


def test_a_users_preset_may_be_for_a_users_model(home: Home) -> None:
    (home.models / "mine.toml").write_text(MODEL.format(name="mine"))
    (home.presets / "fast.toml").write_text(PRESET.format(name="fast", model="mine"))
    assert load_catalogue(home).preset("fast").models == ("mine",)


@pytest.mark.parametrize(
    ("folder", "text", "says"),
    [
        ("models", "name = ", r"mine\.toml: cannot be read"),
        ("models", "\xff", r"mine\.toml: cannot be read"),
        ("models", MODEL.format(name="mine") + "stepz = 3\n", r"mine\.toml: stepz"),
        ("models", MODEL.format(name="mine").replace("experts = 1", "experts = 2"), "boundary"),
        ("presets", PRESET.format(name="fast", model="gone"), "preset fast: models: is not in the catalogue"),
    ],
)
def test_a_wrong_file_is_named(home: Home, folder: str, text: str, says: str) -> None:
    (home.root / folder / "mine.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(CatalogueError, match=says):
        load_catalogue(home)


def test_files_that_are_not_toml_are_left_alone(home: Home) -> None:
    (home.models / "notes.txt").write_text("not a model")
    assert "wan2.1-t2v-14b" in load_catalogue(home).models
