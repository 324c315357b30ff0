"""The home folder: where runs, artifacts, models and presets of a user live."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from wayframe.errors import StoreError

HOME_VARIABLE = "WAYFRAME_HOME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Paths below the home folder."""

    root: Path

    @property
    def runs(self) -> Path:
        """One folder per run, named by its id."""
        return self.root / "runs"

    @property
    def artifacts(self) -> Path:
        """Rendered segments, named by their content key."""
        return self.root / "artifacts"

    @property
    def blobs(self) -> Path:
        """Input files of runs that came from a store, named by their sha256."""
        return self.root / "blobs"

    @property
    def models(self) -> Path:
        """The user's own model files (TOML)."""
        return self.root / "models"

    @property
    def presets(self) -> Path:
        """The user's own preset files (TOML)."""
        return self.root / "presets"

    @property
    def bundles(self) -> Path:
        """The user's own bundle files (TOML)."""
        return self.root / "bundles"

    @property
    def keyframes(self) -> Path:
        """Keyframes that were fetched from addresses, in folders named by the sha256 of their bytes."""
        return self.root / "keyframes"

    @property
    def loras(self) -> Path:
        """LoRAs that were fetched from plain addresses; one folder per address."""
        return self.root / "loras"

    @property
    def prompts(self) -> Path:
        """Prompts that a model wrote, and the pictures that it was shown, named by their key."""
        return self.root / "prompts"

    @property
    def instructions(self) -> Path:
        """The user's own instructions for prompt writers (TOML)."""
        return self.root / "instructions"


def open_home(chosen: Path | None = None, *, make: bool = True) -> Home:
    """The home folder: `chosen`, else ``$WAYFRAME_HOME``, else the platform's user data folder; made when missing.

    Whoever only reads says `make=False`: a mistyped name must not become a folder. Raises `StoreError` when it cannot
    be made or written.
    """
    named = chosen or (Path(os.environ[HOME_VARIABLE]) if os.environ.get(HOME_VARIABLE) else None)
    root = (named or Path(platformdirs.user_data_dir("wayframe", appauthor=False))).expanduser().absolute()
    home = Home(root=root)
    if not make:
        return home
    try:
        for folder in (home.runs, home.artifacts):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"home folder {root} cannot be used: {error.strerror}; choose another with --home") from error
    return home
