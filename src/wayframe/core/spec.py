"""The spec: what the user asked for. Every check of the input that needs nothing but the input lives here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from wayframe.core.after import AfterSpec, AudioSpec, TrimSpec, UpscaleSpec
from wayframe.core.guide_spec import GuideSpec
from wayframe.core.look import LookSpec
from wayframe.core.prompting import PromptSpec
from wayframe.core.shape import check_shape
from wayframe.core.spec_join import BridgesSpec, ClipSpec, JoinSpec
from wayframe.core.spec_part import Part
from wayframe.core.spec_recipe import (
    MAX_SEED,
    LoraUse,
    PhaseConfig,
    PhaseLora,
    PhaseSpec,
    RecipeSpec,
    WireLora,
    WirePhase,
)
from wayframe.core.spec_stops import MAX_FRAME, FreeSegment, Keyframe, is_moment
from wayframe.errors import SpecError

Fit = Literal["cover", "contain", "stretch"]
Length = Annotated[int, Field(le=MAX_FRAME)]
MAX_FPS, MAX_SIDE = 240, 16384
_RATE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}|/[1-9][0-9]{0,8})?")
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class TravelSpec(RecipeSpec):
    """A trip between keyframes."""

    mode: Literal["batch", "timeline"] | None = None
    keyframes: tuple[Keyframe, ...] = Field((), min_length=1, description="the pictures that the video passes through")
    join: JoinSpec | None = Field(None, description="videos that are joined by rendered bridges")
    loop: bool | int | str | None = Field(
        None, description="true, or in mode timeline where the first keyframe returns"
    )
    lead: FreeSegment | None = Field(None, description="a segment that leads to the first keyframe")
    trail: FreeSegment | tuple[FreeSegment, ...] | None = Field(None, description="segments after the last keyframe")
    segments: int | None = Field(None, ge=1, description="segments of a lone keyframe, chained")
    bridges: BridgesSpec | None = Field(None, description="rendered transitions in the place of the joins")
    continue_from: str | None = Field(None, min_length=1, description="a video whose last frames the trip starts from")
    segment_frames: Length | tuple[Length, ...] | None = Field(None, description="frames of each segment (batch)")
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
    guides: tuple[GuideSpec, ...] | None = Field(None, description="videos that steer the structure")
    after: AfterSpec | None = Field(None, description="the final file that is made of the video")
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

    @property
    def stops(self) -> tuple[Keyframe, ...]:
        """The keyframes in the order of the trip: in a loop the first one stands at the end again."""
        if self.loop is None or self.loop is False:
            return self.keyframes
        at = None if isinstance(self.loop, bool) else self.loop
        return (*self.keyframes, Keyframe.model_validate({"image": self.keyframes[0].image, "at": at}))

    @property
    def trails(self) -> tuple[FreeSegment, ...]:
        """The segments after the last keyframe."""
        return self.trail if isinstance(self.trail, tuple) else () if self.trail is None else (self.trail,)

    @field_validator("loop", mode="before")
    @classmethod
    def _yes_or_moment(cls, value: object) -> object:
        if value is None or isinstance(value, bool) or is_moment(value):
            return value
        raise ValueError("expected true or false, or in mode timeline a frame such as 144 or a time such as 9s")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        check_shape(self)
        return self


MEANT_WHEN_EMPTY = ("lead", "trail", "bridges")
"""Words that say something even when they hold nothing; YAML reads a word with nothing behind it as no value at all."""


def parse_spec(data: object) -> TravelSpec:
    """Check plain data (from YAML, TOML or JSON) and return the spec.

    Raises `SpecError` that names the first wrong field, its value and what was expected.
    """
    if not isinstance(data, Mapping):
        raise SpecError("spec", "expected a mapping with keyframes", data, fix="see `wayframe new` for an example")
    if "engine" in data and data["engine"] is None:
        raise SpecError("engine", "is empty", fix='for the engine of that name write "null" in quotes, or leave it out')
    for name in MEANT_WHEN_EMPTY:
        if name in data and data[name] is None:
            raise SpecError(
                name, "is empty", fix=f"write {name}: {{}} for one of which nothing more is said, or leave it out"
            )
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
    one_of = {"anyOf": [{"required": ["keyframes"]}, {"required": ["join"]}]}
    return {
        **one_of,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "wayframe travel spec",
    }


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
    "lead": FreeSegment,
    "trail": FreeSegment,
    "join": JoinSpec,
    "clips": ClipSpec,
    "bridges": BridgesSpec,
    "each": FreeSegment,
    "phase_config": PhaseConfig,
    "phases": PhaseSpec,
    "prompts": PromptSpec,
    "look": LookSpec,
    "guides": GuideSpec,
    "after": AfterSpec,
    "upscale": UpscaleSpec,
    "audio": AudioSpec,
    "trim": TrimSpec,
}


def known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand at a place of the spec, such as ``("keyframes", 0)``."""
    names = [part for part in location if isinstance(part, str)]
    part: type[Part] = TravelSpec
    for position, name in enumerate(names):
        wire = "phase_config" in names[:position]
        if name == "bridges" and "join" in names[:position]:
            part = FreeSegment
        elif name == "loras":
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
