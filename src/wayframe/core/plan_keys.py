"""Content keys: a segment's digest of everything that decides its pixels and its packets.

What a plan says only since a later version enters a key only where it is said, so that older keys stay.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wayframe.core.digest import content_digest

if TYPE_CHECKING:
    from wayframe.core.clips import ClipSpan
    from wayframe.core.plan import Plan, SegmentPlan

STILL_VERSION = "still/1"
"""Enters the keys of keyframes that stand still; changes whenever their pixels may."""
PIECE_VERSION = "piece/1"
"""Enters the keys of pieces of videos; changes whenever their pixels may."""


def keyed(plan: Plan) -> Plan:
    """The plan with every segment's content key: a digest of everything that decides its pixels and its packets."""
    segments: list[SegmentPlan] = []
    digests: dict[int, str] = {}
    for segment in plan.segments:
        if segment.needs:
            segments.append(segment)
            continue
        steps = digests.get(id(segment.steps)) or _steps_digest(plan, segment)
        digests[id(segment.steps)] = steps
        before = segments[-1].key if segments else None
        segments.append(replace(segment, key=_content_key(plan, segment, steps_digest=steps, before=before)))
    made = replace(plan, segments=tuple(segments))
    return replace(made, segments=tuple(_bridge(made, segment) if segment.needs else segment for segment in segments))


def _bridge(plan: Plan, segment: SegmentPlan) -> SegmentPlan:
    """A segment with its key, which holds those of the segments that it is given frames of."""
    steps = _steps_digest(plan, segment)
    return replace(segment, key=_content_key(plan, segment, steps_digest=steps, before=None))


def _steps_digest(plan: Plan, segment: SegmentPlan) -> str:
    """Steps with LoRAs named by digest and without those of weight 0: neither a file's name nor an idle LoRA counts."""
    return content_digest(
        [
            [
                s.sigma,
                s.sigma_next,
                s.expert,
                s.guidance,
                sorted([plan.loras[n].digest, w] for n, w in s.loras.items() if w),
            ]
            for s in segment.steps
        ]
    )


def _content_key(plan: Plan, segment: SegmentPlan, *, steps_digest: str, before: str | None) -> str:
    if segment.still:
        keyframe = {"keyframe": _pictures(plan, segment)[0]}
        return content_digest({"still": STILL_VERSION, **_form(plan, segment), **keyframe, **_look(segment)})
    if segment.piece is not None:
        return content_digest({"piece": PIECE_VERSION, **_form(plan, segment), "clip": _span(plan, segment.piece)})
    return content_digest(
        {
            **_cfg(segment),
            **_free(plan, segment),
            **_look(segment),
            **({"guide": segment.guide.key([one.digest for one in plan.guides])} if segment.guide else {}),
            "engine": plan.engine_identity,
            "model": [plan.model, plan.kind, *([plan.weights] if plan.weights else [])],
            **_form(plan, segment),
            "chaining": plan.chaining,
            "solver": segment.solver,
            "steps": steps_digest,
            "prompt": segment.prompt,
            "negative_prompt": segment.negative_prompt,
            "amount_of_motion": segment.amount_of_motion,
            "seed": segment.seed,
            "keyframes": _pictures(plan, segment),
            "before": [before, segment.overlap_before] if plan.chaining == "chained" else None,
        }
    )


def _cfg(segment: SegmentPlan) -> dict[str, list[int]]:
    """What CFG-Zero* changes of a segment: nothing at all where no step is guided, and then no key changes."""
    star = segment.cfg_star and any(step.forwards > 1 for step in segment.steps)
    zero = sum(step.forwards == 0 for step in segment.steps)
    return {"cfg": [int(star), zero]} if star or zero else {}


def _look(segment: SegmentPlan) -> dict[str, list[str | float]]:
    return {"look": segment.look.key} if segment.look else {}


def _form(plan: Plan, segment: SegmentPlan) -> dict[str, Any]:
    """What decides how frames are fitted, cut and encoded."""
    return {
        "size": plan.resolution,
        "frames": segment.frames,
        "cuts": list(segment.cuts),
        "fps": str(plan.fps),
        "profile": plan.profile,
        "fit": [plan.fit, plan.matte],
    }


def _pictures(plan: Plan, segment: SegmentPlan) -> list[str]:
    """Digests of the keyframes at its ends."""
    return [plan.keyframes[number].digest for number in plan.ends(segment) if number is not None]


def _free(plan: Plan, segment: SegmentPlan) -> dict[str, Any]:
    """What a segment starts from or leads to beside keyframes, where that is not what it usually is."""
    first, last = plan.ends(segment)
    leads = {"leads_to": True} if first is None and last is not None else {}
    given = {"given": _span(plan, segment.given)} if segment.given else {}
    after = {"given_after": _span(plan, segment.given_after)} if segment.given_after else {}
    return {**leads, **given, **after}


def _span(plan: Plan, span: ClipSpan) -> list[str | int]:
    source = plan.segments[span.clip].key if span.segment else plan.clips[span.clip].digest
    return [source, span.start, span.frames]
