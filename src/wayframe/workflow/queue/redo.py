"""Another take of one segment: the request of a run, changed in that segment only."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from wayframe.core.plan import Plan
from wayframe.core.plan_keys import keyed
from wayframe.core.spec import parse_spec
from wayframe.errors import SpecError
from wayframe.files import redact_text
from wayframe.workflow.queue.request import Request
from wayframe.workflow.sources import REDONE

SEED_BITS = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Redo:
    """What is to be another way in a segment; nothing at all means another seed, drawn at random."""

    segment: int
    seed: int | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    amount_of_motion: float | None = None

    def words(self) -> dict[str, Any]:
        """The changes by the names that a spec and a plan have for them."""
        given = {name: value for name, value in asdict(self).items() if name != "segment" and value is not None}
        return given or {"seed": secrets.randbits(SEED_BITS)}


def redone(request: Request, *, segment: int, words: Mapping[str, Any]) -> Request:
    """The request with `words` in a segment; the keys of that segment, and of chained later ones, are others.

    What was requested and resolved says the same; the record stays that of the old run. Raises `SpecError` for a
    segment that there is not, for values that a spec would not take, and when nothing changes.
    """
    plan = request.plan
    if not 0 <= segment < len(plan.segments):
        raise SpecError("--segment", f"the run has segments 0 to {len(plan.segments) - 1}", segment)
    _check(words)
    segments = list(plan.segments)
    segments[segment] = replace(segments[segment], **words)
    changed = keyed(replace(plan, segments=tuple(segments)))
    if changed.segments == plan.segments:
        shown = ", ".join(f"{name} {value!r}" for name, value in words.items())
        raise SpecError("--segment", f"segment {segment} has {shown} already", fix="change something")
    usual = plan.segments[segment].ends is None
    return replace(
        request,
        plan=changed,
        requested=_requested(request.requested, segment=segment, words=words, usual=usual),
        resolved=_resolved(request.resolved, segment=segment, words=words),
    )


def again(before: Plan, *, after: Plan) -> list[int]:
    """The segments that are not the same in two plans of one trip."""
    pairs = zip(before.segments, after.segments, strict=True)
    return [new.index for old, new in pairs if old.key != new.key]


def _check(words: Mapping[str, Any]) -> None:
    try:
        parse_spec({"keyframes": [{"image": "-", **words}, {"image": "-"}]})
    except SpecError as error:
        field = error.field.rpartition(".")[2]
        raise SpecError(field, error.problem, error.value, fix=error.fix) from error
    for name in ("prompt", "negative_prompt"):
        text = words.get(name, "")
        if redact_text(text) != text:
            raise SpecError(name, "looks as if it held a secret", redact_text(text), fix="write it otherwise")


def _requested(
    requested: Mapping[str, Any] | None, *, segment: int, words: Mapping[str, Any], usual: bool
) -> Mapping[str, Any] | None:
    """A spec with the words at the keyframe where the segment begins; a payload with the words beside its own.

    Only a segment with the `usual` ends begins at the keyframe of its number.
    """
    if requested is None:
        return None
    keyframes = requested.get("keyframes")
    if usual and isinstance(keyframes, list) and segment < len(keyframes):
        changed = [{**item, **words} if index == segment else item for index, item in enumerate(keyframes)]
        return {**requested, "keyframes": changed}
    beside = {f"segments[{segment}].{name}": value for name, value in words.items()}
    return {**requested, REDONE: {**requested.get(REDONE, {}), **beside}}


def _resolved(
    resolved: Mapping[str, Any] | None, *, segment: int, words: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    if resolved is None:
        return None
    values, origins = resolved["values"], resolved["origins"]
    segments = [{**item, **words} if index == segment else item for index, item in enumerate(values["segments"])]
    said = {f"segments[{segment}].{name}": "spec" for name in words}
    return {**resolved, "values": {**values, "segments": segments}, "origins": {**origins, **said}}
