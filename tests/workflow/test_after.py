"""The final file: each step an artifact, frames streamed, and what the video carries kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.clips import HEIGHT, WIDTH, moving, write_foreign, write_video
from media.tones import heard, loudness, write_tone
from wayframe.core.after import After, Sound, Trim, Upscale
from wayframe.errors import CancelledError
from wayframe.files import sha256_file
from wayframe.media.audio import has_audio
from wayframe.media.index import decode, index, packet_digest, read_metadata
from wayframe.media.profiles import FINAL_CODECS, MASTER
from wayframe.store.artifacts import ArtifactStore
from wayframe.store.home import open_home
from wayframe.workflow.after import AfterWork

FRAMES = 25


class Desk:
    """A folder with a video of 25 frames and a tone, and a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = ArtifactStore(open_home(folder / "home"))
        self.video = write_video(folder / "v.mp4", moving(FRAMES)).path
        self.tone = write_tone(folder / "tone.wav", seconds=5)

    def make(self, name: str = "out.mp4", *, video: Path | None = None, **said: object) -> dict[str, Any]:
        return self.work(**said).make(video or self.video, target=self.folder / name, metadata={"wayframe": "plan"})

    def work(self, **said: object) -> AfterWork:
        return AfterWork(after=After(**said), store=self.store, profile="h264", files={"tone": self.tone})

    def frames(self, name: str = "out.mp4") -> list[Any]:
        return list(decode(self.folder / name))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def steps(told: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(step["step"], step["reused"]) for step in told["steps"] if "reused" in step]


def test_nothing_but_a_sound_copies_the_packets(desk: Desk):
    told = desk.make(audio=Sound(digest="tone", gain=-3))
    assert told["digest"] == packet_digest(desk.video) == packet_digest(desk.folder / "out.mp4")
    assert steps(told) == [("audio", False)]
    assert read_metadata(desk.folder / "out.mp4") == {"wayframe": "plan"}
    assert len(heard(desk.folder / "out.mp4")) / 48_000 == pytest.approx(FRAMES / 16, abs=0.03)


def test_all_steps_come_in_their_order_and_each_is_found_again(desk: Desk):
    said: dict[str, Any] = {
        "trim": Trim(start=4, end=20),
        "upscale": Upscale(factor=2),
        "fps": 32,
        "audio": Sound(digest="tone"),
    }
    first, again = desk.make(**said), desk.make(**said)
    assert steps(first) == [("upscale", False), ("fps", False), ("encode", False), ("audio", False)]
    assert {reused for _, reused in steps(again)} == {True}
    assert {name: first[name] for name in ("frames", "fps", "resolution", "digest", "sha256")} == {
        name: again[name] for name in ("frames", "fps", "resolution", "digest", "sha256")
    }
    assert (first["frames"], first["resolution"], first["fps"]) == (31, f"{WIDTH * 2}x{HEIGHT * 2}", "32")
    other = desk.make(**said, profile="draft")
    assert steps(other) == [("upscale", True), ("fps", True), ("encode", False), ("audio", True)]


def test_a_trim_keeps_exactly_these_frames(desk: Desk):
    told = desk.make(trim=Trim(start=5, end=12))
    whole = list(decode(desk.video))
    assert told["frames"] == len(desk.frames()) == 7
    for at, kept in enumerate(desk.frames(), 5):
        off = [np.abs(kept.astype(int) - whole[at + by]).mean() for by in (-1, 0, 1)]
        assert off.index(min(off)) == 1


def test_what_stands_between_two_steps_is_lossless(desk: Desk):
    told = desk.make(upscale=Upscale(factor=2))
    key = next(step["key"] for step in told["steps"] if step["step"] == "upscale")
    artifact = desk.store.find(key)
    assert artifact is not None
    assert told["steps"][0]["profile"] == MASTER.name
    assert artifact.facts["frames"] == FRAMES
    master, final = list(decode(artifact.video)), desk.frames()
    assert 0 < np.abs(master[8].astype(int) - final[8]).mean() < 3


@pytest.mark.parametrize(("profile", "codec", "suffix"), [("av1", "av1", ".mp4"), ("prores", "prores", ".mov")])
def test_other_codecs_are_for_the_final_file(desk: Desk, profile: str, codec: str, suffix: str):
    name = f"out{suffix}"
    told = desk.make(name, profile=profile, audio=Sound(digest="tone"))
    assert codec in index(desk.folder / name).codec or index(desk.folder / name).codec == "libdav1d"
    assert (told["profile"], told["frames"]) == (profile, FRAMES)
    for made, was in zip(desk.frames(name), decode(desk.video), strict=True):
        assert np.abs(made.astype(int) - was).mean() < 6
    assert read_metadata(desk.folder / name)["wayframe"] == "plan"
    assert loudness(heard(desk.folder / name)[4000:60_000]) > 0.2


@pytest.mark.parametrize("profile", FINAL_CODECS)
def test_the_same_frames_give_the_same_packets(desk: Desk, profile: str):
    suffix = After(profile=profile).suffix
    first = desk.make(f"a{suffix}", profile=profile)
    elsewhere = replace(desk.work(profile=profile), store=ArtifactStore(open_home(desk.folder / "other")))
    second = elsewhere.make(desk.video, target=desk.folder / f"b{suffix}", metadata={"wayframe": "plan"})
    assert first["digest"] == second["digest"]
    assert first["sha256"] == second["sha256"] == sha256_file(desk.folder / f"b{suffix}")


def test_a_videos_own_sound_is_kept_and_cut_with_it(desk: Desk):
    desk.make("loud.mp4", audio=Sound(digest="tone", fade_in=1.5))
    told = desk.make("cut.mp4", video=desk.folder / "loud.mp4", trim=Trim(start=16, end=24))
    assert [step["own"] for step in told["steps"] if step["step"] == "audio"] == [True]
    whole, cut = heard(desk.folder / "loud.mp4"), heard(desk.folder / "cut.mp4")
    assert len(cut) / 48_000 == pytest.approx(0.5, abs=0.03)
    assert loudness(cut[2000:8000]) == pytest.approx(loudness(whole[50_000:56_000]), rel=0.1)
    assert loudness(cut[2000:8000]) > 2 * loudness(whole[2000:8000])


def test_a_video_of_another_codec_is_encoded_into_ours(desk: Desk):
    foreign = write_foreign(desk.folder / "foreign.mp4", 9)
    told = desk.make(video=foreign)
    assert steps(told) == [("encode", False)]
    assert index(desk.folder / "out.mp4").codec == "h264"
    assert not has_audio(desk.folder / "out.mp4")


def test_work_that_is_stopped_leaves_no_file(desk: Desk):
    stopped = replace(desk.work(upscale=Upscale(factor=2)), cancelled=lambda: True)
    with pytest.raises(CancelledError):
        stopped.make(desk.video, target=desk.folder / "out.mp4", metadata={})
    assert not (desk.folder / "out.mp4").exists()


def test_frames_between_are_made_by_a_rife_file_that_the_record_and_the_key_name(desk: Desk):
    rife = pytest.importorskip("media.tiny_rife").write_published(desk.folder / "flownet.pkl", "4.25")
    digest = sha256_file(rife)
    work = AfterWork(after=After(fps=24, rife=digest), store=desk.store, profile="h264", files={digest: rife})
    first = work.make(desk.video, target=desk.folder / "a.mp4", metadata={})
    again = work.make(desk.video, target=desk.folder / "b.mp4", metadata={})
    by_flow = desk.make(fps=24)
    assert (first["frames"], first["fps"]) == (37, "24")
    assert first["steps"][0]["model"] == digest
    assert first["steps"][0]["key"] != by_flow["steps"][0]["key"]
    assert first["digest"] == again["digest"] != by_flow["digest"]
    assert [step["reused"] for step in again["steps"]] == [True, True]
    key = first["steps"][0]["key"]
    found = desk.store.find(key)
    assert found is not None
    assert index(found.video).fps == 24
    master, whole = list(decode(found.video)), list(decode(desk.video))
    for new, old in ((0, 0), (3, 2), (36, 24)):
        off = [np.abs(master[new].astype(int) - frame).mean() for frame in whole]
        assert off.index(min(off)) == old


def test_what_is_told_is_plain_data(desk: Desk):
    told = desk.make(trim=Trim(start=1, end=9), fps="24000/1001", audio=Sound(digest="tone"))
    assert json.loads(json.dumps(told)) == told
