"""Small pictures of keyframes: of those sent here, and of those that a submitted run carries in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wayframe.core.events import TaskState
from wayframe.errors import ImageError, MediaError, StoreError, StoreMissingError
from wayframe.web.library import FoundRun
from wayframe.web.site import Site
from wayframe.web.views_strip import Strip


def keyframe_picture(site: Site, run: FoundRun, *, digest: str) -> Path:
    """A keyframe as a small JPEG file, by the sha256 of its bytes.

    Raises `StoreMissingError` where only a rendered frame can show it: in a run of `wayframe run`, whose pictures stay
    where they are, and for a picture that is gone or cannot be decoded here.
    """
    try:
        return site.uploads.thumbnail(digest)
    except StoreMissingError:
        if run.row is None:
            raise
    try:
        return _stored(site, digest)
    except (ImageError, MediaError) as error:
        raise StoreMissingError("the keyframe cannot be shown") from error


def pictures_of(site: Site, run: FoundRun, *, strip: Strip, has_video: bool) -> set[str]:
    """The marks of a strip of which there is something to show: the picture itself, or a frame that is rendered."""
    if has_video:
        return {mark.picture for mark in strip.keyframes}
    done = [piece for piece in strip.pieces if piece.state == TaskState.COMPLETE]
    here = {f"keyframes/{key['index']}.jpg" for key in _keyframes(run) if _is_here(site, run, digest=key["digest"])}
    return {
        mark.picture
        for mark in strip.keyframes
        if mark.picture in here or any(piece.start <= mark.at < piece.end for piece in done)
    }


def _keyframes(run: FoundRun) -> Sequence[Mapping[str, Any]]:
    keyframes: Sequence[Mapping[str, Any]] = run.record()["planned"]["keyframes"]
    return keyframes


def _is_here(site: Site, run: FoundRun, *, digest: str) -> bool:
    """Whether the picture itself can be shown; a submitted run has published its own, and nothing removes them."""
    if run.row is not None:
        return True
    try:
        return site.uploads.thumbnail(digest).is_file()
    except StoreError:
        return False


def _stored(site: Site, digest: str) -> Path:
    """The small picture of one in the store; it is decoded once, as pictures that nobody vouches for are."""
    target = site.decoding.kept(f"{digest}.jpg")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent) as folder:
            picture = site.place.blobs.get_blob(digest, Path(folder) / "picture")
            site.decoding.picture(picture, thumbnail=target)
    return target
