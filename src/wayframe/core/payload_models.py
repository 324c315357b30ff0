"""Upstream's names of models: which model they mean, and what their definitions bring along.

Source of the definitions: the model files that upstream ships in Wan2GP/defaults, and upstream's debug logs for the
thresholds of `lightning_baseline_2_2_2` in October 2025.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wayframe.core.payload_like import Like
from wayframe.errors import PayloadError

_LIGHTNING = "https://huggingface.co/lightx2v/Wan2.2-Lightning/resolve/main"
_T2V = f"{_LIGHTNING}/Wan2.2-T2V-A14B-4steps-lora-250928"
_I2V = f"{_LIGHTNING}/Wan2.2-I2V-A14B-4steps-lora-rank64-Seko-V1"
_COMFY = (
    "https://huggingface.co/Comfy-Org/Wan_2.2_ComfyUI_Repackaged/resolve/main/split_files/loras/"
    "wan2.2_i2v_lightx2v_4steps_lora_v1"
)
HIGH_LORA = f"{_T2V}/high_noise_model.safetensors"
LOW_LORA = f"{_T2V}/low_noise_model.safetensors"
_PHASES_IN_NAME = re.compile(r"(?:_\d){2,3}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a model's definition says when the payload has no phase_config; a LoRA is a pair of file and strengths."""

    steps: int
    guidance: tuple[float, ...]
    thresholds: tuple[float, ...]
    switch: int
    shift: float
    solver: str
    loras: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamModel:
    """The catalogue's name of a model of upstream's, and its definition if that brings phases."""

    model: str
    definition: Definition | None = None


def _three(*loras: tuple[str, str]) -> Definition:
    return Definition(
        steps=6, guidance=(3, 1, 1), thresholds=(883, 558), switch=2, shift=5, solver="euler", loras=loras
    )


def _two(first: float, *loras: tuple[str, str]) -> Definition:
    return Definition(steps=6, guidance=(first, 1), thresholds=(558,), switch=1, shift=5, solver="euler", loras=loras)


_VACE, _I2V_MODEL, _T2V_MODEL = "wan2.2-vace-a14b", "wan2.2-i2v-a14b", "wan2.2-t2v-a14b"
_I2V_LORAS = (
    (f"{_I2V}/high_noise_model.safetensors", "0.75;1.0;0"),
    (f"{_I2V}/low_noise_model.safetensors", "0;0;1"),
)
_I2V_LORAS_3_3 = ((f"{_COMFY}_high_noise.safetensors", "0.75;1.2;0"), (f"{_COMFY}_low_noise.safetensors", "0;0;1.0"))
MODELS: Mapping[str, UpstreamModel] = {
    "lightning_baseline_2_2_2": UpstreamModel(
        model=_VACE, definition=_three((HIGH_LORA, "0;1.0;0"), (LOW_LORA, "0;0;1"))
    ),
    "lightning_baseline_3_3": UpstreamModel(model=_VACE, definition=_two(3, (HIGH_LORA, "1;0"), (LOW_LORA, "0;1"))),
    "wan_2_2_vace_lightning_baseline_2_2_2": UpstreamModel(model=_VACE, definition=_three()),
    "wan_2_2_vace_lightning_baseline_3_3": UpstreamModel(model=_VACE, definition=_two(1)),
    "wan_2_2_i2v_lightning_baseline_2_2_2": UpstreamModel(model=_I2V_MODEL, definition=_three(*_I2V_LORAS)),
    "wan_2_2_i2v_lightning_baseline_3_3": UpstreamModel(model=_I2V_MODEL, definition=_three(*_I2V_LORAS_3_3)),
    "wan_2_2_i2v_lightning_svi_3_3": UpstreamModel(model=_I2V_MODEL),
    "wan_2_2_i2v_lightning_svi_endframe": UpstreamModel(model=_I2V_MODEL),
    "vace_14B_cocktail_2_2": UpstreamModel(model=_VACE),
    "vace_14B_fake_cocktail_2_2": UpstreamModel(model=_VACE),
    "vace_fun_14B_cocktail_lightning": UpstreamModel(model=_VACE),
    "vace_fun_14B_cocktail_lightning_3phase": UpstreamModel(model=_VACE),
    "vace_fun_14B_cocktail_lightning_3phase_light_distill": UpstreamModel(model=_VACE),
    "vace_fun_14B_2_2": UpstreamModel(model=_VACE),
    "i2v_2_2": UpstreamModel(model=_I2V_MODEL),
    "t2v_2_2": UpstreamModel(model=_T2V_MODEL),
    "wan_2_2_t2v_14B": UpstreamModel(model=_T2V_MODEL),
    "vace_14B": UpstreamModel(model="wan2.1-vace-14b"),
    "vace_14B_cocktail": UpstreamModel(model="wan2.1-vace-14b"),
    "vace_14B_fusionix": UpstreamModel(model="wan2.1-vace-14b"),
    "vace_14B_sf": UpstreamModel(model="wan2.1-vace-14b"),
    "i2v": UpstreamModel(model="wan2.1-i2v-14b"),
    "i2v_14B": UpstreamModel(model="wan2.1-i2v-14b"),
    "t2v": UpstreamModel(model="wan2.1-t2v-14b"),
    "flf2v_720p": UpstreamModel(model="wan2.1-flf2v-14b"),
}
UPSTREAM_NAMES: Mapping[str, str] = {
    _VACE: "wan_2_2_vace_lightning_baseline_2_2_2",
    _I2V_MODEL: "wan_2_2_i2v_lightning_baseline_2_2_2",
    _T2V_MODEL: "t2v_2_2",
    "wan2.1-vace-14b": "vace_14B",
    "wan2.1-i2v-14b": "i2v",
    "wan2.1-t2v-14b": "t2v",
    "wan2.1-flf2v-14b": "flf2v_720p",
}
"""The name that a payload gets for a model of ours."""
WANGP_NAMES: Mapping[str, str] = {**UPSTREAM_NAMES, _VACE: "vace_fun_14B_2_2", _I2V_MODEL: "i2v_2_2"}
"""WanGP's own name of a model, whose definition brings no LoRAs."""


def upstream_model(name: str) -> UpstreamModel:
    """The model that upstream means by a name. Raises `PayloadError` that lists the known names."""
    if name not in MODELS:
        raise PayloadError("model_name", "is not known", name, fix=f"known are {', '.join(MODELS)}")
    return MODELS[name]


def definition_for(name: str, like: Like) -> Definition | None:
    """What the model's definition adds; read plainly, it adds nothing."""
    return None if like is Like.PLAIN else upstream_model(name).definition


def phases_in_name(name: str) -> tuple[int, ...] | None:
    """The steps of each phase that a name such as ``..._2_2_2`` promises, or None."""
    found = _PHASES_IN_NAME.search(name) if "lightning" in name else None
    return tuple(int(number) for number in found.group().strip("_").split("_")) if found else None
