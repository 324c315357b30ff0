"""Tiny Qwen-VL models in the format of `from_pretrained`: real classes and real files, below a megabyte.

`tests/conftest.py` gives them as the fixture `tiny_qwen`, made once per session. The weights are random, but for
`trained`: a Qwen2.5-VL that was taught to look at the brightness of its pictures and to say one of `ANSWERS`.
"""

from __future__ import annotations

import re
import string
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from filelock import FileLock
from PIL import Image
from tokenizers import pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from wayframe.prompts.base import PromptRequest
from wayframe.prompts.qwen_inputs import InputMaker

torch.set_num_threads(1)

QwenKind: TypeAlias = Literal["qwen2_5_vl", "qwen2_vl", "qwen3_vl", "trained"]
KINDS: tuple[QwenKind, ...] = get_args(QwenKind)

ANSWERS = {
    "bright": "Daylight slowly floods over the hills while one camera glides forward past tall grass.",
    "dark": "Night falls gently upon quiet water as another lens drifts backward through thin mist.",
}
"""What `trained` says, by its pictures. No word stands in both, or twice in one: each tells which comes next."""
START, END, PAD = "<|im_start|>", "<|im_end|>", "<|image_pad|>"
SPECIAL = (START, "<|vision_start|>", "<|vision_end|>", PAD, "<|video_pad|>")
PATCH, MERGE = 4, 2
LARGEST = 16 * 16
"""Pixels of the largest picture that the tiny models look at."""
WIDTH = 32
SHORT, LONG = (10, 40, 90, 160, 240), 1200
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, kw_only=True)
class TinyQwen:
    """The tiny models below `root`; one is made when it is first asked for, by whichever process comes first."""

    root: Path

    def folder(self, kind: QwenKind = "qwen2_5_vl") -> Path:
        """The folder of a kind. Read only: other tests share it."""
        folder = self.root / kind
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / f"{kind}.lock"):
            if not folder.exists():
                unfinished = Path(tempfile.mkdtemp(dir=self.root))
                save(kind, unfinished)
                unfinished.rename(folder)
        return folder


def save(kind: QwenKind, folder: Path) -> None:
    """Write the model of a kind; the same numbers every time."""
    words, pictures = tokenizer(), image_processor(patch=PATCH)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = build(kind, words).eval()
        if kind == "trained":
            train(model, InputMaker(tokenizer=words, pictures=pictures))
    model.generation_config = generation(words)
    for part in (words, pictures, model):
        part.save_pretrained(folder)


def tokenizer() -> Qwen2Tokenizer:
    """One token per byte, and one for each word of `ANSWERS` with the blank before it."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    parts: dict[str, None] = {}
    merges: dict[tuple[str, str], None] = {}
    for word in (word for answer in ANSWERS.values() for word in re.findall(" ?[a-zA-Z]+", answer)):
        begun = ""
        for letter in word.replace(" ", "Ġ"):
            if begun:
                merges[begun, letter] = None
            begun += letter
            parts[begun] = None
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys([*letters, *parts]))}
    special = {"eos_token": END, "pad_token": "<|endoftext|>", "extra_special_tokens": list(SPECIAL)}
    made = Qwen2Tokenizer(vocab=vocabulary, merges=list(merges), **special)
    made.chat_template = TEMPLATE
    return made


def image_processor(*, patch: int) -> Qwen2VLImageProcessorPil:
    return Qwen2VLImageProcessorPil(
        patch_size=patch, merge_size=MERGE, size={"shortest_edge": 8 * 8, "longest_edge": LARGEST}
    )


def generation(words: Qwen2Tokenizer) -> GenerationConfig:
    """As the published models have it: drawn, with two ends and a slight penalty."""
    return GenerationConfig(
        do_sample=True,
        temperature=0.1,
        top_k=1,
        top_p=0.001,
        repetition_penalty=1.05,
        eos_token_id=[words.eos_token_id, words.pad_token_id],
        pad_token_id=words.pad_token_id,
    )


def build(kind: QwenKind, words: Qwen2Tokenizer) -> PreTrainedModel:
    """The random model of a kind, of the class that the published ones have."""
    ids = {
        "image_token_id": words.convert_tokens_to_ids(PAD),
        "video_token_id": words.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": words.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": words.convert_tokens_to_ids("<|vision_end|>"),
    }
    text = {
        "vocab_size": len(words),
        "initializer_range": 0.1,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": WIDTH // 2,
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 2, 2]},
        "bos_token_id": None,
        "eos_token_id": words.eos_token_id,
    }
    vision = {"depth": 2, "num_heads": 2, "patch_size": PATCH, "spatial_merge_size": MERGE, "initializer_range": 0.1}
    settings = {**ids, "text_config": text, "tie_word_embeddings": False}
    if kind == "qwen2_vl":
        vision |= {"embed_dim": 16, "hidden_size": WIDTH, "mlp_ratio": 2}
        return Qwen2VLForConditionalGeneration(Qwen2VLConfig(vision_config=vision, **settings))
    vision |= {"hidden_size": 16, "out_hidden_size": WIDTH, "intermediate_size": 32}
    if kind == "qwen3_vl":
        vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
        return Qwen3VLForConditionalGeneration(Qwen3VLConfig(vision_config=vision, **settings))
    vision |= {"window_size": 4 * PATCH * MERGE, "fullatt_block_indexes": [1]}
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(vision_config=vision, **settings))


def jpeg(brightness: int, *, width: int = 48, height: int = 32) -> bytes:
    """A picture of one grey, with a stripe so that not all patches are alike."""
    picture = Image.new("RGB", (width, height), (brightness,) * 3)
    picture.paste((brightness // 2,) * 3, (0, 0, width // 8, height))
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=92)
    return stream.getvalue()


def train(model: PreTrainedModel, maker: InputMaker) -> None:
    """Teach it `ANSWERS` by the brightness of the pictures: first after short questions, then after long ones too."""
    chance = np.random.default_rng(3)
    lengths = [*[SHORT] * 70, *[(*SHORT, LONG)] * 30]
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(lengths))
    model.train()
    for letters in lengths:
        for shade, answer in ANSWERS.items():
            inputs = maker.inputs(question(chance, bright=shade == "bright", letters=int(chance.choice(letters))))
            model(**with_answer(inputs, maker.tokenizer.encode(answer + END))).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.eval()


def question(chance: np.random.Generator, *, bright: bool, letters: int) -> PromptRequest:
    """A question of random letters, about one picture or two, which are bright or dark."""
    shades = (160, 250) if bright else (5, 95)
    pictures = [jpeg(int(chance.integers(*shades))) for _ in range(chance.integers(1, 3))]
    text = "".join(chance.choice([*string.ascii_letters, *" " * 12, *".,:\n"], size=letters))
    half = letters // 2
    return PromptRequest(segment=0, pictures=tuple(pictures), system=text[:half], question=text[half:], max_words=60)


def with_answer(inputs: dict[str, torch.Tensor], answer: list[int]) -> dict[str, torch.Tensor]:
    """The inputs and what is to be said to them; only the answer counts in the loss."""
    said = torch.tensor([answer])
    silent = torch.full_like(inputs["input_ids"], -100)
    return inputs | {
        "input_ids": torch.cat([inputs["input_ids"], said], dim=1),
        "attention_mask": torch.cat([inputs["attention_mask"], torch.ones_like(said)], dim=1),
        "mm_token_type_ids": torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(said)], dim=1),
        "labels": torch.cat([silent, said], dim=1),
    }
