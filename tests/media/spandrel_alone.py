"""spandrel without torchvision, so that its models are tested where that is not installed.

Of its architectures LaMa and RestoreFormer take three functions from torchvision when they are imported, and all are
imported together. Where torchvision is not here, something of these names stands in while that happens, and is gone
afterwards; no model of the tests calls it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import pytest

_PARTS = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
_NAMES = ("InterpolationMode", "normalize", "rotate")


def import_spandrel() -> ModuleType:
    """spandrel itself; skips the test where it is not installed."""
    if "spandrel" in sys.modules or find_spec("torchvision") is not None:
        return pytest.importorskip("spandrel")
    if find_spec("spandrel") is None or find_spec("einops") is None:
        pytest.skip("spandrel or einops is not installed")
    parts = {name: ModuleType(name) for name in _PARTS}
    for name in _NAMES:
        setattr(parts[_PARTS[-1]], name, None)
    with pytest.MonkeyPatch.context() as patch:
        for name, part in parts.items():
            patch.setitem(sys.modules, name, part)
        return import_module("spandrel")
