"""Depth of guide videos: which model makes it, where that is, and the video of depth as an artifact of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wayframe.core.digest import content_digest
from wayframe.core.guide_spec import DEPTH_MODEL, GuideDepth, GuideSpec
from wayframe.core.plan import Plan
from wayframe.errors import CancelledError, SpecError, StoreError
from wayframe.media.depth import DEPTH_KINDS, Depth, DepthModel, Span
from wayframe.media.encode import VideoWriter
from wayframe.media.index import decode, index, packet_digest
from wayframe.media.profiles import MASTER
from wayframe.store.artifacts import Artifact, ArtifactStore
from wayframe.store.home import Home
from wayframe.store.model_folder import CONFIG, faults, fingerprint
from wayframe.store.weights import look_on_hub, repository

DEPTH_VERSION = "depth/1"
"""Enters the keys of videos of depth; changes whenever their packets may."""
_FOLDER = "folder:"
_PINNED = re.compile(r"[^@]+@[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A depth model that was looked for: what identifies it, and its folder (None: it is not here)."""

    identity: str
    folder: Path | None


def depth_models(said: Sequence[GuideSpec], *, base: Path, home: Home) -> tuple[dict[int, str], dict[str, Path]]:
    """What identifies the model of each guide of kind depth, by its number, and the folders of those that are here.

    Nobody is asked, and no weights are read. A model that is not here is known by its name only: it can be planned
    with, and not run. Raises `SpecError` for a folder that holds none, and for a model that tells something else.
    """
    models, folders = dict[int, str](), dict[str, Path]()
    for number, one in enumerate(said):
        if one.kind == "depth":
            place = _look(one.model or DEPTH_MODEL, base=base, home=home, where=f"guides[{number}].model")
            models[number] = place.identity
            if place.folder is not None:
                folders[place.identity] = place.folder
    return models, folders


def _look(name: str, *, base: Path, home: Home, where: str) -> _Place:
    folder = _local(name, base=base, home=home)
    if folder is not None:
        _check(folder, name=name, where=where)
        return _Place(identity=fingerprint(folder), folder=folder)
    remote = repository(name)
    if remote is None:
        raise SpecError(where, "is no folder here, and no ORG/NAME of the Hub", name, fix=f"such as {DEPTH_MODEL}")
    found = look_on_hub(remote)
    if found is None or found.faults:
        return _Place(identity=name, folder=None)
    _check(found.folder, name=name, where=where)
    return _Place(identity=found.identity, folder=found.folder)


def _local(name: str, *, base: Path, home: Home) -> Path | None:
    """The folder that a name means: absolute, ``./NAME`` beside the spec, or one there or in the home folder."""
    path = Path(name).expanduser()
    if path.is_absolute() or name.startswith("."):
        return base / path
    return next((place / path for place in (base, home.models) if (place / path).is_dir()), None)


def _check(folder: Path, *, name: str, where: str) -> None:
    """Raise `SpecError` unless a folder holds a whole model of depth."""
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        kind, measure = config.get("model_type"), config.get("depth_estimation_type", "relative")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise SpecError(where, f"is no model in transformers format: no {CONFIG} that can be read", name) from error
    if kind not in DEPTH_KINDS or measure != "relative":
        problem = "tells distances" if kind in DEPTH_KINDS else f"is of kind {kind}"
        fix = f"take a model of relative depth, of kind {' or '.join(DEPTH_KINDS)}, such as {DEPTH_MODEL}"
        raise SpecError(where, problem, name, fix=fix)
    if wrong := next(faults(folder), None):
        raise SpecError(where, f"is not whole: {wrong}", name)


def found_depth(plan: Plan, *, home: Home, folders: Sequence[Path] = ()) -> dict[str, Path]:
    """The folders of a plan's depth models as far as they are here, by what identifies them.

    Those of the Hub are in its cache; others are found by their content in the home folder and in `folders`.
    """
    wanted = {depth.model for depth in _depths(plan)}
    found = dict[str, Path]()
    for identity in sorted(name for name in wanted if _PINNED.fullmatch(name)):
        weights = look_on_hub(remote) if (remote := repository(identity)) else None
        if weights is not None and not weights.faults:
            found[identity] = weights.folder
    if any(identity.startswith(_FOLDER) for identity in wanted):
        found |= {identity: folder for identity, folder in _folders((home.models, *folders)) if identity in wanted}
    return found


def _folders(places: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    for place in places:
        for config in sorted(place.glob(f"*/{CONFIG}")):
            try:
                yield fingerprint(config.parent), config.parent
            except (OSError, StoreError):
                continue


def check_depth(plan: Plan, models: Mapping[str, Path]) -> None:
    """Raise `SpecError` that says how to get it when a depth model of a plan is not here."""
    for number, depth in _numbered(plan):
        if depth.model not in models:
            raise _absent(depth.model, where=f"guides[{number}].model")


def _absent(model: str, *, where: str) -> SpecError:
    """The error that says how to get a model; what identifies it tells where it comes from."""
    name, fix = model.partition("@")[0], f"wayframe models pull {model}"
    if model.startswith(_FOLDER):
        name, fix = model[: len(_FOLDER) + 12], "put its folder into models/ of the home folder"
    elif not _PINNED.fullmatch(model):
        fix += ", and plan again"
    return SpecError(where, f"the depth model {name} is not here", fix=fix)


def _depths(plan: Plan) -> Iterator[GuideDepth]:
    return (depth for _, depth in _numbered(plan))


def _numbered(plan: Plan) -> Iterator[tuple[int, GuideDepth]]:
    for segment in plan.segments:
        for span in segment.guide.spans if segment.guide else ():
            if span.depth is not None:
                yield span.guide, span.depth


def depth_keys(plan: Plan) -> set[str]:
    """The content keys of the videos of depth that a plan needs."""
    return {depth_key(plan.guides[number].digest, model=depth.model) for number, depth in _numbered(plan)}


def depth_key(video: str, *, model: str) -> str:
    """The content key of the depth of a video with this digest."""
    return content_digest({"depth": DEPTH_VERSION, "video": video, "model": model})


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthVideos:
    """Makes videos of depth and finds them again; `models` are the folders of models. Stops once `cancelled()`."""

    store: ArtifactStore
    models: Mapping[str, Path]
    cancelled: Callable[[], bool] = field(default=lambda: False)

    def of(self, video: Path, *, digest: str, model: str) -> Artifact:
        """The depth of all frames of a video, at its size (made even): white the nearest point of the whole video.

        The model makes each frame once. All frames have one scale, so that nothing flickers, as in Video Depth Anything
        (Chen and others, CVPR 2025). Raises `SpecError`, `MediaError`, `CancelledError`.
        """
        key = depth_key(digest, model=model)
        found = self.store.find(key)
        if found is not None:
            return found
        if model not in self.models:
            raise _absent(model, where="guides")
        with self.store.staging() as folder:
            path = folder / "depth.mp4"
            count = self._write(path, video, depths=folder / "depth.raw", model=DepthModel.load(self.models[model]))
            facts = {"frames": count, "digest": packet_digest(path), "depth": model}
            return self.store.publish(path, key=key, facts=facts)

    def _write(self, path: Path, video: Path, *, depths: Path, model: DepthModel) -> int:
        where = index(video)
        size = max(where.width // 2 * 2, 2), max(where.height // 2 * 2, 2)
        span, shape = Span(), (0, 0)
        with depths.open("wb") as stream:
            for frame in decode(video):
                if self.cancelled():
                    raise CancelledError("the depth of a guide video was not made")
                depth = model.depth(frame)
                span.see(depth)
                shape = depth.shape[0], depth.shape[1]
                stream.write(depth.tobytes())
        with VideoWriter(path, width=size[0], height=size[1], fps=where.fps, cuts=(), profile=MASTER) as writer:
            for depth in _read(depths, shape=shape):
                writer.write(span.grey(depth, size=size))
        depths.unlink()
        return writer.count


def _read(path: Path, *, shape: tuple[int, int]) -> Iterator[Depth]:
    length = shape[0] * shape[1] * np.dtype(np.float32).itemsize
    with path.open("rb") as stream:
        while data := stream.read(length):
            yield np.frombuffer(data, np.float32).reshape(shape)
