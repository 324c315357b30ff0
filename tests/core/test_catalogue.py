"""Models and presets: what ships, and what a file of the user's may say."""

from __future__ import annotations

from typing import Any

import pytest

from core.trips import CATALOGUE, HIGH, LOW, T2V, VACE
from wayframe.core.catalogue import TWO_EXPERTS, parse_model, parse_preset
from wayframe.core.loras import parse_multiplier
from wayframe.errors import CatalogueError

MODEL: dict[str, Any] = {
    "name": "tiny",
    "title": "Tiny",
    "kind": "t2v",
    "experts": 2,
    "boundary": 0.875,
    "steps": 8,
    "guidance": 4.0,
    "flow_shift": 5.0,
}
PRESET: dict[str, Any] = {
    "name": "quick",
    "title": "Quick",
    "models": ["tiny"],
    "phases": [{"steps": 2, "guidance": 1.0, "expert": "high"}],
    "loras": [{"file": "a.safetensors", "multiplier": "1.0", "for": "high", "distilled": True}],
}


def test_the_shipped_models_are_those_of_wan():
    two = {name for name, model in CATALOGUE.models.items() if model.experts == TWO_EXPERTS}
    assert two == {"wan2.2-t2v-a14b", "wan2.2-i2v-a14b", "wan2.2-vace-a14b"}
    assert set(CATALOGUE.models) - two == {
        *("wan2.1-t2v-14b", "wan2.1-i2v-14b", "wan2.1-flf2v-14b", "wan2.1-vace-14b"),
        *("wan2.2-ti2v-5b", "wan2.1-t2v-1.3b", "wan2.1-vace-1.3b", "wan2.1-i2v-14b-480p"),
    }
    assert set(CATALOGUE.presets) == {"lightning_baseline_2_2_2", "lightning_3_3", "plain"}


def test_boundaries_of_the_two_expert_models_are_those_that_wan_was_trained_with():
    assert (CATALOGUE.model(T2V).boundary, CATALOGUE.model("wan2.2-i2v-a14b").boundary) == (0.875, 0.9)


def test_every_model_makes_lengths_of_4n_plus_1_and_sides_of_16_but_the_5b_with_its_deeper_vae_of_32():
    assert {model.frame_step for model in CATALOGUE.models.values()} == {4}
    assert {name for name, model in CATALOGUE.models.items() if model.size_step != 16} == {"wan2.2-ti2v-5b"}
    assert CATALOGUE.model("wan2.2-ti2v-5b").size_step == 32


def test_every_preset_names_models_that_are_there_and_has_a_weight_for_each_of_its_phases():
    for preset in CATALOGUE.presets.values():
        assert set(preset.models) <= set(CATALOGUE.models)
        for lora in preset.loras:
            counts = [phase.steps for phase in preset.phases]
            assert len(parse_multiplier(lora.multiplier, field="").per_step(counts, field="")) == sum(counts)


def test_lightning_baseline_is_three_phases_with_the_high_lora_on_two_and_the_low_one_on_the_last():
    preset = CATALOGUE.preset("lightning_baseline_2_2_2")
    assert [(p.steps, p.guidance, p.expert) for p in preset.phases] == [(2, 3, "high"), (2, 1, "high"), (2, 1, "low")]
    assert [(lora.file, lora.multiplier, lora.target) for lora in preset.loras] == [
        (HIGH, "0.75;1.0;0", "high"),
        (LOW, "0;0;1.0", "low"),
    ]
    assert (preset.flow_shift, preset.sample_solver) == (5, "euler")
    assert all(lora.distilled for lora in preset.loras)
    assert VACE in preset.models


def test_lightning_3_3_is_two_phases_at_guidance_1():
    preset = CATALOGUE.preset("lightning_3_3")
    assert [(p.steps, p.guidance, p.expert) for p in preset.phases] == [(3, 1, "high"), (3, 1, "low")]
    assert [lora.multiplier for lora in preset.loras] == ["1.0;0", "0;1.0"]


def test_a_name_that_is_not_there_is_answered_with_the_nearest_one():
    with pytest.raises(
        CatalogueError, match=r"model: is not in the catalogue \(got 'wan2.2-t2v'\); did you mean wan2.2-"
    ):
        CATALOGUE.model("wan2.2-t2v")
    with pytest.raises(CatalogueError, match="known are lightning_3_3, lightning_baseline_2_2_2, plain"):
        CATALOGUE.preset("zzz")


def test_a_model_with_one_expert_has_no_boundary_and_one_with_two_has_one():
    assert parse_model({**MODEL, "experts": 1, "boundary": None}, source="tiny.toml").boundary is None
    for wrong in ({"experts": 1}, {"boundary": None}):
        with pytest.raises(CatalogueError, match=r"tiny\.toml"):
            parse_model({**MODEL, **wrong}, source="tiny.toml")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"kind": "audio"}, "tiny.toml: kind"),
        ({"experts": 3}, "tiny.toml: experts"),
        ({"frame_step": 0}, "tiny.toml: frame_step"),
        ({"guidence": 2.0}, "tiny.toml: guidence"),
        ({"flow_shift": float("nan")}, "tiny.toml: flow_shift"),
        ({"sample_solver": "heun"}, "tiny.toml: sample_solver"),
    ],
)
def test_a_wrong_value_of_a_model_file_names_file_and_field(change: dict[str, Any], place: str):
    with pytest.raises(CatalogueError) as caught:
        parse_model({**MODEL, **change}, source="tiny.toml")
    assert caught.value.field == place


def test_a_wrong_value_of_a_preset_file_names_file_and_field():
    lora = {**PRESET["loras"][0], "multiplier": "a;b"}
    with pytest.raises(CatalogueError) as caught:
        parse_preset({**PRESET, "loras": [lora]}, source="quick.toml")
    assert caught.value.field == "quick.toml: loras[0].multiplier"
    assert parse_preset(PRESET, source="quick.toml").loras[0].target == "high"


def test_every_model_says_where_its_weights_are_how_large_and_under_which_licence():
    for model in CATALOGUE.models.values():
        assert model.source.lower().endswith("-diffusers")
        assert model.license == "apache-2.0"
        assert model.size_gb is not None
    assert CATALOGUE.model("wan2.2-i2v-a14b").size_gb == 126.2
    assert CATALOGUE.model(VACE).revision.startswith("1abfb95")


def test_only_the_image_models_for_one_picture_do_not_look_at_the_end():
    assert {name for name, model in CATALOGUE.models.items() if not model.takes_end} == {
        *("wan2.1-i2v-14b", "wan2.1-i2v-14b-480p", "wan2.2-ti2v-5b"),
    }
