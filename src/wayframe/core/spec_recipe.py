"""How a segment is made, as a spec says it: prompts, steps, phases and LoRAs, of the whole trip or of one segment."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from wayframe.core.look import LookSpec
from wayframe.core.loras import parse_multiplier
from wayframe.core.spec_part import Part
from wayframe.errors import SpecError

Expert = Literal["high", "low", "only"]
LoraTarget = Literal["high", "low", "any"]
PHASE_MARK = ";"
MAX_SEED = 2**63 - 1


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


class RecipeSpec(Part):
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
