"""What `wayframe doctor` looks at: everything that a run needs, tried for real."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import features

from wayframe.engines import wan
from wayframe.engines.registry import names
from wayframe.errors import StoreError, WayframeError
from wayframe.files import write_atomic
from wayframe.media.encode import PROFILES, VideoWriter
from wayframe.media.index import decode
from wayframe.store.catalogue import load_catalogue
from wayframe.store.home import Home, open_home
from wayframe.store.hub import INSTALL
from wayframe.workflow.proposal import proposal
from wayframe.workflow.record import environment

GIB = 1024**3
LEAST_SPACE = 2 * GIB
SIDE, FRAMES, TOLERANCE = 64, 3, 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    good: bool
    says: str


def check_up(chosen_home: Path | None) -> list[Check]:
    """Look at versions, the machine, codecs, picture formats, the home folder, space, catalogue, engines, the GPU."""
    home = open_home(chosen_home, make=False)
    return [
        _versions(),
        _machine(),
        _tried("codec", _codec),
        _pictures(),
        _tried("home", lambda: _home(home)),
        _space(home),
        _tried("catalogue", lambda: _catalogue(home)),
        Check(name="engines", good=True, says=", ".join(names())),
        _extra(),
        _tried("proposal", lambda: proposal(home)),
    ]


def _tried(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, good=True, says=look())
    except (WayframeError, OSError) as error:
        return Check(name=name, good=False, says=str(error))


def _versions() -> Check:
    found = environment()["versions"]
    return Check(
        name="versions",
        good=all(found.values()),
        says=", ".join(f"{name} {number or 'missing'}" for name, number in found.items()),
    )


def _machine() -> Check:
    says = f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores"
    return Check(name="machine", good=True, says=says)


def _codec() -> str:
    """Encode a few frames and decode them again."""
    grey = np.full((SIDE, SIDE, 3), 128, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "check.mp4"
        with VideoWriter(path, width=SIDE, height=SIDE, fps=Fraction(16), cuts=(), profile=PROFILES["h264"]) as writer:
            for _ in range(FRAMES):
                writer.write(grey)
        worst = max(float(np.abs(frame.astype(float) - grey).max()) for frame in decode(path))
    if worst > TOLERANCE:
        raise StoreError(f"H.264 came back changed by {worst:.0f} of 255")
    return "H.264 is encoded and decoded (libx264)"


def _pictures() -> Check:
    formats = {"JPEG": "jpg", "PNG": "zlib", "WebP": "webp", "AVIF": "avif"}
    missing = [name for name, feature in formats.items() if not features.check(feature)]
    says = f"cannot read {', '.join(missing)}" if missing else f"{', '.join(formats)}, GIF"
    return Check(name="pictures", good=not missing, says=says)


def _home(home: Home) -> str:
    if home.root.is_dir():
        probe = home.root / ".doctor"
        write_atomic(probe, "ok")
        probe.unlink()
        return str(home.root)
    above = _above(home)
    if home.root.exists() or not above.is_dir() or not os.access(above, os.W_OK):
        raise StoreError(f"home folder {home.root} cannot be made; choose another with --home")
    return f"{home.root} (the first run makes it)"


def _above(home: Home) -> Path:
    """The home folder, or what there is of the way to it."""
    return next(path for path in (home.root, *home.root.parents) if path.exists())


def _space(home: Home) -> Check:
    free = shutil.disk_usage(_above(home)).free
    return Check(name="space", good=free > LEAST_SPACE, says=f"{free / GIB:.1f} GiB free in the home folder")


def _extra() -> Check:
    """Whether what the Wan engine is built on is here; without it the other engines work."""
    absent = wan.missing()
    says = f"not installed: {', '.join(absent)}; {INSTALL}" if absent else "the Wan engine's packages are installed"
    return Check(name="wan", good=True, says=says)


def _catalogue(home: Home) -> str:
    catalogue = load_catalogue(home)
    if catalogue.faults:
        raise StoreError("; ".join(str(fault.error) for fault in catalogue.faults))
    return f"{len(catalogue.models)} models, {len(catalogue.presets)} presets"
