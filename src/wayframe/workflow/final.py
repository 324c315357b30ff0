"""The final file of any video: what is asked for, the files that it needs, and what the file carries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from wayframe.core.after import RIFE_SUFFIXES, After, AfterSpec, after_of
from wayframe.core.capsule import CAPSULE_KEY, unseal
from wayframe.errors import SpecError, StoreError
from wayframe.files import sha256_file
from wayframe.media.index import index, read_metadata
from wayframe.store.artifacts import ArtifactStore
from wayframe.store.digests import DigestCache
from wayframe.store.home import Home
from wayframe.store.pictures import PictureShelf, public
from wayframe.store.runs import RunFolder
from wayframe.workflow.after import COPIED, AfterWork, check_models

SUFFIXES = frozenset(
    {".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".opus", ".mp4", ".mov", ".mkv", ".webm", *RIFE_SUFFIXES}
)
"""Of files with sound, and of models."""
UNFETCHED = "url:"
AFTER_KEY = "wayframe-after"
"""The metadata of a final file that says what was done: JSON of `After`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """Where the final file goes; `force` replaces what is there. Work stops once `cancelled()` is true."""

    out: Path
    force: bool = False
    cancelled: Callable[[], bool] = lambda: False

    def check(self, after: After, *, sources: Iterable[Path]) -> None:
        """Raise `StoreError` unless the file may be written under this name; what it is made of is never replaced."""
        if self.out.suffix.lower() != after.suffix:
            raise StoreError(f"--out {self.out} is no name for this file; let it end in {after.suffix}")
        if self.out.is_dir() or (self.out.exists() and not self.force):
            raise StoreError(f"--out {self.out} exists; use another name, or --force to replace it")
        if self.out.exists() and any(self.out.samefile(source) for source in sources):
            raise StoreError(f"--out {self.out} is what the final file is made of; use another name")


def finish_video(video: Path, *, said: AfterSpec, base: Path, home: Home, final: Final) -> dict[str, Any]:
    """Make the final file of a video, and give what was done; files are named relative to `base`.

    The video stays as it is, and what it carries (spec, resolved, plan) is carried on. Raises `SpecError` for files
    that are not there and for a trim that is not in the video, `StoreError` for a name that cannot be written,
    `MediaError` and `CancelledError` as `AfterWork.make`.
    """
    where = index(video)
    digests, files = files_of(said, base=base, home=home)
    after = after_of(said, fps=where.fps, frames=where.frames, digests=digests) or After()
    final.check(after, sources=(video, *files.values()))
    carried = read_metadata(video)
    profile = _profile(carried, source=str(video))
    work = AfterWork(after=after, store=ArtifactStore(home), profile=profile, files=files, cancelled=final.cancelled)
    metadata = {**carried, AFTER_KEY: json.dumps(after_json(after))}
    return work.make(video, target=final.out, metadata=metadata)


def finish_run(run: RunFolder, *, said: AfterSpec, base: Path, home: Home, final: Final) -> dict[str, Any]:
    """Make a final file of a run's video, and enter it into the run's record; gives what was done.

    ``outcome.finished`` of the record lists all files that were made so, each with its steps; one that is made anew
    takes the place of the earlier one. Raises as `finish_video`, and `StoreError` for a run that has no video or that
    another process goes on with.
    """
    if not run.video.exists():
        raise StoreError(f"run {run.run_id} is {run.read()['status']} and has no video")
    told = finish_video(run.video, said=said, base=base, home=home, final=final)
    with run.hold():
        record = run.read_held()
        earlier = [made for made in record["outcome"].get("finished", []) if made["file"] != told["file"]]
        record["outcome"]["finished"] = [*earlier, told]
        run.write(record)
    return told


def after_json(after: After) -> dict[str, Any]:
    """As plain JSON data, only what is done."""
    data: dict[str, Any] = TypeAdapter(After).dump_python(after, mode="json")
    return data


def files_of(said: AfterSpec | None, *, base: Path, home: Home) -> tuple[dict[str, str], dict[str, Path]]:
    """The digests of the files that are named, by name, and the files, by digest. Raises `SpecError`.

    An address stands for what was fetched from it into the home folder; one that was not has its address as digest.
    """
    cache, digests, files = DigestCache(home), dict[str, str](), dict[str, Path]()
    for field, name in said.files if said else ():
        path = base / name
        if "://" in name:
            kept = PictureShelf(home=home).find(name)
            if kept is None:
                digests[name] = f"{UNFETCHED}{public(name.split('?')[0])}"
                continue
            path = kept
        if not path.is_file():
            raise SpecError(field, "is not a file", name)
        digests[name] = cache.sha256(path)
        files[digests[name]] = path
    return digests, files


def find_files(after: After | None, *, folders: Sequence[Path]) -> dict[str, Path]:
    """The files that a plan's final file needs, as far as `folders` hold them, by digest."""
    wanted, found = set(after.digests if after else ()), dict[str, Path]()
    for folder in folders if wanted else ():
        for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()):
            digest = sha256_file(path)
            if digest in wanted:
                found.setdefault(digest, path)
    return found


def check_files(after: After | None, *, files: Mapping[str, Path]) -> None:
    """Raise `SpecError` when a file that the final file needs is not there, and `MediaError` for a model's that cannot
    be read: before anything is rendered.
    """
    missing = [digest[:12] for digest in (after.digests if after else ()) if digest not in files]
    away = next((digest for digest in (after.digests if after else ()) if digest.startswith(UNFETCHED)), None)
    if away is not None:
        fix = "leave out --offline, or name a file"
        raise SpecError("after", "names an address that was not fetched", away.removeprefix(UNFETCHED), fix=fix)
    if missing:
        fix = "put it beside the plan, or into the folder that --keyframes names; a spec fetches one that is an address"
        raise SpecError("after", f"needs the file with digest {missing[0]}", fix=fix)
    if after is not None:
        check_models(after, files=files)


def _profile(carried: dict[str, str], *, source: str) -> str:
    """How the video was encoded, where it says so."""
    if CAPSULE_KEY not in carried:
        return COPIED
    return str(unseal(carried[CAPSULE_KEY], source=source)["plan"].get("profile", COPIED))
