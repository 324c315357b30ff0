"""Specs on their way to a plan, with the shipped catalogue, made-up keyframes and no file at all."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayframe.core.catalogue import Catalogue, parse_bundle, parse_model, parse_preset
from wayframe.core.clips import ClipFacts
from wayframe.core.findings import Finding
from wayframe.core.lint import Lint, lint, with_findings
from wayframe.core.plan import EngineFacts, KeyframeFacts, Plan, make_plan
from wayframe.core.recipe import lora_files
from wayframe.core.resolve import Resolved, resolve
from wayframe.core.spec import parse_spec

Data = dict[str, Any]
STORE = Path(__file__).parents[2] / "src" / "wayframe" / "store"
T2V, I2V, VACE, ONE_EXPERT = "wan2.2-t2v-a14b", "wan2.2-i2v-a14b", "wan2.2-vace-a14b", "wan2.1-vace-14b"
LIGHTNING = "https://huggingface.co/lightx2v/Wan2.2-Lightning/resolve/main/Wan2.2-T2V-A14B-4steps-lora-250928"
HIGH, LOW = f"{LIGHTNING}/high_noise_model.safetensors", f"{LIGHTNING}/low_noise_model.safetensors"
WAN = EngineFacts(name="wan", identity="wan/1", denoises=True)
PREVIEW = EngineFacts(name="preview", identity="preview/1", denoises=False)

CATALOGUE = Catalogue(
    models={
        model.name: model
        for path in sorted((STORE / "models").glob("*.toml"))
        for model in [parse_model(tomllib.loads(path.read_text()), source=path.name)]
    },
    presets={
        preset.name: preset
        for path in sorted((STORE / "presets").glob("*.toml"))
        for preset in [parse_preset(tomllib.loads(path.read_text()), source=path.name)]
    },
    bundles={
        bundle.name: bundle
        for path in sorted((STORE / "bundles").glob("*.toml"))
        for bundle in [parse_bundle(tomllib.loads(path.read_text()), source=path.name)]
    },
)

SEED_PHASES: Data = {
    "phases": [
        {"phase": 1, "guidance_scale": 3, "loras": [{"url": HIGH, "multiplier": "0.75"}]},
        {"phase": 2, "guidance_scale": 1, "loras": [{"url": HIGH, "multiplier": "1.0"}]},
        {"phase": 3, "guidance_scale": 1, "loras": [{"url": LOW, "multiplier": "1.0"}]},
    ],
    "flow_shift": 5,
    "num_phases": 3,
    "sample_solver": "euler",
    "steps_per_phase": [2, 2, 2],
    "model_switch_phase": 2,
}


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A resolved spec, its plan without the findings of lint, and what lint looks at."""

    resolved: Resolved
    plan: Plan
    look: Lint

    @property
    def keys(self) -> list[str]:
        return [segment.key for segment in self.plan.segments]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return lint(self.look)

    @property
    def codes(self) -> set[str]:
        return {finding.code for finding in self.findings}

    @property
    def whole(self) -> Plan:
        return with_findings(self.look)


def stills(count: int, **said: object) -> Data:
    """A spec of `count` keyframes."""
    return {"keyframes": [{"image": f"{index}.jpg"} for index in range(count)], **said}


def timeline(*positions: int | str, **said: object) -> Data:
    """A spec with keyframes at positions."""
    keyframes = [{"image": f"{index}.jpg", "at": at} for index, at in enumerate(positions)]
    return {"mode": "timeline", "keyframes": keyframes, **said}


def digest(text: str) -> str:
    """A made-up digest: `text` repeated to 64 characters."""
    return (text * 64)[:64]


def clip(index: int = 0, *, frames: int = 33) -> ClipFacts:
    """A made-up video of 640x480 at 16 frames a second."""
    return ClipFacts(digest=digest(f"c{index:07x}"), frames=frames, width=640, height=480, fps="16")


def clips_of(data: Data) -> list[ClipFacts]:
    """The made-up videos that a spec names."""
    if "join" in data:
        return [clip(index) for index in range(len(data["join"]["clips"]))]
    return [clip()] if "continue_from" in data else []


def resolved(data: Data, *, first_size: tuple[int, int] = (1536, 1152)) -> Resolved:
    clips = clips_of(data)
    size = (clips[0].width, clips[0].height) if "join" in data else first_size
    return resolve(parse_spec(data), catalogue=CATALOGUE, first_size=size, clips=clips)


def planned(
    data: Data,
    *,
    digests: Sequence[str] = (),
    sizes: Mapping[int, tuple[int, int]] | None = None,
    loras: Mapping[str, str] | None = None,
    noticed: Mapping[int, Finding] | None = None,
    engine: EngineFacts = WAN,
) -> Planned:
    """Plan a spec; keyframe i is 1536x1152 and its digest is made of its number unless told otherwise."""
    clips = clips_of(data)
    found = resolved(data)
    numbers = range(len(found.layout.positions))
    shapes = dict.fromkeys(numbers, (1536, 1152)) | dict(sizes or {})
    names = digests or [f"{index % max(len(data.get('keyframes', ())), 1):08x}" for index in numbers]
    facts = [
        KeyframeFacts(
            digest=digest(names[index]),
            width=shapes[index][0],
            height=shapes[index][1],
            findings=tuple(found for at, found in (noticed or {}).items() if at == index),
        )
        for index in numbers
    ]
    files = lora_files([segment.recipe for segment in found.segments])
    known = {file: f"url:{file}" if "://" in file else digest(file.encode().hex()) for file in files}
    plan = make_plan(found, keyframes=facts, lora_digests={**known, **(loras or {})}, engine=engine, clips=clips)
    look = Lint(plan=plan, resolved=found, keyframes=facts, engine=engine)
    return Planned(resolved=found, plan=plan, look=look)
