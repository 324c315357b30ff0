"""What a user names on the command line or in Python - a spec, pictures, a plan, a video - as a trip."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wayframe.core.capsule import CAPSULE_KEY, unseal
from wayframe.core.documents import parse_plan
from wayframe.core.findings import Finding, finding
from wayframe.core.payload import is_payload, without_secrets
from wayframe.core.payload_join import import_join, is_join
from wayframe.core.payload_like import Like
from wayframe.core.payload_rules import PAYLOAD_SECRET
from wayframe.core.payload_spec import Imported
from wayframe.core.payload_stitch import import_travel
from wayframe.core.plan import PLAN_SCHEMA, Plan
from wayframe.core.spec import TravelSpec, parse_spec, spec_json
from wayframe.errors import SpecError
from wayframe.files import Redactor, is_secret_name, redact_text, secret_values
from wayframe.media.index import read_metadata
from wayframe.store.catalogue import load_catalogue
from wayframe.store.home import Home, open_home
from wayframe.store.pictures import PictureShelf
from wayframe.store.runs import RECORD_SCHEMA
from wayframe.store.specs import SUFFIXES, read_data
from wayframe.workflow.bench import check_engine
from wayframe.workflow.depth import found_depth
from wayframe.workflow.engine_options import engine_options
from wayframe.workflow.lora_files import Fetch, fetch_loras, found_loras, remote_loras
from wayframe.workflow.model_weights import weights_of
from wayframe.workflow.pictures import check_pictures
from wayframe.workflow.prompts import write_prompts
from wayframe.workflow.trip import IMAGE_SUFFIXES, Trip, engine_facts, prepare, prepare_plan

FLAGS = "flags"
"""The key under which a record keeps the flags that took the place of a payload's words."""
REDONE = "redo"
"""The key under which a record keeps what a redo changed of a payload, by segment."""
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):/+(.*)", re.DOTALL)
"""An address, of which a path has left one slash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecSource:
    """A checked spec, the folder that its files are relative to, and the payload that it was made of, if any."""

    spec: TravelSpec
    base: Path
    imported: Imported | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How upstream payloads are read: by whose habits, and whether a key without an effect here is an error."""

    like: Like = Like.PLAIN
    strict: bool = False
    home: Home | None = None


def spec_source(paths: Sequence[Path], *, words: Mapping[str, Any], reading: Reading | None = None) -> SpecSource:
    """A spec file, an upstream payload, or pictures as the quick form; `words` take the place of the spec's own.

    Raises `PayloadError` for a payload that cannot be read, and `SpecError` for anything else.
    """
    _check_paths(paths)
    if len(paths) == 1 and paths[0].suffix.lower() in SUFFIXES:
        data = read_data(paths[0])
        _check_document(data, path=paths[0])
        if is_payload(data):
            return payload_source(data, base=paths[0].absolute().parent, words=words, reading=reading or Reading())
        _only_for_payloads(reading, name=str(paths[0]))
        merged = with_words(data, words=words) if isinstance(data, Mapping) else data
        return SpecSource(spec=parse_spec(merged), base=paths[0].absolute().parent)
    _only_for_payloads(reading, name="pictures")
    data = with_words({"keyframes": [{"image": str(path)} for path in paths]}, words=words)
    return SpecSource(spec=parse_spec(data), base=Path.cwd())


def with_words(data: Mapping[str, Any], *, words: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's data with `words` in the place of its own; ``prompts.write`` is a word inside of `prompts`."""
    merged = dict(data)
    for word, value in words.items():
        block, is_inside, name = word.partition(".")
        inner = merged.get(block)
        merged[block] = {**(inner if isinstance(inner, Mapping) else {}), name: value} if is_inside else value
    return merged


def _check_paths(paths: Sequence[Path]) -> None:
    for path in paths:
        suffix = path.suffix.lower()
        if address := _ADDRESS.fullmatch(path.as_posix()):
            fix = "write it as the image of a keyframe in a spec, or download it"
            shown = redact_text("{}://{}".format(*address.groups()))
            raise SpecError("pictures", "expected files, not an address", shown, fix=fix)
        if path.is_dir():
            raise SpecError(str(path), "is a folder", fix=f"wayframe new {path} makes a spec of its pictures")
        if suffix in SUFFIXES and len(paths) > 1:
            raise SpecError(str(path), "is a spec beside other files", fix="give one spec or pictures, not both")
        if suffix not in SUFFIXES and suffix not in IMAGE_SUFFIXES:
            expected = f"expected one spec ({', '.join(SUFFIXES)}) or pictures"
            raise SpecError(str(path), "is neither a spec nor a picture", fix=expected)


def _check_document(data: object, *, path: Path) -> None:
    """Refuse what other commands of ours write, with the command that reads it."""
    schema = str(data.get("schema", "")) if isinstance(data, Mapping) else ""
    if schema.startswith(_family(PLAN_SCHEMA)):
        raise SpecError(str(path), "is a plan, not a spec", fix=f"wayframe run --plan {path} runs it")
    if schema.startswith(_family(RECORD_SCHEMA)):
        folder = path.absolute().parent
        raise SpecError(str(path), "is the record of a run, not a spec", fix=f"wayframe show {folder} shows it")


def _family(schema: str) -> str:
    """A schema without its version."""
    return schema.rpartition("/")[0] + "/"


def _only_for_payloads(reading: Reading | None, *, name: str) -> None:
    if reading and (reading.strict or reading.like is not Like.PLAIN):
        raise SpecError(name, "is no upstream payload", fix="leave out --like and --strict")


def payload_source(data: object, *, base: Path, words: Mapping[str, Any], reading: Reading) -> SpecSource:
    """The spec that an upstream payload stands for; secrets are taken out before anything is read."""
    catalogue = load_catalogue(reading.home or open_home(make=False))
    read = import_join if is_join(data) else import_travel
    imported = read(
        Redactor(secret_values(data)).value(data),
        catalogue=catalogue,
        like=reading.like,
        strict=reading.strict,
        is_secret=is_secret_name,
    )
    imported = replace(imported, findings=(*imported.findings, *_hidden_in_texts(data)))
    if not words:
        return SpecSource(spec=imported.spec, base=base, imported=imported)
    spec = parse_spec(with_words(spec_json(imported.spec), words=words))
    origins = {path: origin for path, origin in imported.origins.items() if path not in words}
    requested = {**imported.requested, FLAGS: dict(words)}
    changed = replace(imported, spec=spec, origins=origins, requested=requested)
    return SpecSource(spec=spec, base=base, imported=changed)


def _hidden_in_texts(data: object) -> Iterator[Finding]:
    """A finding when texts, such as signed addresses, hold what looks like a secret."""
    redactor = Redactor(secret_values(data))
    redactor.value(without_secrets(data, is_secret=is_secret_name)[0] if isinstance(data, Mapping) else data)
    if redactor.count:
        message = f"{redactor.count} texts held what looks like a secret: it is hidden"
        yield finding(PAYLOAD_SECRET, message, where="payload", evidence={"texts": redactor.count})


def trip_of_spec(
    source: SpecSource, *, home: Home, pictures: Path | None = None, options: Mapping[str, str] | None = None
) -> Trip:
    """The trip of a spec; keyframes that are addresses are looked for in `pictures` by their names."""
    return prepare(
        source.spec, base=source.base, home=home, pictures=pictures, imported=source.imported, options=options
    )


def trip_of_plan(path: Path, *, keyframes: Path | None, home: Home, options: Mapping[str, str] | None = None) -> Trip:
    """The trip of a plan file; its pictures and LoRAs are looked for in `keyframes`, else beside the plan and here."""
    plan = parse_plan(read_data(path))
    return plan_trip(plan, folders=_folders(path, keyframes=keyframes), home=home, options=options or {})


def trip_of_video(path: Path, *, keyframes: Path | None, home: Home, options: Mapping[str, str] | None = None) -> Trip:
    """The trip that a video of ours carries; pictures and LoRAs as in `trip_of_plan`."""
    carried = capsule_of(path)
    folders = _folders(path, keyframes=keyframes)
    trip = plan_trip(parse_plan(carried["plan"]), folders=folders, home=home, options=options or {})
    return replace(trip, requested=carried.get("spec"), resolved=carried.get("resolved"))


def plan_trip(plan: Plan, *, folders: Sequence[Path], home: Home, options: Mapping[str, str]) -> Trip:
    """The trip of a plan, ready to run: its pictures and LoRAs are found by digest, its engine gets its options."""
    trip, loras = prepare_plan(plan, folders=[*folders, *_fetched(plan, home=home)]), dict[str, Path]()
    said = engine_options(plan.engine, home=home, given=options)
    if engine_facts(plan.engine, options=said).denoises:
        plan, loras = found_loras(plan, folders=folders, home=home)
    depth = found_depth(plan, home=home, folders=folders)
    return replace(trip, plan=plan, loras=loras, options=said, depth=depth)


def _fetched(plan: Plan, *, home: Home) -> list[Path]:
    """The folders of the home folder that hold what a plan needs and came from an address."""
    shelf = PictureShelf(home=home)
    digests = [*(keyframe.digest for keyframe in plan.keyframes), *(plan.after.digests if plan.after else ())]
    digests += [clip.digest for clip in plan.clips]
    places = [shelf.folder(digest) for digest in digests if digest.isalnum()]
    return [place for place in dict.fromkeys(places) if place.is_dir()]


def trip_to_run(make: Callable[[], Trip], *, home: Home, fetch: Fetch) -> Trip:
    """The trip that `make` makes, after what it lacks was fetched and written.

    The LoRAs that its engine needs come first, since their bytes decide the keys, then the prompts that a model is to
    write. Raises `SpecError`, `ImageError`, `EngineError`, `PromptError`, `StoreError` or `CancelledError`.
    """
    trip = make()
    loras = check_engine(trip) and bool(remote_loras(trip.plan, trip.loras))
    prompts = trip.prompts if trip.prompts and trip.prompts.missing else None
    if not loras and prompts is None:
        return trip
    if check_engine(trip):
        weights_of(trip.plan, home=home)  # nothing is fetched or asked for a run that could not begin
    if loras:
        fetch_loras(trip.plan, trip.loras, home=home, fetch=fetch)
    return make() if prompts is None else with_prompts(trip, make=make, home=home, ask=fetch)


def with_prompts(trip: Trip, *, make: Callable[[], Trip], home: Home, ask: Fetch) -> Trip:
    """The trip as `make` makes it after the prompts that it lacks were written. Raises as `trip_to_run`."""
    if trip.prompts is None or not trip.prompts.missing:
        return trip
    check_pictures(trip.remote)
    reasons = write_prompts(trip.prompts, home=home, listen=ask.listen, cancelled=ask.cancelled)
    return make().with_failed_prompts(reasons)


def _folders(path: Path, *, keyframes: Path | None) -> list[Path]:
    """Where pictures are looked for; each folder once."""
    return [keyframes] if keyframes else list(dict.fromkeys([path.resolve().parent, Path.cwd().resolve()]))


def capsule_of(path: Path) -> dict[str, Any]:
    """What a video of ours carries: spec, resolved and plan. Raises `SpecError` when it carries nothing."""
    text = read_metadata(path).get(CAPSULE_KEY)
    if text is None:
        raise SpecError(str(path), "carries no plan", fix="only videos that wayframe wrote do")
    return unseal(text, source=str(path))
