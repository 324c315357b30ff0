"""The two runs that the project began with, as they were requested, and their golden plans.

`PYTHONPATH=tests python -m core.golden` writes the plans anew after a change that is meant.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.trips import SEED_PHASES, T2V, Planned, digest, planned
from wayframe.core.documents import plan_json
from wayframe.core.plan import Plan

Data = dict[str, Any]
FOLDER = Path(__file__).parents[1] / "golden"
FIRST, SECOND = digest("c961c478"), digest("e5f05af3")
PICTURES = (FIRST, SECOND, SECOND)  # both runs name their second picture twice
SHARED: Data = {
    "chaining": "chained",
    "overlap": 6,
    "model": T2V,
    "resolution": "768x576",
    "steps": 6,
    "seed": 789,
    "negative_prompt": "cut, blurry, fade",
}
RUN_1: Data = {
    "mode": "batch",
    "keyframes": [{"image": "1.jpeg"}, {"image": "2.jpeg"}, {"image": "3.jpeg"}],
    "segment_frames": [61, 61],
    "guidance": 1,
    "amount_of_motion": 0.5,
    **SHARED,
}
RUN_2: Data = {
    "mode": "timeline",
    "keyframes": [
        {
            "image": "1.jpeg",
            "at": 0,
            "prompt": "The character begins walking towards the camera in the shallow water, gradually transitioning "
            "into a run as the camera zooms in closer, capturing his determined expression against the backdrop of the "
            "serene mountainous landscape.",
        },
        {
            "image": "2.jpeg",
            "at": 52,
            "prompt": "The camera subtly zooms in on the character's face, intensifying their expression as they "
            "appear to be speaking or reacting to something off-screen, with the mountainous backdrop remaining static "
            "but slightly blurred to emphasize the focus on the character's evolving emotion.",
        },
        {"image": "3.jpeg", "at": 91},
    ],
    "phase_config": SEED_PHASES,
    **SHARED,
}
RUNS = {"plan_seed_run1.json": RUN_1, "plan_seed_run2.json": RUN_2}


def seed_run(name: str) -> Planned:
    return planned(RUNS[name], digests=PICTURES)


def as_text(plan: Plan) -> str:
    return json.dumps(plan_json(plan), indent=1) + "\n"


if __name__ == "__main__":
    for name in RUNS:
        (FOLDER / name).write_text(as_text(seed_run(name).whole))
