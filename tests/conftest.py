"""Its place puts this folder on the import path, so that tests can share `contract.jobs`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from engines.wan.tiny import TinyModels
    from prompt_endpoint import Endpoint
    from prompts.tiny_qwen import TinyQwen

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


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> TinyQwen:
    """Tiny Qwen-VL models, shared by all workers of the session; skips where the extra `vlm` is not here."""
    pytest.importorskip("transformers")
    made_with = import_module("prompts.tiny_qwen")
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    models: TinyQwen = made_with.TinyQwen(root=shared / "tiny-qwen")
    return models


@pytest.fixture(scope="session")
def prompt_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """An endpoint of chat completions in a process of its own; skips where the extra `prompts` is not here."""
    pytest.importorskip("openai")
    with import_module("prompt_endpoint").serving(tmp_path_factory.mktemp("prompt-server")) as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(prompt_server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """The same, without a past, and no key in the environment."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "WAYFRAME_PROMPTS_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    prompt_server.script()
    return prompt_server
