"""The videos that a spec names: their files, and what a plan must know of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from wayframe.core.clips import ClipFacts
from wayframe.core.plan import lora_name
from wayframe.core.spec import TravelSpec
from wayframe.errors import MediaError, SpecError
from wayframe.media.index import index
from wayframe.store.digests import DigestCache
from wayframe.store.home import Home
from wayframe.store.pictures import PictureShelf


def clip_files(
    spec: TravelSpec, *, base: Path, home: Home, folder: Path | None = None
) -> tuple[tuple[Path, ...], tuple[ClipFacts, ...]]:
    """The file and the facts of every video of a spec, in the order of the plan.

    An address stands for the file of its name in `folder`, else for what was fetched from it into `home`. Reads
    packets, and no pictures. Raises `SpecError` that names the field for one that is not there, or is none.
    """
    named, shelf = tuple(named_clips(spec)), PictureShelf(home=home)
    files = tuple(_place(name, base=base, folder=folder, shelf=shelf, field=field) for field, name in named)
    return files, tuple(_facts(path, field=field, home=home) for path, (field, _) in zip(files, named, strict=True))


def _place(name: str, *, base: Path, folder: Path | None, shelf: PictureShelf, field: str) -> Path:
    if "://" not in name:
        return base / name
    found = in_folder(name, folder=folder) or shelf.find(name)
    if found is None:
        fix = "download it into a folder, and name that with --keyframes"
        raise SpecError(field, f"is an address, and {_file_name(name)} is not here", fix=fix)
    return found


def in_folder(address: str, *, folder: Path | None) -> Path | None:
    """The file of an address's name in a folder, where it is there."""
    path = None if folder is None else folder / _file_name(address)
    return path if path is not None and path.is_file() else None


def _file_name(address: str) -> str:
    return unquote(lora_name(address.split("?")[0]))


def guide_files(spec: TravelSpec, *, base: Path, home: Home) -> tuple[tuple[Path, ...], tuple[ClipFacts, ...]]:
    """The file and the facts of every guide video of a spec, in its order. Raises as `clip_files`."""
    files = tuple(base / one.video for one in spec.guides or ())
    facts = tuple(_facts(path, field=f"guides[{number}].video", home=home) for number, path in enumerate(files))
    return files, facts


def named_clips(spec: TravelSpec) -> Iterator[tuple[str, str]]:
    """The field and the name of every video that a trip is made with."""
    if spec.continue_from is not None:
        yield "continue_from", spec.continue_from
    for number, clip in enumerate(spec.join.clips if spec.join else ()):
        yield f"join.clips[{number}]", clip.video


def _facts(path: Path, *, field: str, home: Home) -> ClipFacts:
    if not path.is_file():
        raise SpecError(field, "is not a file", str(path), fix="name a video beside the spec, or by its whole path")
    try:
        found = index(path)
    except MediaError as error:
        raise SpecError(field, f"is not a video that can be read ({error})", fix="name another video") from error
    digest, rate = DigestCache(home).sha256(path), found.fps.limit_denominator(1001)
    return ClipFacts(digest=digest, frames=found.frames, width=found.width, height=found.height, fps=str(rate))


def first_size(pictures: Sequence[tuple[int, int]], *, clips: Sequence[ClipFacts]) -> tuple[int, int]:
    """Width and height that the output is fitted to: of the first keyframe, else of the first video."""
    return pictures[0] if pictures else (clips[0].width, clips[0].height)
