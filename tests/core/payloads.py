"""Upstream payloads that are made up for the tests, and their way to a plan; no text of a real one is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.trips import CATALOGUE, HIGH, LOW, WAN, clip
from wayframe.core.documents import resolved_json
from wayframe.core.findings import Finding
from wayframe.core.lint import Lint, with_findings
from wayframe.core.payload_export import export_payload
from wayframe.core.payload_like import Like
from wayframe.core.payload_spec import Imported, import_payload, with_import
from wayframe.core.payload_values import Exportable, read_values
from wayframe.core.payload_wangp import export_wangp
from wayframe.core.plan import KeyframeFacts, Plan, make_plan
from wayframe.core.recipe import lora_files
from wayframe.core.resolve import Resolved, resolve
from wayframe.core.spec import TravelSpec, parse_spec

Data = dict[str, Any]
STYLE = "https://example.invalid/loras/style.safetensors"
GONE = object()
"""In place of a value: the key is left out."""


def lora(url: str, multiplier: str | float = "1.0") -> Data:
    return {"url": url, "multiplier": multiplier}


def phases(*guidance: float, steps: list[int], loras: list[list[Data]] | None = None, **said: object) -> Data:
    """A phase_config: two or more phases, the last one on the low expert."""
    return {
        "phases": [
            {"phase": index + 1, "guidance_scale": scale, "loras": loras[index] if loras else []}
            for index, scale in enumerate(guidance)
        ],
        "num_phases": len(guidance),
        "steps_per_phase": steps,
        "flow_shift": 5,
        "sample_solver": "euler",
        "model_switch_phase": max(len(guidance) - 1, 1),
        **said,
    }


THREE = phases(3, 1, 1, steps=[2, 2, 2], loras=[[lora(HIGH, "0.75")], [lora(HIGH, "1.0")], [lora(LOW, "1.0")]])
TWO = phases(1, 1, steps=[3, 3], loras=[[lora(HIGH, "1.2"), lora(STYLE, "0.45")], [lora(LOW), lora(STYLE, "0.45")]])


def details(segments: int = 2, **said: object) -> Data:
    """A payload's orchestrator_details without a contradiction; `said` takes the place of its keys."""
    made: Data = {
        "model_name": "wan_2_2_vace_lightning_baseline_2_2_2",
        "parsed_resolution_wh": "768x576",
        "num_new_segments_to_generate": segments,
        "segment_frames_expanded": [53, 45, *[41] * segments][:segments],
        "frame_overlap_expanded": [6] * (segments - 1),
        "base_prompts_expanded": [f"the boat passes buoy {index}" for index in range(segments)],
        "negative_prompts_expanded": ["rain"] * segments,
        "input_image_paths_resolved": [
            f"https://example.invalid/pictures/{index}.png" for index in range(segments + 1)
        ],
        "seed_base": 7,
        "generation_mode": "batch",
        "phase_config": THREE,
        **said,
    }
    return {key: value for key, value in made.items() if value is not GONE}


def task(inner: Data, **params: object) -> Data:
    """A task's row around orchestrator_details."""
    return {
        "id": "task-1",
        "task_type": "travel_orchestrator",
        "params": {"tool_type": "travel-between-images", "orchestrator_details": inner, **params},
    }


def segment(individual: Data | None = None, inside: Data | None = None, **params: object) -> Data:
    """The payload of segment 1 of a travel."""
    own: Data = {
        "model_name": "wan_2_2_i2v_lightning_baseline_2_2_2",
        "parsed_resolution_wh": "768x576",
        "segment_index": 1,
        "num_frames": 49,
        "base_prompt": "the boat turns",
        "negative_prompt": "rain",
        "seed_to_use": 42,
        "input_image_paths_resolved": [
            "https://example.invalid/pictures/a.png",
            "https://example.invalid/pictures/b.png",
        ],
        "orchestrator_details": {"phase_config": {**TWO}, "model_type": "i2v", **(inside or {})},
        **params,
    }
    if individual is not None:
        own["individual_segment_params"] = individual
    kept = {key: value for key, value in own.items() if value is not GONE}
    return {"task_type": "individual_travel_segment", "params": kept}


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A spec on its way: what importing gave, every value, and the plan with all findings."""

    spec: TravelSpec
    resolved: Resolved
    plan: Plan
    imported: Imported | None = None

    def experts(self, index: int = 0) -> str:
        """The experts of a segment's steps, by their first letters."""
        return "".join(step.expert[0] for step in self.plan.segments[index].steps).upper()

    def guidance(self, index: int = 0) -> list[float]:
        return [step.guidance for step in self.plan.segments[index].steps]

    def weights(self, file: str, *, index: int = 0) -> list[float]:
        name = next(name for name, planned in self.plan.loras.items() if planned.file == file)
        return [step.loras[name] for step in self.plan.segments[index].steps]

    @property
    def codes(self) -> set[str]:
        return {item.code for item in self.plan.findings}

    def found(self, code: str) -> list[Finding]:
        return [item for item in self.plan.findings if item.code == code]

    def exportable(self) -> Exportable:
        said = resolved_json(self.resolved)
        return Exportable(spec=self.spec, values=read_values(said["values"]), origins=said["origins"])

    def payload(self) -> Data:
        return export_payload(self.exportable())

    def wangp(self) -> list[Data]:
        return export_wangp(self.plan, values=self.exportable().values)


def planned(data: object, *, like: Like = Like.PLAIN, strict: bool = False) -> Planned:
    """Import a payload and plan it, without any file."""
    imported = import_payload(data, catalogue=CATALOGUE, like=like, strict=strict)
    return planned_spec(imported.spec, imported=imported)


def planned_data(data: Data) -> Planned:
    """Plan a spec of ours."""
    return planned_spec(parse_spec(data))


def planned_spec(spec: TravelSpec, *, imported: Imported | None = None) -> Planned:
    clips = [clip()] if spec.continue_from else []
    resolved = resolve(spec, catalogue=CATALOGUE, first_size=(768, 576), clips=clips)
    resolved = with_import(resolved, imported) if imported else resolved
    width, height = resolved.resolution
    facts = [KeyframeFacts(digest=f"url:{one.image.split('?')[0]}", width=width, height=height) for one in spec.stops]
    files = lora_files([one.recipe for one in resolved.segments])
    plan = make_plan(
        resolved, keyframes=facts, lora_digests={file: f"url:{file}" for file in files}, engine=WAN, clips=clips
    )
    plan = with_findings(Lint(plan=plan, resolved=resolved, keyframes=facts, engine=WAN))
    return Planned(spec=spec, resolved=resolved, plan=plan, imported=imported)
