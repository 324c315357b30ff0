"""The options of the engine `wangp`, as `--option NAME=VALUE` gives them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wayframe.errors import EngineError, SpecError

IDENTITY = "wangp/1"
PROFILES = tuple("12345")
SILENCE = 1800.0
"""Seconds without a sign of life after which WanGP counts as hung: it may fetch weights meanwhile, and tells of it."""
_NAMES = ("root", "python", "config", "profile", "attention", "model_type", "silence")
_VERSION = re.compile(r"""^\s*WanGP_version\s*=\s*["']([\w.\-]{1,40})["']""", re.MULTILINE)
_WORD = re.compile(r"[\w.\-]{1,80}")
_PYTHONS = ("bin/python", "Scripts/python.exe")
_FOLDERS = ("venv", ".venv", "env")


@dataclass(frozen=True, slots=True, kw_only=True)
class WangpOptions:
    """Where WanGP is and how it is started; None: what WanGP's own configuration says.

    `config` is a ``wgp_config.json``, `profile` the memory profile of mmgp (1 to 5), `attention` and `model_type` are
    WanGP's words, `silence` the seconds after which it counts as hung.
    """

    root: Path | None = None
    python: Path | None = None
    config: Path | None = None
    profile: str | None = None
    attention: str | None = None
    model_type: str | None = None
    silence: float = SILENCE

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> Self:
        """Read `--option` words; raises `SpecError` for a name that is not known and for a value that cannot be."""
        for name, value in options.items():
            if name not in _NAMES:
                known = ", ".join(_NAMES)
                raise SpecError(f"option {name}", "is none of the engine wangp", value, fix=f"its options are {known}")
        return cls(
            root=_root(options.get("root")),
            python=_file(options.get("python"), name="python"),
            config=_config(options.get("config")),
            profile=_one_of(options.get("profile"), among=PROFILES, name="profile"),
            attention=_word(options.get("attention"), name="attention"),
            model_type=_word(options.get("model_type"), name="model_type"),
            silence=_seconds(options.get("silence")),
        )

    def identity(self) -> str:
        """Name and version of engine and installation, and the options that decide pixels."""
        base = IDENTITY if self.root is None else f"{IDENTITY}+{version_of(self.root)}"
        said = {"attention": self.attention, "model_type": self.model_type, "config": self._config_mark()}
        return " ".join([base, *(f"{name}={value}" for name, value in said.items() if value is not None)])

    def interpreter(self) -> Path:
        """The Python that runs WanGP: as told, else that of a virtual environment in its folder. Raises EngineError."""
        if self.python is not None:
            return self.python
        root = self.installation()
        places = [root / folder / python for folder in _FOLDERS for python in _PYTHONS]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise EngineError(f"no Python of WanGP's in {root}; name it: --option python=PATH")
        return found

    def installation(self) -> Path:
        """WanGP's folder; raises `EngineError` when none was named."""
        if self.root is None:
            raise EngineError("the engine wangp needs a WanGP installation; name its folder: --option root=PATH")
        return self.root

    def arguments(self) -> list[str]:
        """WanGP's own command line."""
        said = {"--profile": self.profile, "--attention": self.attention}
        return [word for name, value in said.items() if value is not None for word in (name, value)]

    def _config_mark(self) -> str | None:
        return None if self.config is None else hashlib.sha256(self.config.read_bytes()).hexdigest()[:16]


def version_of(root: Path) -> str:
    """WanGP's version as its `wgp.py` says it, else what that file's bytes are; nothing is imported."""
    text = (root / "wgp.py").read_bytes()
    found = _VERSION.search(text.decode("utf-8", errors="replace"))
    return found[1] if found else hashlib.sha256(text).hexdigest()[:12]


def _root(value: str | None) -> Path | None:
    if value is None:
        return None
    folder = Path(value).expanduser().absolute()
    missing = [name for name in ("wgp.py", "shared/api.py") if not (folder / name).is_file()]
    if missing:
        fix = "name the folder of a WanGP that has its Python API (shared/api.py)"
        raise SpecError("option root", f"is no WanGP folder: there is no {missing[0]}", value, fix=fix)
    return folder


def _file(value: str | None, *, name: str) -> Path | None:
    if value is None:
        return None
    path = Path(value).expanduser().absolute()
    if not path.is_file():
        raise SpecError(f"option {name}", "there is no such file", value)
    return path


def _config(value: str | None) -> Path | None:
    path = _file(value, name="config")
    if path is not None and path.name != "wgp_config.json":
        raise SpecError("option config", "WanGP takes a file of the name wgp_config.json only", value)
    return path


def _one_of(value: str | None, *, among: tuple[str, ...], name: str) -> str | None:
    if value is not None and value not in among:
        raise SpecError(f"option {name}", f"expected one of {', '.join(among)}", value)
    return value


def _word(value: str | None, *, name: str) -> str | None:
    if value is not None and not _WORD.fullmatch(value):
        raise SpecError(f"option {name}", "expected a word of WanGP's", value)
    return value


def _seconds(value: str | None) -> float:
    if value is None:
        return SILENCE
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise SpecError("option silence", "expected a number of seconds above 0", value)
    return seconds
