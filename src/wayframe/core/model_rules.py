"""Rules about what a model can do, about guidance and about bundles: what is asked for and would come to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wayframe.core.catalogue import Model
from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.plan import Plan
from wayframe.core.recipe import Recipe

AREA_TOLERANCE = 1.25

END_UNUSED = rule(
    "end-keyframe-unused",
    Severity.CRITICAL,
    title="The model does not look at the keyframe at the end of a segment",
    why="Its weights take a first picture only: every segment wanders off, and the next keyframe comes as a cut.",
    action="Use wan2.2-i2v-a14b, wan2.1-flf2v-14b or a VACE model, which take both ends.",
)
SIZE_UNTRAINED = rule(
    "resolution-untrained",
    Severity.WARNING,
    title="The video is larger than the model was trained for",
    why="Above its training size a model repeats things in the picture; memory and time grow with the square.",
    action="Use a smaller resolution, and enlarge the finished video.",
)
CFG_WITHOUT_EFFECT = rule(
    "cfg-without-effect",
    Severity.WARNING,
    title="CFG-Zero* is asked for and no step is guided",
    why="cfg_star and cfg_zero change how guidance is applied, and at guidance 1 there is none.",
    action="Leave them out, or set a guidance above 1.",
)
BUNDLE_EMPTY = rule(
    "bundle-adds-nothing",
    Severity.WARNING,
    title="A bundle adds no LoRA",
    why="All its LoRAs are named with strengths of their own already, which count, or its file names none.",
    action="Leave the bundle out, or write what it shall add into bundles/NAME.toml of the home folder.",
)


def model_limits(plan: Plan, *, model: Model | None, denoises: bool) -> Iterator[Finding]:
    """Findings about an end keyframe that is not looked at, and about a size that is larger than in training."""
    if model is None or not denoises:
        return
    bridges = any(segment.given_after for segment in plan.segments)
    leads = bridges or any(plan.ends(segment)[1] is not None for segment in plan.segments if segment.is_rendered)
    if not model.takes_end and model.kind != "t2v" and leads:
        what = "frames that a segment starts from, and not those" if bridges else "first keyframe of a segment, and not"
        message = f"{model.name} takes the {what} {'that it leads to' if bridges else 'the last one'}"
        yield finding(END_UNUSED, message, where="model", evidence={"model": model.name})
    width, height = plan.size
    if width * height > AREA_TOLERANCE * model.max_area:
        share = width * height / model.max_area
        message = f"{plan.resolution} has {share:.1f} times the pixels that {model.name} was trained for"
        evidence = {"pixels": width * height, "trained": model.max_area}
        yield finding(SIZE_UNTRAINED, message, where="resolution", evidence=evidence)


def recipe_limits(recipe: Recipe, *, place: str) -> Iterator[Finding]:
    """Findings about guidance that is corrected where there is none, and about bundles without a LoRA."""
    asked = [name for name, value in (("cfg_star", recipe.cfg_star), ("cfg_zero", recipe.cfg_zero)) if value]
    if asked and recipe.phases and all(phase.guidance == 1 for phase in recipe.phases):
        message = f"{' and '.join(asked)} without a step that is guided"
        yield finding(CFG_WITHOUT_EFFECT, message, where=f"{place}.{asked[0]}", evidence={"asked": asked})
    yield from _empty(recipe, place=place)


def _empty(recipe: Recipe, *, place: str) -> Iterator[Finding]:
    adding: Sequence[str] = [lora.bundle for lora in recipe.loras]
    for name, _ in recipe.bundles:
        if name not in adding:
            yield finding(
                BUNDLE_EMPTY, f"bundle {name} adds no LoRA", where=f"{place}.bundles", evidence={"name": name}
            )
