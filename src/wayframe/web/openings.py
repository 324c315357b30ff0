"""A spec that is opened again, of a video or of a run, with the uploads that are its pictures, videos and sounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from wayframe.core.payload import is_payload
from wayframe.core.plan import Plan
from wayframe.core.spec import parse_spec, spec_json
from wayframe.errors import InputError, MediaError, StoreError, StoreMissingError
from wayframe.web.drafts import OPTIONS, is_plain, media_places
from wayframe.web.library import FoundRun
from wayframe.web.media_uploads import MediaUpload
from wayframe.web.site import Site
from wayframe.web.uploads import Received, shown_name
from wayframe.workflow.queue.request import Request, get_request
from wayframe.workflow.sources import FLAGS, REDONE, Reading, payload_source


class KnownPicture(BaseModel):
    """A keyframe of a spec that was read: its name there, and the upload that is the same picture."""

    name: str
    digest: str | None = None
    upload: str | None = None


class KnownMedia(BaseModel):
    """A video or a sound of a spec that was read: its name there, and the upload that is the same file."""

    name: str
    digest: str | None = None
    upload: MediaUpload | None = None


class ReadSpec(BaseModel):
    """A spec that was read, what was found on the way, and which of its pictures, videos and sounds are here.

    `options` are those of the engine, and `lost` what could not be brought back, where the spec is that of a run.
    """

    spec: dict[str, Any]
    findings: list[dict[str, Any]]
    keyframes: list[KnownPicture]
    files: list[KnownMedia] = []
    options: dict[str, str] = {}
    lost: list[str] = []


def opened(requested: Mapping[str, Any], *, plan: Plan, site: Site, request: Request | None = None) -> ReadSpec:
    """The spec that was asked for, and its files by their digests in the plan; those of `request` are fetched.

    Raises `SpecError`.
    """
    spec = _spec_of(requested, site=site)
    shelf = _Shelf(site=site, stored=frozenset(request.blobs if request else ()))
    images = [str(item["image"]) for item in spec.get("keyframes", ())]
    pictures = [
        KnownPicture(name=shown_name(name), digest=facts.digest, upload=shelf.picture(facts.digest, name=name))
        for name, facts in zip(images, plan.keyframes, strict=False)
    ]
    files = [
        KnownMedia(name=place.name, digest=digest, upload=shelf.media(digest, name=place.name))
        for place, digest in zip(media_places(spec), _digests(plan), strict=False)
    ]
    return ReadSpec(spec=spec, findings=[], keyframes=pictures, files=files)


def draft_of(run: FoundRun, *, site: Site) -> ReadSpec:
    """The spec of a run, to be changed and run again, with its files as uploads where they are still to be had.

    Raises `StoreMissingError` for a run without one.
    """
    record = run.record()
    requested = record.get("requested")
    if run.item.source == "log" or not isinstance(requested, Mapping):
        raise StoreMissingError(
            f"run {run.item.id} was made from a plan or is known from a log: there is no spec of it"
        )
    request = None
    if run.row is not None:
        with suppress(StoreError):
            request = get_request(site.place, run.item.id)
    found = opened(requested, plan=run.plan(), site=site, request=request)
    lost = [f"{place}: {value}" for place, value in (requested.get(REDONE) or {}).items()]
    return found.model_copy(update={"options": _options(request), "lost": lost})


def _spec_of(requested: Mapping[str, Any], *, site: Site) -> dict[str, Any]:
    if is_payload(requested):
        words = {name: value for name, value in requested.items() if name not in (FLAGS, REDONE)}
        flags = requested.get(FLAGS) or {}
        source = payload_source(words, base=Path(), words=flags, reading=Reading(home=site.home))
        return spec_json(source.spec)
    return spec_json(parse_spec({name: value for name, value in requested.items() if name != REDONE}))


def _digests(plan: Plan) -> Iterator[str]:
    """The digests of a plan's videos and sounds, in the order of `media_places`."""
    yield from (clip.digest for clip in (*plan.clips, *plan.guides))
    if plan.after and plan.after.audio:
        yield plan.after.audio.digest


def _options(request: Request | None) -> dict[str, str]:
    """The options of a run that the page may set."""
    said = request.options if request else {}
    return {name: value for name, value in said.items() if name in OPTIONS and is_plain(value)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shelf:
    """Uploads by their digests. What is swept away and `stored` with a run is brought back."""

    site: Site
    stored: frozenset[str]

    def picture(self, digest: str, *, name: str) -> str | None:
        """The id of the upload that is this picture, if it is to be had."""
        uploads = self.site.uploads
        with suppress(StoreMissingError):
            return uploads.find(digest).id
        received = self._received(digest)
        with suppress(InputError, MediaError):
            return uploads.take(received, shown_name(name))[0].id if received else None
        return None

    def media(self, digest: str, *, name: str) -> MediaUpload | None:
        """The upload that is this video or sound, if it is to be had."""
        with suppress(StoreMissingError):
            return self.site.media.find(digest)
        received = self._received(digest)
        with suppress(InputError, MediaError):
            return self.site.media.take(received, shown_name(name))[0] if received else None
        return None

    def _received(self, digest: str) -> Received | None:
        if digest not in self.stored:
            return None
        fetch = partial(self.site.place.blobs.get_blob, digest)
        with suppress(StoreError):
            return self.site.uploads.fetched(fetch, digest=digest)
        return None
