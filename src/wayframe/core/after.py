"""What is done to a finished video: cut, enlarged, given another rate, sound and another codec."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from wayframe.core.spec_part import Part
from wayframe.errors import SpecError

AFTER_VERSION = "after/1"
"""Enters the keys of all steps; changes whenever their packets may."""
MOST_FACTOR, MOST_FPS, MOST_SECONDS, LEAST_GAIN, MOST_GAIN = 8, 240, 24 * 3600, -60, 24
FinalProfile = Literal["h264", "draft", "av1", "prores"]
UNSAID = Field(exclude_if=lambda value: not value)
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?s")
RIFE_SUFFIXES = (".safetensors", ".pkl", ".pth")
_RATE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}|/[1-9][0-9]{0,8})?")
Place = int | str
"""A frame of the stitched video (52), or a time in it (3.2s)."""


class UpscaleSpec(Part):
    """Enlarging by a factor: by Lanczos, or by a model's file."""

    factor: float = Field(2, gt=1, le=MOST_FACTOR)
    file: str | None = Field(None, min_length=1, description="a model: a .safetensors file that spandrel reads")


class AudioSpec(Part):
    """A sound track, cut or filled with silence to the video's length; all times in seconds."""

    file: str = Field(min_length=1)
    start: float = Field(0, ge=0, le=MOST_SECONDS, description="where in the file it begins")
    fade_in: float = Field(0, ge=0, le=MOST_SECONDS)
    fade_out: float = Field(0, ge=0, le=MOST_SECONDS)
    gain: float = Field(0, ge=LEAST_GAIN, le=MOST_GAIN, description="in dB")


class TrimSpec(Part):
    """The part that is kept: from `start` to before `end`, as frames (10) or times (3.2s) of the stitched video."""

    start: Place | None = None
    end: Place | None = None

    @field_validator("start", "end", mode="before")
    @classmethod
    def _frame_or_time(cls, value: object) -> object:
        frame = isinstance(value, int) and value >= 0
        if value is None or frame or (isinstance(value, str) and _TIME.fullmatch(value)):
            return value
        raise ValueError("expected a frame such as 52, or a time such as 3.2s")


class AfterSpec(Part):
    """What is done to the stitched video, in this order; the stitched video itself stays as it is."""

    trim: TrimSpec | None = None
    upscale: UpscaleSpec | None = None
    fps: int | str | None = Field(None, description="frames a second; those between are made by optical flow")
    rife: str | None = Field(None, min_length=1, description="a RIFE model's file that makes those between instead")
    audio: AudioSpec | None = None
    profile: FinalProfile | None = Field(None, description="how the final file is encoded; by default as the video")

    @field_validator("fps", mode="before")
    @classmethod
    def _rate(cls, value: object) -> int | str | None:
        if value is None:
            return None
        written = isinstance(value, int | str) and _RATE.fullmatch(str(value))
        rate = Fraction(str(value)) if written else Fraction(0)
        if not 0 < rate <= MOST_FPS:
            raise ValueError(f"expected frames per second above 0 and up to {MOST_FPS}, such as 32 or 24000/1001")
        return int(rate) if rate.denominator == 1 else str(rate)

    @field_validator("rife")
    @classmethod
    def _model(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not value.lower().endswith(RIFE_SUFFIXES):
            raise ValueError(f"expected a file that ends in {', '.join(RIFE_SUFFIXES)}")
        if value is not None and "fps" in info.data and info.data["fps"] is None:
            raise ValueError("makes the frames between two; say with `fps` how many there shall be a second")
        return value

    @property
    def files(self) -> Iterator[tuple[str, str]]:
        """The files that it names, each with its field."""
        if self.upscale and self.upscale.file:
            yield "after.upscale.file", self.upscale.file
        if self.rife:
            yield "after.rife", self.rife
        if self.audio:
            yield "after.audio.file", self.audio.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim:
    """Frames `start` to `end` (exclusive) of the stitched video."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    start: Annotated[int, Field(ge=0)]
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Upscale:
    """Enlarging: by the model whose file has this digest, else by Lanczos."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    factor: Annotated[float, Field(gt=1, le=MOST_FACTOR)]
    digest: Annotated[str | None, UNSAID] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The file with this digest as sound; seconds and dB as in `AudioSpec`."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    digest: str
    start: float = 0.0
    fade_in: float = 0.0
    fade_out: float = 0.0
    gain: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """What is done to the stitched video; None: nothing of that. `rife` is the digest of a model's file."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    trim: Annotated[Trim | None, UNSAID] = None
    upscale: Annotated[Upscale | None, UNSAID] = None
    fps: Annotated[int | str | None, UNSAID] = None
    rife: Annotated[str | None, UNSAID] = None
    audio: Annotated[Sound | None, UNSAID] = None
    profile: Annotated[FinalProfile | None, UNSAID] = None

    @property
    def digests(self) -> tuple[str, ...]:
        """The digests of the files that it needs."""
        upscale, audio = self.upscale, self.audio
        found = (upscale.digest if upscale else None, self.rife, audio.digest if audio else None)
        return tuple(digest for digest in found if digest)

    @property
    def suffix(self) -> str:
        """What the final file ends in: ``.mov`` for prores, else ``.mp4``."""
        return ".mov" if self.profile == "prores" else ".mp4"


def after_of(said: AfterSpec | None, *, fps: Fraction, frames: int, digests: Mapping[str, str]) -> After | None:
    """What is to be done to a video of so many frames; None when that is nothing. `digests` are those of its files.

    Raises `SpecError` for a trim that is not in the video.
    """
    if said is None:
        return None
    sound, upscale = said.audio, said.upscale
    target = None if said.fps is None or Fraction(said.fps) == fps else said.fps
    after = After(
        trim=_trim(said.trim, fps=fps, frames=frames),
        upscale=Upscale(factor=upscale.factor, digest=digests.get(upscale.file or "")) if upscale else None,
        fps=target,
        rife=digests[said.rife] if said.rife and target else None,
        audio=Sound(digest=digests[sound.file], **sound.model_dump(exclude={"file"})) if sound else None,
        profile=said.profile,
    )
    return None if after == After() else after


def _trim(said: TrimSpec | None, *, fps: Fraction, frames: int) -> Trim | None:
    if said is None:
        return None
    start, end = (_frame(place, fps=fps) for place in (said.start, said.end))
    trim = Trim(start=start or 0, end=frames if end is None else end)
    if trim.end <= trim.start:
        raise SpecError("after.trim", "ends where it begins, or before", f"frames {trim.start} to {trim.end}")
    if trim.end > frames:
        raise SpecError("after.trim", f"is not in the video of {frames} frames", f"{trim.start}:{trim.end}")
    return None if trim == Trim(start=0, end=frames) else trim


def _frame(place: Place | None, *, fps: Fraction) -> int | None:
    if not isinstance(place, str):
        return place
    seconds = _TIME.fullmatch(place)
    return round(Fraction(seconds.group(1)) * fps) if seconds else None


def parse_after(data: Mapping[str, object]) -> AfterSpec:
    """Check plain data. Raises `SpecError` that names the first wrong field, its value and what was expected."""
    try:
        return AfterSpec.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        problem = "is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        raise SpecError(f"after.{place}", problem[:1].lower() + problem[1:], first["input"]) from error
