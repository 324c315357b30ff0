"""A spec that a client sent, with uploads in the place of its pictures, as a trip that can be planned and submitted."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from wayframe.core.spec import TravelSpec, parse_spec, spec_json
from wayframe.errors import SpecError, StoreMissingError
from wayframe.store.home import Home
from wayframe.web.media_uploads import MediaUploads
from wayframe.web.plain_data import MOST_KEYFRAMES, check_plain, check_size
from wayframe.web.settings import Settings, is_of
from wayframe.web.uploads import ID, Uploads, shown_name
from wayframe.workflow.sources import SpecSource, trip_of_spec
from wayframe.workflow.trip import Trip

OPTIONS = ("attention", "batch", "compile", "dtype", "offload", "text_length", "vae_tiling", "weights")
"""Options of engines that a client may set: those that name no file, program or address."""
FILES = "drafts"
MOST_FILES = 200
_NO_LORAS = ("carried", "after.audio")
_VALUE = re.compile(r"[A-Za-z0-9_-]{1,32}")
_ID = re.compile(ID)
_MODEL = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?")


class Draft(BaseModel):
    """A spec and the uploads that are its pictures.

    `keyframes` holds an upload's id for each keyframe of the spec; without it each `image` of the spec is one. `files`
    holds that of every video and sound that the spec names, by the name that it has there. `options` are the engine's.
    """

    model_config = ConfigDict(extra="forbid")

    spec: dict[str, Any]
    keyframes: list[Annotated[str, StringConstraints(pattern=ID)]] | None = Field(None, max_length=MOST_KEYFRAMES)
    files: dict[str, Annotated[str, StringConstraints(pattern=ID)]] = Field(default={}, max_length=MOST_FILES)
    options: dict[str, str] = Field(default={}, max_length=len(OPTIONS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Workroom:
    """Makes trips of drafts, in folders that hold links to what a draft may use and nothing else."""

    home: Home
    uploads: Uploads
    media: MediaUploads
    settings: Settings

    @contextmanager
    def maker(self, draft: Draft) -> Iterator[Callable[[], Trip]]:
        """What makes the trip of a draft; its files are there until the block ends. Raises `InputError`."""
        check_options(draft.options)
        spec = self.check(draft.spec)
        root = self.home.root / "cache" / FILES
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=root) as folder:
            source = SpecSource(spec=self._placed(spec, draft=draft, folder=Path(folder)), base=Path(folder))
            yield partial(trip_of_spec, source, home=self.home, options=draft.options)

    def check(self, data: Mapping[str, Any]) -> TravelSpec:
        """The spec of a client's data, once it names nothing that a client must not name."""
        check_plain(data)
        check_size(data)
        spec = parse_spec(data)
        self._check_prompts(spec)
        for index, guide in enumerate(data.get("guides") or ()):
            model = guide.get("model")
            if model is not None and ("/" not in model or not _MODEL.fullmatch(model)):
                raise SpecError(f"guides[{index}].model", "expected a name such as OWNER/MODEL", model)
        for place, file in lora_places(data):
            self._check_lora(file, place=place)
        return spec

    def _placed(self, spec: TravelSpec, *, draft: Draft, folder: Path) -> TravelSpec:
        """The spec with the names of links in `folder` as its files."""
        data: dict[str, Any] = spec_json(spec)
        for number, place in enumerate(media_places(data)):
            place.put(self._media(place, draft=draft, number=number, folder=folder))
        ids = draft.keyframes or [keyframe.image for keyframe in spec.keyframes]
        if len(ids) != len(spec.keyframes):
            raise SpecError("keyframes", f"{len(ids)} uploads for {len(spec.keyframes)} keyframes of the spec")
        for index, (item, upload_id) in enumerate(zip(data.get("keyframes", ()), ids, strict=True)):
            item["image"] = self._link(upload_id, said=str(item["image"]), index=index, folder=folder)
        for _, file in lora_places(data):
            if "://" not in file and self.settings.loras is not None:
                link_file(self.settings.loras / file, target=folder / file)
        return parse_spec(data)

    def _link(self, upload_id: str, *, said: str, index: int, folder: Path) -> str:
        """Link a picture into the folder under the name that the client gave it; the link's name."""
        try:
            upload, path = self.uploads.find(upload_id), self.uploads.path(upload_id)
        except StoreMissingError as error:
            fix = "send the picture to /api/v1/uploads and give its id"
            raise SpecError(f"keyframes[{index}].image", "is no upload that is here", said, fix=fix) from error
        given = upload.name if _ID.fullmatch(said) else shown_name(said)
        name = f"{given.rpartition('.')[0].lstrip('.') or given.strip('.') or 'picture'}{path.suffix}"
        target = folder / name
        if target.exists() and not target.samefile(path):
            target = folder / f"{index}-{name}"
        link_file(path, target=target)
        return target.name

    def _media(self, place: MediaPlace, *, draft: Draft, number: int, folder: Path) -> str:
        """Link a video or sound into the folder under a name like the client's; the link's name."""
        try:
            upload = self.media.find(draft.files.get(place.name, ""))
        except StoreMissingError as error:
            fix = "send it to /api/v1/uploads/media, and give its id in `files`"
            raise SpecError(place.field, "is no upload that is here", shown_name(place.name), fix=fix) from error
        stem = shown_name(place.name).rpartition(".")[0].lstrip(".") or upload.kind
        target = folder / f"{stem}{upload.suffix}"
        if target.exists() and not target.samefile(self.media.path(upload.id)):
            target = folder / f"{number}-{stem}{upload.suffix}"
        link_file(self.media.path(upload.id), target=target)
        return target.name

    def _check_prompts(self, spec: TravelSpec) -> None:
        if spec.prompts is None:
            return
        if spec.prompts.base_url is not None:
            fix = "leave it out: whoever runs the server chooses the endpoint, by OPENAI_BASE_URL"
            raise SpecError("prompts.base_url", "cannot be chosen here", fix=fix)
        if spec.prompts.model is not None and not _MODEL.fullmatch(spec.prompts.model):
            raise SpecError("prompts.model", "expected a name such as OWNER/MODEL", spec.prompts.model)

    def _check_lora(self, file: str, *, place: str) -> None:
        """A LoRA is an address of an allowed host, or the name of a file in the server's folder of LoRAs."""
        if "://" in file:
            self._check_address(file, place=place)
            return
        folder = self.settings.loras
        if folder is None:
            fix = "give an address, or start the server with --loras FOLDER"
            raise SpecError(place, "names a file, and this server has no folder of LoRAs", file, fix=fix)
        if Path(file).name != file or file in (".", "..") or "\\" in file or not file.isprintable():
            raise SpecError(place, "expected the name of a file, without folders", file)
        if not (folder / file).is_file():
            raise SpecError(place, "is not in the server's folder of LoRAs", file)

    def _check_address(self, file: str, *, place: str) -> None:
        try:
            parts = urlsplit(file)
            host = parts.hostname or ""
            plain = parts.scheme == "https" and parts.port in (None, 443) and "@" not in parts.netloc
        except ValueError:
            host, plain = "", False
        allowed = self.settings.fetch_hosts
        if not plain or not is_of(host, hosts=allowed):
            fix = f"allowed are https addresses of {', '.join(allowed)}; --fetch-host adds one"
            raise SpecError(place, "is an address that this server does not fetch from", host or None, fix=fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPlace:
    """A field of a spec that names a video or a sound, and the name in it."""

    field: str
    within: dict[str, Any]
    key: str

    @property
    def name(self) -> str:
        """The name that stands there."""
        return str(self.within[self.key])

    def put(self, name: str) -> None:
        """Have another name there."""
        self.within[self.key] = name


def media_places(data: dict[str, Any]) -> Iterator[MediaPlace]:
    """The fields of a checked spec as plain data that name a video or a sound."""
    if data.get("continue_from") is not None:
        yield MediaPlace(field="continue_from", within=data, key="continue_from")
    clips = (data.get("join") or {}).get("clips", ())
    for field, items in (("join.clips", clips), ("guides", data.get("guides") or ())):
        for index, item in enumerate(items):
            yield MediaPlace(field=f"{field}[{index}].video", within=item, key="video")
    sound = (data.get("after") or {}).get("audio")
    if sound:
        yield MediaPlace(field="after.audio.file", within=sound, key="file")


def lora_places(data: object, *, path: str = "") -> Iterator[tuple[str, str]]:
    """The fields of a spec that name a LoRA's file, with what they name."""
    if isinstance(data, Mapping):
        for name, item in data.items():
            place = f"{path}.{name}".lstrip(".")
            if place in _NO_LORAS:
                continue
            if (name in ("file", "url") or place == "after.rife") and isinstance(item, str):
                yield place, item
            else:
                yield from lora_places(item, path=place)
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from lora_places(item, path=f"{path}[{index}]")


def check_options(options: Mapping[str, str]) -> None:
    """Raise `SpecError` for an option that a client may not set."""
    for name, value in options.items():
        if name not in OPTIONS:
            fix = f"allowed are {', '.join(OPTIONS)}; others stand in options.toml of the server's home"
            raise SpecError(f"options.{name[:64]}", "cannot be set from here", fix=fix)
        if not is_plain(value):
            raise SpecError(f"options.{name}", "expected letters, digits, - and _", value)


def is_plain(value: str) -> bool:
    """Whether an option has a value that a client may give: no path, no address."""
    return _VALUE.fullmatch(value) is not None


def link_file(path: Path, *, target: Path) -> None:
    """Have a file under another name: linked where the file system can, else copied."""
    if target.exists():
        return
    try:
        os.link(path.resolve(), target)
    except OSError:
        shutil.copyfile(path, target)
