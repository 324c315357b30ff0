"""A trip ready to run: the plan, and where its keyframes are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from wayframe.core.after import after_of
from wayframe.core.catalogue_rules import left_out
from wayframe.core.documents import plan_json, resolved_json
from wayframe.core.engine_rules import ENGINE_REFUSES, engine_findings
from wayframe.core.findings import Finding, finding
from wayframe.core.guides import guide_findings, guided
from wayframe.core.lint import Lint, with_findings
from wayframe.core.payload_rules import LORA_BY_NAME
from wayframe.core.payload_spec import Imported, with_import
from wayframe.core.plan import EngineFacts, Plan, lora_ids, make_plan
from wayframe.core.prompting import PROMPT_UNWRITTEN
from wayframe.core.recipe import lora_files
from wayframe.core.resolve import Resolved, resolve
from wayframe.core.spec import TravelSpec, spec_json
from wayframe.engines.base import ChecksPlans, EngineSetup
from wayframe.engines.registry import load_engine, names
from wayframe.errors import EngineError, SpecError
from wayframe.files import redact, redact_text, sha256_file
from wayframe.media.heif import SUFFIXES as HEIF_SUFFIXES
from wayframe.store.catalogue import load_catalogue
from wayframe.store.digests import BY_NAME, DigestCache
from wayframe.store.home import Home
from wayframe.store.lora_places import find_place
from wayframe.workflow.clip_files import clip_files, first_size, guide_files
from wayframe.workflow.depth import depth_models
from wayframe.workflow.engine_options import engine_options
from wayframe.workflow.final import files_of, find_files
from wayframe.workflow.lora_files import is_remote
from wayframe.workflow.model_weights import weights_identity
from wayframe.workflow.pictures import keyframe_files, remote_findings
from wayframe.workflow.prompts import Prompts, Shown, failed_findings, find_prompts

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff", ".bmp", *HEIF_SUFFIXES})
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A plan with the files of its keyframes; `requested` and `resolved` as plain JSON, None where not known.

    `remote` holds the addresses of the keyframes that have no file here: such a trip can be looked at, but not run.
    `loras` are the local files of LoRAs by the plan's ids, and `options` are those of the engine. `prompts` tells of
    those that a model writes, None where none is asked for. `clips` are the files of the plan's videos, `guides` those
    of its guide videos, `depth` the folders of their depth models by identity, `after_files` those that the final file
    needs, by digest.
    """

    plan: Plan
    images: tuple[Path, ...]
    requested: Mapping[str, Any] | None = None
    resolved: Mapping[str, Any] | None = None
    remote: tuple[str, ...] = ()
    loras: Mapping[str, Path] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    prompts: Prompts | None = None
    clips: tuple[Path, ...] = ()
    guides: tuple[Path, ...] = ()
    depth: Mapping[str, Path] = field(default_factory=dict)
    after_files: Mapping[str, Path] = field(default_factory=dict)

    def with_findings(self, findings: Iterable[Finding]) -> Trip:
        """The trip with further findings in its plan."""
        return replace(self, plan=replace(self.plan, findings=(*self.plan.findings, *findings)))

    def with_failed_prompts(self, reasons: Mapping[int, str]) -> Trip:
        """The trip after its prompts were asked for, in vain where there is a reason (by segment)."""
        kept = tuple(found for found in self.plan.findings if found.code != PROMPT_UNWRITTEN.code or not reasons)
        return replace(self, plan=replace(self.plan, findings=(*kept, *failed_findings(reasons))))

    def planned(self) -> dict[str, Any]:
        """The plan as plain JSON."""
        return plan_json(self.plan)


def prepare(
    spec: TravelSpec,
    *,
    base: Path,
    home: Home,
    pictures: Path | None = None,
    imported: Imported | None = None,
    options: Mapping[str, str] | None = None,
) -> Trip:
    """Plan a spec; pictures and LoRAs are looked for relative to `base`, remote pictures by their name in `pictures`.

    `options` are those that are given for the engine, and win over those of the home folder.

    Reads the keyframes' heads and digests, no model, and no pixels unless a picture may be transparent. Prompts that a
    model writes are taken from the home folder; for one that is not there the base prompt stands. `imported` tells of
    the payload that the spec was made of. Raises `InputError` for anything that is wrong.
    """
    images, facts = keyframe_files(spec, base=base, pictures=pictures, home=home)
    clips, clip_facts = clip_files(spec, base=base, home=home, folder=pictures)
    catalogue = load_catalogue(home)
    size = first_size([(one.width, one.height) for one in facts], clips=clip_facts)
    resolve_with = partial(resolve, spec, catalogue=catalogue, first_size=size, clips=clip_facts)
    resolved = resolve_with()
    prompts = find_prompts(spec, resolved=resolved, shown=Shown(images=images, facts=facts), home=home)
    if prompts and prompts.written:
        resolved = resolve_with(written=prompts.written)
    resolved = with_import(resolved, imported) if imported else resolved
    _check_prompts(resolved)
    said = engine_options(resolved.engine, home=home, given=options or {})
    engine = engine_facts(resolved.engine, options=said)
    plan = make_plan(
        resolved,
        keyframes=facts,
        lora_digests=_lora_digests(spec, resolved, base=base, home=home),
        engine=engine,
        weights=weights_identity(resolved.model, engine=engine, home=home),
        clips=clip_facts,
    )
    plan, guides, depth = _with_guides(plan, spec, base=base, home=home)
    plan, after_files = _with_after(plan, spec, base=base, home=home)
    plan = with_findings(Lint(plan=plan, resolved=resolved, keyframes=facts, engine=engine))
    remote, unwritten = remote_findings(facts), prompts.unwritten() if prompts else ()
    trip = Trip(
        plan=plan,
        images=images,
        requested=imported.requested if imported else spec_json(spec),
        resolved=redact(resolved_json(resolved)),
        remote=tuple(str(item.evidence["address"]) for item in remote),
        loras=_lora_files(resolved, base=base, home=home),
        options=said,
        prompts=prompts,
        clips=clips,
        guides=guides,
        depth=depth,
        after_files=after_files,
    )
    about_engine = _engine_findings(plan, options=said)
    return trip.with_findings(
        [*left_out(catalogue), *about_engine, *guide_findings(plan), *remote, *_named_loras(plan), *unwritten]
    )


def _with_guides(
    plan: Plan, spec: TravelSpec, *, base: Path, home: Home
) -> tuple[Plan, tuple[Path, ...], dict[str, Path]]:
    """The plan with its guide videos, their files, and the folders of depth models that are here, by identity."""
    guides, facts = guide_files(spec, base=base, home=home)
    models, depth = depth_models(spec.guides or (), base=base, home=home)
    return guided(plan, said=spec.guides or (), videos=facts, models=models), guides, depth


def _with_after(plan: Plan, spec: TravelSpec, *, base: Path, home: Home) -> tuple[Plan, dict[str, Path]]:
    """The plan with what is done to its video, and the files that this needs, by digest."""
    digests, files = files_of(spec.after, base=base, home=home)
    after = after_of(spec.after, fps=plan.rate, frames=plan.frames, digests=digests)
    return replace(plan, after=after), files


def _check_prompts(resolved: Resolved) -> None:
    """Refuse a prompt that redaction would change: the plan in the video would not be the plan that was run."""
    for index, segment in enumerate(resolved.segments):
        for name, text in (("prompt", segment.prompt), ("negative_prompt", segment.negative_prompt)):
            if redact_text(text) != text:
                raise SpecError(
                    f"segments[{index}].{name}",
                    "looks as if it held a secret",
                    redact_text(text),
                    fix="write it otherwise",
                )


def engine_facts(name: str, *, options: Mapping[str, str]) -> EngineFacts:
    """What a plan needs of an engine; one that is not installed here can be planned for under its bare name."""
    if name not in names():
        return EngineFacts(name=name, identity=name, denoises=True)
    with closing(load_engine(name, EngineSetup(options=options))) as engine:
        return EngineFacts(name=name, identity=engine.identity, denoises=engine.denoises)


def _engine_findings(plan: Plan, *, options: Mapping[str, str]) -> Iterator[Finding]:
    """What is to be known of the engine, and what it refuses of the plan as far as it is installed here."""
    yield from engine_findings(plan)
    if plan.engine not in names():
        return
    with closing(load_engine(plan.engine, EngineSetup(options=options))) as engine:
        try:
            if isinstance(engine, ChecksPlans):
                engine.check(plan)
        except EngineError as error:
            yield finding(ENGINE_REFUSES, str(error), where="engine")


def prepare_plan(plan: Plan, *, folders: Sequence[Path]) -> Trip:
    """A plan from a file or a video; its keyframes and videos are found by digest among the files in `folders`.

    Raises `SpecError` that names those which are missing.
    """
    pictures = [keyframe.digest for keyframe in plan.keyframes]
    videos = [clip.digest for clip in plan.clips]
    steering = [video.digest for video in plan.guides]
    return Trip(
        plan=plan,
        images=_found(pictures, folders=folders, suffixes=IMAGE_SUFFIXES, missing="no picture in {} is keyframe {}"),
        clips=_found(videos, folders=folders, suffixes=VIDEO_SUFFIXES, missing="no file in {} is video {}"),
        guides=_found(steering, folders=folders, suffixes=VIDEO_SUFFIXES, missing="no file in {} is guide video {}"),
        after_files=find_files(plan.after, folders=folders),
    )


def _found(
    digests: Sequence[str], *, folders: Sequence[Path], suffixes: frozenset[str], missing: str
) -> tuple[Path, ...]:
    found: dict[str, Path] = {}
    for path in _files(folders, suffixes=suffixes):
        if found.keys() >= {*digests}:
            break
        found.setdefault(sha256_file(path), path)
    absent = [str(number) for number, digest in enumerate(digests) if digest not in found]
    if absent:
        places = ", ".join(str(folder) for folder in folders)
        problem = missing.format(places, ", ".join(absent))
        raise SpecError("keyframes", problem, fix="name its folder with --keyframes")
    return tuple(found[digest] for digest in digests)


def _files(folders: Sequence[Path], *, suffixes: frozenset[str]) -> Iterable[Path]:
    for folder in folders:
        if not folder.is_dir():
            raise SpecError("keyframes", "is not a folder", str(folder))
        yield from sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.is_file())


def _lora_digests(spec: TravelSpec, resolved: Resolved, *, base: Path, home: Home) -> dict[str, str]:
    """The digest of every LoRA; those of a spec that was a payload may lie in a folder of the worker's."""
    cache, said, imported = DigestCache(home), spec_json(spec), spec.carried is not None
    return {
        file: cache.lora(
            file, base=base, field=next(_places(said, file), f"preset {resolved.preset}: loras"), elsewhere=imported
        )
        for file in lora_files([segment.recipe for segment in resolved.segments])
    }


def _lora_files(resolved: Resolved, *, base: Path, home: Home) -> dict[str, Path]:
    """The files of the LoRAs that are here, by id: those of the spec, and those that were fetched from an address."""
    ids = lora_ids(lora_files([segment.recipe for segment in resolved.segments]))
    places = {name: _lora_file(file, base=base, home=home) for file, name in ids.items()}
    return {name: path for name, path in places.items() if path is not None and path.is_file()}


def _lora_file(file: str, *, base: Path, home: Home) -> Path | None:
    if not is_remote(file):
        return base / file
    place = find_place(file, home=home)
    return place.path if place else None


def _named_loras(plan: Plan) -> Iterator[Finding]:
    for name, lora in plan.loras.items():
        if lora.digest.startswith(BY_NAME):
            file = lora.digest.removeprefix(BY_NAME)
            message = f"{file} is not here: it is known by its name only"
            yield finding(LORA_BY_NAME, message, where=f"loras.{name}", evidence={"file": file})


def _places(value: object, file: str, *, path: str = "") -> Iterator[str]:
    """The fields of a spec that name a LoRA's file, such as ``keyframes[1].loras[0].file``."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            field = f"{path}.{name}".lstrip(".")
            if name in ("file", "url") and item == file:
                yield field
            yield from _places(item, file, path=field)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(item, file, path=f"{path}[{index}]")
