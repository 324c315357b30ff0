"""A question with pictures as a Qwen-VL model reads it: token ids, patches of pictures, and their grid.

transformers' own processors for these models want torchvision (for videos), which has to fit the build of torch to the
digit. What they do with pictures is little, and needs none of it: each ``<|image_pad|>`` of the chat becomes as many as
the picture has merged patches, ``t * h * w / merge_size**2`` of its grid (`Qwen2_5_VLProcessor.replace_image_token`).
The patches are made by the image processor on Pillow, as when these models were published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol, TypeAlias

import torch
from PIL import Image
from torch import Tensor

from wayframe.errors import PromptError
from wayframe.prompts.base import PromptRequest

PAD = "<|image_pad|>"
LABELS = ("START", "END")
Message: TypeAlias = dict[str, str | list[dict[str, str]]]


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that is used."""

    @property
    def all_special_tokens(self) -> list[str]:
        """The tokens that steer the model."""
        ...

    def apply_chat_template(
        self, conversation: list[Message], *, chat_template: str | None, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        """The conversation as the text that the model was trained on."""
        ...

    def convert_tokens_to_ids(self, tokens: str) -> int:
        """The id of a token."""
        ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The ids of a text."""
        ...

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str:
        """The text of ids."""
        ...


class ImageProcessor(Protocol):
    """The part of a transformers image processor that is used."""

    merge_size: int

    def __call__(self, *, images: list[Image.Image], return_tensors: str) -> Mapping[str, Tensor]:
        """`pixel_values` [patches of all, numbers of a patch], `image_grid_thw` [pictures, 3]."""
        ...


class UnfitRequestError(Exception):
    """A request that cannot be put to the model; its text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputMaker:
    """Makes the inputs of a model from its own tokenizer, image processor and chat template.

    `template` None takes the tokenizer's own.
    """

    tokenizer: Tokenizer
    pictures: ImageProcessor
    template: str | None = None

    def inputs(self, request: PromptRequest) -> dict[str, Tensor]:
        """The arguments of the model's forward, on the CPU, for a batch of one.

        `input_ids`, `attention_mask` and `mm_token_type_ids` (1 where a picture is: without them the model places
        pictures as if they were text, and says nothing) are [1, tokens]; `pixel_values` [patches, numbers of a patch],
        float32; `image_grid_thw` [pictures, 3], in patches. Raises `UnfitRequestError` for words that would steer the
        model, `PromptError` for a model whose chat template knows no pictures.
        """
        self._check_words(request)
        seen = self.pictures(images=[read_picture(one) for one in request.pictures], return_tensors="pt")
        grid = seen["image_grid_thw"]
        pad = self.tokenizer.convert_tokens_to_ids(PAD)
        ids = self._ids(request, pad=pad, counts=(grid.prod(dim=1) // self.pictures.merge_size**2).tolist())
        input_ids = torch.tensor([ids], dtype=torch.long)
        return {
            "input_ids": input_ids,
            "attention_mask": torch.ones_like(input_ids),
            "mm_token_type_ids": (input_ids == pad).long(),
            "pixel_values": seen["pixel_values"],
            "image_grid_thw": grid,
        }

    def _ids(self, request: PromptRequest, *, pad: int, counts: Sequence[int]) -> list[int]:
        """The chat's ids, each picture's place as wide as its count."""
        chat = self.tokenizer.apply_chat_template(
            messages(request), chat_template=self.template, tokenize=False, add_generation_prompt=True
        )
        short = self.tokenizer.encode(chat, add_special_tokens=False)
        if short.count(pad) != len(counts):
            made = f"makes {short.count(pad)} places for {len(counts)} pictures"
            raise PromptError(f"the chat template of the model {made}; use a model with its own template")
        widths = iter(counts)
        return [token for one in short for token in ([pad] * next(widths) if one == pad else [one])]

    def _check_words(self, request: PromptRequest) -> None:
        said = f"{request.system}\n{request.question}"
        steering = next((token for token in self.tokenizer.all_special_tokens if token in said), None)
        if steering is not None:
            raise UnfitRequestError(f"the text holds {steering}, which steers the model; take it out")


def messages(request: PromptRequest) -> list[Message]:
    """The request as a chat: the system's words, then the pictures (two are labelled), then the question."""
    content: list[dict[str, str]] = []
    labels = LABELS if len(request.pictures) == len(LABELS) else ("",) * len(request.pictures)
    for label in labels:
        content.extend([{"type": "text", "text": f"{label}: "}] if label else [])
        content.append({"type": "image"})
    content.append({"type": "text", "text": request.question})
    return [{"role": "system", "content": request.system}, {"role": "user", "content": content}]


def read_picture(jpeg: bytes) -> Image.Image:
    """The picture of a JPEG file, in RGB."""
    with Image.open(BytesIO(jpeg)) as picture:
        return picture.convert("RGB")
