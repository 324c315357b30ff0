"""Its place puts this folder on the import path, so that tests can share `contract.jobs`."""

from __future__ import annotations

import os
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from engines.wan.tiny import TinyModels

EMPTY_HUB = TemporaryDirectory(prefix="wayframe-tests-hub-")
"""The Hub's cache of this session: what a plan says must not depend on what was pulled on this machine."""
os.environ["HF_HOME"] = EMPTY_HUB.name  # huggingface_hub reads it when it is imported
for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
    os.environ.pop(name, None)

settings.register_profile("house", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("house")


def pytest_unconfigure() -> None:
    """Remove the empty cache."""
    EMPTY_HUB.cleanup()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    """Tiny Wan models of every kind, shared by all workers of the session; skips where the extra `wan` is not here."""
    pytest.importorskip("diffusers")
    made_with = import_module("engines.wan.tiny")  # takes seconds: only where a test asks for it
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    models: TinyModels = made_with.TinyModels(root=shared / "tiny-models")
    return models
