"""The spec: what the user asked for. Every check of the input that needs nothing but the input lives here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from wayframe.core.look import LookSpec
from wayframe.core.loras import parse_multiplier
from wayframe.core.prompting import PromptSpec
from wayframe.core.spec_part import Part
from wayframe.core.wording import counted
from wayframe.errors import SpecError

Expert = Literal["high", "low", "only"]
LoraTarget = Literal["high", "low", "any"]
Fit = Literal["cover", "contain", "stretch"]
PHASE_MARK = ";"
MAX_FPS, MAX_SEED, MAX_SIDE, MAX_FRAME = 240, 2**63 - 1, 16384, 10**7
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?s")
_RATE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}|/[1-9][0-9]{0,8})?")
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def _multiplier_text(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    try:
        return str(parse_multiplier(value, field="multiplier"))
    except SpecError as error:
        raise ValueError(f"{error.problem}; {error.fix}" if error.fix else error.problem) from error


def _of_one_phase(value: str) -> str:
    if PHASE_MARK in value:
        raise ValueError("one phase holds one value or a comma list; ';' belongs to a LoRA outside the phases")
    return value


Multiplier = Annotated[str, BeforeValidator(_multiplier_text, json_schema_input_type=str | float)]
PhaseMultiplier = Annotated[Multiplier, AfterValidator(_of_one_phase)]


class LoraUse(Part):
    """A LoRA and its strength: one weight, or one per phase (``0.75;1.0;0``), or a ramp inside a phase (``1,0.5``)."""

    file: str = Field(min_length=1, description="path (beside the spec) or URL of a .safetensors file")
    multiplier: Multiplier = Field(
        "1.0", description="weight; ';' separates phases, ',' spreads values over the steps of one phase"
    )
    target: LoraTarget | None = Field(None, alias="for", description="the expert that it was trained for")
    distilled: bool | None = Field(None, description="whether it distils steps (Lightning, CausVid, ...)")
    partial: bool = Field(False, description="not every module of the file fits the model, and that is fine")


class PhaseLora(Part):
    """A LoRA inside one phase of `phases`: its weight there, or a ramp over the phase's steps."""

    file: str = Field(min_length=1)
    multiplier: PhaseMultiplier = "1.0"
    target: LoraTarget | None = Field(None, alias="for")
    distilled: bool | None = None
    partial: bool = False


class PhaseSpec(Part):
    """A phase in our own form."""

    steps: int = Field(ge=1, description="denoising steps of this phase")
    guidance: float | None = Field(None, ge=0, description="guidance scale; 1 costs one forward a step, others two")
    expert: Expert | None = Field(None, description="the transformer that runs it")
    loras: tuple[PhaseLora, ...] = ()


class WireLora(Part):
    """A LoRA inside a phase_config."""

    url: str = Field(min_length=1)
    multiplier: PhaseMultiplier = "1.0"


class WirePhase(Part):
    """A phase of a phase_config."""

    phase: int | None = Field(None, ge=1)
    guidance_scale: float = Field(1.0, ge=0)
    loras: tuple[WireLora, ...] = ()


class PhaseConfig(Part):
    """Upstream's block of phases."""

    phases: tuple[WirePhase, ...] = Field(min_length=1)
    num_phases: int | None = Field(None, ge=1)
    steps_per_phase: tuple[Annotated[int, Field(ge=1)], ...]
    flow_shift: float | None = Field(None, gt=0)
    sample_solver: Literal["euler", "unipc", "dpm++", "trailing"] = "euler"
    model_switch_phase: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        count = len(self.phases)
        if self.num_phases is not None and self.num_phases != count:
            raise ValueError(f"num_phases is {self.num_phases}, but phases has {count} entries")
        if len(self.steps_per_phase) != count:
            raise ValueError(f"steps_per_phase has {len(self.steps_per_phase)} entries for {count} phases")
        for position, phase in enumerate(self.phases, 1):
            if phase.phase not in (None, position):
                raise ValueError(f"phases[{position - 1}].phase is {phase.phase}, expected {position}")
        return self


class _Recipe(Part):
    """What both the whole spec and one segment can say about denoising."""

    prompt: str | None = None
    negative_prompt: str | None = None
    text_before: str | None = Field(None, description="stands before every prompt")
    text_after: str | None = Field(None, description="stands after every prompt")
    amount_of_motion: float | None = Field(None, ge=0, le=1, description="camera motion, 0 to 1")
    steps: int | None = Field(None, ge=1)
    guidance: float | None = Field(None, ge=0)
    flow_shift: float | None = Field(None, gt=0)
    sample_solver: Literal["euler", "unipc", "dpm++", "trailing"] | None = None
    cfg_star: bool | None = Field(None, description="scale the unguided velocity before it is subtracted (CFG-Zero*)")
    cfg_zero: int | None = Field(None, ge=0, description="guided steps at the start that predict nothing (CFG-Zero*)")
    loras: tuple[LoraUse, ...] | None = None
    bundles: tuple[str, ...] | None = Field(None, description="named sets of LoRAs and settings")
    phase_config: PhaseConfig | None = None
    phases: tuple[PhaseSpec, ...] | None = Field(None, min_length=1)
    look: LookSpec | None = Field(None, description="what is done to the colours before the frames are encoded")

    @model_validator(mode="after")
    def _one_form_of_phases(self) -> Self:
        if self.phases is not None and self.phase_config is not None:
            raise ValueError("give phases or phase_config, not both")
        return self


class Keyframe(_Recipe):
    """An input image; every field but `image` and `at` speaks of the segment that begins here."""

    image: str = Field(min_length=1, description="path of a picture, relative to the spec")
    at: int | str | None = Field(None, description="output frame (52) or time (3.2s)")
    seed: int | None = Field(None, ge=0, le=MAX_SEED)

    @field_validator("at", mode="before")
    @classmethod
    def _frame_or_time(cls, value: object) -> object:
        frame = isinstance(value, int) and 0 <= value <= MAX_FRAME
        if value is None or frame or (isinstance(value, str) and _TIME.fullmatch(value)):
            return value
        raise ValueError(f"expected a frame number of 0 to {MAX_FRAME} such as 52, or a time such as 3.2s")

    def frame(self, fps: Fraction) -> int | None:
        """The output frame that `at` names, or None; a time goes to the nearest frame."""
        if not isinstance(self.at, str):
            return self.at
        seconds = _TIME.fullmatch(self.at)
        return round(Fraction(seconds.group(1)) * fps) if seconds else None

    def speaks_of_a_segment(self) -> list[str]:
        """Names of the fields given here that need a segment to begin here."""
        return [
            name for name in type(self).model_fields if name not in ("image", "at") and name in self.model_fields_set
        ]


class TravelSpec(_Recipe):
    """A trip between keyframes."""

    mode: Literal["batch", "timeline"] | None = None
    keyframes: tuple[Keyframe, ...] = Field(min_length=1)
    segment_frames: int | tuple[int, ...] | None = Field(None, description="frames of each segment (batch)")
    chaining: Literal["independent", "chained"] | None = None
    overlap: Annotated[int, Field(ge=0)] | tuple[Annotated[int, Field(ge=0)], ...] | None = None
    resolution: str | None = Field(None, description="WIDTHxHEIGHT")
    fit: Fit | None = None
    matte: str | None = Field(None, description="#rrggbb behind transparent pixels and beside `contain`")
    fps: int | str | None = Field(None, description="frames a second: 16 or 24000/1001")
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    seed_policy: Literal["same", "increment"] | None = None
    engine: str | None = None
    model: str | None = None
    preset: str | None = None
    profile: Literal["h264", "draft"] | None = Field(None, description="how the video is encoded")
    prompts: PromptSpec | None = Field(None, description="prompts that a vision model writes")
    curve: Literal["bell", "linear", "upstream"] | None = Field(None, description="how overlaps are blended")
    carried: dict[str, JsonValue] | None = Field(None, description="what an imported payload held beside, for exports")

    @field_validator("resolution")
    @classmethod
    def _width_by_height(cls, value: str | None) -> str | None:
        if value is None:
            return None
        match = _SIZE.fullmatch(value)
        if not match or not all(0 < int(side) <= MAX_SIDE for side in match.groups()):
            raise ValueError(f"expected WIDTHxHEIGHT such as 768x576, sides of 1 to {MAX_SIDE}")
        return value

    @field_validator("matte")
    @classmethod
    def _hex_colour(cls, value: str | None) -> str | None:
        if value is not None and not _COLOUR.fullmatch(value):
            raise ValueError("expected a colour such as #000000")
        return value

    @field_validator("fps", mode="before")
    @classmethod
    def _rate(cls, value: object) -> int | str | None:
        if value is None:
            return None
        written = isinstance(value, int | str) and _RATE.fullmatch(str(value))
        rate = Fraction(str(value)) if written else Fraction(0)
        if not 0 < rate <= MAX_FPS:
            raise ValueError(f"expected frames per second above 0 and up to {MAX_FPS}, such as 16 or 24000/1001")
        return int(rate) if rate.denominator == 1 else str(rate)

    @model_validator(mode="after")
    def _lists_fit(self) -> Self:
        joins = max(len(self.keyframes) - 2, 0)
        segments = max(len(self.keyframes) - 1, 1)
        if isinstance(self.overlap, tuple) and len(self.overlap) != joins:
            values, places = counted(len(self.overlap), "value"), counted(joins, "join")
            raise ValueError(f"overlap: {values} for {places}; one number holds for all")
        if isinstance(self.segment_frames, tuple) and len(self.segment_frames) != segments:
            values, places = counted(len(self.segment_frames), "value"), counted(segments, "segment")
            raise ValueError(f"segment_frames: {values} for {places}; one number holds for all")
        return self

    @model_validator(mode="after")
    def _mode_fits(self) -> Self:
        placed = [index for index, keyframe in enumerate(self.keyframes) if keyframe.at is not None]
        if (self.mode or "batch") == "batch" and placed:
            raise ValueError(
                f"keyframes[{placed[0]}].at: mode batch has no positions; say mode: timeline or leave it out"
            )
        if self.mode == "timeline" and self.segment_frames is not None:
            raise ValueError("segment_frames: mode timeline takes its lengths from the keyframes' positions")
        if self.mode == "timeline" and len(self.keyframes) == 1:
            raise ValueError("keyframes: mode timeline needs two or more; for a lone keyframe say mode: batch")
        return self

    @model_validator(mode="after")
    def _last_keyframe_begins_nothing(self) -> Self:
        last = len(self.keyframes) - 1
        said = self.keyframes[last].speaks_of_a_segment()
        if last and said:
            raise ValueError(f"keyframes[{last}].{said[0]}: no segment begins at the last keyframe; move it one up")
        return self


def parse_spec(data: object) -> TravelSpec:
    """Check plain data (from YAML, TOML or JSON) and return the spec.

    Raises `SpecError` that names the first wrong field, its value and what was expected.
    """
    if not isinstance(data, Mapping):
        raise SpecError("spec", "expected a mapping with keyframes", data, fix="see `wayframe new` for an example")
    if "engine" in data and data["engine"] is None:
        raise SpecError("engine", "is empty", fix='for the engine of that name write "null" in quotes, or leave it out')
    try:
        return TravelSpec.model_validate(data)
    except ValidationError as error:
        raise _translated(error) from error


def spec_json(spec: TravelSpec) -> dict[str, JsonValue]:
    """The spec as plain JSON data, only what was given; parsing it again gives an equal spec."""
    data: dict[str, JsonValue] = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return data


def spec_schema() -> dict[str, Any]:
    """A JSON schema (draft 2020-12) of the spec, for editors."""
    schema = TravelSpec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "wayframe travel spec"}


_UNKNOWN = ("extra_forbidden", "invalid_key")
_EXPECTED = {
    "missing": "is required",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "string_type": "expected text",
    "string_unicode": "holds characters that are no text",
    "bool_parsing": "expected true or false",
    "tuple_type": "expected a list",
    "model_type": "expected a mapping",
    "too_short": "needs at least {min_length}",
    "string_too_short": "must not be empty",
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
    "literal_error": "expected {expected}",
}


def _translated(error: ValidationError) -> SpecError:
    details = error.errors(include_url=False)
    first = next((d for d in details if d["type"] in _UNKNOWN), None) or _deepest(details)
    more = len({path for d in details if not field_path(first["loc"]).startswith(path := field_path(d["loc"]))})
    fix = f"and {more} more to mend" if more else ""
    if first["type"] in _UNKNOWN:
        place, key = field_path(first["loc"][:-1]), str(first["loc"][-1]) or "''"
        return SpecError(f"{place}.{key}" if place else key, _unknown_key(first), fix=fix)
    field = field_path(first["loc"])
    cause = (first.get("ctx") or {}).get("error")
    if cause is not None and (not first["loc"] or isinstance(first["input"], Mapping)):
        nested, _, problem = str(cause).partition(": ")
        inner = f"{field}.{nested}" if first["loc"] else nested
        return SpecError(inner, problem, fix=fix) if problem else SpecError(field or "spec", nested, fix=fix)
    template = _EXPECTED.get(first["type"], first["msg"][:1].lower() + first["msg"][1:])
    limits = {name: f"{limit:g}" if isinstance(limit, float) else limit for name, limit in first.get("ctx", {}).items()}
    problem = str(cause) if cause else template.format_map(limits)
    value = None if first["type"] == "missing" else first["input"]
    return SpecError(field or "spec", problem, value, fix=fix)


def _deepest(details: Sequence[ErrorDetails]) -> ErrorDetails:
    """Of the forms that the first wrong field may have (one value or a list), the error of the one that fits best."""
    field = field_path(details[0]["loc"])
    return max(
        (d for d in details if field_path(d["loc"]).startswith(field)), key=lambda d: field_path(d["loc"]).count("[")
    )


def _unknown_key(details: ErrorDetails) -> str:
    key = str(details["loc"][-1])
    known = known_keys(tuple(details["loc"][:-1]))
    close = get_close_matches(key, known, n=1, cutoff=0.5)
    return f"unknown key; did you mean {close[0]}?" if close else f"unknown key; known are {', '.join(sorted(known))}"


_PLACES: Mapping[str, type[Part]] = {
    "keyframes": Keyframe,
    "phase_config": PhaseConfig,
    "phases": PhaseSpec,
    "prompts": PromptSpec,
    "look": LookSpec,
}


def known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand at a place of the spec, such as ``("keyframes", 0)``."""
    names = [part for part in location if isinstance(part, str)]
    part: type[Part] = TravelSpec
    for position, name in enumerate(names):
        wire = "phase_config" in names[:position]
        if name == "loras":
            part = WireLora if wire else PhaseLora if "phases" in names[:position] else LoraUse
        elif name == "phases" and wire:
            part = WirePhase
        else:
            part = _PLACES.get(name, part)
    return [info.alias or name for name, info in part.model_fields.items()]


def field_path(location: tuple[int | str, ...]) -> str:
    """A place as pydantic gives it, as the path that the user reads: ``keyframes[0].at``."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part not in ("int", "str", "constrained-int") and not part.startswith(("tuple[", "function-")):
            text += f".{part}" if text else part
    return text
