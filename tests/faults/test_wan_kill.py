"""A run of the Wan engine that is killed between its experts, and the same command again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.wan_trip import FAST, HIGH, LOW, THREE_PHASES, Data, Place, spec
from hub import COMMIT, Hub, Repo, serving
from wayframe.files import sha256_file
from wayframe.media.index import packet_digest

if TYPE_CHECKING:
    from engines.wan.tiny import TinyModels

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("wan-kill")]
PATIENCE = 120.0
REPO = "someone/loras"
SEGMENTS, FORWARDS, LOW_FORWARDS = 2, 8, 2
"""Forwards of a segment in all, and those of the low expert."""


@pytest.fixture(scope="module")
def place(tiny: TinyModels, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place.at(tmp_path_factory.mktemp("wan") / "trip", tiny=tiny)


@pytest.fixture(scope="module")
def untouched(place: Place) -> Data:
    """The record of a run that nobody disturbs, with LoRAs from the folder."""
    return place.run(spec(**THREE_PHASES), name="untouched")


@pytest.fixture
def hub(place: Place) -> Iterator[Hub]:
    """A Hub that has the LoRAs."""
    running = Hub(repos={REPO: Repo(files={name: (place.folder / name).read_bytes() for name in (HIGH, LOW)})})
    with serving(running.cdn), serving(running):
        yield running


def start(place: Place, hub: Hub) -> subprocess.Popen[str]:
    """Start the run of a trip whose LoRAs are addresses of the Hub."""
    loras = [{**lora, "file": hub.link(REPO, lora["file"])} for lora in THREE_PHASES["loras"]]
    place.write(spec(**{**THREE_PHASES, "loras": loras}), name="remote.yaml")
    command = [sys.executable, "-m", "wayframe", "run", "remote.yaml", "--engine", "wan", *FAST]
    cache = str(place.home / "hub")
    asked = {"HF_ENDPOINT": hub.url, "HF_HOME": cache, "HF_HUB_CACHE": f"{cache}/hub", "HF_HUB_DISABLE_XET": "1"}
    environment = place.environment(asked)
    return subprocess.Popen(
        [*command, "--out", "remote.mp4", "--force"],
        cwd=place.folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def kept(place: Place) -> list[Path]:
    """The segments that wait between the experts; a file that is still written begins with a dot."""
    return sorted((place.home / "scratch").glob("*/[0-9a-f]*.safetensors"))


def kill_between_the_experts(place: Place, hub: Hub) -> None:
    """Kill a run when all its segments have left the high expert."""
    with start(place, hub) as program:
        until = time.monotonic() + PATIENCE
        while len(kept(place)) < SEGMENTS and program.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        program.kill()
        said = program.communicate(timeout=PATIENCE)[1]
    assert program.returncode < 0, said


def test_a_run_killed_between_its_experts_goes_on_with_the_latents_that_it_kept(
    tiny: TinyModels, place: Place, untouched: Data, hub: Hub
) -> None:
    place = place.elsewhere("killed", tiny=tiny)
    kill_between_the_experts(place, hub)
    first = place.record()
    waiting = len(kept(place))
    assert first["status"] == "running"
    assert waiting > 0
    planned = {name: lora["digest"] for name, lora in first["planned"]["loras"].items()}
    assert planned == {name[:-12]: f"sha256:{sha256_file(place.folder / name)}" for name in (HIGH, LOW)}

    asked = len(hub.asked)
    with start(place, hub) as program:
        said = program.communicate(timeout=PATIENCE)[1]
    assert program.returncode == 0, said
    assert f"run {first['run_id']} continued" in said
    assert len(hub.asked) == asked

    record = place.record()
    assert (record["run_id"], record["attempts"]) == (first["run_id"], 2)
    assert record["outcome"]["digest"] == untouched["outcome"]["digest"]
    assert packet_digest(place.folder / "remote.mp4") == untouched["outcome"]["digest"]
    assert untouched["outcome"]["engine"]["forwards"] == SEGMENTS * FORWARDS
    counts = record["outcome"]["engine"]
    assert (counts["forwards"], counts["expert_loads"]) == (waiting * LOW_FORWARDS, 1)
    steps = [segment["steps"] for segment in record["applied"]["segments"]]
    assert steps == [segment["steps"] for segment in untouched["applied"]["segments"]]
    assert record["applied"]["loras"]["high_noise"]["commit"] == COMMIT
    assert kept(place) == []
