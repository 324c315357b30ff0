"""Runs in the Python of a WanGP installation, and imports nothing of ours: commands in, events out, as JSON lines.

Commands (stdin): ``{"do": "start", "root", "config", "outputs", "arguments"}`` once; ``{"do": "render", "id",
"settings", "frames"}``, ``{"do": "cancel", "id"}``; the end of stdin ends the process. Events (stdout): ``ready``
(device, versions), ``progress`` (id, phase, status, step, steps), ``said`` (id, text), ``done`` (id, shape, settings,
definition) and ``failed`` (id, message). What WanGP prints goes to stderr. The API is that of WanGP's docs/API.md; the
settings that a file was made with are read from the session's list of files, where WanGP keeps them for its gallery.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
from typing import Any, TextIO

Json = dict[str, Any]
BROUGHT = ("loras", "loras_multipliers")
"""What a model's definition may bring along unasked."""
LAYOUT = (1, 2, 3, 0)
"""WanGP's tensors are colours, frames, rows, columns."""


class Desk:
    """The pipes to us, and the job that is running."""

    def __init__(self) -> None:
        self._commands = os.fdopen(os.dup(0), encoding="utf-8")
        self._events: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._job: Any = None
        self._cancelled: set[int] = set()
        self.work: queue.Queue[Json] = queue.Queue()

    def listen(self) -> None:
        """Take commands until stdin ends, and end the process then: nobody is left to work for."""
        for line in self._commands:
            command = json.loads(line)
            if command["do"] == "cancel":
                self._cancel(command["id"])
            else:
                self.work.put(command)
        os._exit(0)

    def tell(self, event: str, **said: object) -> None:
        """Send an event."""
        self._events.write(json.dumps({"event": event, **said}, default=str) + "\n")
        self._events.flush()

    def hold(self, job: Any, *, number: int) -> None:
        """Remember the running job; it is cancelled at once when that was asked for already."""
        with self._lock:
            self._job = job
            if number in self._cancelled:
                job.cancel()

    def _cancel(self, number: int) -> None:
        with self._lock:
            self._cancelled.add(number)
            if self._job is not None:
                self._job.cancel()


def main() -> None:
    """Start WanGP, then render what is asked for; an error that nobody expected ends the process with its traceback."""
    desk = Desk()
    threading.Thread(target=desk.listen, daemon=True).start()
    session = start(desk.work.get())
    desk.tell("ready", **made_with())
    while True:
        render(desk, session, desk.work.get())


def start(command: Json) -> Any:
    """WanGP's session."""
    sys.path.insert(0, command["root"])
    api = importlib.import_module("shared.api")
    return api.init(
        root=command["root"],
        config_path=command["config"],
        output_dir=command["outputs"],
        cli_args=command["arguments"],
        console_output=True,
        console_isatty=False,
    )


def made_with() -> Json:
    """The device and the versions that WanGP runs on, as far as it has loaded PyTorch."""
    versions = {"WanGP's Python": sys.version.split()[0]}
    torch = sys.modules.get("torch")
    if torch is None:
        return {"device": "not known", "versions": versions}
    device = f"cuda {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "cpu"
    return {"device": device, "versions": {**versions, "WanGP's torch": torch.__version__}}


def render(desk: Desk, session: Any, command: Json) -> None:
    """Make one segment: its frames go to a file of raw RGB bytes, frame after frame."""
    number = command["id"]
    job = session.submit_task({**command["settings"], "_api": {"return_media": True}})
    desk.hold(job, number=number)
    for event in job.events.iter(timeout=0.2):
        pass_on(desk, event, number=number)
    result = job.result()
    if not result.success:
        desk.tell("failed", id=number, message="; ".join(map(str, result.errors)))
        return
    desk.tell(
        "done",
        id=number,
        shape=write_frames(result, command["frames"]),
        settings=settings_of(session, result=result),
        definition=brought_by(session, command["settings"]["model_type"]),
    )


def pass_on(desk: Desk, event: Any, *, number: int) -> None:
    """Tell what an event of WanGP's says; the lines that it prints come to us by themselves."""
    said = event.data
    if event.kind == "progress":
        step, steps = said.current_step, said.total_steps
        desk.tell("progress", id=number, phase=said.phase, status=said.status, step=step, steps=steps)
    elif event.kind in ("status", "info"):
        desk.tell("said", id=number, text=str(said))


def write_frames(result: Any, path: str) -> list[int] | None:
    """Write the frames as they left the decoder; gives frames, height, width and channels, None when there are none."""
    import numpy as np

    tensors = [made.video_tensor_uint8 for made in result.artifacts if made.video_tensor_uint8 is not None]
    if not tensors:
        return None
    tensor = tensors[0].cpu() if hasattr(tensors[0], "cpu") else tensors[0]
    frames = np.asarray(tensor)
    if frames.ndim != len(LAYOUT) or frames.dtype != np.uint8:
        return list(frames.shape)
    frames = np.ascontiguousarray(frames.transpose(LAYOUT))
    frames.tofile(path)
    return list(frames.shape)


def settings_of(session: Any, *, result: Any) -> Json | None:
    """The settings that WanGP noted for the file that it made; None where it noted none."""
    gen = session._state["gen"]
    noted = dict(zip(map(os.path.realpath, gen["file_list"]), gen["file_settings_list"], strict=False))
    made = [noted.get(os.path.realpath(path)) for path in result.generated_files]
    return next((settings for settings in made if isinstance(settings, dict)), None)


def brought_by(session: Any, model_type: str) -> Json:
    """The LoRAs that the model's definition brings, as far as this WanGP tells them."""
    find = getattr(session, "get_model_def", None)
    definition = (find(model_type) if find else None) or {}
    return {name: definition[name] for name in BROUGHT if definition.get(name)}


if __name__ == "__main__":
    main()
