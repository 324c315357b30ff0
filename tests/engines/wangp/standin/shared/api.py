"""Stands in for WanGP's `shared/api.py`: the same classes, events and results, and frames that follow from settings.

It keeps what a caller can rely on: settings that it fills up with defaults of its own, sides and lengths rounded down
to the model's grids, one job at a time, errors in the result and not raised, the settings of each file in the session's
gallery. Faults are planted by the environment variable STANDIN_FAULT, by name; STANDIN_TRACE names a file that gets
every settings that was submitted, one JSON line each.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIZE_STEP, FRAME_STEP = 16, 4
DEFAULTS = {
    "num_inference_steps": 30,
    "guidance_scale": 5.0,
    "flow_shift": 7.0,
    "skip_steps_cache_type": "tea",
    "film_grain_intensity": 0.3,
    "RIFLEx_setting": 0,
    "repeat_generation": 1,
    "settings_version": 2.48,
}
WRONG = {
    "seed": {"seed": 5},
    "guidance": {"guidance_scale": 9.0},
    "steps": {"num_inference_steps": 4},
    "cache": {"skip_steps_cache_type": "tea"},
    "multipliers": {"loras_multipliers": "0.75,0"},
    "forgets": {"flow_shift": None, "num_inference_steps": None},
}
"""What a fault `wrong-NAME` runs with instead of what it was sent."""


@dataclass(frozen=True)
class ProgressUpdate:
    phase: str
    status: str
    progress: int
    current_step: int | None
    total_steps: int | None
    raw_phase: str | None = None
    unit: str | None = None


@dataclass(frozen=True)
class SessionEvent:
    kind: str
    data: Any = None
    timestamp: float = field(default_factory=time.time)


@dataclass(frozen=True)
class GeneratedArtifact:
    path: str | None
    media_type: str
    client_id: str = ""
    video_tensor_uint8: Any = None
    fps: float | None = None


@dataclass(frozen=True)
class GenerationError:
    message: str
    task_index: int | None = None
    task_id: Any = None
    stage: str | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class GenerationResult:
    success: bool
    generated_files: list[str]
    errors: list[GenerationError]
    total_tasks: int
    successful_tasks: int
    failed_tasks: int
    artifacts: tuple[GeneratedArtifact, ...] = ()


class SessionStream:
    def __init__(self) -> None:
        self._queue: queue.Queue[SessionEvent | None] = queue.Queue()

    def put(self, kind: str, data: Any = None) -> None:
        self._queue.put(SessionEvent(kind=kind, data=data))

    def close(self) -> None:
        self._queue.put(None)

    def iter(self, timeout: float | None = None) -> Iterator[SessionEvent]:
        while True:
            try:
                event = self._queue.get(timeout=timeout)
            except queue.Empty:
                continue
            if event is None:
                return
            yield event


class SessionJob:
    def __init__(self) -> None:
        self.events = SessionStream()
        self._cancel_requested = threading.Event()
        self._done = threading.Event()
        self._result: GenerationResult | None = None

    def cancel(self) -> None:
        self._cancel_requested.set()

    @property
    def cancel_requested(self) -> bool:
        return self._cancel_requested.is_set()

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def end(self, result: GenerationResult) -> None:
        self._result = result
        self._done.set()
        self.events.put("completed", result)
        self.events.close()

    def result(self, timeout: float | None = None) -> GenerationResult:
        self._done.wait(timeout)
        assert self._result is not None
        return self._result


class WanGPSession:
    def __init__(self, output_dir: str | os.PathLike[str], cli_args: tuple[str, ...]) -> None:
        self._outputs = Path(output_dir)
        self._state: dict[str, Any] = {"gen": {"file_list": [], "file_settings_list": []}}
        self._active: SessionJob | None = None
        print(f"WanGP stand-in with {list(cli_args)}")

    def get_model_def(self, model_type: str) -> dict[str, Any] | None:
        brought = {"loras": ["/models/extra.safetensors"], "loras_multipliers": ["0.5"]}
        return {"name": model_type, **(brought if fault() == "brings-lora" else {})}

    def submit_task(self, settings: dict[str, Any], callbacks: object | None = None) -> SessionJob:
        if self._active is not None and not self._active.done:
            raise RuntimeError("WanGP session already has a generation in progress")
        if trace := os.environ.get("STANDIN_TRACE"):
            with Path(trace).open("a") as stream:
                stream.write(json.dumps(settings) + "\n")
        self._active = job = SessionJob()
        threading.Thread(target=self._run, args=(job, dict(settings)), daemon=True).start()
        return job

    def _run(self, job: SessionJob, settings: dict[str, Any]) -> None:
        returned = settings.pop("_api", {}).get("return_media", False)
        job.events.put("started", {"tasks": 1})
        job.events.put("status", "Loading model")
        ran_with = {**DEFAULTS, **settings, **WRONG.get(fault().removeprefix("wrong-"), {})}
        ran_with = {name: value for name, value in ran_with.items() if value is not None}
        if fault() == "fails":
            return job.end(failed("CUDA out of memory, token=hf_abcdefghijklmnop", stage="generation"))
        if not self._denoised(job, steps=ran_with.get("num_inference_steps", 1)):
            return job.end(failed("Generation was cancelled", stage="cancelled"))
        path = self._saved(ran_with)
        tensor = frames(ran_with) if returned and fault() != "no-media" else None
        made = (GeneratedArtifact(path=str(path), media_type="video", video_tensor_uint8=tensor),)
        job.end(GenerationResult(True, [str(path)], [], 1, 1, 0, artifacts=made))
        return None

    def _denoised(self, job: SessionJob, *, steps: int) -> bool:
        for step in range(steps):
            if fault() == "crash" and step == 1:
                print("Traceback: something went wrong in a kernel", file=sys.stderr, flush=True)
                os._exit(3)
            job.events.put("progress", ProgressUpdate("inference", "Denoising", 50, step + 1, steps))
            while fault() in ("hangs", "deaf", "slow") and not (job.cancel_requested and fault() != "deaf"):
                time.sleep(0.01)
            if job.cancel_requested:
                return False
        return True

    def _saved(self, ran_with: dict[str, Any]) -> Path:
        self._outputs.mkdir(parents=True, exist_ok=True)
        path = self._outputs / f"video_{len(self._state['gen']['file_list'])}.mp4"
        path.write_bytes(b"lossy")
        gen = self._state["gen"]
        gen["file_list"].append(str(path))
        gen["file_settings_list"].append(None if fault() == "no-settings" else ran_with)
        return path


def init(
    *,
    root: str | os.PathLike[str] | None = None,
    config_path: str | os.PathLike[str] | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    callbacks: object | None = None,
    cli_args: tuple[str, ...] = (),
    console_output: bool = True,
    console_isatty: bool = True,
    webui_state: dict[str, Any] | None = None,
) -> WanGPSession:
    if fault() == "no-start":
        raise RuntimeError("no GPU was found")
    return WanGPSession(output_dir or "outputs", tuple(cli_args))


def fault() -> str:
    return os.environ.get("STANDIN_FAULT", "")


def failed(message: str, *, stage: str) -> GenerationResult:
    return GenerationResult(False, [], [GenerationError(message, 1, 1, stage)], 1, 0, 1)


def frames(settings: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Colours, frames, rows, columns: of each known picture half, and a tint by the settings; none is shown as is."""
    width, height = (int(side) // SIZE_STEP * SIZE_STEP for side in settings["resolution"].split("x"))
    count = (settings["video_length"] - 1) // FRAME_STEP * FRAME_STEP + 1
    if fault() == "short":
        count -= FRAME_STEP
    known = {**guided(settings), **pictures(settings, last=count - 1)} or {0: np.zeros((height, width, 3), np.uint8)}
    tint = seeded(settings)
    made = [nearest(known, at).astype(np.int16) // 2 + tint + at for at in range(count)]
    shaped = np.stack(made).clip(0, 255).astype(np.uint8)[:, :height, :width]
    return np.asarray(shaped.transpose(3, 0, 1, 2))


def nearest(known: dict[int, Any], at: int) -> Any:
    return known[min(known, key=lambda index: abs(index - at))]


def pictures(settings: dict[str, Any], *, last: int) -> dict[int, Any]:
    flags = {"S": ("image_start", 0), "E": ("image_end", last)}
    used = [flags[flag] for flag in settings.get("image_prompt_type", "") if flag in flags]
    return {at: cv2.imread(settings[name])[:, :, ::-1] for name, at in used}


def guided(settings: dict[str, Any]) -> dict[int, Any]:
    """The frames of the guide video that the mask keeps (black)."""
    if "A" not in settings.get("video_prompt_type", ""):
        return {}
    pairs = zip(decoded(settings["video_guide"]), decoded(settings["video_mask"]), strict=True)
    return {at: picture for at, (picture, mask) in enumerate(pairs) if mask.max() < 128}


def decoded(path: str) -> Iterator[Any]:
    video = cv2.VideoCapture(path)
    while True:
        is_there, frame = video.read()
        if not is_there:
            return
        yield frame[:, :, ::-1]


def seeded(settings: dict[str, Any]) -> int:
    """A tint that follows from all that decides the picture beside the pictures and the names of files."""
    files = ("image_start", "image_end", "video_guide", "video_mask", "activated_loras", "client_id")
    words = {name: value for name, value in settings.items() if name not in files}
    return 20 + hashlib.sha256(json.dumps(words, sort_keys=True).encode()).digest()[0] % 60
