"""From photographs to a video, by the program as it is installed, read by another decoder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from wayframe.engines.base import Frame
from wayframe.media.images import fit_image, load_image

pytestmark = pytest.mark.xdist_group("photographs")  # the video is made once
PHOTOGRAPHS = ("astronaut.png", "coffee.png", "chelsea.png", "motorcycle_left.png", "motorcycle_right.png")
WIDTH, HEIGHT, FRAMES, FPS = 320, 240, 17, 24
TOTAL = 4 * FRAMES - 3
KEYFRAMES_AT = (0, 16, 32, 48, 64)


@dataclass(frozen=True, kw_only=True)
class Made:
    """The finished video, where it was made, and its frames as ffmpeg decodes them."""

    folder: Path
    video: Path
    frames: list[Frame]
    record: dict[str, Any]


def wayframe(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wayframe", *words]
    environment = {**os.environ, "WAYFRAME_HOME": str(folder / "home")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def strictly_decoded(video: Path) -> tuple[list[Frame], str]:
    """The frames, and what ffmpeg says when any error and any warning is told."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-xerror", "-err_detect", "explode", "-i", str(video)]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    pixels = np.frombuffer(done.stdout, np.uint8)
    return list(pixels.reshape(-1, HEIGHT, WIDTH, 3)), done.stderr.decode()


def psnr(left: Frame, right: Frame) -> float:
    """Peak signal-to-noise ratio in decibels."""
    error = float(np.mean((left.astype(float) - right.astype(float)) ** 2))
    return 10 * np.log10(255**2 / max(error, 1e-9))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("photographs")
    for name in PHOTOGRAPHS:
        (folder / name).write_bytes(files("skimage").joinpath("data", name).read_bytes())
    flags = ("--frames", str(FRAMES), "--fps", str(FPS), "--resolution", f"{WIDTH}x{HEIGHT}", "--out", "trip.mp4")
    done = wayframe(folder, "run", *PHOTOGRAPHS, *flags)
    assert done.returncode == 0, done.stderr
    frames, warnings = strictly_decoded(folder / "trip.mp4")
    assert warnings == ""
    record = json.loads(wayframe(folder, "show", "last", "--json").stdout)
    return Made(folder=folder, video=folder / "trip.mp4", frames=frames, record=record)


def test_the_video_has_the_planned_frames_rate_and_size(made: Made) -> None:
    assert len(made.frames) == made.record["outcome"]["frames"] == TOTAL
    probe = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(made.video)], capture_output=True, text=True, check=False
    ).stderr
    assert re.search(rf"Video: h264 .*yuv420p\(tv, bt709.*, {WIDTH}x{HEIGHT}.*, {FPS} fps", probe)
    seconds = re.search(r"Duration: 00:00:(\d\d\.\d\d)", probe)
    assert seconds is not None
    assert float(seconds.group(1)) == pytest.approx(TOTAL / FPS, abs=0.01)


def test_every_keyframe_is_seen_where_it_was_put(made: Made) -> None:
    assert [keyframe["at"] for keyframe in made.record["planned"]["keyframes"]] == list(KEYFRAMES_AT)
    for name, at in zip(PHOTOGRAPHS, KEYFRAMES_AT, strict=True):
        wanted = fit_image(load_image(made.folder / name), width=WIDTH, height=HEIGHT, fit="cover", matte="#000000")
        assert psnr(made.frames[at], wanted) > 30, name


def test_no_frame_stands_still_or_jumps_between_views_of_one_scene(made: Made) -> None:
    left, right = made.frames[48], made.frames[64]
    whole = float(np.abs(left.astype(int) - right).mean())
    steps = [
        float(np.abs(a.astype(int) - b).mean()) for a, b in zip(made.frames[48:64], made.frames[49:65], strict=True)
    ]
    assert min(steps[2:-2]) > 0.2
    assert max(steps) < 0.6 * whole


def test_between_two_views_of_one_scene_things_move_instead_of_being_doubled(made: Made) -> None:
    """A dissolve shows both views at half strength, which wipes out fine detail; a view between them has it all."""

    def detail(frame: Frame) -> float:
        return float(cv2.Laplacian(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std())

    left, middle, right = made.frames[48], made.frames[56], made.frames[64]
    dissolve = cv2.addWeighted(left, 0.5, right, 0.5, 0)
    real = (detail(left) + detail(right)) / 2
    assert detail(middle) / real > detail(dissolve) / real + 0.1


def test_a_second_run_finds_everything_and_makes_the_same_file(made: Made) -> None:
    flags = ("--frames", str(FRAMES), "--fps", str(FPS), "--resolution", f"{WIDTH}x{HEIGHT}", "--out", "again.mp4")
    done = wayframe(made.folder, "run", *PHOTOGRAPHS, *flags)
    assert "4 of 4 segments were rendered before" in " ".join(done.stdout.split())
    assert (made.folder / "again.mp4").read_bytes() == made.video.read_bytes()


def test_the_contact_sheet_is_a_picture_of_the_trip(made: Made) -> None:
    sheet = load_image(made.folder / "home" / "runs" / made.record["run_id"] / "contact-sheet.jpg")
    assert sheet.shape[1] == 1600
    assert sheet.std() > 20
