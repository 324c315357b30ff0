"""The writer `qwen`: a Qwen-VL model on this machine, loaded once for all segments and freed before anything renders.

What it stands on comes with the extra `vlm`, and is imported when the first prompt is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from wayframe.errors import CancelledError, PromptError
from wayframe.prompts.asking import written
from wayframe.prompts.base import PromptFailure, PromptRequest, Result, WriterSetup
from wayframe.prompts.qwen_options import QwenOptions
from wayframe.prompts.qwen_weights import DEFAULT_MODEL, INSTALL, QwenWeights, find_qwen, shown_name

if TYPE_CHECKING:
    from wayframe.prompts.qwen_model import QwenModel

PACKAGES = ("torch", "transformers", "accelerate", "safetensors", "huggingface_hub")


class QwenWriter:
    """Writes prompts with the model that `setup` names: a folder, or ``ORG/NAME`` of the Hub that is on this disk.

    `setup.options` are those of `QwenOptions`. It asks no network, so `base_url` and `budget` mean nothing to it.
    `model` is the name of the repository or of the folder, without the path to it.
    Raises `SpecError` for an option that is unknown.
    """

    name = "qwen"

    def __init__(self, setup: WriterSetup) -> None:
        self._named = setup.model or DEFAULT_MODEL
        self.model = shown_name(self._named)
        self._setup = setup
        self._options = QwenOptions.parse(setup.options)
        self._loaded: QwenModel | None = None

    @property
    def identity(self) -> str:
        """`qwen/1` with the options that decide answers, and the weights: ``qwen/1 ORG/NAME@COMMIT``.

        It holds no path. Raises `PromptError` when the model is not on this disk, or not whole.
        """
        return f"{self._options.identity()} {self._weights.identity}"

    def write(
        self, requests: Sequence[PromptRequest], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Result]]:
        """Yield (segment, result) one after the other; the model stays loaded until `close`.

        Raises `CancelledError` between two tokens once `cancelled()` is true, `PromptError` when the extra is not
        installed or the model cannot be loaded or does not fit.
        """
        for request in requests:
            if cancelled():
                raise CancelledError("the writing of prompts was cancelled")
            yield request.segment, self._result(request, cancelled=cancelled)

    def close(self) -> None:
        """Free the model's memory; the next `write` loads it again."""
        if self._loaded is None:
            return
        from wayframe.prompts.qwen_model import free_memory

        self._loaded = None
        free_memory()

    def _result(self, request: PromptRequest, *, cancelled: Callable[[], bool]) -> Result:
        model = self._ready()
        from wayframe.prompts.qwen_inputs import UnfitRequestError

        try:
            return written(request, ask=partial(model.answer, cancelled=cancelled))
        except UnfitRequestError as error:
            return PromptFailure(reason=str(error))

    def _ready(self) -> QwenModel:
        if self._loaded is None:
            require_packages()
            from wayframe.prompts.qwen_model import QwenModel

            self._loaded = QwenModel(self._weights.folder, options=self._options)
        return self._loaded

    @cached_property
    def _weights(self) -> QwenWeights:
        return find_qwen(self._named, models=self._setup.models, revision=self._options.revision)


def require_packages() -> None:
    """Raise `PromptError` that says what to install unless all packages of the extra `vlm` are here."""
    absent = [package for package in PACKAGES if find_spec(package) is None]
    if absent:
        verb, them = ("is", "it") if len(absent) == 1 else ("are", "them")
        names = ", ".join(absent)
        raise PromptError(f"writer qwen needs {names}, which {verb} not installed; install {them}: {INSTALL}")
