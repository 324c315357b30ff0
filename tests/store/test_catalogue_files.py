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


BUNDLE = """
name = "{name}"
title = "Mine"
models = ["{model}"]
loras = [{{file = "a.safetensors", multiplier = "0.4", for = "any", distilled = false}}]
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = open_home(tmp_path)
    home.models.mkdir()
    home.presets.mkdir()
    home.bundles.mkdir()
    return home


def test_the_package_brings_the_wan_models_and_their_presets(tmp_path: Path) -> None:
    catalogue = load_catalogue(open_home(tmp_path))
    assert {
        model.experts for name, model in catalogue.models.items() if name.startswith("wan2.2") and "a14b" in name
    } == {2}
    assert {model.experts for name, model in catalogue.models.items() if name.startswith("wan2.1")} == {1}
    assert {"wan2.2-t2v-a14b", "wan2.2-i2v-a14b", "wan2.2-vace-a14b", "wan2.1-flf2v-14b"} <= catalogue.models.keys()
    assert {"lightning_baseline_2_2_2", "lightning_3_3", "plain"} <= catalogue.presets.keys()
    assert catalogue.bundles.keys() == {"causvid", "lightx2v", "reward", "styleboost", "motion"}
    assert catalogue.faults == ()


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
        (
            "presets",
            PRESET.format(name="fast", model="gone"),
            r"mine\.toml: models: is not in the catalogue \(got 'gone'\)",
        ),
    ],
)
def test_a_wrong_file_is_named_in_full_to_whoever_asks_for_it(home: Home, folder: str, text: str, says: str) -> None:
    path = home.root / folder / "mine.toml"
    path.write_bytes(text.encode("latin-1"))
    catalogue = load_catalogue(home)
    ask = catalogue.model if folder == "models" else catalogue.preset
    with pytest.raises(CatalogueError, match=says) as caught:
        ask("mine" if folder == "models" else "fast")
    assert str(caught.value).startswith(f"{path}: ")
    assert [(fault.file, fault.path) for fault in catalogue.faults] == [(f"{folder}/mine.toml", str(path))]


PHASED = """
name = "fast"
title = "Fast"
models = ["{model}"]
loras = [{{file = "a.safetensors", multiplier = "{multiplier}", for = "any", distilled = false}}]
phases = [{{steps = 2, guidance = 1, expert = "{first}"}}, {{steps = 1, guidance = 1, expert = "{second}"}}]
"""


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"model": "wan2.1-t2v-14b"}, r"phases\[0\]\.expert: wan2\.1-t2v-14b has only \(got 'high'\)"),
        ({"first": "only", "second": "only"}, r"phases\[0\]\.expert: wan2\.2-t2v-a14b has high and low \(got 'only'\)"),
        ({"first": "low", "second": "high"}, r"phases\[1\]\.expert: noise only falls"),
        ({"multiplier": "1;0;1"}, r"loras\[0\]\.multiplier: 3 parts for 2 phases \(got '1;0;1'\)"),
        ({"multiplier": "1;1,1"}, r"loras\[0\]\.multiplier: 2 values for 1 step"),
    ],
)
def test_a_presets_phases_and_multipliers_must_fit_its_models(home: Home, said: dict[str, str], says: str) -> None:
    words = {"model": "wan2.2-t2v-a14b", "multiplier": "1;0", "first": "high", "second": "low"}
    (home.presets / "fast.toml").write_text(PHASED.format(**words))
    assert load_catalogue(home).preset("fast").phases[1].expert == "low"
    (home.presets / "fast.toml").write_text(PHASED.format(**{**words, **said}))
    with pytest.raises(CatalogueError, match=f"{home.presets / 'fast.toml'}: {says}"):
        load_catalogue(home).preset("fast")


def test_a_wrong_file_hinders_only_those_who_may_mean_it(home: Home) -> None:
    (home.models / "mine.toml").write_text(MODEL.format(name="mine") + "stepz = 3\n")
    catalogue = load_catalogue(home)
    assert catalogue.model("wan2.1-t2v-14b").title != "Mine"
    assert catalogue.preset("plain").name == "plain"
    for name in ("mine", "of nobody"):
        with pytest.raises(CatalogueError, match="stepz"):
            catalogue.model(name)
    (home.models / "mine.toml").write_text("name = ")  # it may be about any model
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_catalogue(home).model("wan2.1-t2v-14b")


def test_a_wrong_file_that_replaces_an_entry_does_not_bring_the_shipped_one_back(home: Home) -> None:
    (home.models / "a.toml").write_text(MODEL.format(name="wan2.1-t2v-14b") + "stepz = 3\n")
    with pytest.raises(CatalogueError, match="stepz"):
        load_catalogue(home).model("wan2.1-t2v-14b")


def test_files_that_are_not_toml_are_left_alone(home: Home) -> None:
    (home.models / "notes.txt").write_text("not a model")
    assert "wan2.1-t2v-14b" in load_catalogue(home).models


def test_a_users_bundle_says_what_styleboost_adds(home: Home) -> None:
    text = BUNDLE.format(name="styleboost", model="wan2.1-t2v-14b")
    (home.bundles / "mine.toml").write_text(f'switches = ["use_styleboost_loras"]\n{text}')
    (lora,) = load_catalogue(home).bundle("styleboost").loras
    assert (lora.file, lora.multiplier) == ("a.safetensors", "0.4")


def test_a_bundle_for_a_model_that_is_not_there_is_left_out(home: Home) -> None:
    path = home.bundles / "mine.toml"
    path.write_text(BUNDLE.format(name="mine", model="gone"))
    catalogue = load_catalogue(home)
    assert [(fault.kind, fault.file) for fault in catalogue.faults] == [("bundle", "bundles/mine.toml")]
    with pytest.raises(CatalogueError, match=r"mine\.toml: models: is not in the catalogue \(got 'gone'\)"):
        catalogue.bundle("mine")
    assert catalogue.bundle("causvid").steps == 9
