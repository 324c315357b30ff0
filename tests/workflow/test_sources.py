"""The same work from a spec, from pictures, from a plan file and from a finished video."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from wayframe.core.capsule import CAPSULE_KEY
from wayframe.errors import ImageError, MediaError, SpecError
from wayframe.media.index import packet_digest, read_metadata
from wayframe.store.home import open_home
from wayframe.workflow.run import RunOptions, RunResult, run_trip
from wayframe.workflow.sources import capsule_of, spec_source, trip_of_plan, trip_of_spec, trip_of_video
from workflow.rides import Data, Ground, Watch, draw, through

Finished = tuple[Ground, RunResult, Watch]


def test_the_same_plan_gives_the_same_packets_and_metadata_in_another_home(finished: Finished) -> None:
    ground, result, _ = finished
    other = ground.elsewhere("another").run(through(0, 1, 2, prompts=("up", "down")))
    assert packet_digest(other.video) == packet_digest(result.video)
    assert read_metadata(other.video) == read_metadata(result.video)
    assert other.video.read_bytes() == result.video.read_bytes()


def test_pictures_in_another_folder_give_the_same_video(finished: Finished, tmp_path: Path) -> None:
    _, result, _ = finished
    moved = Ground.at(tmp_path / "some" / "where")
    assert moved.run(through(0, 1, 2, prompts=("up", "down"))).video.read_bytes() == result.video.read_bytes()


def test_a_video_carries_spec_resolved_and_plan(finished: Finished) -> None:
    _, result, _ = finished
    carried, record = capsule_of(result.video), result.folder.read()
    assert carried["spec"] == record["requested"]
    assert carried["resolved"] == record["resolved"]
    assert carried["plan"] == record["planned"]


def test_a_video_carries_no_ids_times_or_paths(finished: Finished) -> None:
    ground, result, _ = finished
    text = json.dumps(capsule_of(result.video))
    record = result.folder.read()
    private = [record["run_id"], record["created"][:10], str(ground.folder), str(ground.home.root), ground.folder.name]
    private += [task["id"] for task in record["tasks"]]
    assert [word for word in private if word in text] == []
    assert set(read_metadata(result.video)) == {CAPSULE_KEY}


def test_folders_of_pictures_stay_at_home(ground: Ground) -> None:
    data = through(0, 1)
    for keyframe in data["keyframes"]:
        keyframe["image"] = str(ground.folder / keyframe["image"])
    carried = capsule_of(ground.run(data).video)
    assert [keyframe["image"] for keyframe in carried["spec"]["keyframes"]] == ["0.png", "1.png"]
    assert str(ground.folder) not in json.dumps(carried)


def test_a_video_is_made_again_from_itself_and_its_pictures_under_any_name(finished: Finished, tmp_path: Path) -> None:
    ground, result, _ = finished
    for index, name in enumerate(("z", "y", "x")):
        shutil.copy(ground.folder / f"{index}.png", tmp_path / f"{name}.png")
    home = open_home(tmp_path / "home")
    trip = trip_of_video(result.video, keyframes=tmp_path, home=home)
    again = run_trip(trip, home=home, options=RunOptions())
    assert again.record["outcome"]["digest"] == result.record["outcome"]["digest"]
    assert again.video.read_bytes() == result.video.read_bytes()


def test_a_video_whose_lora_came_from_a_secret_address_is_made_again_all_the_same(ground: Ground) -> None:
    address = "https://me:hunter2hunter2@example.com/style.safetensors?token=abcd1234efgh"
    first = ground.run(through(0, 1, model="wan2.2-vace-a14b", loras=[{"file": address, "multiplier": "0.5"}]))
    again = ground.run_trip(trip_of_video(first.video, keyframes=ground.folder, home=ground.home))
    assert again.record["outcome"]["digest"] == first.record["outcome"]["digest"]
    assert [segment["reused"] for segment in again.record["applied"]["segments"]] == [True]


def test_a_plan_file_runs_as_it_is_and_makes_the_same_frames(finished: Finished, tmp_path: Path) -> None:
    ground, result, _ = finished
    path = ground.folder / "plan.json"
    path.write_text(json.dumps(ground.trip(through(0, 1, 2, prompts=("up", "down"))).planned()))
    trip = trip_of_plan(path, keyframes=None, home=ground.home)
    again = run_trip(trip, home=open_home(tmp_path), options=RunOptions())
    assert packet_digest(again.video) == packet_digest(result.video)
    assert again.record["requested"] is None


def test_keyframes_that_are_not_there_are_named(finished: Finished, tmp_path: Path) -> None:
    ground, result, _ = finished
    draw(tmp_path, 1)
    with pytest.raises(SpecError, match=r"keyframes: no picture in .* is keyframe 1, 2; name its folder"):
        trip_of_video(result.video, keyframes=tmp_path, home=ground.home)
    with pytest.raises(SpecError, match="is not a folder"):
        trip_of_video(result.video, keyframes=tmp_path / "none", home=ground.home)


def test_a_plan_edited_by_hand_is_refused_under_its_old_keys_and_runs_under_new_ones(ground: Ground) -> None:
    plan = ground.trip(through(0, 1)).planned()
    plan["segments"][0]["prompt"] = "another"
    path = ground.folder / "plan.json"
    path.write_text(json.dumps(plan))
    with pytest.raises(SpecError, match=r"segments\[0\]\.key: is not the key of this content"):
        trip_of_plan(path, keyframes=None, home=ground.home)
    plan["segments"][0]["key"] = ""
    path.write_text(json.dumps(plan))
    assert ground.run_trip(trip_of_plan(path, keyframes=None, home=ground.home)).record["outcome"]["frames"] == 5


def test_a_video_of_others_carries_no_plan(ground: Ground) -> None:
    artifact = ground.artifact(ground.run(through(0, 1)).record["planned"]["segments"][0]["key"])
    with pytest.raises(SpecError, match="carries no plan"):
        capsule_of(artifact.video)
    with pytest.raises(MediaError, match=r"nothing\.mp4"):
        capsule_of(ground.folder / "nothing.mp4")


def test_words_take_the_place_of_the_specs_own(ground: Ground) -> None:
    path = ground.spec_file(through(0, 1, seed=5, fps=24))
    source = spec_source([path], words={"seed": 9, "prompt": "rain"})
    assert (source.spec.seed, source.spec.fps, source.spec.prompt) == (9, 24, "rain")
    assert source.base == ground.folder


def test_pictures_alone_are_a_spec_relative_to_the_current_folder(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ground.folder)
    source = spec_source([Path("0.png"), Path("1.png")], words={"segment_frames": 7})
    trip = trip_of_spec(source, home=ground.home)
    assert [image.name for image in trip.images] == ["0.png", "1.png"]
    assert trip.plan.frames == 7


def test_a_spec_beside_other_files_is_refused_as_such(ground: Ground) -> None:
    spec = ground.spec_file(through(0, 1))
    for others in ([ground.folder / "0.png"], [ground.spec_file(through(0, 1), name="other.yaml")]):
        with pytest.raises(
            SpecError, match=r"trip\.json: is a spec beside other files; give one spec or pictures, not both"
        ):
            spec_source([spec, *others], words={})


def test_what_other_commands_read_is_refused_with_their_name(ground: Ground) -> None:
    plan = ground.spec_file(ground.trip(through(0, 1)).planned(), name="plan.json")
    with pytest.raises(SpecError, match=r"plan\.json: is a plan, not a spec; wayframe run --plan .*plan\.json runs it"):
        spec_source([plan], words={})
    folder = ground.run(through(0, 1)).folder.path
    with pytest.raises(SpecError, match=rf"is the record of a run, not a spec; wayframe show {folder} shows it"):
        spec_source([folder / "run.json"], words={})
    with pytest.raises(SpecError, match=r"is a folder; wayframe new .* makes a spec of its pictures"):
        spec_source([ground.folder], words={})


def test_folders_without_the_pictures_are_named_once(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    ground, result, _ = finished
    monkeypatch.chdir(result.folder.path)
    with pytest.raises(SpecError) as caught:
        trip_of_video(Path(result.video.name), keyframes=None, home=ground.home)
    assert str(caught.value).count(str(result.folder.path.resolve())) == 1


def test_an_address_is_no_picture_on_the_command_line_and_its_secrets_are_not_told() -> None:
    address = Path("https://user:word@example.com/a.png?sig=abc")
    with pytest.raises(SpecError, match=r"pictures: expected files, not an address .*image of a keyframe") as caught:
        spec_source([Path("0.png"), address], words={})
    assert "https://[redacted]@example.com/a.png?sig=[redacted]" in str(caught.value)


@pytest.mark.parametrize("name", ["notes.txt", "clip.mp4", "folder"])
def test_what_is_neither_spec_nor_picture_is_refused(ground: Ground, name: str) -> None:
    with pytest.raises(SpecError, match=rf"{name}: is neither a spec nor a picture"):
        spec_source([ground.folder / name], words={})


@pytest.mark.parametrize(
    ("keyframe", "says"),
    [
        ({"image": "nothing.png"}, r"keyframes\[1\]\.image \(.*nothing\.png\): there is no such file"),
        ({"image": "broken.png"}, r"keyframes\[1\]\.image \(.*broken\.png\): is no picture"),
    ],
)
def test_a_keyframe_that_cannot_be_used_is_named_with_its_place(ground: Ground, keyframe: Data, says: str) -> None:
    (ground.folder / "broken.png").write_bytes(b"not a picture")
    data = through(0, 1)
    data["keyframes"][1] = keyframe
    with pytest.raises((ImageError, SpecError), match=says):
        ground.trip(data)


def test_a_local_lora_is_named_by_its_bytes(ground: Ground) -> None:
    (ground.folder / "style.safetensors").write_bytes(b"weights")
    said: Data = {"model": "wan2.2-vace-a14b", "loras": [{"file": "style.safetensors", "multiplier": "0.5"}]}
    first = ground.trip(through(0, 1, **said)).plan
    (ground.folder / "style.safetensors").write_bytes(b"other weights")
    second = ground.trip(through(0, 1, **said)).plan
    assert first.loras["style"].digest.startswith("sha256:")
    assert first.loras["style"].digest != second.loras["style"].digest
    assert first.segments[0].key != second.segments[0].key


def test_a_lora_that_is_not_there_is_named(ground: Ground) -> None:
    loras = [{"file": "https://example.com/a.safetensors"}, {"file": "gone.safetensors"}]
    model = "wan2.2-vace-a14b"
    with pytest.raises(SpecError, match=r"^loras\[1\]\.file: cannot be read: No such file.*gone\.safetensors"):
        ground.trip(through(0, 1, model=model, loras=loras))
    own = through(0, 1, 2, model=model)
    own["keyframes"][1]["loras"] = loras
    with pytest.raises(SpecError, match=r"^keyframes\[1\]\.loras\[1\]\.file: cannot be read"):
        ground.trip(own)
    phases = [{"steps": 2, "expert": "high"}, {"steps": 2, "expert": "low", "loras": loras[1:]}]
    with pytest.raises(SpecError, match=r"^phases\[1\]\.loras\[0\]\.file: cannot be read"):
        ground.trip(through(0, 1, model=model, phases=phases))
