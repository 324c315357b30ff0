"""CPU time of planning 1,000 segments from the parsed YAML, against writing that plan as JSON in the same run."""

from __future__ import annotations

import json
import sys
import time
import tomllib
from collections.abc import Callable
from importlib.resources import files
from typing import TypeVar

from wayframe.core.catalogue import Catalogue, parse_model, parse_preset
from wayframe.core.documents import parse_plan, plan_json
from wayframe.core.lint import Lint, with_findings
from wayframe.core.plan import EngineFacts, KeyframeFacts, Plan, make_plan
from wayframe.core.recipe import lora_files
from wayframe.core.resolve import resolve
from wayframe.core.spec import parse_spec

SEGMENTS, MOST_SECONDS, ROUNDS = 1000, 1.0, 3
T = TypeVar("T")


def catalogue() -> Catalogue:
    store = files("wayframe.store")
    models = [parse_model(tomllib.loads(f.read_text()), source=f.name) for f in (store / "models").iterdir()]
    presets = [parse_preset(tomllib.loads(f.read_text()), source=f.name) for f in (store / "presets").iterdir()]
    return Catalogue(models={m.name: m for m in models}, presets={p.name: p for p in presets})


def spec(*, alike: bool) -> dict[str, object]:
    """Every segment has its own prompt; unless they are alike, also its own shift, so that no recipe is shared."""
    own = [{} if alike else {"flow_shift": 3 + index / 1000} for index in range(SEGMENTS)]
    keyframes = [{"image": f"{index}.jpg", "prompt": f"scene {index}", **said} for index, said in enumerate(own)]
    return {
        "keyframes": [*keyframes, {"image": "last.jpg"}],
        "chaining": "chained",
        "preset": "lightning_baseline_2_2_2",
        "model": "wan2.2-vace-a14b",
    }


def planned(data: dict[str, object], known: Catalogue) -> Plan:
    resolved = resolve(parse_spec(data), catalogue=known, first_size=(1536, 1152))
    facts = [KeyframeFacts(digest=f"{index:064x}", width=1536, height=1152) for index in range(SEGMENTS + 1)]
    engine = EngineFacts(name="wan", identity="wan/1", denoises=True)
    digests = {file: f"url:{file}" for file in lora_files([segment.recipe for segment in resolved.segments])}
    plan = make_plan(resolved, keyframes=facts, lora_digests=digests, engine=engine)
    return with_findings(Lint(plan=plan, resolved=resolved, keyframes=facts, engine=engine))


def cpu_seconds(work: Callable[[], T]) -> tuple[float, T]:
    """The best of some rounds, and what the work gave."""
    best, result = float("inf"), work()
    for _ in range(ROUNDS):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return best, result


def main() -> int:
    """Print the seconds and the ratios; 1 when planning takes longer than it may."""
    known, slowest = catalogue(), 0.0
    for alike in (True, False):
        data = spec(alike=alike)
        seconds, plan = cpu_seconds(lambda data=data: planned(data, known))
        document = plan_json(plan)
        writing, text = cpu_seconds(lambda document=document: json.dumps(document))
        reading, _ = cpu_seconds(lambda text=text: parse_plan(json.loads(text)))
        slowest = max(slowest, seconds)
        what = "alike" if alike else "all different"
        print(f"{SEGMENTS} segments, {what}: planned in {seconds:.3f} s of CPU, limit {MOST_SECONDS:g} s")
        print(f"  {seconds / writing:.1f}x json.dumps of the plan ({writing:.3f} s for {len(text) / 1e6:.1f} MB)")
        print(f"  reading it back and checking every key: {reading:.3f} s")
    return 0 if slowest < MOST_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
