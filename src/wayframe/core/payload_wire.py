"""What is read of an upstream payload, typed and checked key by key; nothing is repaired here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from wayframe.core.after import MOST_FACTOR
from wayframe.core.look import MOST_SATURATION
from wayframe.core.payload_keys import REQUIRED, SWITCHES
from wayframe.core.schedule import WIRE_SHIFT, WIRE_SOLVER, WIRE_STEPS_PER_PHASE, WIRE_SWITCH_PHASE
from wayframe.core.spec import MAX_SIDE, field_path
from wayframe.core.spec_recipe import PhaseMultiplier
from wayframe.errors import PayloadError

Data = dict[str, JsonValue]
PAIR = 2
_LORA_MAPPINGS = ("additional_loras", "loras")
_MESSAGES = {
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "string_type": "expected text",
    "tuple_type": "expected a list",
    "model_type": "expected a mapping",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "missing": "is required",
    "too_short": "needs at least {min_length}",
    "greater_than_equal": "must be {ge:g} or more",
    "greater_than": "must be more than {gt:g}",
    "less_than_equal": "must be {le:g} or less",
}


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    return value


def _none(value: object) -> object:
    return None if value == "" else value


def _size(value: object) -> object:
    sides = value.lower().replace("*", "x").split("x") if isinstance(value, str) else value
    return tuple(sides) if isinstance(sides, list | tuple) and len(sides) == PAIR else value


def _as_list(value: object) -> object:
    return () if value is None else [value] if isinstance(value, int | str) else value


def _loras(value: object) -> object:
    """LoRAs as upstream writes them: a mapping of addresses to strengths, or entries with path and strength."""
    if isinstance(value, Mapping):
        return [{"url": url, "multiplier": strength} for url, strength in value.items()]
    if not isinstance(value, list):
        return value
    return [_one_lora(entry) if isinstance(entry, Mapping) else entry for entry in value]


def _one_lora(entry: Mapping[str, object]) -> dict[str, object]:
    names = {"url": ("url", "path"), "multiplier": ("multiplier", "strength", "scale")}
    return {to: entry[name] for to, known in names.items() for name in reversed(known) if name in entry}


Whole = Annotated[int, BeforeValidator(_number)]
Real = Annotated[float, BeforeValidator(_number)]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
Switched = Annotated[bool, BeforeValidator(lambda value: False if value == "" else value)]
Side = Annotated[Whole, Field(ge=1, le=MAX_SIDE)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class WireLora(_Part):
    """A LoRA with the strength that it has in one phase, or throughout."""

    url: str
    multiplier: PhaseMultiplier = "1.0"


Loras = Annotated[tuple[WireLora, ...], BeforeValidator(_loras)]


class WirePhase(_Part):
    """A phase of a phase_config; its number is held against its place, whatever it is."""

    phase: JsonValue = None
    guidance_scale: Annotated[Real, Field(ge=0)] | None = None
    loras: Loras = ()


class WirePhases(_Part):
    """A phase_config, with upstream's defaults for what it leaves out. Counts that disagree are refused."""

    phases: tuple[WirePhase, ...] = Field(min_length=1)
    num_phases: Whole | None = None
    steps_per_phase: tuple[Annotated[Whole, Field(ge=1)], ...] = WIRE_STEPS_PER_PHASE
    flow_shift: Annotated[Real, Field(gt=0)] = WIRE_SHIFT
    sample_solver: str = WIRE_SOLVER
    model_switch_phase: Annotated[Whole, Field(ge=1)] = WIRE_SWITCH_PHASE
    mode: str = ""

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        counts = {len(self.phases), len(self.steps_per_phase), self.num_phases or len(self.phases)}
        if len(counts) > 1:
            said = f"num_phases {self.num_phases}, steps_per_phase {list(self.steps_per_phase)}"
            raise ValueError(f"{said} and {len(self.phases)} phases do not agree")
        return self

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(self.steps_per_phase)

    @property
    def guidance(self) -> tuple[float, ...]:
        """Guidance of each phase; upstream's defaults are 3 for the first and 1 for the others."""
        defaults = (3.0, *(1.0 for _ in self.phases[1:]))
        given = (phase.guidance_scale for phase in self.phases)
        return tuple(one if scale is None else scale for scale, one in zip(given, defaults, strict=True))


class WireMotion(_Part):
    """What a segment says of its motion alone."""

    amount_of_motion: Annotated[Real, Field(ge=0, le=1)] | None = None


class Continuation(_Part):
    """How a segment follows from the one before; without a strategy it does not."""

    strategy: Annotated[str, BeforeValidator(lambda value: value or "none")] = "none"
    overlap_frames: Annotated[Whole, Field(ge=0)] = 0


class Wire(_Part):
    """What is read of a payload, under upstream's names. A key that is absent or null has its default here."""

    model_name: str
    parsed_resolution_wh: Annotated[tuple[Side, Side], BeforeValidator(_size)]
    num_new_segments_to_generate: Annotated[Whole, Field(ge=1)]
    segment_frames_expanded: Annotated[tuple[Annotated[Whole, Field(ge=1)], ...], BeforeValidator(_as_list)]
    frame_overlap_expanded: Annotated[Whole, Field(ge=0)] | tuple[Annotated[Whole, Field(ge=0)], ...]
    base_prompts_expanded: Annotated[tuple[Text, ...], BeforeValidator(_as_list)]
    negative_prompts_expanded: Annotated[tuple[Text, ...], BeforeValidator(_as_list)]
    input_image_paths_resolved: tuple[str, ...] = Field(min_length=1)
    seed_base: Whole | None = None
    steps: Annotated[Whole, Field(ge=1)] | None = None
    num_inference_steps: Annotated[Whole, Field(ge=1)] | None = None
    guidance_phases: Annotated[Whole, Field(ge=1)] | None = None
    guidance_scale: Annotated[Real, Field(ge=0)] | None = None
    guidance2_scale: Annotated[Real, Field(ge=0)] | None = None
    guidance3_scale: Annotated[Real, Field(ge=0)] | None = None
    switch_threshold: Real | None = None
    switch_threshold2: Real | None = None
    flow_shift: Annotated[Real, Field(gt=0)] | None = None
    sample_solver: str | None = None
    model_switch_phase: Annotated[Whole, Field(ge=1)] | None = None
    phase_config: WirePhases | None = None
    phase_configs_expanded: tuple[WirePhases | None, ...] = ()
    loras_per_segment_expanded: tuple[Loras | None, ...] = ()
    additional_loras: Loras = ()
    loras: Loras = ()
    lora_names: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    lora_multipliers: str | tuple[str | float | None, ...] = ()
    generation_mode: str | None = None
    advanced_mode: bool = False
    amount_of_motion: Annotated[Real, Field(ge=0, le=1)] | None = None
    motion_settings_expanded: tuple[WireMotion | None, ...] = ()
    continue_from_video_resolved_path: Text = ""
    continuation_config: Continuation | None = None
    chain_segments: bool | None = None
    independent_segments: bool | None = None
    model: str | None = None
    model_type: str | None = None
    selected_phase_preset_id: str = ""
    base_prompt: str = ""
    negative_prompt: str = ""
    enhance_prompt: bool = False
    enhanced_prompts_expanded: Annotated[tuple[Text, ...], BeforeValidator(_as_list)] = ()
    text_before_prompts: str = ""
    text_after_prompts: str = ""
    fps_helpers: Annotated[Real, Field(gt=0)] | None = None
    use_causvid_lora: Switched = False
    apply_causvid: Switched = False
    use_lighti2x_lora: Switched = False
    apply_reward_lora: Switched = False
    use_styleboost_loras: Switched = False
    after_first_post_generation_saturation: Annotated[Real, Field(ge=0, le=MOST_SATURATION)] | None = None
    after_first_post_generation_brightness: Annotated[Real, Field(ge=-1, le=1)] | None = None
    colour_match_videos: Switched = False
    upscale_factor: Annotated[Real | None, Field(ge=0, le=MOST_FACTOR), BeforeValidator(_none)] = None
    cfg_star_switch: Switched = False
    cfg_zero_step: Annotated[Whole, Field(ge=-1)] = -1

    @property
    def continues(self) -> bool:
        """Whether the first segment starts from the last frames of another video."""
        return bool(self.continue_from_video_resolved_path)

    @property
    def switches(self) -> tuple[str, ...]:
        """The keys that turn a bundle on and say so."""
        return tuple(key for key in SWITCHES if getattr(self, key))

    @property
    def cfg(self) -> dict[str, bool | int]:
        """The words of a spec for CFG-Zero*; WanGP counts the steps without a velocity from 0, and -1 is none."""
        zero = {"cfg_zero": self.cfg_zero_step + 1} if self.cfg_zero_step >= 0 else {}
        return {"cfg_star": True, **zero} if self.cfg_star_switch else {}

    @property
    def more_loras(self) -> tuple[WireLora, ...]:
        """LoRAs outside of phases that are named with their strength; upstream's page of 2026 calls them loras."""
        return (*self.additional_loras, *self.loras)

    @property
    def given_multipliers(self) -> tuple[str | float | None, ...]:
        """lora_multipliers one by one; as a text they are parted by blanks."""
        texts = self.lora_multipliers
        return tuple(texts.split()) if isinstance(texts, str) else texts


def read_wire(details: Data) -> Wire:
    """The keys that are read of a payload's orchestrator_details.

    Raises `PayloadError` that names all required keys which are missing, or the first wrong one with its value.
    """
    given = said(details)
    missing = [name for name in REQUIRED if name not in given]
    if missing:
        empty = [name for name in missing if name in details]
        fix = f"null counts as missing: {', '.join(empty)}" if empty else "upstream refuses it too"
        raise PayloadError("payload", f"lacks {', '.join(missing)}", fix=fix)
    try:
        return Wire.model_validate(given)
    except ValidationError as error:
        first = _most_exact(error)
        plain = first["msg"].removeprefix("Value error, ")
        known = _MESSAGES.get(first["type"])
        problem = known.format_map(first.get("ctx") or {}) if known else plain[:1].lower() + plain[1:]
        raise PayloadError(
            field_path(first["loc"]) or "payload", problem, None if first["type"] == "missing" else first["input"]
        ) from error


def _most_exact(error: ValidationError) -> ErrorDetails:
    """Of the first key that is wrong the deepest error: what may be a number or a list has one for either."""
    found = error.errors(include_url=False)
    return max((one for one in found if one["loc"][:1] == found[0]["loc"][:1]), key=lambda one: len(one["loc"]))


def said(data: Mapping[str, JsonValue]) -> Data:
    """A mapping without what is null, inner mappings too; in lists null has a meaning and stays."""
    return {key: _said_inside(_entries(key, value)) for key, value in data.items() if value is not None}


def _entries(key: str, value: JsonValue) -> JsonValue:
    """LoRAs as entries: in a mapping of addresses to strengths, a strength of null would take the LoRA along."""
    if key not in _LORA_MAPPINGS or not isinstance(value, dict):
        return value
    return [{"url": url, "multiplier": strength} for url, strength in value.items()]


def _said_inside(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return said(value)
    return [_said_inside(item) for item in value] if isinstance(value, list) else value
