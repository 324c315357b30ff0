"""A spec with `after`: the run makes a final file beside its video, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.trips import Data
from media.spandrel_alone import import_spandrel
from media.tones import write_tone
from wayframe.errors import MediaError, SpecError, StoreError
from wayframe.files import sha256_file
from wayframe.media.audio import has_audio
from wayframe.media.index import index, packet_digest
from wayframe.workflow.inspect import inspect_run
from wayframe.workflow.sources import trip_of_video
from workflow.rides import Ground, through

AFTER: Data = {"trim": {"start": 2}, "fps": 32, "audio": {"file": "music.wav", "fade_in": 0.1}}


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    made = Ground.at(tmp_path)
    write_tone(made.folder / "music.wav", seconds=1)
    return made


def test_a_run_makes_the_final_file_beside_its_video(ground: Ground, tmp_path: Path):
    plain = ground.run(through(0, 1, 2))
    result = ground.run(through(0, 1, 2, after=AFTER), out=tmp_path / "out.mp4")
    outcome = result.record["outcome"]
    assert outcome["digest"] == plain.record["outcome"]["digest"] == packet_digest(result.folder.video)
    final = result.folder.path / outcome["after"]["file"]
    assert sha256_file(final) == sha256_file(tmp_path / "out.mp4") == outcome["after"]["sha256"]
    assert (index(final).frames, index(final).fps, has_audio(final)) == (13, 32, True)
    assert outcome["frames"] == 9
    assert inspect_run(result.folder).metrics.frames == 9


def test_after_changes_no_key_of_a_segment(ground: Ground):
    plain, after = ground.trip(through(0, 1)).plan, ground.trip(through(0, 1, after=AFTER)).plan
    assert [segment.key for segment in plain.segments] == [segment.key for segment in after.segments]
    assert plain.after is None
    assert after.after is not None
    assert after.after.audio is not None
    assert after.after.audio.digest == sha256_file(ground.folder / "music.wav")


def test_a_file_that_is_not_there_is_told_when_the_trip_is_planned(ground: Ground):
    with pytest.raises(SpecError, match=r"after\.audio\.file: is not a file"):
        ground.trip(through(0, 1, after={"audio": {"file": "none.wav"}}))


@pytest.mark.parametrize("said", [{"fps": 32, "rife": "wrong.safetensors"}, {"upscale": {"file": "wrong.safetensors"}}])
def test_a_models_file_that_cannot_be_read_is_told_before_anything_is_rendered(ground: Ground, said: Data):
    pytest.importorskip("torch")
    import_spandrel()
    (ground.folder / "wrong.safetensors").write_bytes(b"no weights")
    with pytest.raises(MediaError, match=r"wrong\.safetensors: "):
        ground.run(through(0, 1, after=said))
    assert not list(ground.home.artifacts.rglob("*.mp4"))


def test_prores_goes_into_a_mov(ground: Ground, tmp_path: Path):
    spec = through(0, 1, after={"profile": "prores"})
    with pytest.raises(StoreError, match=r"let it end in \.mov"):
        ground.run(spec, out=tmp_path / "out.mp4")
    result = ground.run(spec)
    assert result.video.name == "final.mov"
    assert index(result.video).codec == "prores"


def test_the_final_file_can_be_run_again_and_finds_its_sound_by_content(ground: Ground, tmp_path: Path):
    first = ground.run(through(0, 1, after=AFTER))
    (ground.folder / "music.wav").rename(ground.folder / "other.wav")
    again = ground.run_trip(
        trip_of_video(first.video, keyframes=ground.folder, home=ground.home), out=tmp_path / "o.mp4"
    )
    assert sha256_file(again.video) == sha256_file(first.video)
    (ground.folder / "other.wav").unlink()
    said = r"after: needs the file with digest [0-9a-f]{12}.*put it beside the plan.*--keyframes.*a spec fetches"
    with pytest.raises(SpecError, match=said):
        ground.run_trip(trip_of_video(first.video, keyframes=ground.folder, home=ground.home))
