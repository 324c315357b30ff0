"""Small trips through small pictures, for everything that runs one: the workflow, the commands, the Python API."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

from PIL import Image

from contract.jobs import picture
from wayframe.core.events import RunEvent, RunFinished, SegmentPublished, TaskChanged
from wayframe.core.spec import parse_spec
from wayframe.store.artifacts import Artifact, ArtifactStore
from wayframe.store.home import Home, open_home
from wayframe.workflow.render import OnDifference
from wayframe.workflow.run import RunOptions, RunResult, run_trip
from wayframe.workflow.sources import SpecSource, trip_of_spec
from wayframe.workflow.trip import Trip

Data = dict[str, Any]
WIDTH, HEIGHT = 64, 48


LIGHTNING: Data = {
    "model": "wan2.2-vace-a14b",
    "flow_shift": 5.0,
    "sample_solver": "euler",
    "phases": [
        {"steps": 2, "guidance": 3.0, "expert": "high"},
        {"steps": 2, "guidance": 1.0, "expert": "high"},
        {"steps": 2, "guidance": 1.0, "expert": "low"},
    ],
    "loras": [
        {"file": "high_noise_model.safetensors", "multiplier": "0.75;1.0;0", "for": "high"},
        {"file": "low_noise_model.safetensors", "multiplier": "0;0;1.0", "for": "low"},
    ],
}
"""The preset `lightning_baseline_2_2_2`, with LoRAs that lie beside the pictures of a `Ground`."""


class Options(TypedDict, total=False):
    """As `RunOptions`."""

    out: Path
    force: bool
    listen: Callable[[RunEvent], None]
    cancelled: Callable[[], bool]
    on_difference: OnDifference
    library: Home


def lora(path: Path, *, weight: float = 0.0) -> Path:
    """A whole .safetensors file of one tensor that holds `weight`; another weight, another digest."""
    head = json.dumps({"weight": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + struct.pack("<d", weight))
    return path


def draw(folder: Path, count: int = 4, *, width: int = WIDTH, height: int = HEIGHT) -> list[Path]:
    """Pictures 0.png, 1.png... that differ; flow can follow none into the next."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index}.png" for index in range(count)]
    for index, path in enumerate(paths):
        Image.fromarray(picture(index, width=width, height=height)).save(path)
    return paths


def through(*names: int | str, prompts: tuple[str, ...] = (), **said: object) -> Data:
    """A spec through pictures by number, five null frames a segment unless told otherwise."""
    keyframes: list[Data] = [{"image": f"{name}.png"} for name in names]
    for keyframe, prompt in zip(keyframes, prompts, strict=False):
        keyframe["prompt"] = prompt
    defaults: Data = {"engine": "null", "segment_frames": 5, "resolution": f"{WIDTH}x{HEIGHT}"}
    return {"keyframes": keyframes, **defaults, **said}


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A folder with pictures and the LoRAs of `LIGHTNING`, and a home folder of its own."""

    folder: Path
    home: Home

    @staticmethod
    def at(folder: Path, *, count: int = 4) -> Ground:
        draw(folder / "pictures", count)
        for weight, name in enumerate(("high_noise_model", "low_noise_model")):
            lora(folder / "pictures" / f"{name}.safetensors", weight=float(weight))
        return Ground(folder=folder / "pictures", home=open_home(folder / "home"))

    def elsewhere(self, name: str) -> Ground:
        """The same pictures, another home."""
        return Ground(folder=self.folder, home=open_home(self.home.root.parent / name))

    def trip(self, data: Data, *, options: Mapping[str, str] | None = None) -> Trip:
        source = SpecSource(spec=parse_spec(data), base=self.folder)
        return trip_of_spec(source, home=self.home, options=options)

    def run(self, data: Data, **options: Unpack[Options]) -> RunResult:
        return self.run_trip(self.trip(data), **options)

    def run_trip(self, trip: Trip, **options: Unpack[Options]) -> RunResult:
        return run_trip(trip, home=self.home, options=RunOptions(**options))

    def artifact(self, key: str) -> Artifact:
        found = ArtifactStore(self.home).find(key)
        assert found is not None
        return found

    def spec_file(self, data: Data, *, name: str = "trip.json") -> Path:
        path = self.folder / name
        path.write_text(json.dumps(data))
        return path


class Watch:
    """Keeps the events of a run; `until` makes the run stop after an event."""

    def __init__(self, *, until: Callable[[RunEvent], bool] = lambda _event: False) -> None:
        self.events: list[RunEvent] = []
        self._until = until
        self.stop = False

    def listen(self, event: RunEvent) -> None:
        self.events.append(event)
        self.stop = self.stop or self._until(event)

    def cancelled(self) -> bool:
        return self.stop

    def published(self) -> list[int]:
        return [event.segment for event in self.events if isinstance(event, SegmentPublished)]

    def states(self, kind: str, segment: int | None = None) -> list[str]:
        return [
            event.state.value
            for event in self.events
            if isinstance(event, TaskChanged) and event.kind == kind and event.segment == segment
        ]

    def ending(self) -> RunFinished:
        assert isinstance(self.events[-1], RunFinished)
        return self.events[-1]


def lines(path: Path) -> list[Data]:
    """The JSON lines of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def leftovers(home: Home) -> list[str]:
    """Files and folders that only a work in progress may have: half files, and artifacts in the making."""
    found = []
    for folder, folders, files in os.walk(home.root):
        half = [name for name in files if ".part" in name]
        making = [name for name in folders if name.startswith((".making", ".damaged"))]
        found += [str(Path(folder, name).relative_to(home.root)) for name in half + making]
    return found
