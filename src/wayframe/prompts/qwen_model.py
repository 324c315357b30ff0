"""A Qwen-VL model in memory, asked one question at a time. It stands on the extra `vlm`."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor
from transformers.utils import logging as transformers_logging

from wayframe.devices import named_device
from wayframe.errors import CancelledError, PromptError
from wayframe.prompts.base import Answer, PromptRequest
from wayframe.prompts.qwen_inputs import ImageProcessor, InputMaker, Tokenizer
from wayframe.prompts.qwen_options import QwenOptions

_TOKENS_PER_WORD, _TOKENS_BESIDE = 6, 64
"""The longest answer: several times what English takes, enough for languages of which Qwen has few words."""
_TEMPLATE = "chat_template.json"


class GenerationConfig(Protocol):
    """What a model's publishers say of how to generate."""

    eos_token_id: int | list[int] | None
    pad_token_id: int | None
    repetition_penalty: float | None


class Generator(Protocol):
    """The part of a transformers model that is used."""

    generation_config: GenerationConfig

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...

    def generate(self, **settings: object) -> Tensor:
        """The ids of question and answer, [1, tokens]."""
        ...


class QwenModel:
    """The model in `folder` (of a kind that `qwen_weights` allows), read into the memory of the device.

    Raises `PromptError` for files that are damaged or of another model, or when the device has too little memory;
    `SpecError` for a device that is not here. Whoever drops it calls `free_memory`.
    """

    def __init__(self, folder: Path, *, options: QwenOptions) -> None:
        self._options = options
        device = named_device(options.device)
        with _quiet(), _told(folder):
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
            pictures = transformers.Qwen2VLImageProcessorPil.from_pretrained(str(folder), local_files_only=True)
            self._tokenizer = cast("Tokenizer", tokenizer)
            self.inputs = InputMaker(
                tokenizer=self._tokenizer, pictures=cast("ImageProcessor", pictures), template=_own_template(folder)
            )
            self._model = _load(folder, device=device, dtype=getattr(torch, options.dtype))
            self._ends = _ends(self._model.generation_config, own=tokenizer.eos_token_id)
            self._settings = self._generation(pad=tokenizer.pad_token_id)

    def answer(self, request: PromptRequest, *, cancelled: Callable[[], bool]) -> Answer:
        """What the model says, without its special tokens; `cut` when it had not ended after the most tokens.

        Raises `CancelledError` within one token once `cancelled()` is true, `UnfitRequestError`, `PromptError`.
        """
        inputs = self.inputs.inputs(request)
        count = inputs["input_ids"].shape[1]
        with _quiet(), _fitting(self._options):
            said = self._generate(inputs, words=request.max_words, cancelled=cancelled)[0, count:].tolist()
        if cancelled():
            raise CancelledError("the writing of prompts was cancelled")
        text = self._tokenizer.decode(said, skip_special_tokens=True)
        ended = bool(said) and said[-1] in self._ends
        return Answer(text=text, cut=not ended, tokens_in=count, tokens_out=len(said))

    @torch.inference_mode()
    def _generate(self, inputs: Mapping[str, Tensor], *, words: int, cancelled: Callable[[], bool]) -> Tensor:
        def stop(input_ids: Tensor, _scores: object, **_more: object) -> Tensor:
            return torch.full((input_ids.shape[0],), cancelled(), dtype=torch.bool, device=input_ids.device)

        device = self._model.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self._options.seed)
            return self._model.generate(
                **{name: tensor.to(device) for name, tensor in inputs.items()},
                generation_config=self._settings,
                max_new_tokens=_TOKENS_PER_WORD * words + _TOKENS_BESIDE,
                stopping_criteria=transformers.StoppingCriteriaList([stop]),
            )

    def _generation(self, *, pad: int | None) -> transformers.GenerationConfig:
        """Greedy, or drawn at the temperature; of the publishers' own settings, ends and repetition penalty stay.

        It replaces the model's own, from which transformers would fill in what this one leaves open.
        """
        own, temperature = self._model.generation_config, self._options.temperature
        drawn = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        settings = transformers.GenerationConfig(
            **drawn,
            eos_token_id=sorted(self._ends),
            pad_token_id=own.pad_token_id if own.pad_token_id is not None else pad,
            repetition_penalty=own.repetition_penalty or 1.0,
            use_cache=True,
        )
        self._model.generation_config = cast("GenerationConfig", settings)
        return settings


def free_memory() -> None:
    """Give the memory of a model that nobody refers to any more back to the system."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _load(folder: Path, *, device: torch.device, dtype: torch.dtype) -> Generator:
    """The weights, file by file straight to the device; all of them must be there."""
    module, told = transformers.AutoModelForImageTextToText.from_pretrained(
        str(folder),
        dtype=dtype,
        device_map={"": device},
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    absent = sorted(told["missing_keys"])
    if absent:
        raise PromptError(f"the model in {folder} lacks {len(absent)} weights, the first is {absent[0]}; pull it anew")
    return cast("Generator", module.eval().requires_grad_(False))


def _own_template(folder: Path) -> str | None:
    """The processor's chat template where it is kept apart from the tokenizer's, as in models before transformers 5."""
    path = folder / _TEMPLATE
    if not path.is_file():
        return None
    template = json.loads(path.read_bytes())["chat_template"]
    return str(template)


def _ends(config: GenerationConfig, *, own: int | None) -> frozenset[int]:
    """The tokens that end an answer."""
    ids: Collection[int | None]
    ids = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    return frozenset(one for one in (*ids, own) if one is not None)


@contextmanager
def _fitting(options: QwenOptions) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise _too_large(options.dtype) from error


def _too_large(problem: str) -> PromptError:
    return PromptError(
        f"the model does not fit into the memory of the device ({problem}); name a smaller one, such as "
        "Qwen/Qwen2.5-VL-3B-Instruct, or write prompts by an endpoint"
    )


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Errors of reading the files as ours."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise _too_large("while it was loaded") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        line = str(error).strip().split("\n")[0]
        raise PromptError(f"the model in {folder} cannot be loaded ({line}); pull it anew") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's bars and warnings from the terminal; what matters of them is an error of ours."""
    verbosity, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bar:
            transformers_logging.enable_progress_bar()
