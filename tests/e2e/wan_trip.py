"""A trip through three photographs with a tiny model of two experts, by the program as it is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg
import numpy as np
import yaml

from wayframe.engines.base import Frame

if TYPE_CHECKING:
    from engines.wan.tiny import TinyModels

Data = dict[str, Any]
MODEL, SIZE, FRAMES = "tiny-vace", 64, 17
PHOTOGRAPHS = ("dawn.jpg", "day.jpg", "dusk.jpg")
HIGH, LOW, WIDE = "high_noise.safetensors", "low_noise.safetensors", "wide.safetensors"
FAST = ("--option", "text_length=64", "--option", "device=cpu")
THREE_PHASES: Data = {
    "phases": [
        {"steps": 2, "guidance": 3, "expert": "high"},
        {"steps": 2, "guidance": 1, "expert": "high"},
        {"steps": 2, "guidance": 1, "expert": "low"},
    ],
    "loras": [
        {"file": HIGH, "multiplier": "0.75;1.0;0", "for": "high"},
        {"file": LOW, "multiplier": "0;0;1.0", "for": "low"},
    ],
}
TWO_PHASES: Data = {
    "phases": [{"steps": 3, "guidance": 3, "expert": "high"}, {"steps": 3, "guidance": 1, "expert": "low"}],
    "loras": [
        {"file": HIGH, "multiplier": "1.0;0", "for": "high"},
        {"file": LOW, "multiplier": "0;1.0", "for": "low"},
    ],
}


def spec(**said: object) -> Data:
    """The trip: two segments of 17 frames with a prompt each."""
    prompts = ("mist lifts over the lake", "the sun goes down")
    keyframes: list[Data] = [{"image": name} for name in PHOTOGRAPHS]
    for keyframe, prompt in zip(keyframes, prompts, strict=False):
        keyframe["prompt"] = prompt
    size = {"segment_frames": FRAMES, "resolution": f"{SIZE}x{SIZE}"}
    settings = {"seed": 789, "negative_prompt": "blurry", "flow_shift": 5, "sample_solver": "euler"}
    return {"model": MODEL, "keyframes": keyframes, **size, **settings, **said}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder with the photographs and LoRAs, and a home folder whose catalogue has the tiny model."""

    folder: Path
    home: Path

    @staticmethod
    def at(folder: Path, *, tiny: TinyModels) -> Place:
        """A new place; the third LoRA is the low one and a module more, which the model does not have."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in PHOTOGRAPHS:
            (folder / name).write_bytes(resources.files("wayframe.demo").joinpath(name).read_bytes())
        made, files = import_module("engines.wan.runs"), import_module("safetensors.torch")
        for seed, name in enumerate((HIGH, LOW)):
            made.write_lora(folder / name, model=made.transformer(tiny, "vace"), seed=seed)
        tensors = files.load_file(folder / LOW)
        more = {
            key.replace("blocks.0.", "blocks.9."): tensor.clone()
            for key, tensor in tensors.items()
            if ".0.attn1.to_q" in key
        }
        files.save_file(tensors | more, folder / WIDE)
        tiny.home(folder / "home", "vace")
        return Place(folder=folder, home=folder / "home")

    def elsewhere(self, name: str, *, tiny: TinyModels) -> Place:
        """The same photographs and LoRAs, another home."""
        home = self.folder / name
        tiny.home(home, "vace")
        return Place(folder=self.folder, home=home)

    def write(self, data: Data, *, name: str = "trip.yaml") -> Path:
        """Write a spec into the folder."""
        path = self.folder / name
        path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        return path

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What the program runs in: its home, and one thread for each of its libraries."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")
        return {**os.environ, **threads, "WAYFRAME_HOME": str(self.home), "COLUMNS": "160", **(more or {})}

    def wayframe(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the program to its end."""
        command = [sys.executable, "-m", "wayframe", *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False
        )

    def run(self, data: Data, *, name: str) -> Data:
        """Run a spec with the engine `wan`, write NAME.mp4, and give the record."""
        path = self.write(data, name=f"{name}.yaml")
        done = self.wayframe("run", path.name, "--engine", "wan", *FAST, "--out", f"{name}.mp4")
        assert done.returncode == 0, done.stderr
        return self.record()

    def record(self, run: Path | None = None) -> Data:
        """The record of a run, else of the newest."""
        last = run or max((self.home / "runs").glob("*/run.json")).parent
        data: Data = json.loads((last / "run.json").read_text())
        return data


def decoded(video: Path) -> list[Frame]:
    """The frames as ffmpeg decodes them, when any error and any warning counts."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-xerror", "-err_detect", "explode", "-i", str(video)]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return list(np.frombuffer(done.stdout, np.uint8).reshape(-1, SIZE, SIZE, 3))
