"""An upstream payload as a spec of ours: every repair, contradiction and loss is a finding, nothing is dropped unsaid.

The spec that comes out is valid under our own rules and says everything explicitly. What has no meaning here stays in
its `carried` block, so that an export gives it back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from wayframe.core.bundles import under
from wayframe.core.catalogue import Bundle, Catalogue, Model
from wayframe.core.findings import Finding, finding
from wayframe.core.payload import Payload, Shape, names_a_key, read_payload
from wayframe.core.payload_conflicts import conflicts
from wayframe.core.payload_frames import Frames, read_frames
from wayframe.core.payload_guides import payload_guides
from wayframe.core.payload_keys import (
    CARRIED,
    LOOKS,
    READ,
    SEGMENT,
    SWITCHED,
    UNSUPPORTED,
    UPSCALE,
    is_done_later,
    is_neutral,
    not_done,
    short,
)
from wayframe.core.payload_like import Like
from wayframe.core.payload_look import look_words
from wayframe.core.payload_models import upstream_model
from wayframe.core.payload_phases import Denoising, configured, loose, of_segment
from wayframe.core.payload_rules import (
    PAYLOAD_CARRIED,
    PAYLOAD_SECRET,
    PAYLOAD_SEED,
    PAYLOAD_UNKNOWN,
    PAYLOAD_UNSUPPORTED,
)
from wayframe.core.payload_texts import Texts
from wayframe.core.payload_wire import Data, Wire, WireMotion, WirePhase, WirePhases
from wayframe.core.resolve import Resolved
from wayframe.core.spec import TravelSpec, parse_spec
from wayframe.errors import PayloadError

_T = TypeVar("_T")
Said = dict[str, Any]
UPSTREAM_FPS = 16
_KEYS_OF_A_LORA = frozenset({"url", "path", "multiplier", "strength", "scale"})
_OFF: Mapping[str, tuple[object, ...]] = {**{key: (off,) for key, off in LOOKS.items()}, UPSCALE: (0, 1)}
_SETS_OF_KEYS = ("details", "params", "task", "individual")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A payload as a spec, with what was found on the way.

    `origins` says for the words of the spec which key of the payload they come from (``payload:KEY``) or that upstream
    adds them (``automatic``); `lora_origins` says so for single files. `requested` is the payload without its secrets.
    """

    spec: TravelSpec
    findings: tuple[Finding, ...]
    origins: Mapping[str, str]
    requested: Data
    lora_origins: Mapping[str, str] = field(default_factory=dict)


def import_payload(
    data: object,
    *,
    catalogue: Catalogue,
    like: Like = Like.PLAIN,
    strict: bool = False,
    is_secret: Callable[[str], bool] = names_a_key,
) -> Imported:
    """Read a payload as `like` does and say it in a spec of ours.

    `strict` makes a key that has an effect upstream and none here, or that is not known, an error. Raises
    `PayloadError` for missing or wrong keys and for models that are not known, `SpecError` for what the spec refuses.
    """
    payload = read_payload(data, is_secret=is_secret)
    wire = payload.wire
    model = catalogue.model(upstream_model(wire.model_name).model)
    frames = read_frames(wire, model=model, like=like)
    bundles = _bundles(wire, catalogue=catalogue)
    shared, own = _denoising(wire, model=under(bundles, model=model), like=like)
    texts = Texts.of(wire)
    guides = payload_guides(payload)
    keys = tuple(_key_findings(payload, guides=guides.key))
    if strict:
        _refuse_unsupported((*frames.findings, *keys))
    spec: Said = {
        **_travel(wire, frames=frames, model=model),
        **shared.words,
        **wire.cfg,
        **texts.words,
        **({"bundles": [bundle.name for bundle in bundles]} if bundles else {}),
        **({"guides": guides.words} if guides.words else {}),
        **_stops(frames, parts=_parts(payload, frames=frames, texts=texts, own=own)),
        "carried": _carried(payload),
    }
    found = [*conflicts(payload, model=model), *frames.findings, *shared.findings]
    found += [item for one in own if one for item in one.findings]
    found += [*_seed_findings(wire), *texts.findings, *_secret_findings(payload), *keys]
    origins = {**_ORIGINS, **_other_origins(wire), **texts.origins, **shared.origins}
    for index, one in enumerate(own):
        origins |= {f"segments[{index}].{word}": origin for word, origin in (one.origins if one else {}).items()}
    for index in range(len(own) if wire.motion_settings_expanded else 0):
        if _of_all(wire.motion_settings_expanded, index):
            origins[f"segments[{index}].amount_of_motion"] = "payload:motion_settings_expanded"
    return Imported(
        spec=parse_spec(spec),
        findings=tuple(found),
        origins=origins,
        requested=payload.clean,
        lora_origins=shared.lora_origins,
    )


_ORIGINS: Mapping[str, str] = {
    "mode": "payload:generation_mode",
    "model": "payload:model_name",
    "chaining": "payload:chain_segments",
    "overlap": "payload:frame_overlap_expanded",
    "segment_frames": "payload:segment_frames_expanded",
    "positions": "payload:segment_frames_expanded",
    "resolution": "payload:parsed_resolution_wh",
    "fps": "payload:fps_helpers",
    "amount_of_motion": "payload:amount_of_motion",
    "seed": "payload:seed_base",
    "cfg_star": "payload:cfg_star_switch",
    "cfg_zero": "payload:cfg_zero_step",
    "look.colour_match": "payload:colour_match_videos",
    "look.saturation": "payload:after_first_post_generation_saturation",
    "look.brightness": "payload:after_first_post_generation_brightness",
}


def _other_origins(wire: Wire) -> Said:
    given = {"chaining": "independent_segments"} if wire.chain_segments is None and wire.independent_segments else {}
    given |= {"chaining": "continuation_config"} if wire.continuation_config is not None else {}
    said = {word: f"payload:{key}" for word, key in given.items()}
    for word, key in (("chaining", "chain_segments"), ("mode", "generation_mode"), ("fps", "fps_helpers")):
        if getattr(wire, key) is None and word not in said:
            said[word] = "default"
    if wire.switches:
        said["bundles"] = f"payload:{wire.switches[0]}"
    return {**said, "negative_prompt": "payload:negative_prompts_expanded"}


def _bundles(wire: Wire, *, catalogue: Catalogue) -> tuple[Bundle, ...]:
    """The bundles that the payload's switches turn on, in the order of the switches."""
    found = (bundle for key in wire.switches for bundle in catalogue.bundles.values() if key in bundle.switches)
    return tuple({bundle.name: bundle for bundle in found}.values())


def _travel(wire: Wire, *, frames: Frames, model: Model) -> Said:
    fps = wire.fps_helpers or UPSTREAM_FPS
    if fps != int(fps):
        raise PayloadError("fps_helpers", "expected a whole number", fps)
    words: Said = {
        "mode": frames.mode,
        "chaining": frames.chaining,
        "model": model.name,
        "resolution": "{}x{}".format(*frames.size),
        "fps": int(fps),
    }
    if frames.mode == "batch":
        words["segment_frames"] = list(frames.frames)
    if frames.shared:
        words["overlap"] = list(frames.shared)
    if frames.continued:
        words["continue_from"] = wire.continue_from_video_resolved_path
    if wire.seed_base is not None and wire.seed_base >= 0:
        words["seed"] = wire.seed_base
    if (wire.upscale_factor or 0) > 1:
        words["after"] = {"upscale": {"factor": wire.upscale_factor}}
    if wire.amount_of_motion is not None and not wire.advanced_mode:
        words["amount_of_motion"] = wire.amount_of_motion
    return words


def _denoising(wire: Wire, *, model: Model, like: Like) -> tuple[Denoising, list[Denoising | None]]:
    """The words of the whole spec, and those of each segment that has its own (or None)."""
    shared = (
        loose(wire, model=model, like=like)
        if wire.phase_config is None
        else configured(wire.phase_config, model=model, loras=None, key="phase_config")
    )
    count = wire.num_new_segments_to_generate
    configs, loras = wire.phase_configs_expanded, wire.loras_per_segment_expanded
    lists = {"phase_configs_expanded": configs, "loras_per_segment_expanded": loras}
    for key, values in {**lists, "motion_settings_expanded": wire.motion_settings_expanded}.items():
        if 1 < len(values) < count:
            raise PayloadError(
                key, f"{len(values)} values for {count} segments", fix="give one for each, or one for all"
            )
    own: list[Denoising | None] = []
    for index in range(count):
        config = _of_all(configs, index)
        segment_loras = _of_all(loras, index) or None
        if config is None and segment_loras is None:
            own.append(None)
            continue
        used = config or wire.phase_config
        key = f"phase_configs_expanded[{index}]" if config else "phase_config"
        if used is None:
            words, found = of_segment(segment_loras or ())
            origin = f"payload:loras_per_segment_expanded[{index}]"
            own.append(Denoising(words=words, origins={"loras": origin}, findings=tuple(found)))
        else:
            own.append(configured(used, model=model, loras=segment_loras, key=key))
    return shared, own


def _of_all(values: tuple[_T | None, ...], index: int) -> _T | None:
    """The value of a segment: its own, or the single one that holds for all."""
    if not values:
        return None
    return values[0] if len(values) == 1 else values[index]


def _parts(payload: Payload, *, frames: Frames, texts: Texts, own: list[Denoising | None]) -> list[Said]:
    """What each segment says of itself."""
    wire, looks = payload.wire, look_words(payload, segments=len(frames.frames))
    parts: list[Said] = []
    for index, denoising in enumerate(own):
        prompt, motion = texts.prompts[index], _of_all(wire.motion_settings_expanded, index)
        part: Said = {} if prompt is None else {"prompt": prompt}
        part["negative_prompt"] = texts.negative[index]
        part |= denoising.words if denoising else {}
        part |= {"look": looks[index]} if looks[index] else {}
        if motion and motion.amount_of_motion is not None and not wire.advanced_mode:
            part["amount_of_motion"] = motion.amount_of_motion
        parts.append(part)
    return parts


def _stops(frames: Frames, *, parts: list[Said]) -> Said:
    """The keyframes, each with what the segment that begins there says, and the lead of what continues a video."""
    lead, begun = (parts[:1], parts[1:]) if frames.continued else ([], parts)
    keyframes: list[Said] = []
    for index, image in enumerate(frames.images):
        place = {"at": frames.positions[index]} if frames.mode == "timeline" else {}
        keyframes.append({"image": image, **place, **(begun[index] if index < len(begun) else {})})
    return {"keyframes": keyframes, **({"lead": lead[0]} if lead else {})}


def _seed_findings(wire: Wire) -> Iterator[Finding]:
    if wire.seed_base is not None and wire.seed_base < 0:
        message = f"seed {wire.seed_base} stands for a random one; 0 is planned"
        yield finding(PAYLOAD_SEED, message, where="seed", evidence={"seed": wire.seed_base})


def _secret_findings(payload: Payload) -> Iterator[Finding]:
    for path in payload.secrets:
        yield finding(PAYLOAD_SECRET, f"{path} was there and is removed", where=path)


def _key_findings(payload: Payload, *, guides: str | None) -> Iterator[Finding]:
    """What is not supported or not known, key by key, and one finding for all that is carried along."""
    carried: list[str] = []
    seen: set[str] = set()
    for part in _SETS_OF_KEYS:
        for key, value in payload.rest.get(part, {}).items():
            if key in seen or (payload.shape is Shape.SEGMENT and part == "details" and key in payload.given):
                continue  # a segment's own value, or the one that it takes from here, is read
            seen.add(key)
            if key == guides or _is_switched_on(payload, key) or is_done_later(key, _carried(payload)):
                continue
            if key in UNSUPPORTED and not is_neutral(key, value):
                yield finding(PAYLOAD_UNSUPPORTED, not_done(key), where=key, evidence={"value": short(value)})
            elif key in UNSUPPORTED or key in CARRIED or key in READ or key in SEGMENT:
                carried.append(key)
            else:
                message = f"{key} is not a known key"
                yield finding(PAYLOAD_UNKNOWN, message, where=key, evidence={"value": short(value)})
    yield from _unread_of_phases(payload)
    yield from _unread_of_motion(payload)
    if carried:
        message = f"{len(carried)} keys without an effect are carried along"
        yield finding(PAYLOAD_CARRIED, message, where="carried", evidence={"keys": carried})


def _is_switched_on(payload: Payload, key: str) -> bool:
    """Whether a key is a switch that does something here, and is on."""
    return key in SWITCHED and getattr(payload.wire, key) not in (None, *_OFF.get(key, (False, -1)))


def _unread_of_phases(payload: Payload) -> Iterator[Finding]:
    """What a phase_config says beyond its grammar: nothing reads it, and an export does not give it back."""
    known = {"phases": WirePhase.model_fields.keys(), "loras": _KEYS_OF_A_LORA}
    for part in ("individual", "params", "details"):
        config = payload.parts.get(part, {}).get("phase_config")
        for path in _strange_keys(config, "phase_config", known=known, names=WirePhases.model_fields.keys()):
            message = f"{path} is not a known key, and is left out"
            yield finding(PAYLOAD_UNKNOWN, message, where=path)
        if config is not None:
            return


def _unread_of_motion(payload: Payload) -> Iterator[Finding]:
    entries = payload.parts.get("details", {}).get("motion_settings_expanded")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        for key in sorted(entry.keys() - WireMotion.model_fields.keys()) if isinstance(entry, Mapping) else ():
            path = f"motion_settings_expanded[{index}].{key}"
            yield finding(PAYLOAD_UNKNOWN, f"{path} is not a known key, and is left out", where=path)


def _strange_keys(
    value: object, path: str, *, known: Mapping[str, Collection[str]], names: Collection[str]
) -> Iterator[str]:
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        if key not in names:
            yield f"{path}.{key}"
        for index, item in enumerate(inner if key in known and isinstance(inner, list) else ()):
            yield from _strange_keys(item, f"{path}.{key}[{index}]", known=known, names=known[key])


def _refuse_unsupported(keys: tuple[Finding, ...]) -> None:
    bad = [item for item in keys if item.code in (PAYLOAD_UNSUPPORTED.code, PAYLOAD_UNKNOWN.code)]
    if bad:
        more = f" (and {len(bad) - 1} more: {', '.join(item.where for item in bad[1:])})" if len(bad) > 1 else ""
        message = bad[0].message.removeprefix(f"{bad[0].where}: ").removeprefix(f"{bad[0].where} ")
        raise PayloadError(bad[0].where, f"{message}{more}", fix="leave --strict out to go on without")


def _carried(payload: Payload) -> Said:
    """What an export needs to give back the payload: its shape, upstream's name of the model, and unread keys."""
    parts = {part: dict(keys) for part, keys in payload.rest.items() if keys}
    return {"shape": payload.shape.value, "model_name": payload.wire.model_name, **parts}


def with_import(resolved: Resolved, imported: Imported) -> Resolved:
    """The resolved spec with the import's findings, and with origins that name the payload's keys."""
    origins = {
        path: _origin(path, said, resolved=resolved, imported=imported) for path, said in resolved.origins.items()
    }
    return replace(resolved, origins=origins, findings=(*imported.findings, *resolved.findings))


def _origin(path: str, said: str, *, resolved: Resolved, imported: Imported) -> str:
    """`said` is replaced where it is ``spec``: by the longest part of the path that the import speaks of."""
    if said != "spec":
        return said
    segment, _, inner = path.partition("].") if path.startswith("segments[") else ("", "", path)
    if inner.startswith("loras["):
        file = _file(inner, resolved)
        if file in imported.lora_origins and not segment:
            return imported.lora_origins[file]
    word, last = inner.split("[", 1)[0], inner.rsplit(".", 1)[-1]
    near = (f"{segment}].{inner}", f"{segment}].{word}") if segment else ()
    return next((imported.origins[name] for name in (*near, inner, word, last) if name in imported.origins), said)


def _file(path: str, resolved: Resolved) -> str:
    """The file of a LoRA of the recipe that segments share."""
    index = int(path.removeprefix("loras[").split("]", 1)[0])
    loras = resolved.segments[0].recipe.loras
    return loras[index].file if index < len(loras) else ""
