"""The weights of a model: needed by what denoises, part of the plan where they are here, and never exchanged unseen."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from wayframe.core.events import WeightsReady
from wayframe.errors import SpecError, StoreError
from wayframe.store.catalogue import load_catalogue
from wayframe.workflow.model_weights import weights_of
from wayframe.workflow.run import OnDifference
from workflow.engines import Scripted, install
from workflow.rides import LIGHTNING, Data, Ground, Watch, through


def add_model(ground: Ground, *, source: str, engine: str = "scripted", size: str = "") -> Data:
    """A model `toy` of two experts in the home's catalogue; what a spec says to run it."""
    ground.home.models.mkdir(exist_ok=True)
    lines = [
        'name = "toy"\ntitle = "Toy"\nkind = "vace"\nexperts = 2\nboundary = 0.9\nsteps = 4\nguidance = 3.0',
        f'flow_shift = 5.0\nengine = "{engine}"\nsource = "{source}"\n{size}',
    ]
    (ground.home.models / "toy.toml").write_text("\n".join(lines))
    return {**LIGHTNING, "model": "toy", "engine": "scripted"}


def write_weights(folder: Path, *, value: float = 1.0) -> Path:
    """A model in diffusers' layout whose one transformer holds one number."""
    (folder / "transformer").mkdir(parents=True, exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps({"transformer": ["diffusers", "WanTransformer3DModel"]}))
    (folder / "transformer" / "config.json").write_text("{}")
    head = json.dumps({"w": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}).encode()
    data = struct.pack("<Q", len(head)) + head + struct.pack("<d", value)
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(data)
    return folder


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    made = Scripted(denoises=True)
    install(monkeypatch, made)
    return made


def test_weights_that_are_here_enter_plan_engine_and_record(ground: Ground, engine: Scripted, tmp_path: Path) -> None:
    folder = write_weights(tmp_path / "toy")
    words = add_model(ground, source=str(folder))
    watch = Watch()
    result = ground.run(through(0, 1, **words), listen=watch.listen)
    record = result.folder.read()
    identity = record["planned"]["weights"]
    assert identity.startswith("folder:")
    assert record["applied"]["weights"] == identity
    assert [event.identity for event in watch.events if isinstance(event, WeightsReady)] == [identity]
    assert engine.setups[-1].weights == folder
    assert engine.setups[-1].model == load_catalogue(ground.home).model("toy")
    written = (record["planned"], record["applied"], (result.folder.path / "debug.log").read_text())
    assert str(folder) not in json.dumps(written)


def test_a_run_without_weights_is_refused_in_one_line_before_it_begins(ground: Ground, engine: Scripted) -> None:
    pytest.importorskip("huggingface_hub")
    words = add_model(ground, source="wayframe/no-such-toy", size="size_gb = 57.5")
    trip = ground.trip(through(0, 1, **words))
    assert trip.plan.weights is None
    with pytest.raises(StoreError) as refused:
        ground.run_trip(trip)
    assert str(refused.value) == "the weights of toy are not here; wayframe models pull toy (57.5 GB)"
    assert engine.jobs == []
    assert list(ground.home.runs.iterdir()) == []


def test_a_plan_from_where_no_weights_are_takes_those_that_are_here(
    ground: Ground, engine: Scripted, tmp_path: Path
) -> None:
    words = add_model(ground, source=str(tmp_path / "toy"))
    trip = ground.trip(through(0, 1, **words))
    write_weights(tmp_path / "toy")
    record = ground.run_trip(trip).folder.read()
    assert "weights" not in record["planned"]
    assert record["applied"]["weights"].startswith("folder:")
    assert engine.rendered() == [0]


def test_other_weights_than_those_of_the_plan_are_refused(ground: Ground, engine: Scripted, tmp_path: Path) -> None:
    words = add_model(ground, source=str(write_weights(tmp_path / "toy")))
    trip = ground.trip(through(0, 1, **words))
    write_weights(tmp_path / "toy", value=2.0)
    with pytest.raises(SpecError, match=r"^weights: those of toy here are folder:\w+ \(got 'folder:\w+'\); plan again"):
        ground.run_trip(trip)
    assert engine.jobs == []
    other = ground.trip(through(0, 1, **words))
    assert other.plan.segments[0].key != trip.plan.segments[0].key


@pytest.mark.usefixtures("engine")
def test_a_run_whose_segments_are_all_here_needs_no_weights(ground: Ground, tmp_path: Path) -> None:
    words = add_model(ground, source=str(tmp_path / "toy"))
    trip = ground.trip(through(0, 1, **words))
    write_weights(tmp_path / "toy")
    ground.run_trip(trip)
    (tmp_path / "toy" / "model_index.json").unlink()
    again = ground.run_trip(trip, on_difference=OnDifference.STOP).folder.read()
    assert again["applied"]["segments"][0]["reused"]
    assert "engine" not in again["outcome"]


def test_a_model_of_another_engine_brings_no_weights(ground: Ground, engine: Scripted) -> None:
    words = add_model(ground, source="wayframe/no-such-toy", engine="wan")
    trip = ground.trip(through(0, 1, **words))
    assert weights_of(trip.plan, home=ground.home) is None
    assert ground.run_trip(trip).record["status"] == "completed"
    assert engine.setups[-1].weights is None


def test_an_engine_that_does_not_denoise_plans_without_weights(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, Scripted())
    words = add_model(ground, source=str(write_weights(tmp_path / "toy")))
    assert ground.trip(through(0, 1, **words)).plan.weights is None
