"""What is removed, and what never is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from media.clips import texture, write_video
from media.tones import write_tone
from wayframe.errors import StoreError
from wayframe.store.artifacts import ArtifactStore
from wayframe.store.collect import Kind
from wayframe.store.objects import UPLOADS, ObjectStore
from wayframe.store.prompts import PromptStore
from wayframe.workflow.guides import guide_keys
from wayframe.workflow.queue import gc
from wayframe.workflow.queue.gate import collecting
from wayframe.workflow.queue.gc import Collected, Collector
from wayframe.workflow.queue.redo import Redo
from wayframe.workflow.queue.request import get_request, request_key
from workflow.queue.rows import new_run
from workflow.queue.stage import Stage, in_environment
from workflow.rides import LIGHTNING, Data, lora, through

NOW = timedelta(seconds=-5)
"""Everything is older: the clocks of S3 and of SQLite's queue tell whole seconds."""
OTHER = "f" * 64


@pytest.fixture(params=[False, True], ids=["sqlite", "postgresql"])
def idle(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A queue in which nobody works."""
    stage = Stage.at(tmp_path, base=tmp_path_factory.getbasetemp(), shared=request.param)
    with in_environment(stage.environment):
        yield stage
    stage.client.close()


def publish(stage: Stage, key: str) -> None:
    """An artifact under a key; what its video holds does not matter here."""
    store = stage.place.artifacts()
    with store.staging() as folder:
        video = folder / "made.mp4"
        video.write_bytes(key.encode())
        store.publish(video, key=key, facts={"frames": 1, "digest": "d"})


def names(found: Collected, kind: Kind) -> set[str]:
    return {item.name for _, item in found.garbage if item.kind is kind}


def collect(stage: Stage, *, older_than: timedelta = NOW) -> Collected:
    return Collector(stage.place, older_than=older_than).collect()


def test_what_runs_refer_to_stays(idle: Stage) -> None:
    waits = idle.submit(idle.ground.trip(through(0, 1, 2)))
    redone, _ = idle.client.redo(waits.run_id, change=Redo(segment=1, seed=9))
    ended = idle.client.cancel(idle.submit(idle.ground.trip(through(0, 3, seed=4))).run_id)
    requests = [get_request(idle.place, row.run_id) for row in (waits, redone, ended)]
    keys = {segment.key for request in requests for segment in request.plan.segments}
    for key in keys | {OTHER}:
        publish(idle, key)
    found = collect(idle)
    assert names(found, Kind.ARTIFACT) == {OTHER}
    assert names(found, Kind.BLOB) == set()
    assert all(idle.place.artifacts().find(key) for key in keys)
    assert all(idle.place.blobs.missing(request.blobs) == [] for request in requests)
    assert idle.place.artifacts().find(OTHER) is None


def test_what_only_a_removed_run_used_goes(idle: Stage) -> None:
    stays, goes = idle.submit(idle.ground.trip(through(0, 1))), idle.submit(idle.ground.trip(through(1, 2, seed=1)))
    request = get_request(idle.place, goes.run_id)
    key, own = request.plan.segments[0].key, request.plan.keyframes[1].digest
    publish(idle, key)
    idle.client.cancel(goes.run_id)
    idle.client.remove(goes.run_id)
    listed = Collector(idle.place, older_than=NOW).dry_run()
    assert (names(listed, Kind.ARTIFACT), names(listed, Kind.BLOB)) == ({key}, {own})
    assert listed.size > 0
    assert idle.place.artifacts().find(key) is not None
    found = collect(idle)
    assert (names(found, Kind.ARTIFACT), names(found, Kind.BLOB)) == ({key}, {own})
    assert idle.place.blobs.missing([own]) == [own]
    assert idle.place.blobs.missing(get_request(idle.place, stays.run_id).blobs) == []
    assert collect(idle).garbage == ()


def test_what_is_young_stays(idle: Stage) -> None:
    publish(idle, OTHER)
    assert collect(idle, older_than=timedelta(hours=1)).garbage == ()


def test_segments_of_runs_that_were_not_queued_stay(idle: Stage) -> None:
    done = idle.ground.run_trip(idle.ground.trip(through(0, 1)))
    collect(idle)
    assert ArtifactStore(idle.ground.home).find(done.record["planned"]["segments"][0]["key"]) is not None


def test_inputs_that_were_fetched_go_with_their_runs(idle: Stage) -> None:
    stays, goes = idle.submit(idle.ground.trip(through(0, 1))), idle.submit(idle.ground.trip(through(1, 2, seed=1)))
    used = {path.name for path in get_request(idle.place, stays.run_id).trip(idle.place).images}
    get_request(idle.place, goes.run_id).trip(idle.place)
    idle.client.cancel(goes.run_id)
    idle.client.remove(goes.run_id)
    collect(idle)
    assert {path.name for path in (idle.place.home.root / "inputs").iterdir()} == used


def test_while_a_run_is_half_submitted_nothing_that_it_may_need_goes(idle: Stage) -> None:
    publish(idle, OTHER)
    idle.place.runs.add(new_run("half"))
    found = collect(idle)
    assert (found.garbage, found.unknown) == ((), ("half",))
    idle.client.cancel("half")
    assert names(collect(idle), Kind.ARTIFACT) == {OTHER}


def test_a_run_that_is_submitted_while_it_collects_keeps_what_it_needs(
    idle: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip = idle.ground.trip(through(0, 1))
    key = trip.plan.segments[0].key
    publish(idle, key)
    collector = Collector(idle.place, older_than=NOW)
    look = collector.live

    def late() -> object:
        found = look()
        monkeypatch.setattr(collector, "live", look)
        idle.submit(trip)
        return found

    monkeypatch.setattr(collector, "live", late)
    collector.collect()
    assert idle.place.artifacts().find(key) is not None


def test_while_something_is_removed_no_run_is_written_down_and_no_longer(
    idle: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(idle, OTHER)
    publish(idle, "e" * 64)
    shut: list[bool] = []
    monkeypatch.setattr(gc, "collecting", lambda _database: tracked(shut))
    asked: list[bool] = []
    for name in ("list", "stat", "read", "delete"):
        monkeypatch.setattr(ObjectStore, name, told(getattr(ObjectStore, name), name=name, shut=shut, asked=asked))
    collect(idle)
    assert asked
    assert all(asked)
    assert shut == []


@contextmanager
def tracked(shut: list[bool]) -> Iterator[None]:
    """A gate that says when it is shut."""
    shut.append(True)
    yield
    shut.pop()


def told(call: Callable[..., object], *, name: str, shut: list[bool], asked: list[bool]) -> Callable[..., object]:
    """A request to the store that writes down whether it was made where it may be: only removals behind the gate."""

    def request(self: ObjectStore, key: str, **named: int) -> object:
        clock = key.startswith(UPLOADS)
        asked.append(clock or (name == "delete") == bool(shut))
        return call(self, key, **named)

    return request


def test_a_request_that_cannot_be_read_stops_everything(idle: Stage, tmp_path: Path) -> None:
    publish(idle, OTHER)
    (tmp_path / "bad").write_text("{")
    idle.place.objects.replace(request_key("bad"), tmp_path / "bad")
    with pytest.raises(StoreError, match=r"runs/bad/request\.json in .* cannot be read, so nothing is removed"):
        collect(idle)
    assert idle.place.artifacts().find(OTHER) is not None


def test_what_a_removed_run_left_in_the_database_goes_and_open_runs_keep_theirs(idle: Stage) -> None:
    waits = idle.submit(idle.ground.trip(through(0, 1)))
    goes = idle.client.cancel(idle.submit(idle.ground.trip(through(1, 2, seed=1))).run_id)
    idle.place.events.add(waits.run_id, [{"event": "told"}])
    idle.place.runs.remove(goes.run_id)
    idle.place.events.add(goes.run_id, [{"event": "told too late"}])
    found = collect(idle)
    assert (found.rows, found.workflows) == (1, 1)
    assert idle.place.events.all_of(goes.run_id) == []
    assert len(idle.place.events.all_of(waits.run_id)) == 1
    again = collect(idle)
    assert (again.rows, again.workflows) == (0, 0)


def join_of(*clips: str) -> Data:
    return {"join": {"clips": list(clips), "context": 3, "gap": 5}, "engine": "null"}


def whole(folder: Path) -> dict[str, bytes]:
    """All files below a folder, but for locks, with their bytes."""
    files = (path for path in folder.rglob("*") if path.is_file() and "lock" not in path.name)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_everything_that_runs_of_this_home_were_made_with_stays_and_is_found_again(idle: Stage) -> None:
    ground = idle.ground
    write_video(ground.folder / "guide.mp4", [texture(look)[:64, :96] for look in range(20, 29)])
    write_tone(ground.folder / "music.wav", seconds=1)
    for name in ("a.mp4", "b.mp4"):
        write_video(ground.folder / name, [texture(9)[:48, :64]] * 12)
    after = {"trim": {"start": 2}, "fps": 32, "upscale": {"factor": 2}, "audio": {"file": "music.wav"}}
    guided = through(0, 1, 2, chaining="chained", overlap=2, guides=[{"video": "guide.mp4", "until": 5}], after=after)
    runs = [ground.run(guided), ground.run(join_of("a.mp4", "b.mp4"))]
    PromptStore(ground.home).publish("ab" * 32, text="written", facts={}, picture=b"jpg")
    ground.home.loras.mkdir(exist_ok=True)
    lora(ground.home.loras / "kept.safetensors")
    before = whole(ground.home.root)
    publish(idle, OTHER)
    assert names(collect(idle), Kind.ARTIFACT) == {OTHER}
    after_all = whole(ground.home.root)
    assert {name: after_all.get(name) for name in before} == before
    again = [ground.run(guided), ground.run(join_of("a.mp4", "b.mp4"))]
    steps = again[0].record["outcome"]["after"]["steps"]
    assert {step["step"]: step["reused"] for step in steps if "key" in step} == dict.fromkeys(
        ("upscale", "fps", "encode", "audio"), True
    )
    assert all(task["reused"] for run in again for task in run.record["tasks"] if task["segment"] is not None)
    for run in [*runs, *again]:
        shutil.rmtree(run.folder.path)
    collect(idle)
    assert list(ground.home.artifacts.glob("??/*/*")) == []


def test_everything_that_a_queued_run_was_submitted_with_stays(idle: Stage) -> None:
    ground = idle.ground
    write_video(ground.folder / "guide.mp4", [texture(look)[:64, :96] for look in range(20, 29)])
    for name in ("a.mp4", "b.mp4"):
        write_video(ground.folder / name, [texture(9)[:48, :64]] * 12)
    guides = [{"video": "guide.mp4", "kind": "canny", "until": 3}]
    waits = [
        idle.submit(ground.trip(through(0, 1, **(LIGHTNING | {"engine": "wan"}), guides=guides))),
        idle.submit(ground.trip(join_of("a.mp4", "b.mp4"))),
    ]
    requests = [get_request(idle.place, row.run_id) for row in waits]
    assert requests[0].loras
    assert requests[0].guides
    assert requests[1].clips
    keys = {segment.key for request in requests for segment in request.plan.segments}
    keys |= {key for request in requests for key in guide_keys(request.plan)}
    for key in keys:
        publish(idle, key)
    for request in requests:
        request.trip(idle.place)
    assert collect(idle).garbage == ()
    assert collect(idle).inputs == ()
    assert all(idle.place.artifacts().find(key) for key in keys)
    assert all(idle.place.blobs.missing(request.blobs) == [] for request in requests)


def test_while_a_record_cannot_be_read_nothing_that_its_run_may_need_goes(idle: Stage) -> None:
    kept = idle.ground.run(through(0, 1))
    key = kept.record["planned"]["segments"][0]["key"]
    (kept.folder.path / "run.json").write_text("{")
    publish(idle, OTHER)
    found = collect(idle)
    assert found.garbage == ()
    assert list(found.unreadable) == [kept.folder.run_id]
    assert "run.json cannot be read" in found.unreadable[kept.folder.run_id]
    shutil.rmtree(kept.folder.path)
    assert names(collect(idle), Kind.ARTIFACT) == {OTHER, key}


def test_a_look_at_what_would_go_takes_no_gate_and_no_transaction(idle: Stage) -> None:
    publish(idle, OTHER)
    with collecting(idle.place.database):
        found = Collector(idle.place, older_than=NOW).dry_run()
    assert names(found, Kind.ARTIFACT) == {OTHER}
