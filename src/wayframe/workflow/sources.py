"""What a user names on the command line or in Python - a spec, pictures, a plan, a video - as a trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayframe.core.capsule import CAPSULE_KEY, unseal
from wayframe.core.documents import parse_plan
from wayframe.core.spec import TravelSpec, parse_spec
from wayframe.errors import SpecError
from wayframe.media.index import read_metadata
from wayframe.store.home import Home
from wayframe.store.specs import SUFFIXES, read_data
from wayframe.workflow.trip import IMAGE_SUFFIXES, Trip, prepare, prepare_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecSource:
    """A checked spec, and the folder that its files are relative to."""

    spec: TravelSpec
    base: Path


def spec_source(paths: Sequence[Path], *, words: Mapping[str, Any]) -> SpecSource:
    """A spec file, or pictures as the quick form; `words` take the place of the spec's own.

    Raises `SpecError` for anything else.
    """
    if len(paths) == 1 and paths[0].suffix.lower() in SUFFIXES:
        data = read_data(paths[0])
        merged = {**data, **words} if isinstance(data, Mapping) else data
        return SpecSource(spec=parse_spec(merged), base=paths[0].absolute().parent)
    strange = next((path for path in paths if path.suffix.lower() not in IMAGE_SUFFIXES), None)
    if strange is not None:
        expected = f"expected one spec ({', '.join(SUFFIXES)}) or pictures"
        raise SpecError(str(strange), "is neither a spec nor a picture", fix=expected)
    data = {"keyframes": [{"image": str(path)} for path in paths], **words}
    return SpecSource(spec=parse_spec(data), base=Path.cwd())


def trip_of_spec(source: SpecSource, *, home: Home) -> Trip:
    """The trip of a spec."""
    return prepare(source.spec, base=source.base, home=home)


def trip_of_plan(path: Path, *, keyframes: Path | None) -> Trip:
    """The trip of a plan file; its pictures are looked for in `keyframes`, else beside the plan and where we are."""
    plan = parse_plan(read_data(path))
    folders = [keyframes] if keyframes else [path.absolute().parent, Path.cwd()]
    return prepare_plan(plan, folders=folders)


def trip_of_video(path: Path, *, keyframes: Path | None) -> Trip:
    """The trip that a video of ours carries; pictures as in `trip_of_plan`."""
    carried = capsule_of(path)
    folders = [keyframes] if keyframes else [path.absolute().parent, Path.cwd()]
    return prepare_plan(parse_plan(carried["plan"]), folders=folders, carried=carried)


def capsule_of(path: Path) -> dict[str, Any]:
    """What a video of ours carries: spec, resolved and plan. Raises `SpecError` when it carries nothing."""
    text = read_metadata(path).get(CAPSULE_KEY)
    if text is None:
        raise SpecError(str(path), "carries no plan", fix="only videos that wayframe wrote do")
    return unseal(text, source=str(path))
