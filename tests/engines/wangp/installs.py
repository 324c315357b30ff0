"""A WanGP to render with: the stand-in beside this file, run by this Python."""

from __future__ import annotations

import sys
from pathlib import Path

from wayframe.core.catalogue import Model
from wayframe.engines.base import EngineSetup, LoraFile
from wayframe.store.catalogue import load_catalogue
from wayframe.store.home import open_home

ROOT = Path(__file__).parent / "standin"
VACE, I2V, T2V = "wan2.2-vace-a14b", "wan2.2-i2v-a14b", "wan2.1-t2v-14b"


def options(**more: str) -> dict[str, str]:
    """The options that name the stand-in."""
    return {"root": str(ROOT), "python": sys.executable, **more}


def model(name: str) -> Model:
    """An entry of the catalogue that ships."""
    return load_catalogue(open_home(Path("nowhere"), make=False)).model(name)


def setup(name: str = VACE, *, loras: dict[str, Path] | None = None, **more: str) -> EngineSetup:
    """What an engine over the stand-in is made with; `more` are options."""
    files = {lora: LoraFile(path=path) for lora, path in (loras or {}).items()}
    return EngineSetup(options=options(**more), model=model(name), loras=files)
