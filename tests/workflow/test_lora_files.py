"""LoRAs of a run: found beside the spec or by their digest, fetched from their address, and held against the plan."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hub import COMMIT, FileServer, Hub, Repo, hub_at_hand, serving
from wayframe.core.events import LoraFetching, RunEvent
from wayframe.core.spec import parse_spec
from wayframe.errors import CancelledError, SpecError, StoreError
from wayframe.workflow.lora_files import Fetch
from wayframe.workflow.sources import SpecSource, trip_of_plan, trip_of_spec, trip_to_run
from wayframe.workflow.trip import Trip
from workflow.engines import Scripted, install
from workflow.rides import LIGHTNING, Data, Ground, lora, through

HIGH, LOW = "high_noise_model", "low_noise_model"


def denoised(*loras: Data) -> Data:
    said = {**LIGHTNING, "loras": list(loras)} if loras else LIGHTNING
    return through(0, 1, engine="scripted", **said)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    made = Scripted(denoises=True)
    install(monkeypatch, made)
    return made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    data = lora(tmp_path / "remote.safetensors", weight=7.0).read_bytes()
    running = FileServer(files={"/style.safetensors": data, "/idle.safetensors": data})
    with serving(running):
        yield running


def fetched(ground: Ground, data: Data, fetch: Fetch | None = None) -> Trip:
    source = SpecSource(spec=parse_spec(data), base=ground.folder)
    return trip_to_run(partial(trip_of_spec, source, home=ground.home), home=ground.home, fetch=fetch or Fetch())


def test_the_engine_gets_the_files_and_the_record_their_digests(ground: Ground, engine: Scripted) -> None:
    record = ground.run(denoised()).folder.read()
    files = {name: file.path for name, file in engine.setups[-1].loras.items()}
    assert files == {name: ground.folder / f"{name}.safetensors" for name in (HIGH, LOW)}
    said = {name: {"sha256": sha256(path), "commit": None} for name, path in files.items()}
    assert record["applied"]["loras"] == said


def test_a_lora_without_a_weight_at_any_step_needs_no_file(ground: Ground, engine: Scripted) -> None:
    idle = {"file": "https://example.com/idle.safetensors", "multiplier": "0"}
    ground.run_trip(fetched(ground, denoised({"file": f"{HIGH}.safetensors", "multiplier": "1"}, idle)))
    assert engine.setups[-1].loras.keys() == {HIGH}


def test_an_agreement_to_a_partial_match_reaches_the_engine(ground: Ground, engine: Scripted) -> None:
    ground.run(denoised({"file": f"{HIGH}.safetensors", "multiplier": "1", "partial": True}))
    assert engine.setups[-1].loras[HIGH].partial


def test_a_lora_that_was_changed_since_the_plan_was_made_is_refused(ground: Ground, engine: Scripted) -> None:
    trip = ground.trip(denoised())
    lora(ground.folder / f"{HIGH}.safetensors", weight=5.0)
    with pytest.raises(SpecError, match=rf"^loras\.{HIGH}: was changed since the plan was made .*; start again$"):
        ground.run_trip(trip)
    assert engine.jobs == []


def test_a_remote_lora_is_fetched_before_the_plan_and_its_bytes_decide_the_key(
    ground: Ground, engine: Scripted, server: FileServer
) -> None:
    data = denoised({"file": f"{server.url}/style.safetensors?token=abcd1234efgh", "multiplier": "1"})
    assert ground.trip(data).plan.loras["style"].digest == f"url:{server.url}/style.safetensors"
    events: list[RunEvent] = []
    trip = fetched(ground, data, Fetch(listen=events.append))
    digest = hashlib.sha256(server.files["/style.safetensors"]).hexdigest()
    assert trip.plan.loras["style"].digest == f"sha256:{digest}"
    size = len(server.files["/style.safetensors"])
    assert events[-1] == LoraFetching(lora="style", done=size, size=size)
    result = ground.run_trip(trip)
    assert result.folder.read()["applied"]["loras"]["style"]["sha256"] == digest
    assert engine.setups[-1].loras["style"].path.read_bytes() == server.files["/style.safetensors"]
    asked = len(server.asked)
    assert fetched(ground, data).planned() == trip.planned()
    assert len(server.asked) == asked
    written = [path for path in ground.home.root.rglob("*") if path.is_file()]
    assert [path.name for path in written if b"abcd1234efgh" in path.read_bytes()] == []


@pytest.mark.usefixtures("engine")
def test_a_link_of_the_hub_leaves_its_commit_in_the_record(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lora(tmp_path / "remote.safetensors", weight=7.0).read_bytes()
    with hub_at_hand(monkeypatch, tmp_path / "hf") as hub:
        assert isinstance(hub, Hub)
        hub.repos["maker/styles"] = Repo(files={"style.safetensors": data})
        file = hub.link("maker/styles", "style.safetensors")
        result = ground.run_trip(fetched(ground, denoised({"file": file, "multiplier": "1"})))
    found = result.folder.read()["applied"]["loras"]["style"]
    assert found == {"sha256": hashlib.sha256(data).hexdigest(), "commit": COMMIT}
    assert f"commit {COMMIT}" in (result.folder.path / "debug.log").read_text()


def test_an_engine_that_does_not_denoise_fetches_nothing(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, server: FileServer
) -> None:
    install(monkeypatch, Scripted())
    ground.run_trip(fetched(ground, denoised({"file": f"{server.url}/style.safetensors", "multiplier": "1"})))
    assert server.asked == []


def test_a_download_that_is_cancelled_leaves_no_run(ground: Ground, engine: Scripted, server: FileServer) -> None:
    data = denoised({"file": f"{server.url}/style.safetensors", "multiplier": "1"})
    with pytest.raises(CancelledError):
        fetched(ground, data, Fetch(cancelled=lambda: True))
    assert list(ground.home.runs.iterdir()) == []
    assert engine.jobs == []


def test_an_address_that_gives_nothing_is_named_without_its_secret(
    ground: Ground, engine: Scripted, server: FileServer
) -> None:
    data = denoised({"file": f"{server.url}/gone.safetensors?token=abcd1234efgh", "multiplier": "1"})
    with pytest.raises(StoreError, match="has no such file") as refused:
        fetched(ground, data)
    assert "abcd1234" not in str(refused.value)
    assert engine.jobs == []


def test_a_trip_whose_lora_was_never_fetched_is_refused(ground: Ground, engine: Scripted, server: FileServer) -> None:
    trip = ground.trip(denoised({"file": f"{server.url}/style.safetensors", "multiplier": "1"}))
    with pytest.raises(SpecError, match=r"^loras: 1 of them are not here: http.*/style\.safetensors; "):
        ground.run_trip(trip)
    assert engine.jobs == []


def test_the_loras_of_a_plan_file_are_found_by_their_digest_under_any_name(
    ground: Ground, engine: Scripted, tmp_path: Path
) -> None:
    path = ground.folder / "plan.json"
    path.write_text(json.dumps(ground.trip(denoised()).planned()))
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(ground.folder, elsewhere)
    (elsewhere / f"{HIGH}.safetensors").rename(elsewhere / "another name.safetensors")
    trip = trip_of_plan(path, keyframes=elsewhere, home=ground.home)
    assert trip.planned() == json.loads(path.read_text())
    ground.run_trip(trip)
    assert engine.setups[-1].loras[HIGH].path == elsewhere / "another name.safetensors"
    assert engine.setups[-1].loras[LOW].path == elsewhere / f"{LOW}.safetensors"


def test_a_plan_file_whose_lora_is_nowhere_is_refused_with_its_name(ground: Ground, engine: Scripted) -> None:
    path = ground.folder / "plan.json"
    path.write_text(json.dumps(ground.trip(denoised()).planned()))
    (ground.folder / f"{LOW}.safetensors").unlink()
    trip = trip_of_plan(path, keyframes=None, home=ground.home)
    with pytest.raises(SpecError, match=rf"^loras: 1 of them are not here: {LOW}\.safetensors; name the folder"):
        ground.run_trip(trip)
    assert engine.jobs == []


def test_a_lora_that_a_plan_knows_by_its_name_is_found_by_it_and_gets_its_digest(
    ground: Ground, engine: Scripted
) -> None:
    worker = {**denoised({"file": "a.safetensors", "multiplier": "1"}), "carried": {}}
    planned = ground.trip(worker).planned()
    assert planned["loras"]["a"]["digest"] == "name:a.safetensors"
    path = ground.folder / "plan.json"
    path.write_text(json.dumps(planned))
    found = lora(ground.folder / "a.safetensors", weight=3.0)
    trip = trip_of_plan(path, keyframes=None, home=ground.home)
    assert trip.plan.loras["a"].digest == f"sha256:{sha256(found)}"
    assert trip.plan.segments[0].key != planned["segments"][0]["key"]
    assert ground.run_trip(trip).record["status"] == "completed"
    assert engine.setups[-1].loras["a"].path == found


@pytest.mark.usefixtures("engine")
def test_a_lora_of_a_private_network_is_not_fetched_where_that_is_not_allowed(
    ground: Ground, server: FileServer
) -> None:
    data = denoised({"file": f"{server.url}/style.safetensors"})
    with pytest.raises(StoreError, match="is in a private network, which is not allowed here"):
        fetched(ground, data, Fetch(private=lambda address: server.url not in address))
    assert server.asked == []
    fetched(ground, data, Fetch(private=lambda address: server.url in address))
    assert len(server.gets("/style.safetensors")) == 1
