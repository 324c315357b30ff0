"""The engine `wan`: Wan 2.1 and 2.2 on the components of diffusers.

What it is built on comes with the extra `wan`. This module, `options` and `layout` do without, so that a run can be
planned and a model's folder looked at where nothing is rendered.
"""

from __future__ import annotations

from importlib.util import find_spec

from wayframe.errors import EngineError

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "huggingface_hub", "ftfy", "gguf")


def missing() -> list[str]:
    """The packages of the extra `wan` that are not installed; none of them is imported."""
    return [package for package in PACKAGES if find_spec(package) is None]


def require_packages() -> None:
    """Raise `EngineError` that says what to install unless all packages of the extra are here."""
    absent = missing()
    if absent:
        verb, them = ("is", "it") if len(absent) == 1 else ("are", "them")
        names = ", ".join(absent)
        raise EngineError(
            f'engine wan needs {names}, which {verb} not installed; install {them}: pip install "wayframe[wan]"'
        )
