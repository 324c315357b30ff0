"""Components from their files: only safetensors and GGUF, only from this disk, only whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import diffusers
import torch
import transformers
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from wayframe.engines.wan.layout import ExpertName, Layout, refused
from wayframe.engines.wan.memory import is_out_of_memory
from wayframe.engines.wan.options import BACKENDS, GgufFiles, WanOptions
from wayframe.engines.wan.text import Tokenizer
from wayframe.engines.wan.vision import ImageProcessor
from wayframe.errors import EngineError, SpecError


class Reader(Protocol):
    """The part of a class of diffusers or transformers that reads a component."""

    def from_pretrained(self, folder: str, **settings: object) -> tuple[torch.nn.Module, Mapping[str, Collection[str]]]:
        """The component, and by `missing_keys` which of its weights the files lacked."""
        ...

    def from_single_file(self, path: str, **settings: object) -> torch.nn.Module:
        """The component with the weights of a file."""
        ...


class Transformer(Protocol):
    """The part of diffusers' `ModelMixin` that is used to set a transformer up."""

    def enable_layerwise_casting(self, *, storage_dtype: torch.dtype, compute_dtype: torch.dtype) -> None:
        """Hold weights in one dtype, compute in another."""
        ...

    def set_attention_backend(self, backend: str) -> None:
        """Choose how attention is computed."""
        ...

    def compile_repeated_blocks(self) -> None:
        """Compile the class of the blocks once, for all of them."""
        ...


def load_transformer(layout: Layout, *, expert: ExpertName, options: WanOptions) -> torch.nn.Module:
    """An expert in main memory, in the dtype, weights, attention and compilation of `options`.

    The modules that Wan keeps in float32 (norms, modulation) stay so where diffusers says so.
    """
    component, dtype = layout.transformers[expert], torch_dtype(options)
    reader = _reader(diffusers, layout.index.named(component))
    if isinstance(options.weights, GgufFiles):
        module = _from_gguf(reader, layout=layout, component=component, path=options.weights.paths[expert], dtype=dtype)
    else:
        module = _whole(reader, layout=layout, component=component, torch_dtype=dtype)
    transformer = cast("Transformer", module)
    with quiet():
        if options.weights == "fp8":
            transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
        _set_attention(transformer, options=options)
    if options.compile:
        transformer.compile_repeated_blocks()
    return module


def load_vae(layout: Layout, *, options: WanOptions) -> torch.nn.Module:
    """The autoencoder in main memory, in float32: its decoder shows every rounding."""
    reader = _reader(diffusers, layout.index.named("vae"))
    module = _whole(reader, layout=layout, component="vae", torch_dtype=torch.float32)
    if options.vae_tiling:
        cast("diffusers.AutoencoderKLWan", module).enable_tiling()
    return module


def load_text(layout: Layout, *, options: WanOptions) -> torch.nn.Module:
    """The text encoder in main memory."""
    reader = _reader(transformers, layout.index.named("text_encoder"))
    return _whole(reader, layout=layout, component="text_encoder", dtype=torch_dtype(options))


def load_image_encoder(layout: Layout) -> torch.nn.Module:
    """CLIP in main memory, in float32."""
    reader = _reader(transformers, layout.index.named("image_encoder"))
    return _whole(reader, layout=layout, component="image_encoder", dtype=torch.float32)


def load_tokenizer(layout: Layout) -> Tokenizer:
    """The tokenizer, of whatever class of transformers its own files name."""
    with quiet(), _told(partial(_unread, component="tokenizer", layout=layout)):
        folder = str(layout.folder / "tokenizer")
        return cast("Tokenizer", transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True))


def load_image_processor(layout: Layout) -> ImageProcessor:
    """CLIP's image processor on Pillow: its numbers must not depend on torchvision being installed."""
    with quiet(), _told(partial(_unread, component="image_processor", layout=layout)):
        folder = str(layout.folder / "image_processor")
        processor = transformers.CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
        return cast("ImageProcessor", processor)


def torch_dtype(options: WanOptions) -> torch.dtype:
    """The dtype that transformers and text encoder compute in."""
    dtype: torch.dtype = getattr(torch, options.dtype)
    return dtype


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' bars and warnings from the terminal; what matters of them is an error of ours."""
    before = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    bars = diffusers_logging.is_progress_bar_enabled(), transformers_logging.is_progress_bar_enabled()
    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity, bar in zip((diffusers_logging, transformers_logging), before, bars, strict=True):
            library.set_verbosity(verbosity)
            if bar:
                library.enable_progress_bar()


def _reader(library: object, name: str | None) -> Reader:
    """A class by its name, which `layout` has found in its list."""
    reader: Reader = getattr(library, str(name))
    return reader


def _whole(reader: Reader, *, layout: Layout, component: str, **dtype: torch.dtype) -> torch.nn.Module:
    """A component of which no weight is missing, ready for inference."""
    with quiet(), _told(partial(_unread, component=component, layout=layout)):
        module, told = reader.from_pretrained(
            str(layout.folder / component),
            local_files_only=True,
            use_safetensors=True,
            low_cpu_mem_usage=True,
            output_loading_info=True,
            **dtype,
        )
    absent = sorted(told["missing_keys"])
    if absent:
        raise refused(
            layout.model, f"{layout.folder / component} lacks {len(absent)} weights, the first is {absent[0]}"
        )
    return module.eval().requires_grad_(False)


def _from_gguf(reader: Reader, *, layout: Layout, component: str, path: Path, dtype: torch.dtype) -> torch.nn.Module:
    misfit = partial(_misfit, path=path, layout=layout)
    with quiet(), _told(misfit):
        module = reader.from_single_file(
            str(path),
            config=str(layout.folder),
            subfolder=component,
            quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=dtype),
            torch_dtype=dtype,
            local_files_only=True,
        )
    if any(weight.is_meta for weight in module.parameters()):
        raise misfit(NotImplementedError())
    return module.eval().requires_grad_(False)


def _misfit(error: Exception, *, path: Path, layout: Layout) -> EngineError:
    """A weight that the file lacks stays without data (on the device `meta`), and cannot be moved."""
    lacks = isinstance(error, NotImplementedError)
    problem = f"lacks weights of {layout.model.name}" if lacks else f"does not fit {layout.model.name} ({_line(error)})"
    return EngineError(f"option weights: {path} {problem}; give a GGUF file of this very model")


def _unread(error: Exception, *, component: str, layout: Layout) -> EngineError:
    return refused(layout.model, f"{component} cannot be loaded from {layout.folder} ({_line(error)})")


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def _set_attention(transformer: Transformer, *, options: WanOptions) -> None:
    """Always set: without it, a variable of the environment would decide."""
    try:
        transformer.set_attention_backend(BACKENDS[options.attention])
    except (RuntimeError, ImportError) as error:
        problem = " ".join(str(error).split())
        raise SpecError("option attention", problem, options.attention, fix="leave it out") from error


@contextmanager
def _told(said: Callable[[Exception], EngineError]) -> Iterator[None]:
    """Errors of reading a file as ours; out of memory is told elsewhere."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise said(error) from error
