"""Trips that use one feature each, and their golden plans.

`PYTHONPATH=tests python -m core.golden_features` writes the plans anew after a change that is meant.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.golden import FOLDER, as_text
from core.trips import VACE, Planned, clip, digest, planned, stills
from wayframe.core.after import after_of
from wayframe.core.guide_spec import DEPTH_MODEL
from wayframe.core.guides import guided
from wayframe.core.spec import parse_spec

Data = dict[str, Any]
LOOK: Data = {
    "model": VACE,
    "preset": "lightning_baseline_2_2_2",
    "look": {"colour_match": 0.8, "saturation": 1.1},
}


def _with(data: Data, at: int, **said: object) -> Data:
    """The spec, with more words of its keyframe `at`."""
    data["keyframes"][at].update(said)
    return data


def _placed(*places: Data, **said: object) -> Data:
    """A timeline of keyframes, each with its place and more."""
    keyframes = [{"image": f"{index}.jpg", **place} for index, place in enumerate(places)]
    return {"mode": "timeline", "keyframes": keyframes, **said}


AFTER: Data = {
    "trim": {"start": 10, "end": "3s"},
    "upscale": {"factor": 2, "file": "x4.safetensors"},
    "fps": 32,
    "rife": "flownet.pkl",
    "audio": {"file": "music.mp3", "start": 1.5, "fade_out": 2},
    "profile": "av1",
}
GUIDES: list[Data] = [
    {"video": "a.mp4", "kind": "canny", "at": 8, "until": "2s", "strength": 0.8},
    {"video": "b.mp4", "kind": "flow", "at": 90, "fit": "clip"},
]
DEPTH: Data = {"video": "a.mp4", "kind": "depth"}
STEPS: Data = {"model": VACE, "steps": 4, "guidance": 1, "prompt": "a walk"}
OWN: Data = {
    "frames": 33,
    "seed": 7,
    "prompt": "a turn",
    "amount_of_motion": 0.9,
    "phases": [{"steps": 1, "guidance": 3, "expert": "high"}, {"steps": 2, "guidance": 1, "expert": "low"}],
    "loras": [{"file": "turn.safetensors", "multiplier": "1;0.5"}],
}
FEATURES: dict[str, Data] = {
    "plan_loop.json": _with(stills(3, loop=True, **STEPS), 2, prompt="and back"),
    "plan_loop_timeline.json": _placed({"at": 0}, {"at": 52}, loop="6.5s", **STEPS),
    "plan_hold.json": _placed({"at": 0, "hold": 9}, {"at": 60, "hold": 17}, {"at": 120, "hold": 5}, **STEPS),
    "plan_hold_chained.json": _with(stills(3, chaining="chained", overlap=6, **STEPS), 1, hold=12),
    "plan_lead_and_trail.json": stills(2, lead={"frames": 33}, trail={"frames": 45, "prompt": "away"}, **STEPS),
    "plan_inputs.json": {
        "keyframes": [{"image": "https://example.org/a.jpg"}, {"image": "b.heic"}, {"image": "c.png"}],
        "fit": "contain",
        "trail": {"frames": 33},
        **STEPS,
    },
    "plan_segments.json": stills(1, segments=3, seed_policy="increment", **STEPS),
    "plan_continued.json": stills(2, continue_from="a.mp4", lead={"frames": 33}, overlap=6, **STEPS),
    "plan_join.json": {
        "join": {
            "clips": ["a.mp4", {"video": "b.mp4", "frames": "2:30"}, "c.mp4"],
            "replace": [3, 4],
            "bridges": [{"prompt": "a door"}, {"seed": 7}],
        },
        **STEPS,
    },
    "plan_bridges.json": stills(
        4,
        bridges={
            "context": 4,
            "gap": 9,
            "replace": [5, 4],
            "prompt": "a door",
            "each": [{"seed": 7}, {"prompt": "night"}],
        },
        **STEPS,
    ),
    "plan_overrides.json": _with(stills(3, **STEPS), 1, **OWN),
    "plan_after.json": stills(2, **STEPS, after=AFTER),
    "plan_after_flow.json": stills(2, **STEPS, after={"upscale": {"factor": 1.5}, "fps": 24, "profile": "prores"}),
    "plan_guide_raw.json": stills(3, **STEPS, guides=[{"video": "a.mp4", "fit": "clip"}]),
    "plan_guides.json": stills(3, **STEPS, guides=GUIDES),
    "plan_guide_depth.json": stills(3, **STEPS, guides=[{**DEPTH, "until": 50}, {**DEPTH, "at": 60, "contrast": 1.2}]),
    "plan_look_hold.json": _with(
        _with(stills(3, **LOOK), 0, hold=9), 1, hold=5, look={"saturation": 0.9, "brightness": -0.05}
    ),
    "plan_look.json": _with(stills(3, **LOOK), 1, look={"saturation": 0.9, "brightness": -0.05}),
}


def feature(name: str) -> Planned:
    """The trip of a feature; files are known by digests made of their names."""
    found, spec = planned(FEATURES[name]), parse_spec(FEATURES[name])
    digests = {file: digest(file.encode().hex()) for _, file in (spec.after.files if spec.after else ())}
    after = after_of(spec.after, fps=found.plan.rate, frames=found.plan.frames, digests=digests)
    videos = [clip(index + 1) for index, _ in enumerate(spec.guides or ())]
    models = {at: f"{DEPTH_MODEL}@{'c' * 40}" for at, guide in enumerate(spec.guides or ()) if guide.kind == "depth"}
    plan = guided(replace(found.plan, after=after), said=spec.guides or (), videos=videos, models=models)
    return replace(found, plan=plan, look=replace(found.look, plan=plan))


if __name__ == "__main__":
    for name in FEATURES:
        (FOLDER / name).write_text(as_text(feature(name).whole))
