"""Guides, bridges and the final file resolved: every value of these blocks with its origin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wayframe.core.frames import Layout
from wayframe.core.guide_spec import DEPTH_MODEL, GuideSpec
from wayframe.core.recipe import Origins
from wayframe.core.shape_join import bridging
from wayframe.core.spec import TravelSpec
from wayframe.core.spec_join import BridgesSpec
from wayframe.core.spec_part import Part

_FILES = ("video", "file", "rife")


def blocks_of(
    spec: TravelSpec, *, layout: Layout, step: int, common: Mapping[str, Any], origins: Origins
) -> dict[str, Any]:
    """The values of those blocks that the spec has, by their names; files by their names without folders.

    `common` are the video's own values: a final file has them where nothing else is said. `step` is that of the
    model's frame grid. The words of each bridge are those of its segment. Raises `SpecError` as `bridging` does.
    """
    found: dict[str, Any] = {}
    if spec.bridges is not None:
        found["bridges"] = _bridges(spec.bridges, step=step, origins=origins)
    if spec.guides:
        found["guides"] = [
            _guide(guide, place=f"guides[{at}]", frames=layout.total, origins=origins)
            for at, guide in enumerate(spec.guides)
        ]
    if spec.after is not None:
        video = {"trim": {"start": 0, "end": layout.total}, **common}
        found["after"] = _block(spec.after, place="after", usual=video, origins=origins)
    return found


def _bridges(said: BridgesSpec, *, step: int, origins: Origins) -> dict[str, Any]:
    numbers = bridging(said, step=step, place="bridges")
    follows = "default" if said.replace is None and said.context is None else "automatic"
    for name, unsaid in (("context", "default"), ("gap", follows), ("replace", "default")):
        origins.note(f"bridges.{name}", origin=unsaid if getattr(said, name) is None else "spec")
    return {"context": numbers.context, "gap": numbers.gap, "replace": list(numbers.replace)}


def _guide(guide: GuideSpec, *, place: str, frames: int, origins: Origins) -> dict[str, Any]:
    depth = {"model": DEPTH_MODEL} if guide.kind == "depth" else {}
    values = _block(guide, place=place, usual={"at": 0, "until": frames, **depth}, origins=origins)
    if guide.kind != "depth":
        values.pop("contrast")
        origins.entries.pop(f"{place}.contrast")
    return values


def _block(part: Part, *, place: str, usual: Mapping[str, Any], origins: Origins) -> dict[str, Any]:
    """The values of a block; one that is not said is that of `usual` and follows from it, else the block's default."""
    values: dict[str, Any] = {}
    for name in type(part).model_fields:
        said, path, follows = getattr(part, name), f"{place}.{name}", usual.get(name)
        if isinstance(said, Part):
            inner = follows if isinstance(follows, Mapping) else {}
            values[name] = _block(said, place=path, usual=inner, origins=origins)
        elif said is not None:
            values[name] = _file_name(name, said)
            origins.note(path, origin="spec" if name in part.model_fields_set else "default")
        elif follows is not None and not isinstance(follows, Mapping):
            values[name] = follows
            origins.note(path, origin="default" if name == "model" else "automatic")
    return values


def _file_name(name: str, value: object) -> object:
    """A file by its name; an address and every other value as it is."""
    local = name in _FILES and isinstance(value, str) and "://" not in value
    return str(value).replace("\\", "/").rsplit("/", 1)[-1] if local else value
