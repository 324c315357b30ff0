"""Tiny random Wan models of every kind, in diffusers' format: real classes and real files, some hundred kilobytes each.

`tests/conftest.py` gives them as the fixture `tiny`, made once per session.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import torch
from diffusers import (
    AutoencoderKLWan,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from filelock import FileLock
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedTokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
)

from wayframe.core.catalogue import Model
from wayframe.core.schedule import Solver
from wayframe.store.home import Home, open_home

torch.set_num_threads(1)

TinyKind: TypeAlias = Literal["t2v", "t2v21", "i2v22", "i2v21", "flf2v21", "vace", "vace21", "ti2v5b"]
KINDS: tuple[TinyKind, ...] = get_args(TinyKind)
TWO_EXPERTS: frozenset[TinyKind] = frozenset({"t2v", "i2v22", "vace"})
WITH_CLIP: frozenset[TinyKind] = frozenset({"i2v21", "flf2v21"})

TEXT_WIDTH = 32
LATENT_CHANNELS, LATENT_CHANNELS_5B = 16, 48
CLIP_SIZE, CLIP_PATCH, CLIP_WIDTH = 32, 8, 4
CLIP_TOKENS = (CLIP_SIZE // CLIP_PATCH) ** 2 + 1
BOUNDARY = 0.9


@dataclass(frozen=True, kw_only=True)
class TinyModels:
    """The tiny models below `root`; a model is made when it is first asked for, by whichever process comes first."""

    root: Path

    def folder(self, kind: TinyKind) -> Path:
        """The diffusers folder of a kind (with `model_index.json`). Read only: other tests share it."""
        folder = self.root / kind
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / f"{kind}.lock"):
            if not folder.exists():
                unfinished = Path(tempfile.mkdtemp(dir=self.root))
                save(kind, unfinished)
                unfinished.rename(folder)
        return folder

    def copy(self, kind: TinyKind, folder: Path) -> Path:
        """A copy of a kind's folder that a test may damage."""
        return Path(shutil.copytree(self.folder(kind), folder))

    def model(self, kind: TinyKind) -> Model:
        """The catalogue's entry of a kind, named `tiny-KIND`; its `source` is the folder."""
        two = kind in TWO_EXPERTS
        return Model(
            name=f"tiny-{kind}",
            title=f"Tiny random Wan ({kind})",
            kind=catalogue_kind(kind),
            experts=2 if two else 1,
            boundary=BOUNDARY if two else None,
            takes_end=kind not in ("i2v21", "ti2v5b"),
            whole_latents=kind == "ti2v5b",
            size_step=32 if kind == "ti2v5b" else 16,
            steps=4,
            guidance=3.0,
            flow_shift=5.0,
            sample_solver=Solver.EULER,
            source=str(self.folder(kind)),
        )

    def home(self, root: Path, *kinds: TinyKind) -> Home:
        """A home folder at `root` whose catalogue has these kinds: `wayframe run --home root --model tiny-KIND`."""
        home = open_home(root)
        home.models.mkdir(exist_ok=True)
        for kind in kinds:
            model = self.model(kind)
            (home.models / f"{model.name}.toml").write_text(as_toml(model), encoding="utf-8")
        return home


def text_length(kind: TinyKind, *, short: int = 32) -> int:
    """The tokens to give a kind: `short` is enough, but diffusers looks for pictures of CLIP behind 512 of text."""
    return 512 if kind in WITH_CLIP else short


def catalogue_kind(kind: TinyKind) -> Literal["t2v", "i2v", "flf2v", "vace"]:
    """What the catalogue calls a kind; the 5B is an image-to-video model to it."""
    if kind in ("i2v22", "i2v21", "ti2v5b"):
        return "i2v"
    if kind == "flf2v21":
        return "flf2v"
    return "vace" if kind in ("vace", "vace21") else "t2v"


def as_toml(model: Model) -> str:
    """The model's file for a home folder; what is at its default is left out. JSON's values are TOML's."""
    values = model.model_dump(mode="json", exclude_defaults=True)
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def save(kind: TinyKind, folder: Path) -> None:
    """Write the model of a kind; the same numbers every time."""
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")  # of the libraries, about themselves
        build(kind).save_pretrained(folder)


def build(kind: TinyKind) -> DiffusionPipeline:
    """The stock pipeline of a kind, as the published model of that kind names it in its `model_index.json`."""
    parts = {
        "tokenizer": tokenizer(),
        "text_encoder": text_encoder(),
        "vae": vae_5b() if kind == "ti2v5b" else vae(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
        "transformer": transformer(kind, seed=10),
        "transformer_2": transformer(kind, seed=11) if kind in TWO_EXPERTS else None,
        "boundary_ratio": BOUNDARY if kind in TWO_EXPERTS else None,
    }
    if kind in ("vace", "vace21"):
        return WanVACEPipeline(**parts)
    if kind == "i2v22":
        return WanImageToVideoPipeline(**parts)
    if kind in WITH_CLIP:
        processor = CLIPImageProcessor(crop_size=CLIP_SIZE, size=CLIP_SIZE)
        return WanImageToVideoPipeline(**parts, image_encoder=image_encoder(), image_processor=processor)
    return WanPipeline(**parts, expand_timesteps=kind == "ti2v5b")


def tokenizer() -> PreTrainedTokenizerFast:
    """One token per byte: every text has its own ids, and nothing has to be trained or fetched."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(("<pad>", "</s>", "<unk>", *letters))}
    unknown = {"unk_token": "<unk>"}
    byte_level = Tokenizer(models.BPE(vocab=vocabulary, merges=[], **unknown))
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    byte_level.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    special = {"pad_token": "<pad>", "eos_token": "</s>", **unknown}
    return PreTrainedTokenizerFast(tokenizer_object=byte_level, model_max_length=512, **special)


def text_encoder() -> UMT5EncoderModel:
    torch.manual_seed(1)
    config = UMT5Config(
        vocab_size=259,
        d_model=TEXT_WIDTH,
        d_kv=8,
        num_heads=4,
        d_ff=37,
        num_layers=2,
        relative_attention_num_buckets=8,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    return UMT5EncoderModel(config).eval()


def image_encoder() -> CLIPVisionModel:
    torch.manual_seed(3)
    config = CLIPVisionConfig(
        hidden_size=CLIP_WIDTH,
        projection_dim=CLIP_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=CLIP_SIZE,
        intermediate_size=16,
        patch_size=CLIP_PATCH,
    )
    return CLIPVisionModel(config).eval()


def vae() -> AutoencoderKLWan:
    """Wan 2.1's autoencoder (8 x 8 x 4) with three channels instead of 96."""
    torch.manual_seed(2)
    return AutoencoderKLWan(base_dim=3, z_dim=LATENT_CHANNELS, dim_mult=[1, 1, 1, 1], num_res_blocks=1).eval()


def vae_5b() -> AutoencoderKLWan:
    """The autoencoder of the 5B (16 x 16 x 4): residual, in 2 x 2 patches of 3 x 4 channels."""
    torch.manual_seed(2)
    return AutoencoderKLWan(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=LATENT_CHANNELS_5B,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[0.01 * number for number in range(LATENT_CHANNELS_5B)],
        latents_std=[0.5 + 0.01 * number for number in range(LATENT_CHANNELS_5B)],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
    ).eval()


def transformer(kind: TinyKind, *, seed: int) -> WanTransformer3DModel | WanVACETransformer3DModel:
    """One expert, as wide as 24 channels, with every kind of layer that the large one has."""
    torch.manual_seed(seed)
    channels = LATENT_CHANNELS_5B if kind == "ti2v5b" else LATENT_CHANNELS
    shape = {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": channels,
        "out_channels": channels,
        "text_dim": TEXT_WIDTH,
        "freq_dim": 32,
        "ffn_dim": 32,
        "num_layers": 2,
        "cross_attn_norm": True,
    }
    if kind in ("vace", "vace21"):
        return WanVACETransformer3DModel(
            **{**shape, "num_layers": 3}, vace_layers=[0, 2], vace_in_channels=6 * LATENT_CHANNELS
        ).eval()
    if kind in ("i2v22", "i2v21", "flf2v21"):
        shape["in_channels"] = 2 * channels + 4
    if kind in WITH_CLIP:
        shape |= {"image_dim": CLIP_WIDTH, "added_kv_proj_dim": 24}
    if kind == "flf2v21":
        shape["pos_embed_seq_len"] = 2 * CLIP_TOKENS
    return WanTransformer3DModel(**shape).eval()
