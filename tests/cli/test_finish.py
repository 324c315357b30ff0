"""finish."""

from __future__ import annotations

import json
from importlib import import_module

import pytest

from cli.terminal import Terminal
from media.spandrel_alone import import_spandrel
from media.tones import write_tone
from wayframe.files import sha256_file
from wayframe.media.audio import has_audio
from wayframe.media.index import index, packet_digest, read_metadata


@pytest.fixture
def ride(wayframe: Terminal) -> Terminal:
    """The program after a run of 17 frames of 64x48; its video is also at ride.mp4."""
    words = ("--frames", "9", "--resolution", "64x48", "--engine", "preview", "--out", "ride.mp4", "-q")
    assert wayframe("run", "0.png", "1.png", "2.png", *words).code == 0
    return wayframe


def test_a_run_gets_a_final_file_that_still_carries_its_plan(ride: Terminal):
    write_tone(ride.folder / "music.wav", seconds=2)
    words = ("--upscale", "2", "--fps", "32", "--audio", "music.wav", "--trim", "4:16", "--profile", "av1")
    done = ride("finish", "last", *words, "--out", "x.mp4")
    assert done.code == 0
    assert done.out == "x.mp4: 23 frames 128x96 at 32 fps (trim, upscale, fps, encode, audio)\n"
    final = ride.folder / "x.mp4"
    assert (index(final).frames, index(final).width, has_audio(final)) == (23, 128, True)
    carried, was = read_metadata(final), read_metadata(ride.folder / "ride.mp4")
    assert carried["wayframe"] == was["wayframe"]
    assert json.loads(carried["wayframe-after"])["trim"] == {"start": 4, "end": 16}


def test_the_record_of_a_run_tells_of_each_file_once(ride: Terminal):
    words = ("finish", "last", "--upscale", "2")
    first = ride(*words, "--out", "x.mp4", "--json").json()
    ride(*words, "--fps", "32", "--out", "y.mp4")
    again = ride(*words, "--trim", "4:", "--out", "x.mp4", "--force", "--json").json()
    outcome = ride("show", "last", "--json").json()["outcome"]
    assert [made["file"] for made in outcome["finished"]] == ["y.mp4", "x.mp4"]
    assert outcome["finished"][1] == again != first
    assert "after" not in outcome
    assert ride("finish", "ride.mp4", "--upscale", "2", "--out", "z.mp4").code == 0
    assert len(ride("show", "last", "--json").json()["outcome"]["finished"]) == 2


def test_the_video_of_a_run_stays_as_it_was(ride: Terminal):
    before = packet_digest(ride.folder / "ride.mp4")
    assert ride("finish", "ride.mp4", "--trim", "0.25s:", "--out", "x.mp4").code == 0
    assert packet_digest(ride.folder / "ride.mp4") == before
    assert index(ride.folder / "x.mp4").frames == 13


def test_a_second_time_the_steps_are_found(ride: Terminal):
    words = ("finish", "ride.mp4", "--upscale", "1.5", "--out", "x.mp4", "--json")
    first, again = ride(*words).json(), ride(*words, "--force").json()
    assert [step["reused"] for step in first["steps"]] == [False, False]
    assert [step["reused"] for step in again["steps"]] == [True, True]
    assert again["digest"] == first["digest"]


def test_a_plan_a_run_and_its_record_tell_of_the_final_file(ride: Terminal):
    write_tone(ride.folder / "music.wav", seconds=2)
    guide = {"video": "ride.mp4", "kind": "flow", "at": 3, "until": 9, "strength": 0.5}
    after = {"trim": {"start": 2}, "upscale": {"factor": 2}, "fps": 32, "audio": {"file": "music.wav"}}
    spec = {"keyframes": [{"image": f"{at}.png"} for at in range(3)], "segment_frames": 9, "resolution": "64x48"}
    (ride.folder / "trip.json").write_text(json.dumps({**spec, "after": after, "guides": [guide]}))
    plan = ride("plan", "trip.json").out
    assert "guide 0: flow on frames 3 to 8, strength 0.5\n" in plan
    assert "final.mp4: frames 2 to 16, enlarged 2 times by Lanczos, 32 fps by optical flow, with sound\n" in plan
    made = "29 frames 128x96 at 32 fps (trim, upscale, fps, encode, audio)"
    assert f"final file: {made}\n17 frames 64x48 at 16 fps" in ride("run", "trip.json").out
    assert f"final.mp4: {made}\n" in ride("show", "last").out


def test_a_rife_file_makes_the_frames_between(ride: Terminal):
    write = pytest.importorskip("media.tiny_rife").write_published
    write(ride.folder / "flownet.pkl", "4.6")
    done = ride("finish", "ride.mp4", "--fps", "60", "--rife", "flownet.pkl", "--out", "x.mp4")
    assert done.out == "x.mp4: 61 frames 64x48 at 60 fps (fps, encode)\n"
    (ride.folder / "wrong.pkl").write_bytes(b"no weights")
    wrong = ride("finish", "ride.mp4", "--fps", "60", "--rife", "wrong.pkl", "--out", "y.mp4")
    assert (wrong.code, wrong.err.count("\n")) == (1, 1)
    assert "wrong.pkl: holds no tensors" in wrong.err
    assert not (ride.folder / "y.mp4").exists()


def test_a_models_file_enlarges(ride: Terminal):
    import_spandrel()
    torch, safetensors = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    compact = import_module("spandrel.architectures.Compact.__arch.SRVGG").SRVGGNetCompact
    torch.manual_seed(1)
    safetensors.save_file(compact(num_feat=8, num_conv=2, upscale=2).state_dict(), ride.folder / "x2.safetensors")
    words = ("finish", "ride.mp4", "--upscale", "2", "--out", "x.mp4", "--json", "--force")
    first, by_lanczos = ride(*words, "--upscale-model", "x2.safetensors").json(), ride(*words).json()
    assert first["steps"][0]["model"] == sha256_file(ride.folder / "x2.safetensors")
    assert (first["resolution"], first["frames"]) == ("128x96", 17)
    assert first["digest"] != by_lanczos["digest"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--out", "ride.mp4"), "--out ride.mp4 exists"),
        (("--out", "ride.mp4", "--force"), "--out ride.mp4 is what the final file is made of"),
        (("--out", "x.mov"), "let it end in .mp4"),
        (("--out", "x.mp4", "--profile", "prores"), "let it end in .mov"),
        (("--out", "x.mp4", "--trim", "10"), "--trim: expected FROM:TO"),
        (("--out", "x.mp4", "--trim", "10:99"), "after.trim: is not in the video of 17 frames"),
        (("--out", "x.mp4", "--audio", "none.wav"), "after.audio.file: is not a file"),
        (("--out", "x.mp4", "--gain", "3"), "after.audio.file"),
        (("--out", "x.mp4", "--upscale-model", "0.png"), "only .safetensors is read"),
        (("--out", "x.mp4", "--fps", "32", "--rife", "0.png"), "after.rife: expected a file that ends in .safetensors"),
        (("--out", "x.mp4", "--rife", "flownet.pkl"), "after.rife: makes the frames between two"),
        (("--out", "x.mp4", "--fps", "32", "--rife", "flownet.pkl"), "after.rife: is not a file"),
    ],
)
def test_what_cannot_be_done_is_one_line(ride: Terminal, words: tuple[str, ...], problem: str):
    done = ride("finish", "ride.mp4", *words)
    assert done.code == 1
    assert problem in done.err
    assert done.err.count("\n") == 1
    assert not (ride.folder / "x.mp4").exists()
