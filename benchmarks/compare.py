"""CPU seconds to compare two runs of 500 segments, and to report on them, against `json.dumps` of their two records.

The records are those of logged runs: each segment has what was requested and what was sent, with the line of each
fact. Limit: comparing takes under a second of CPU.

    python benchmarks/compare.py
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from wayframe.core.comparison import compare
from wayframe.core.diff import Filters
from wayframe.core.dossier import Dossier
from wayframe.report.build import build_document
from wayframe.report.html import Media, html
from wayframe.report.markdown import markdown
from wayframe.workflow.log_subjects import logged_subject

SEGMENTS, SETTINGS, LIMIT = 500, 60, 1.0


def record(name: str, *, multipliers: str, prompt: str, frames: int) -> dict[str, Any]:
    """The JSON of a logged run."""
    requested = {
        "model_name": "invented_2_2",
        "steps": 6,
        "seed_base": 7,
        "segment_frames_expanded": [frames] * SEGMENTS,
    }
    pictures = [f"https://example.org/pictures/{at}.png" for at in range(SEGMENTS + 1)]
    segments = [segment(at, multipliers=multipliers, prompt=f"{prompt} {at}", frames=frames) for at in range(SEGMENTS)]
    evidence = {
        f"segments[{at}].applied.{key}": {"line": at * 100 + number, "text": f"[FINAL_PARAMS] {key}"}
        for at in range(SEGMENTS)
        for number, key in enumerate(segments[at]["applied"])
    }
    return {
        "run_id": name,
        "orchestrator_task_id": name,
        "status": "completed",
        "requested": {**requested, "input_image_paths_resolved": pictures},
        "planned": {"quantised_segment_frames": [frames] * SEGMENTS},
        "segments": segments,
        "stitch": None,
        "evidence": evidence,
    }


def segment(at: int, *, multipliers: str, prompt: str, frames: int) -> dict[str, Any]:
    """The JSON of one of its segments."""
    others = {f"setting_{number}": number for number in range(SETTINGS)}
    return {
        "segment_index": at,
        "task_id": f"task-{at}",
        "status": "complete",
        "error": None,
        "requested": {"base_prompt": prompt, "seed_to_use": 7, "lora_multipliers": multipliers.split(), **others},
        "planned": {"depends_on": None},
        "applied": {
            "prompt": prompt,
            "seed": 7,
            "video_length": frames,
            "num_inference_steps": 6,
            "flow_shift": 5,
            "sample_solver": "euler",
            "guidance_phases": 3,
            "guidance_scale": 3,
            "guidance2_scale": 1,
            "guidance3_scale": 1,
            "switch_threshold": 917.5,
            "switch_threshold2": 663.2,
            "model_switch_phase": 2,
            "model_type": "invented_2_2",
            "activated_loras": ["high.safetensors", "low.safetensors"],
            "loras_multipliers": multipliers,
            **others,
        },
    }


def cpu(work: Callable[[], object]) -> float:
    """The least CPU time of three goes."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    records = (
        record("first", multipliers="0.75;1.0;0 0;0;1.0", prompt="a lake at", frames=61),
        record("second", multipliers="0.75,0.0", prompt="a wide sea at", frames=53),
    )
    a, b = (logged_subject(item, source=item["run_id"], defaults={}) for item in records)
    comparison = compare(a, b)
    assert len(comparison.differences) > 4 * SEGMENTS
    dossier = Dossier(
        comparisons=(comparison,),
        filters=Filters(),
        arguments=("first", "second"),
        clips=(None, None),
        videos=(None,),
    )
    writing, comparing = cpu(lambda: json.dumps(records)), cpu(lambda: compare(a, b))
    building = cpu(lambda: build_document(dossier))
    document = build_document(dossier)
    pages = {
        "Markdown": cpu(lambda: markdown(document)),
        "HTML": cpu(lambda: html(document, media=Media(address=lambda clip: clip.path))),
    }
    print(f"two runs of {SEGMENTS} segments, {len(comparison.differences)} differences")
    print(f"json.dumps of both records {writing:6.3f} s of CPU")
    print(f"compare                    {comparing:6.3f} s of CPU, {comparing / writing:.1f} times json.dumps")
    print(f"the report's document      {building:6.3f} s")
    for name, seconds in pages.items():
        print(f"{name:<26} {seconds:6.3f} s")
    assert comparing < LIMIT, f"comparing took {comparing:.2f} s of CPU, {LIMIT} allowed"


if __name__ == "__main__":
    main()
