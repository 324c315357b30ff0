"""What `wayframe join` and `wayframe regenerate` make: specs of videos that are joined by rendered bridges."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayframe.core.capsule import CAPSULE_KEY
from wayframe.core.payload import is_payload
from wayframe.core.shape_join import DEFAULT_CONTEXT
from wayframe.core.spec import TravelSpec, parse_spec, spec_json
from wayframe.core.spec_join import ClipSpec
from wayframe.core.spec_recipe import RecipeSpec
from wayframe.errors import SpecError, StoreError
from wayframe.files import atomic_path
from wayframe.media.index import index, read_metadata
from wayframe.store.artifacts import ArtifactStore
from wayframe.workflow.sources import Reading, SpecSource, capsule_of, payload_source, with_words

KEPT = (*RecipeSpec.model_fields, "engine", "model", "preset", "profile", "fps", "fit", "matte", "seed")
"""The words of a video's spec that a span of it is rendered anew by."""
GRID = 4
"""Context of even or odd length puts a bridge of a Wan model on its grid (4n+1), whatever odd gap it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Frames of a join, as `JoinSpec` has them; None where they are left open."""

    context: int | None = None
    gap: int | None = None
    replace: int | None = None

    def words(self) -> dict[str, int]:
        """Those that are said."""
        said = {"context": self.context, "gap": self.gap, "replace": self.replace}
        return {name: value for name, value in said.items() if value is not None}


def join_source(clips: Sequence[str], *, numbers: Numbers, words: Mapping[str, Any]) -> SpecSource:
    """The spec that joins videos, by paths or addresses; `words` are those of a spec.

    Raises `SpecError` for what cannot be so.
    """
    data = {"join": {"clips": [*clips], **numbers.words()}}
    return SpecSource(spec=parse_spec(with_words(data, words=words)), base=Path.cwd())


def regenerate_source(video: Path, *, frames: str, context: int | None, words: Mapping[str, Any]) -> SpecSource:
    """The spec that renders a span of a video anew; one of ours says how, as far as `words` do not.

    `frames` is ``START:STOP``, without the last one. Raises `SpecError` for a span that is not inside the video.
    """
    span = ClipSpec.model_validate({"video": str(video), "frames": _checked(frames)})
    if not video.is_file():
        raise SpecError("video", "is not a file", str(video))
    count = index(video).frames
    start, stop = span.range(count)
    if not 0 < start < stop < count:
        problem = f"must leave frames on both sides of it; the video has 0 to {count - 1}"
        raise SpecError("--frames", problem, frames, fix=f"use a span within 1:{count - 1}")
    ends = [{"video": str(video), "frames": f":{start}"}, {"video": str(video), "frames": f"{stop}:"}]
    gap = stop - start
    numbers = Numbers(context=_context(gap) if context is None else context, gap=gap)
    data = {**_carried_words(video, frame=(start + stop) // 2), "join": {"clips": ends, **numbers.words()}}
    return SpecSource(spec=parse_spec(with_words(data, words=words)), base=Path.cwd())


def _checked(frames: str) -> str:
    try:
        ClipSpec.model_validate({"video": "v", "frames": frames})
    except ValueError as error:
        raise SpecError("--frames", "expected START:STOP such as 40:61, with STOP after START", frames) from error
    return frames


def _context(gap: int) -> int:
    """Frames of each side that put a bridge with an odd gap on the grid: 2 * context + gap = 4n+1."""
    return DEFAULT_CONTEXT + (gap % GRID == GRID - 1)


def _carried_words(video: Path, *, frame: int) -> dict[str, Any]:
    """What a video of ours says of the segment that shows a frame, in the words of a spec."""
    if CAPSULE_KEY not in read_metadata(video):
        return {}
    carried = capsule_of(video)
    spec = _spec_of(carried.get("spec"))
    if spec is None:
        return {}
    own = _own_words(spec, carried["plan"], frame=frame)
    said = spec_json(spec)
    if {"phases", "phase_config"} & own.keys():
        said = {name: value for name, value in said.items() if name not in ("phases", "phase_config", "steps")}
    return {name: value for name, value in {**said, **own}.items() if name in KEPT}


def _spec_of(data: object) -> TravelSpec | None:
    if is_payload(data):
        return payload_source(data, base=Path.cwd(), words={}, reading=Reading()).spec
    return parse_spec(data) if isinstance(data, Mapping) else None


def _own_words(spec: TravelSpec, plan: Mapping[str, Any], *, frame: int) -> dict[str, Any]:
    """The own words of the keyframe where the segment that shows a frame begins."""
    shown = [segment for segment in plan["segments"] if segment["start"] <= frame < segment["end"]]
    first = (shown[-1].get("ends") or [shown[-1]["index"]])[0] if shown else None
    if first is None or first >= len(spec.keyframes):
        return {}
    words: dict[str, Any] = spec.keyframes[first].model_dump(mode="json", by_alias=True, exclude_unset=True)
    return words


def keep_bridges(record: Mapping[str, Any], *, store: ArtifactStore, folder: Path) -> list[Path]:
    """Copy the bridges of a run's record, context included, as ``bridge-0.mp4`` and so on; gives their paths.

    Raises `StoreError` for one that is gone, and when the folder cannot be written to.
    """
    kept = list[Path]()
    bridges = [segment for segment in record["planned"]["segments"] if segment.get("given_after")]
    for number, segment in enumerate(bridges):
        found = store.find(segment["key"])
        if found is None:
            raise StoreError(f"artifact {segment['key'][:12]} is gone")
        kept.append(folder / f"bridge-{number}.mp4")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(kept[-1]) as temporary:
                shutil.copyfile(found.video, temporary)
        except OSError as error:
            raise StoreError(f"{kept[-1]} cannot be written ({error.strerror})") from error
    return kept
