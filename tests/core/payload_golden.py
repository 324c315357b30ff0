"""Golden plans of real payloads, which stay in their folder: prompts and addresses are masked in the plans.

`WAYFRAME_FIXTURES=... PYTHONPATH=tests python -m core.payload_golden` writes them anew after a change that is meant.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from core.payloads import Planned, planned
from wayframe.core.documents import plan_json

Data = dict[str, Any]
GOLDEN = Path(__file__).parents[1] / "golden"
FIXTURES = os.environ.get("WAYFRAME_FIXTURES")
NAMES = (
    "real_00_travel_basic_2phase",
    "real_03_travel_basic_2phase",
    "real_04_join_advanced_3phase",
    "real_06_travel_basic_2phase",
    "real_07_travel_advanced_2phase",
    "upstream_travel_orchestrator",
    "upstream_travel_orchestrator_uni3c",
    "upstream_uni3c_baseline",
    "upstream_uni3c_basic",
    "upstream_uni3c_strength_test",
)


def fixture(name: str) -> Data:
    data: Data = json.loads((Path(FIXTURES or "") / "payloads" / f"{name}.json").read_text())
    return data


def seed_run(number: int) -> Data:
    """What run 1 or 2 of the log that the project began with was asked for, as its truth file has it."""
    truth = json.loads((Path(FIXTURES or "") / "logs" / "seed_pair.truth.json").read_text())
    return {**truth["runs"][number - 1]["requested"], "num_new_segments_to_generate": 2}


def masked(value: object, *, name: str = "") -> object:
    """Plain data in which every prompt and every address is a digest, and that of a LoRA the file's name."""
    if isinstance(value, dict):
        return {masked(key): masked(item, name=str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, name=name) for item in value]
    if not isinstance(value, str) or not ("://" in value or (name.endswith("prompt") and value)):
        return value
    if value.endswith(".safetensors"):
        return value.rsplit("/", 1)[-1]
    return f"masked:{hashlib.sha256(value.encode()).hexdigest()[:16]}"


def as_text(found: Planned) -> str:
    plan = masked(plan_json(found.plan))
    return json.dumps(plan, indent=1, ensure_ascii=False) + "\n"


def plan_of(name: str) -> Planned:
    return planned(seed_run(int(name[-1])) if name.startswith("seed_run") else fixture(name))


ALL = (*NAMES, "seed_run1", "seed_run2")

if __name__ == "__main__":
    for name in ALL:
        (GOLDEN / f"payload_{name}.json").write_text(as_text(plan_of(name)))
