"""The second run of the document that the project began with, from its payload to the comparison with the first.

A model writes what moves between its keyframes, and a tiny Wan model renders it in three phases.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import wayframe
from engines.wan.runs import seed_phases, transformer, write_lora
from engines.wan.tiny import TinyModels
from prompt_endpoint import Endpoint, paint
from wayframe.core.comparison import Topic
from wayframe.store.home import Home
from wayframe.workflow.lora_files import Fetch
from wayframe.workflow.run import RunOptions, RunResult, run_trip
from wayframe.workflow.sources import Reading, spec_source, trip_of_spec, trip_to_run

Data = dict[str, Any]
HIGH, LOW = "high_noise_model.safetensors", "low_noise_model.safetensors"
OPTIONS = {"dtype": "float32", "device": "cpu", "text_length": "32"}
COMMON: Data = {
    "model_name": "lightning_baseline_2_2_2",
    "parsed_resolution_wh": "64x32",
    "num_new_segments_to_generate": 2,
    "frame_overlap_expanded": [6],
    "base_prompts_expanded": ["", ""],
    "base_prompt": "",
    "negative_prompts_expanded": ["cut, blurry, fade", "cut, blurry, fade"],
    "input_image_paths_resolved": ["red.png", "green.png", "green.png"],
    "seed_base": 789,
    "openai_api_key": "sk-of-a-payload-0123456789",
}
RUN_1: Data = {
    **COMMON,
    "generation_mode": "batch",
    "segment_frames_expanded": [61, 61],
    "steps": 6,
    "amount_of_motion": 0.5,
    "enhance_prompt": False,
}
RUN_2: Data = {
    **COMMON,
    "generation_mode": "timeline",
    "advanced_mode": True,
    "segment_frames_expanded": [53, 45],
    "enhance_prompt": True,
    "phase_config": seed_phases(HIGH, LOW),
}


def home_of(tiny: TinyModels, folder: Path) -> Home:
    """A home whose catalogue has the tiny model under the name of the payload's."""
    home = tiny.home(folder, "vace")
    (path,) = home.models.glob("*.toml")
    path.write_text(path.read_text().replace("tiny-vace", "wan2.2-vace-a14b"))
    return home


def run(name: str, payload: Data, *, folder: Path, home: Home, words: Data | None = None) -> RunResult:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(payload))
    source = spec_source([path], words=words or {}, reading=Reading(home=home))
    trip = trip_to_run(lambda: trip_of_spec(source, home=home, options=OPTIONS), home=home, fetch=Fetch())
    return run_trip(trip, home=home, options=RunOptions())


def test_the_second_run_is_made_from_its_payload_and_compared_with_the_first(
    tiny: TinyModels, endpoint: Endpoint, tmp_path: Path
) -> None:
    folder, home = tmp_path / "payloads", home_of(tiny, tmp_path / "home")
    paint(folder, "red", "green", size=(64, 32))
    model = transformer(tiny, "vace")
    for seed, name in enumerate((HIGH, LOW)):
        write_lora(folder / name, model=model, seed=seed)
    words = {"prompts.writer": "openai", "prompts.model": "tiny-vl", "prompts.base_url": endpoint.url}
    first = run("first", RUN_1, folder=folder, home=home)
    assert endpoint.seen == []
    second = run("second", RUN_2, folder=folder, home=home, words=words)
    assert sorted(seen["colours"] for seen in endpoint.seen) == [["green", "green"], ["red", "green"]]

    record = second.folder.read()
    segments = record["planned"]["segments"]
    assert record["status"] == "completed"
    assert [one["prompt"] for one in segments] == [
        f"The view glides from {a} to {b} while the camera moves slowly forward."
        for a, b in (("red", "green"), ("green", "green"))
    ]
    assert [record["resolved"]["origins"][f"segments[{index}].prompt"] for index in (0, 1)] == [
        "written:openai/tiny-vl",
        "written:openai/tiny-vl",
    ]
    assert [one["forwards"] for one in segments] == [8, 8]
    assert record["outcome"]["frames"] == 53 + 45 - 6
    steps = {one["index"]: one["steps"] for one in record["applied"]["segments"]}
    assert [step["expert"] for step in steps[0]] == ["high"] * 4 + ["low"] * 2
    assert [step["guidance"] for step in steps[0]] == [3, 3, 1, 1, 1, 1]
    found = wayframe.compare(first.folder.run_id, second.folder.run_id, home=home.root)
    assert Topic.PROMPTS in {cause.topic for cause in found.causes}
    assert first.folder.read()["planned"]["segments"][0]["prompt"] == ""
