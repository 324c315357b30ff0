"""Prompts as the transformer reads them: embeddings by umT5, each distinct prompt encoded once."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Collection
from functools import partial
from typing import Protocol

import ftfy
import torch
from torch import Tensor
from torch.nn import functional

from wayframe.engines.wan.cache import TensorCache

_CACHE_BYTES = 512 * 2**20  # a hundred tokens of umT5-xxl in bfloat16 are 0.8 MB


class Tokens(Protocol):
    """What a tokenizer returns: ids and mask, both [1, length]."""

    input_ids: Tensor
    attention_mask: Tensor


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that is used."""

    def __call__(
        self, text: list[str], *, padding: str, max_length: int, truncation: bool, return_tensors: str
    ) -> Tokens:
        """Ids of the texts, padded and cut to `max_length`."""
        ...


class Encoded(Protocol):
    """What a text encoder returns."""

    last_hidden_state: Tensor


class TextEncoder(Protocol):
    """The part of a transformers text encoder that is used."""

    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> Encoded:
        """One state per token."""
        ...


class TextEmbeddings:
    """Embeddings of prompts, with the numbers of `WanPipeline.encode_prompt`.

    `load` gives tokenizer and encoder, which is on `device` then; `free` is called as soon as all prompts that were
    asked for are encoded. `length` is the number of tokens; a longer prompt is cut. `count` hears `text_encodes`.
    """

    def __init__(
        self,
        *,
        load: Callable[[], tuple[Tokenizer, TextEncoder]],
        free: Callable[[], None],
        device: torch.device,
        count: Callable[[str], None],
        length: int = 512,
    ) -> None:
        self._load, self._free, self._count = load, free, count
        self._device, self._length = device, length
        self._cache = TensorCache(limit=_CACHE_BYTES)

    def of(self, prompts: Collection[str]) -> None:
        """Encode those of `prompts` that are not held yet, then free the encoder.

        They are encoded one by one: what a prompt becomes must not depend on its neighbours in a batch.
        """
        missing = [text for text in dict.fromkeys(map(clean, prompts)) if text not in self._cache]
        if not missing:
            return
        try:
            self._encode(missing)
        finally:
            self._free()

    def get(self, prompt: str) -> Tensor:
        """The embedding of a prompt: [1, length, width] on the device, zeros after its last token.

        It is encoded now if it is not held: `of` did not name it, or much was encoded since.
        """
        text = clean(prompt)
        tokens = self._cache.get(text, partial(self._alone, text)).to(self._device)
        return functional.pad(tokens, (0, 0, 0, self._length - tokens.shape[0]))[None]

    def _encode(self, texts: Collection[str]) -> None:
        tokenizer, encoder = self._load()  # held by this method alone: whoever frees the encoder must not hold it
        for text in texts:
            self._cache.get(text, partial(self._tokens, text, tokenizer=tokenizer, encoder=encoder))

    def _alone(self, text: str) -> Tensor:
        try:
            return self._loaded_for(text)
        finally:
            self._free()

    def _loaded_for(self, text: str) -> Tensor:
        tokenizer, encoder = self._load()
        return self._tokens(text, tokenizer=tokenizer, encoder=encoder)

    @torch.no_grad()
    def _tokens(self, text: str, *, tokenizer: Tokenizer, encoder: TextEncoder) -> Tensor:
        """[tokens, width], without the padding: the encoder sees it, the cache need not hold it."""
        self._count("text_encodes")
        ids = tokenizer([text], padding="max_length", max_length=self._length, truncation=True, return_tensors="pt")
        mask = ids.attention_mask.to(self._device)
        states = encoder(ids.input_ids.to(self._device), mask).last_hidden_state
        return states[0, : int(mask.sum())]


def clean(prompt: str) -> str:
    """The text that is encoded, as diffusers' Wan pipelines clean it.

    Broken Unicode is mended, HTML entities are resolved (twice: they come escaped twice), white space becomes one
    space.
    """
    return re.sub(r"\s+", " ", html.unescape(html.unescape(ftfy.fix_text(prompt)))).strip()
