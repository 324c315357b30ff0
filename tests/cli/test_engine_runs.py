"""Runs of an engine that denoises, from the terminal: its options, LoRAs, what it counted, what it did otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.terminal import Terminal
from hub import FileServer, serving
from wayframe.engines.base import AppliedStep, EngineReport
from workflow.engines import Scripted, install
from workflow.rides import LIGHTNING, Data, lora, through

REPORT = EngineReport(device="NVIDIA H100", counts={"expert_loads": 2, "forwards": 8, "peak_memory_bytes": 57 * 10**9})


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    made = Scripted(denoises=True, report_of=REPORT)
    install(monkeypatch, made)
    return made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    data = lora(tmp_path / "remote.safetensors", weight=7.0).read_bytes()
    running = FileServer(files={"/style.safetensors": data})
    with serving(running):
        yield running


@pytest.fixture
def spec(wayframe: Terminal) -> Data:
    """A trip of two segments, with its LoRAs beside its pictures; it is written to trip.json."""
    for weight, name in enumerate(("high_noise_model", "low_noise_model")):
        lora(wayframe.folder / f"{name}.safetensors", weight=float(weight))
    return written(wayframe, through(0, 1, 2, engine="scripted", **LIGHTNING))


def written(wayframe: Terminal, data: Data) -> Data:
    (wayframe.folder / "trip.json").write_text(json.dumps(data))
    return data


@pytest.mark.usefixtures("spec")
def test_options_reach_the_engine_from_run_plan_and_lint(wayframe: Terminal, engine: Scripted) -> None:
    plan = wayframe("plan", "trip.json", "--option", "dtype=float32", "--json").json()
    assert plan["engine_identity"] == "scripted/1 dtype=float32"
    assert "known are dtype, offload" in wayframe.fails("lint", "trip.json", "--option", "speed=9")
    printed = wayframe("run", "trip.json", "--option", "dtype=float32", "--option", "offload=blocks")
    assert printed.code == 0, printed.err
    assert engine.setups[-1].options == {"dtype": "float32", "offload": "blocks"}
    assert "expected KEY=VALUE" in wayframe.fails("run", "trip.json", "--option", "dtype")


@pytest.mark.usefixtures("spec", "engine")
def test_a_plan_is_run_with_the_options_that_it_was_made_with(wayframe: Terminal) -> None:
    plan = wayframe("plan", "trip.json", "--option", "dtype=float32", "--json").out
    (wayframe.folder / "plan.json").write_text(plan)
    assert wayframe.fails("run", "--plan", "plan.json").endswith("; give --option dtype=float32")
    assert wayframe("run", "--plan", "plan.json", "--option", "dtype=float32").code == 0


@pytest.mark.usefixtures("spec", "engine")
def test_options_of_the_home_folder_hold_where_none_are_given(wayframe: Terminal) -> None:
    wayframe.home.mkdir(exist_ok=True)
    (wayframe.home / "options.toml").write_text('[scripted]\ndtype = "float16"\n')
    assert wayframe("plan", "trip.json", "--json").json()["engine_identity"] == "scripted/1 dtype=float16"


@pytest.mark.usefixtures("spec", "engine")
def test_show_tells_device_options_counts_and_loras(wayframe: Terminal) -> None:
    assert wayframe("run", "trip.json", "--option", "offload=model").code == 0
    shown = wayframe("show", "last").out
    assert "engine on NVIDIA H100 with offload=model: 2 expert loads, 8 forwards, 57.0 GB peak memory\n" in shown
    record = wayframe("show", "last", "--json").json()
    digest = record["applied"]["loras"]["high_noise_model"]["sha256"]
    assert f"LoRA high_noise_model: sha256 {digest[:12]}\n" in shown


@pytest.mark.usefixtures("spec", "engine")
def test_lines_tell_when_an_expert_is_done_with_a_segment(wayframe: Terminal) -> None:
    told = [line for line in wayframe("run", "trip.json").err.splitlines() if "forwards" in line]
    assert told == [
        "segment 0 of 2: step 4 of 6 by high, 6 of 16 forwards",
        "segment 0 of 2: step 6 of 6 by low, 8 of 16 forwards",
        "segment 1 of 2: step 4 of 6 by high, 14 of 16 forwards",
        "segment 1 of 2: step 6 of 6 by low, 16 of 16 forwards",
    ]
    assert not [line for line in wayframe("run", "trip.json").err.splitlines() if "forwards" in line]


@pytest.mark.usefixtures("spec")
def test_a_difference_stops_a_run_unless_it_is_to_be_recorded(wayframe: Terminal, engine: Scripted) -> None:
    def lying(step: AppliedStep) -> AppliedStep:
        return replace(step, expert="low") if step.index == 1 else step

    engine.reports = lying
    printed = wayframe("run", "trip.json")
    assert printed.code == 1
    assert printed.err.splitlines()[-1] == (
        "error: segment 0, step 1: expert high was planned, low applied [applied-differs]; "
        "nothing of this segment was published, --on-difference record goes on"
    )
    goes_on = wayframe("run", "trip.json", "--on-difference", "record")
    assert goes_on.code == 0
    assert "critical segment 0, step 1: expert high was planned, low applied" in goes_on.out


@pytest.mark.usefixtures("engine")
def test_a_lora_is_fetched_before_the_run_with_a_line_or_with_events(wayframe: Terminal, server: FileServer) -> None:
    loras = [{"file": f"{server.url}/style.safetensors", "multiplier": "1"}]
    written(wayframe, through(0, 1, engine="scripted", **{**LIGHTNING, "loras": loras}))
    size = len(server.files["/style.safetensors"])
    events = [json.loads(line) for line in wayframe("run", "trip.json", "--json").out.splitlines()]
    fetching = [event for event in events if event["event"] == "LoraFetching"]
    assert {(event["lora"], event["size"]) for event in fetching} == {("style", size)}
    assert fetching[-1]["done"] == size
    assert [event["event"] for event in events][: len(fetching)] == ["LoraFetching"] * len(fetching)
    assert [event["lora"] for event in events if event["event"] == "LoraReady"] == ["style"]
    server.files["/other.safetensors"] = server.files["/style.safetensors"]
    loras[0]["file"] = f"{server.url}/other.safetensors"
    written(wayframe, through(0, 1, engine="scripted", **{**LIGHTNING, "loras": loras}))
    said = wayframe("run", "trip.json").err.splitlines()
    assert said[:2] == ["LoRA other: fetching (0 MB)", "LoRA other: here"]


def test_a_run_without_weights_says_in_one_line_how_to_get_them(wayframe: Terminal) -> None:
    pytest.importorskip("torch")
    said = wayframe.fails("run", "0.png", "1.png", "--model", "wan2.1-vace-1.3b", "--frames", "17")
    assert said.startswith("error: the weights of wan2.1-vace-1.3b are not here; wayframe models pull wan2.1-vace-1.3b")
    assert said.endswith(" GB)")
