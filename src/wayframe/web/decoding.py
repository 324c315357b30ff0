"""Files looked at in children of this process, which are ended when they take too long; frames are kept in a cache."""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wayframe.errors import ImageError, MediaError, StoreUnavailableError
from wayframe.files import atomic_path
from wayframe.store.home import Home
from wayframe.web.settings import Limits

AT_ONCE, TASKS, WAIT_SECONDS = 2, 200, 60.0
"""Children at one time, tasks of one child, and how long a request waits for a free one."""
SECONDS_A_FRAME = 0.5
"""What measuring a frame may take: some ten times what one of 1280x720 takes on a slow machine."""
WIDEST, NARROWEST = 1920, 16
THUMBNAIL = 512
LONGEST_ANSWER = 64 * 2**20
BETWEEN_SWEEPS = 64
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR")


class Decoding:
    """The children and the cache of one server."""

    def __init__(self, *, home: Home, limits: Limits) -> None:
        self._limits = limits
        self._cache = home.root / "cache" / "frames"
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._lock, self._measuring = threading.Lock(), threading.Lock()
        self._idle: list[_Child] = []
        self._written, self._closed = 0, False

    def picture(self, path: Path, *, thumbnail: Path) -> dict[str, Any]:
        """Decode a picture that nobody vouches for, in a child of its own; writes its thumbnail.

        Gives width, height, format, digest and findings. Raises `ImageError`.
        """
        limits = self._limits
        with atomic_path(thumbnail) as target:
            request = {"do": "picture", "path": str(path), "target": str(target), "side": THUMBNAIL}
            return self._ask({**request, "pixels": limits.pixels, "bytes": limits.upload}, trusted=False)

    def media(self, path: Path, *, thumbnail: Path) -> dict[str, Any]:
        """What a video or a sound is (`MediaFacts`) that nobody vouches for; writes the last frame of a video small.

        Raises `MediaError`.
        """
        request = {"do": "media", "path": str(path), "target": str(thumbnail), "side": THUMBNAIL}
        return self._ask(request, trusted=False)

    def kept(self, name: str) -> Path:
        """Where a small file of this name is kept for a while, beside the frames."""
        return self._cache / name

    def capsule(self, path: Path) -> dict[str, Any]:
        """What a video carries that nobody vouches for. Raises `SpecError`'s kin or `MediaError`."""
        return self._ask({"do": "capsule", "path": str(path)}, trusted=False)

    def frame(self, video: Path, *, index: int, width: int) -> Path:
        """Frame `index` of a video of ours as a JPEG file, at most `width` pixels wide. Raises `MediaError`."""
        request = {"do": "frame", "index": index, "width": width}
        return self._made(video, request=request, suffix=".jpg")

    def curves(self, video: Path, *, frames: int) -> Path:
        """What is measured of every frame of a video of ours, as a JSON file (`Series`). Raises `MediaError`.

        One video at a time, so that one child is left for pictures; a long one gets the time that its frames need.
        """
        seconds = self._limits.decoding + frames * SECONDS_A_FRAME
        with self._measuring:
            return self._made(video, request={"do": "curves"}, suffix=".json", seconds=seconds)

    def _made(self, video: Path, *, request: Mapping[str, Any], suffix: str, seconds: float | None = None) -> Path:
        """The file that a child makes of a video, from the cache where it is there already."""
        status = video.stat()
        named = f"{video}:{status.st_mtime_ns}:{status.st_size}:{json.dumps(request, sort_keys=True)}"
        target = self._cache / f"{hashlib.sha256(named.encode()).hexdigest()}{suffix}"
        if not target.exists():
            with atomic_path(target) as made:
                self._ask({**request, "path": str(video), "target": str(made)}, trusted=True, seconds=seconds)
            self._sweep()
        return target

    def close(self) -> None:
        """End all children."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for child in idle:
            child.end()

    def _ask(self, request: Mapping[str, Any], *, trusted: bool, seconds: float | None = None) -> dict[str, Any]:
        with self._child(trusted=trusted) as child:
            answer = child.ask(request, seconds=seconds or self._limits.decoding)
        if "found" in answer:
            found: dict[str, Any] = answer["found"]
            return found
        if answer["error"] == "input":
            raise ImageError(_bare(answer["field"]), answer["problem"], answer["value"], fix=answer["fix"])
        raise MediaError(answer["problem"])

    @contextmanager
    def _child(self, *, trusted: bool) -> Iterator[_Child]:
        """A child; one that looked at a file of others, that failed, or that has worked long is not used again."""
        if not self._free.acquire(timeout=WAIT_SECONDS):
            raise StoreUnavailableError("too many pictures are being looked at; try again")
        try:
            with self._lock:
                child = self._idle.pop() if trusted and self._idle else None
            child = child or _Child(self._limits)
            try:
                yield child
            except BaseException:
                child.end()
                raise
            self._put_back(child, trusted=trusted)
        finally:
            self._free.release()

    def _put_back(self, child: _Child, *, trusted: bool) -> None:
        with self._lock:
            keep = trusted and child.asked < TASKS and not self._closed
            if keep:
                self._idle.append(child)
        if not keep:
            child.end()

    def _sweep(self) -> None:
        """Once in a while, remove what was made first until the cache is within its bounds."""
        self._written += 1
        if self._written % BETWEEN_SWEEPS:
            return
        files = [(path, path.stat()) for path in self._cache.glob("*.*")]
        over = sum(status.st_size for _, status in files) - self._limits.cache
        for path, status in sorted(files, key=lambda item: item[1].st_mtime):
            if over <= 0:
                return
            path.unlink(missing_ok=True)
            over -= status.st_size


class _Child:
    """One process of `decoder`."""

    def __init__(self, limits: Limits) -> None:
        self.asked = 0
        seconds = max(int(limits.decoding * TASKS), 1)
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        theirs_in, self._input = os.pipe()
        self._output, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", "wayframe.web.decoder", str(limits.memory), str(seconds)],
            stdin=theirs_in,
            stdout=theirs_out,
            stderr=subprocess.DEVNULL,
            env=environment | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def ask(self, request: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
        """The answer. Raises `MediaError` when none comes in time, or the child dies of the file."""
        self.asked += 1
        try:
            self._say(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(self._line(time.monotonic() + seconds))
        except (OSError, ValueError) as error:
            raise MediaError("the file could not be decoded within the limits of time and memory") from error
        return answer

    def _say(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._input, line) :]

    def _line(self, until: float) -> bytes:
        handle, parts, size = self._output, list[bytes](), 0
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_READ)
            while selector.select(max(until - time.monotonic(), 0)):
                part = os.read(handle, 2**16)
                parts.append(part)
                size += len(part)
                if not part or part.endswith(b"\n") or size > LONGEST_ANSWER:
                    return b"".join(parts)
        return b""

    def end(self) -> None:
        """End the process, whatever it is at."""
        self._process.kill()
        os.close(self._input)
        os.close(self._output)
        self._process.wait()


def _bare(field: str) -> str:
    """The file's name without the folders of this machine."""
    return field.rpartition("/")[2] or field
