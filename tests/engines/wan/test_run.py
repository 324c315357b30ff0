"""Runs of the Wan engine on a tiny model of two experts: real weights, real LoRAs, and a complete record."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.wan.runs import transformer, write_lora
from engines.wan.tiny import TinyModels
from wayframe.core.events import RunEvent, StepApplied
from wayframe.core.levels import applied_against_planned
from wayframe.errors import CancelledError
from wayframe.media.index import packet_digest
from wayframe.workflow.lora_files import Fetch
from wayframe.workflow.sources import trip_to_run
from wayframe.workflow.trip import Trip
from workflow.rides import Data, Ground, Watch, draw, through

SIGMAS = [1.0, 0.9092148309705561, 0.7148972602739726, 0.0049800796812749]
OPTIONS = {"dtype": "float32", "device": "cpu", "text_length": "32"}


@pytest.fixture
def field(tiny: TinyModels, tmp_path: Path) -> Ground:
    """Pictures with two LoRAs beside them, and a home whose catalogue has the tiny model."""
    folder = tmp_path / "pictures"
    draw(folder, 3, width=64, height=32)
    model = transformer(tiny, "vace")
    for seed, name in enumerate(("fast", "slow")):
        write_lora(folder / f"{name}.safetensors", model=model, seed=seed)
    return Ground(folder=folder, home=tiny.home(tmp_path / "home", "vace"))


def three_phases(*names: int, **said: object) -> Data:
    phases = [
        {"steps": 2, "guidance": 3.0, "expert": "high"},
        {"steps": 1, "guidance": 1.0, "expert": "high"},
        {"steps": 1, "guidance": 1.0, "expert": "low"},
    ]
    loras = [
        {"file": "fast.safetensors", "multiplier": "0.75;1.0;0", "for": "high"},
        {"file": "slow.safetensors", "multiplier": "0;0;1.0", "for": "low"},
    ]
    shape = {"segment_frames": 9, "resolution": "64x32", "engine": "wan", "model": "tiny-vace"}
    return through(*names, phases=phases, loras=loras, flow_shift=5.0, prompt="a fish", **{**shape, **said})


def trip(field: Ground, data: Data, **options: str) -> Trip:
    return trip_to_run(lambda: field.trip(data, options={**OPTIONS, **options}), home=field.home, fetch=Fetch())


def test_the_record_of_a_run_is_complete_and_agrees_with_its_plan(field: Ground) -> None:
    ready = trip(field, three_phases(0, 1, 2))
    record = field.run_trip(ready).folder.read()
    steps = {segment["index"]: segment["steps"] for segment in record["applied"]["segments"]}
    assert list(applied_against_planned(ready.plan, steps)) == []
    assert [step["expert"] for step in steps[1]] == ["high", "high", "high", "low"]
    assert [step["sigma"] for step in steps[1]] == pytest.approx(SIGMAS)
    assert steps[0][0]["modules"]["fast"][0] == steps[0][0]["modules"]["fast"][1] > 0
    assert record["applied"]["weights"] == record["planned"]["weights"]
    assert record["applied"]["loras"].keys() == {"fast", "slow"}
    counts = record["outcome"]["engine"]
    assert (counts["expert_loads"], counts["text_encodes"], counts["forwards"]) == (2, 2, 12)
    assert record["environment"]["versions"]["torch"]
    assert record["environment"]["options"] == OPTIONS


def test_a_run_stopped_between_the_experts_goes_on_with_another_way_to_offload_and_equals_a_whole_one(
    field: Ground,
) -> None:
    watch = Watch(until=lambda event: isinstance(event, StepApplied) and event.expert == "low")

    def listen(event: RunEvent) -> None:
        watch.listen(event)
        if watch.stop:
            raise CancelledError

    data = three_phases(0, 1, 2)
    with pytest.raises(CancelledError):
        field.run_trip(trip(field, data), listen=listen)
    record = field.run_trip(trip(field, data, offload="blocks")).folder.read()
    assert record["attempts"] == 2
    assert [len(segment["steps"]) for segment in record["applied"]["segments"]] == [4, 4]
    assert record["outcome"]["engine"]["forwards"] == 2  # the low expert's alone: what the high one did was kept
    whole = Ground(folder=field.folder, home=field.home)
    for path in field.home.artifacts.glob("??/*/*"):
        path.unlink()
    again = whole.run_trip(trip(field, data))
    assert packet_digest(again.video) == record["outcome"]["digest"]
    assert list((field.home.root / "scratch").iterdir()) == []
