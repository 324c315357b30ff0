"""inspect."""

from __future__ import annotations

import shutil
from fractions import Fraction

import pytest
from PIL import Image

from cli.terminal import Terminal
from media.clips import write_foreign
from wayframe.media.encode import PROFILES, VideoWriter
from wayframe.media.index import decode, read_metadata
from wayframe.store.runs import RunFolder


@pytest.fixture
def ride(wayframe: Terminal) -> Terminal:
    """The program after a run of three keyframes at frames 0, 8 and 16; its video is also at ride.mp4."""
    words = ("--frames", "9", "--resolution", "64x48", "--engine", "preview", "--out", "ride.mp4", "-q")
    assert wayframe("run", "0.png", "1.png", "2.png", *words).code == 0
    return wayframe


def run_folder(wayframe: Terminal) -> RunFolder:
    (path,) = (wayframe.home / "runs").iterdir()
    return RunFolder(path=path)


def test_a_video_of_ours_tells_where_its_joins_and_keyframes_are(ride: Terminal):
    found = ride("inspect", "ride.mp4", "--json").json()
    assert (found["frames"], found["resolution"], found["fps"], found["note"]) == (17, "64x48", "16", "")
    assert found["keyframe_frames"] == [0, 8, 16]
    assert [(join["start"], join["overlap"]) for join in found["joins"]] == [(8, 1)]
    assert found["keyframes"] == []
    assert len(found["series"]["motion"]) == 17


def test_fidelity_is_measured_against_pictures_that_are_found_by_content(ride: Terminal):
    (ride.folder / "kept").mkdir()
    for number in range(3):
        shutil.copy(ride.folder / f"{number}.png", ride.folder / "kept" / f"other-name-{number}.png")
    found = ride("inspect", "ride.mp4", "--keyframes", "kept", "--json").json()
    assert [keyframe["at"] for keyframe in found["keyframes"]] == [0, 8, 16]
    assert all(keyframe["psnr"] > 30 for keyframe in found["keyframes"])


def test_the_metrics_are_printed_and_drawn(ride: Terminal):
    printed = ride("inspect", "ride.mp4", "--keyframes", ".")
    assert printed.code == 0
    for words in ("17 frames 64x48 at 16 fps, 1.06 s", "motion", "flicker", "frozen", "joins", "PSNR", "SSIM"):
        assert words in printed.out
    assert "not known" not in printed.out
    assert "plot ride-metrics.png" in printed.out
    with Image.open(ride.folder / "ride-metrics.png") as drawn:
        assert (drawn.format, drawn.width) == ("PNG", 1600)


def test_a_run_is_inspected_by_its_id_with_the_fidelity_of_its_record(ride: Terminal):
    run = run_folder(ride)
    recorded = run.read()["outcome"]["metrics"]
    found = ride("inspect", run.run_id, "--json").json()
    assert found["keyframes"] == recorded["keyframes"]
    assert [keyframe["at"] for keyframe in recorded["keyframes"]] == [0, 8, 16]
    assert {name: found[name] for name in recorded} == recorded
    assert "series" not in recorded
    printed = ride("inspect", str(run.path))
    assert f"plot {run.path / 'metrics.png'}" in printed.out
    assert (run.path / "metrics.png").exists()


def test_the_fidelity_of_a_record_is_not_told_of_another_video(ride: Terminal):
    run = run_folder(ride)
    write_foreign(run.video, 17)
    assert ride("inspect", "last", "--json").json()["keyframes"] == []


def test_json_draws_only_when_a_name_is_given(ride: Terminal):
    ride("inspect", "ride.mp4", "--json")
    assert not list(ride.folder.glob("*metrics.png"))
    found = ride("inspect", "ride.mp4", "--json", "--out", "there/plot.png").json()
    assert found["frames"] == 17
    assert (ride.folder / "there" / "plot.png").exists()


def test_any_video_is_measured_and_says_that_its_joins_are_not_known(wayframe: Terminal):
    write_foreign(wayframe.folder / "other.mp4", 9)
    printed = wayframe("inspect", "other.mp4")
    assert printed.code == 0
    assert "joins and keyframes are not known: other.mp4: carries no plan" in printed.out
    assert (wayframe.folder / "other-metrics.png").exists()
    line = wayframe.fails("inspect", "other.mp4", "--keyframes", ".")
    assert line.startswith("error: --keyframes: cannot be placed: other.mp4: carries no plan")


def test_one_frame_is_spoken_of_as_one(wayframe: Terminal):
    write_foreign(wayframe.folder / "one.mp4", 1)
    printed = wayframe("inspect", "one.mp4")
    assert printed.code == 0
    assert "\n1 frame " in printed.out


def test_a_plan_for_another_number_of_frames_is_not_believed(ride: Terminal):
    carried = read_metadata(ride.folder / "ride.mp4")
    video = ride.folder / "cut.mp4"
    with VideoWriter(
        video, width=64, height=48, fps=Fraction(16), cuts=(), profile=PROFILES["draft"], metadata=carried
    ) as writer:
        for picture in decode(ride.folder / "ride.mp4", stop=12):
            writer.write(picture)
    found = ride("inspect", "cut.mp4", "--json").json()
    assert found["note"] == "cut.mp4: has 12 frames, but the plan that it carries has 17"
    assert (found["joins"], found["keyframe_frames"]) == ([], [])


def test_what_cannot_be_inspected_is_one_line(ride: Terminal):
    assert ride.fails("inspect", "gone.mp4").startswith("error: gone.mp4: cannot read this video")
    assert "no run of id 'nothing'" in ride.fails("inspect", "nothing")
    assert ride.fails("inspect", "ride.mp4", "--out", "plot.jpg") == (
        "error: --out plot.jpg is no name for a PNG; let it end in .png"
    )
    (ride.folder / "plot.png").write_bytes(b"mine")
    assert "plot.png exists; use another name, or --force" in ride.fails("inspect", "ride.mp4", "--out", "plot.png")
    assert (ride.folder / "plot.png").read_bytes() == b"mine"
    assert ride("inspect", "ride.mp4", "--out", "plot.png", "--force").code == 0
    assert (ride.folder / "plot.png").read_bytes() != b"mine"
    (ride.folder / "empty").mkdir()
    assert "no picture in empty is keyframe 0, 1, 2" in ride.fails("inspect", "ride.mp4", "--keyframes", "empty")
    run_folder(ride).video.unlink()
    assert "is completed and has no video" in ride.fails("inspect", "last")
