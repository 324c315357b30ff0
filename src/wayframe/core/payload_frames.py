"""Lengths, overlaps, positions and size of a payload, repaired as upstream does it, each repair with a finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from wayframe.core.catalogue import Model
from wayframe.core.findings import Finding, finding
from wayframe.core.payload_like import Like
from wayframe.core.payload_rules import (
    PAYLOAD_CHAIN_IGNORED,
    PAYLOAD_CONTEXT_FRAMES,
    PAYLOAD_CONTINUED,
    PAYLOAD_FRAMES,
    PAYLOAD_LONE_KEYFRAME,
    PAYLOAD_NO_OVERLAP,
    PAYLOAD_NOT_STITCHED,
    PAYLOAD_OVERLAP,
    PAYLOAD_OVERLAP_SURPLUS,
    PAYLOAD_OVERRULED,
    PAYLOAD_SIZE,
    PAYLOAD_UNSUPPORTED,
    PAYLOAD_UNUSED_IMAGES,
)
from wayframe.core.payload_wire import Wire
from wayframe.core.wording import counted
from wayframe.errors import PayloadError

EVEN = 2
I2V_KINDS = ("i2v",)
_CONFIG, _CONTINUES = "continuation_config", "continue_from_video_resolved_path"
_APART, _CHAINED = "none", "guide_overlap_masked"
_STRATEGIES = {
    "svi_latent_chaining": "chains segments by latents (SVI)",
    "prefix_video_source": "hands the video before to an LTX model as its beginning",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """A payload's segments on the output: lengths, overlaps (one a join), pictures, mode and chaining."""

    frames: tuple[int, ...]
    overlaps: tuple[int, ...]
    images: tuple[str, ...]
    mode: str
    chaining: str
    size: tuple[int, int]
    findings: tuple[Finding, ...]
    continued: int = 0
    """Frames of another video that the first segment starts from; 0 where there is none."""

    @property
    def shared(self) -> tuple[int, ...]:
        """The overlaps as a spec lists them: with the video first, where there is one."""
        return (self.continued, *self.overlaps) if self.continued else self.overlaps

    @property
    def positions(self) -> tuple[int, ...]:
        """The output frame of each keyframe: it stands at the last frame of the segment on its left."""
        gains = (count - before for count, before in zip(self.frames, (1, *self.overlaps), strict=True))
        return tuple(accumulate(gains, initial=0))[bool(self.continued) :]


def spread(values: Sequence[object], *, count: int, key: str) -> None:
    """Raise `PayloadError` unless a list has one value, or one for each of `count` segments."""
    if 1 < len(values) < count or not values:
        problem = f"{counted(len(values), 'value')} for {counted(count, 'segment')}"
        raise PayloadError(key, problem, list(values), fix="give one value for all, or one for each")


def each(values: Sequence[str], *, count: int, key: str) -> tuple[str, ...]:
    """One value for each segment; a single one means all, and surplus ones are left out."""
    spread(values, count=count, key=key)
    return tuple(values[0] if len(values) == 1 else values[index] for index in range(count))


def read_frames(wire: Wire, *, model: Model, like: Like) -> Frames:
    """Lengths, overlaps, pictures and size as upstream works with them.

    Raises `PayloadError` for lists that are too short, and for too few pictures.
    """
    found: list[Finding] = []
    count = wire.num_new_segments_to_generate
    asked = wire.segment_frames_expanded
    spread(asked, count=count, key="segment_frames_expanded")
    asked = asked * count if len(asked) == 1 else asked[:count]
    frames = tuple(_on_grid(number, like=like, step=model.frame_step) for number in asked)
    found += _moved(asked, frames)
    overlaps = _overlaps(wire, frames=frames, found=found)
    before, overlaps = (overlaps[0], overlaps[1:]) if wire.continues else (0, overlaps)
    images = _images(wire, count=count, found=found)
    mode = wire.generation_mode or "batch"
    if mode not in ("batch", "timeline"):
        raise PayloadError("generation_mode", "expected batch or timeline", mode)
    if mode == "timeline" and len(images) == 1 and not wire.continues:
        mode = "batch"
        found.append(
            finding(PAYLOAD_LONE_KEYFRAME, "one picture: generation_mode timeline is read as batch", where="mode")
        )
    chaining = _chaining(wire, overlaps=overlaps, like=like, found=found)
    continued = _continued(wire, shared=before, chaining=chaining, found=found)
    size = _size(wire, step=model.size_step, found=found)
    return Frames(
        frames=frames,
        overlaps=overlaps,
        images=images,
        mode=mode,
        chaining=chaining,
        size=size,
        findings=tuple(found),
        continued=continued,
    )


def _continued(wire: Wire, *, shared: int, chaining: str, found: list[Finding]) -> int:
    """Frames of the video that the first segment starts from; only its last one where upstream chains nothing."""
    if not wire.continues:
        return 0
    frames = shared if chaining == "chained" and not _leaves_apart(wire) else 1
    if not frames:
        raise PayloadError(_CONTINUES, "needs frames of that video", fix="give frame_overlap_expanded 2 or more")
    message = f"upstream puts the continued video in front; here the video begins with the last {frames} of its frames"
    found.append(finding(PAYLOAD_CONTINUED, message, where="continue_from", evidence={"frames": frames}))
    return frames


def _on_grid(frames: int, *, like: Like, step: int) -> int:
    """The worker of 2025 rounds ``n // 4 * 4 + 1`` (60 gives 61), that of 2026 ``(n - 1) // 4 * 4 + 1`` (57)."""
    return (frames - 1 if like is Like.UPSTREAM_2026 else frames) // step * step + 1


def _moved(asked: Sequence[int], frames: Sequence[int]) -> Iterator[Finding]:
    for index, (wanted, got) in enumerate(zip(asked, frames, strict=True)):
        if wanted != got:
            message = f"segment {index} was asked for with {wanted} frames and gets {got}"
            evidence = {"asked": wanted, "planned": got}
            yield finding(PAYLOAD_FRAMES, message, where=f"segment_frames[{index}]", evidence=evidence)


def _overlaps(wire: Wire, *, frames: Sequence[int], found: list[Finding]) -> tuple[int, ...]:
    joins, given = len(frames) - 1 + wire.continues, wire.frame_overlap_expanded
    if isinstance(given, int):
        given = (given,) * joins
    if wire.continues and given and len(given) == joins - 1:
        given = (given[0], *given)  # as upstream, which takes the first one for the video, too
    lefts = (frames[0], *frames) if wire.continues else frames
    rights = frames if wire.continues else frames[1:]
    if len(given) > max(joins, 1) or (len(given) == 1 and not joins):
        message = f"{len(given)} overlaps for {joins} join{'' if joins == 1 else 's'}: {list(given[joins:])} not used"
        evidence = {"overlaps": list(given), "joins": joins}
        found.append(finding(PAYLOAD_OVERLAP_SURPLUS, message, where="overlap", evidence=evidence))
    if joins and len(given) < joins and len(given) != 1:
        problem = f"{len(given)} values for {joins} joins"
        raise PayloadError("frame_overlap_expanded", problem, list(given), fix="give one value for all, or one a join")
    asked = given * joins if len(given) == 1 else given[:joins]
    overlaps = []
    for index, wanted in enumerate(asked):
        room = min(lefts[index], rights[index] - 1)
        got = min(wanted, room) // EVEN * EVEN
        overlaps.append(got)
        if got != wanted:
            message = f"overlap {index} was asked for with {wanted} frames and gets {got}"
            evidence = {"asked": wanted, "planned": got, "room": room}
            found.append(finding(PAYLOAD_OVERLAP, message, where=f"overlap[{index}]", evidence=evidence))
    return tuple(overlaps)


def _images(wire: Wire, *, count: int, found: list[Finding]) -> tuple[str, ...]:
    images, needed = wire.input_image_paths_resolved, count + (not wire.continues)
    if len(images) < needed and (len(images), count) != (1, 1):
        problem = f"{counted(len(images), 'picture')} for {counted(count, 'segment')}"
        raise PayloadError("input_image_paths_resolved", problem, fix=f"{needed} are needed")
    if len(images) > needed:
        message = f"{len(images)} pictures for {counted(count, 'segment')}: only {needed} are used"
        found.append(finding(PAYLOAD_UNUSED_IMAGES, message, where="keyframes", evidence={"pictures": len(images)}))
    return images[:needed]


def _chaining(wire: Wire, *, overlaps: Sequence[int], like: Like, found: list[Finding]) -> str:
    chained = _said_chaining(wire, like=like, found=found)
    if not overlaps:
        return "chained" if chained else "independent"
    if chained and _leaves_apart(wire):
        message = "chain_segments is on, and upstream renders I2V segments independently"
        message += "" if like is Like.PLAIN else ": model_type wins"
        found.append(
            finding(PAYLOAD_CHAIN_IGNORED, message, where="chaining", evidence={"model_type": wire.model_type})
        )
        chained = like is Like.PLAIN
    if chained and not any(overlaps):
        message = "no segment shares a frame with the one before: they are planned as independent"
        found.append(finding(PAYLOAD_NO_OVERLAP, message, where="chaining", evidence={"overlap": list(overlaps)}))
        chained = False
    if not chained:
        message = f"upstream makes {len(overlaps) + 1} videos of this; here they are joined"
        found.append(finding(PAYLOAD_NOT_STITCHED, message, where="chaining", evidence={"overlap": list(overlaps)}))
    elif like is Like.UPSTREAM_2026:
        message = f"the worker of 2026 adds {sum(overlaps)} frames, and its video is longer by as many"
        found.append(
            finding(PAYLOAD_CONTEXT_FRAMES, message, where="segment_frames", evidence={"frames": sum(overlaps)})
        )
    return "chained" if chained else "independent"


def _said_chaining(wire: Wire, *, like: Like, found: list[Finding]) -> bool:
    """continuation_config, else chain_segments, else the reverse of independent_segments; absent means chained."""
    config, chain = wire.continuation_config, wire.chain_segments
    if config is None or like is Like.UPSTREAM_2025_10:
        return _chain_segments(wire, found=found)
    if config.strategy not in (_APART, _CHAINED):
        how = _STRATEGIES.get(config.strategy, f"has a strategy {config.strategy}")
        message = f"{_CONFIG}: upstream {how}; that is not done here, and chain_segments decides"
        found.append(finding(PAYLOAD_UNSUPPORTED, message, where=_CONFIG, evidence={"value": config.strategy}))
        return _chain_segments(wire, found=found)
    chained = config.strategy == _CHAINED
    if chain not in (None, chained):
        message = f"{_CONFIG} says {config.strategy}, chain_segments {str(chain).lower()}: {_CONFIG} wins"
        evidence: dict[str, object] = {"winner": _CONFIG, "chain_segments": chain, "strategy": config.strategy}
        found.append(finding(PAYLOAD_OVERRULED, message, where="chaining", evidence=evidence))
    given = wire.frame_overlap_expanded
    overlaps = {given} if isinstance(given, int) else {*given}
    if chained and config.overlap_frames and overlaps - {config.overlap_frames}:
        message = f"{_CONFIG} says overlap_frames {config.overlap_frames}: frame_overlap_expanded wins"
        evidence = {"winner": "frame_overlap_expanded", "said": config.overlap_frames, "used": sorted(overlaps)}
        found.append(finding(PAYLOAD_OVERRULED, message, where=f"{_CONFIG}.overlap_frames", evidence=evidence))
    return chained


def _chain_segments(wire: Wire, *, found: list[Finding]) -> bool:
    """chain_segments, else the reverse of independent_segments; absent means chained."""
    chain, apart = wire.chain_segments, wire.independent_segments
    if chain is None:
        return not apart
    if apart is not None and chain is apart:
        said = "true" if chain else "false"
        message = f"chain_segments and independent_segments are both {said}: chain_segments wins"
        evidence = {"winner": "chain_segments", "chain_segments": chain, "independent_segments": apart}
        found.append(finding(PAYLOAD_OVERRULED, message, where="chaining", evidence=evidence))
    return chain


def _leaves_apart(wire: Wire) -> bool:
    return wire.model_type in I2V_KINDS


def _size(wire: Wire, *, step: int, found: list[Finding]) -> tuple[int, int]:
    width, height = (side // step * step for side in wire.parsed_resolution_wh)
    asked = "x".join(str(side) for side in wire.parsed_resolution_wh)
    if not width or not height:
        raise PayloadError("parsed_resolution_wh", f"sides must be {step} or more", asked)
    if (width, height) != wire.parsed_resolution_wh:
        message = f"{asked} becomes {width}x{height}, multiples of {step}"
        evidence = {"asked": asked, "planned": f"{width}x{height}"}
        found.append(finding(PAYLOAD_SIZE, message, where="resolution", evidence=evidence))
    return width, height
