"""What a folder with a Wan model in diffusers' format holds, read from its JSON files alone.

The format: `model_index.json` names the pipeline's class and the class of each component, and a component's folder has
its `config.json` and its weights. Of the classes only those listed here are ever loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wayframe.core.catalogue import TWO_EXPERTS, Model
from wayframe.errors import EngineError

ExpertName: TypeAlias = Literal["high", "low", "only"]
Kind: TypeAlias = Literal["t2v", "i2v", "flf2v", "vace"]

INDEX = "model_index.json"
ONE_TRANSFORMER: Mapping[ExpertName, str] = {"only": "transformer"}
TWO_TRANSFORMERS: Mapping[ExpertName, str] = {"high": "transformer", "low": "transformer_2"}

_CLASSES: Mapping[str, frozenset[str]] = {
    "text_encoder": frozenset({"UMT5EncoderModel"}),
    "vae": frozenset({"AutoencoderKLWan"}),
    "transformer": frozenset({"WanTransformer3DModel", "WanVACETransformer3DModel"}),
    "transformer_2": frozenset({"WanTransformer3DModel", "WanVACETransformer3DModel"}),
    "image_encoder": frozenset({"CLIPVisionModel", "CLIPVisionModelWithProjection"}),
}
_PIPELINES = ("WanPipeline", "WanImageToVideoPipeline", "WanVACEPipeline")
_NONE = (None, None)

ClassName: TypeAlias = tuple[str | None, str | None]
"""The library and the class of a component; nothing where the pipeline has none."""


class _Json(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Index(_Json):
    """The part of `model_index.json` that is used."""

    pipeline: str = Field(alias="_class_name")
    boundary_ratio: float | None = None
    expand_timesteps: bool = False
    tokenizer: ClassName
    text_encoder: ClassName
    vae: ClassName
    transformer: ClassName
    transformer_2: ClassName = _NONE
    image_encoder: ClassName = _NONE
    image_processor: ClassName = _NONE

    def named(self, component: str) -> str | None:
        """The class of a component, None where there is none."""
        name: ClassName = getattr(self, component)
        return name[1]


class VaeConfig(_Json):
    """The part of the autoencoder's `config.json` that is used, with the defaults of `AutoencoderKLWan`."""

    z_dim: int
    latents_mean: tuple[float, ...]
    latents_std: tuple[float, ...]
    scale_factor_temporal: int = 4
    scale_factor_spatial: int = 8


class TransformerConfig(_Json):
    """The part of a transformer's `config.json` that is used."""

    in_channels: int
    patch_size: tuple[int, int, int] = (1, 2, 2)
    image_dim: int | None = None
    pos_embed_seq_len: int | None = None
    vace_layers: tuple[int, ...] = ()

    @property
    def clip_pictures(self) -> int:
        """How many pictures the transformer wants embedded by CLIP: 0, 1, or 2 (first-last-frame)."""
        if self.image_dim is None:
            return 0
        return 1 if self.pos_embed_seq_len is None else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A folder that holds the model of the catalogue that it is said to hold."""

    folder: Path
    model: Model
    index: Index
    vae: VaeConfig
    transformer: TransformerConfig

    @property
    def transformers(self) -> Mapping[ExpertName, str]:
        """The folder of each expert, high before low."""
        return ONE_TRANSFORMER if self.index.named("transformer_2") is None else TWO_TRANSFORMERS


def read_layout(folder: Path, *, model: Model) -> Layout:
    """Look at a model's folder.

    Raises `EngineError` when it is no Wan model in diffusers' format, lacks a component, or contradicts the catalogue.
    """
    index = _read(Index, folder / INDEX, model=model)
    _check_classes(index, folder=folder, model=model)
    layout = Layout(
        folder=folder,
        model=model,
        index=index,
        vae=_read(VaeConfig, folder / "vae" / "config.json", model=model),
        transformer=_read(TransformerConfig, folder / "transformer" / "config.json", model=model),
    )
    _check_components(layout)
    _check_kind(layout)
    return layout


def refused(model: Model, problem: str) -> EngineError:
    """The error for a model that cannot be used as it lies on the disk."""
    return EngineError(f"model {model.name}: {problem}; look what is wrong: wayframe models check {model.name}")


_File = TypeVar("_File", bound=_Json)


def _read(kind: type[_File], path: Path, *, model: Model) -> _File:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise refused(model, f"{path} cannot be read ({error.strerror}), so this is no diffusers folder") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise refused(model, f"{path}: {place or 'content'}: {first['msg']}") from error


def _check_classes(index: Index, *, folder: Path, model: Model) -> None:
    if index.pipeline not in _PIPELINES:
        wanted = ", ".join(_PIPELINES)
        raise refused(model, f"{folder / INDEX}: _class_name is {index.pipeline!r}, not one of {wanted}")
    for component, classes in _CLASSES.items():
        name = index.named(component)
        if name is not None and name not in classes:
            wanted = " or ".join(sorted(classes))
            raise refused(model, f"{folder / INDEX}: {component} is a {name}, not a {wanted}")


def _check_components(layout: Layout) -> None:
    """Every component that the model needs is named and has its folder."""
    needed = ["tokenizer", "text_encoder", "vae", *layout.transformers.values()]
    if layout.transformer.clip_pictures:
        needed += ["image_encoder", "image_processor"]
    for component in needed:
        if layout.index.named(component) is None:
            raise refused(layout.model, f"{layout.folder / INDEX} names no {component}")
        if not (layout.folder / component).is_dir():
            raise refused(layout.model, f"{layout.folder} lacks the component {component}")


def _check_kind(layout: Layout) -> None:
    """What the folder holds is what the catalogue says."""
    model, held = layout.model, len(layout.transformers)
    if held != model.experts:
        there = "two experts" if held == TWO_EXPERTS else "one expert"
        raise refused(model, f"{layout.folder} holds {there}, but the catalogue says experts = {model.experts}")
    kinds = _kinds(layout)
    if model.kind not in kinds:
        there = " or ".join(kinds)
        raise refused(model, f"{layout.folder} holds a model of kind {there}, but the catalogue says {model.kind}")


def _kinds(layout: Layout) -> tuple[Kind, ...]:
    """The kinds of the catalogue that a folder can serve as."""
    if layout.index.pipeline == "WanVACEPipeline":
        return ("vace",)
    if layout.index.expand_timesteps:  # the 5B is told of its first frames in the latents themselves
        return ("i2v", "t2v")
    if layout.index.pipeline == "WanPipeline":
        return ("t2v",)
    if layout.transformer.image_dim is None:  # Wan 2.2: a last frame is one more frame that is known
        return ("i2v", "flf2v")
    return ("i2v",) if layout.transformer.clip_pictures == 1 else ("flf2v",)
