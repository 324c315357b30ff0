"""Text embeddings: the numbers of the stock pipeline, each prompt encoded once, the encoder freed."""

from __future__ import annotations

import weakref
from collections import Counter

import pytest
import torch
from diffusers import WanPipeline
from diffusers.pipelines.wan import pipeline_wan
from torch import Tensor

from engines.wan.stock import CPU, Stock
from engines.wan.tiny import TinyModels
from wayframe.engines.wan import text as module
from wayframe.engines.wan.text import TextEmbeddings, clean

PROMPTS = [
    "a fish swims",
    "",
    "  two\t spaces\n\nand&amp;amp; lines  ",
    "schÃ¶n \u2018quoted\u2019 \u00a0 ﬁne &lt;b&gt; &#39; 雪 🐟 ",
    "<i> escaped &amp;lt;twice&amp;gt;",
    "a" * 700,
]


class Loads:
    """Loads what the pipeline has, and counts all that happens."""

    def __init__(self, pipeline: WanPipeline) -> None:
        self.pipeline, self.counts = pipeline, Counter[str]()

    def load(self) -> tuple[object, object]:
        self.counts["loads"] += 1
        return self.pipeline.tokenizer, self.pipeline.text_encoder

    def free(self) -> None:
        self.counts["frees"] += 1

    def count(self, name: str) -> None:
        self.counts[name] += 1

    def embeddings(self, *, length: int = 512) -> TextEmbeddings:
        return TextEmbeddings(load=self.load, free=self.free, device=CPU, count=self.count, length=length)


@pytest.fixture
def loads(tiny: TinyModels) -> Loads:
    return Loads(Stock.of(tiny, "t2v21").pipeline)


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("length", [512, 64])
def test_a_prompt_becomes_what_the_stock_pipeline_makes_of_it(loads: Loads, prompt: str, length: int) -> None:
    ours = loads.embeddings(length=length)
    ours.of(PROMPTS)
    with torch.no_grad():
        theirs, _ = loads.pipeline.encode_prompt(prompt, do_classifier_free_guidance=False, max_sequence_length=length)
    assert ours.get(prompt).shape == (1, length, 32)
    assert torch.equal(ours.get(prompt), theirs)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_is_cleaned_as_the_stock_pipeline_does(prompt: str) -> None:
    assert clean(prompt) == pipeline_wan.prompt_clean(prompt)


def test_a_half_precision_encoder_gives_half_precision(loads: Loads) -> None:
    loads.pipeline.text_encoder.to(torch.bfloat16)
    ours = loads.embeddings().get("a fish")
    with torch.no_grad():
        theirs, _ = loads.pipeline.encode_prompt("a fish", do_classifier_free_guidance=False, max_sequence_length=512)
    assert ours.dtype == torch.bfloat16
    assert torch.equal(ours, theirs)


def test_each_distinct_prompt_is_encoded_once_and_the_encoder_freed_after_all(loads: Loads) -> None:
    ours = loads.embeddings()
    ours.of(["a", "b", "a", " a  ", "b"])
    assert loads.counts == {"loads": 1, "text_encodes": 2, "frees": 1}
    ours.of(["a", "b"])
    ours.get("a")
    assert loads.counts == {"loads": 1, "text_encodes": 2, "frees": 1}
    ours.of(["a", "c"])
    assert loads.counts == {"loads": 2, "text_encodes": 3, "frees": 2}


def test_a_prompt_that_was_not_named_is_encoded_when_asked_for(loads: Loads) -> None:
    ours, named = loads.embeddings(), loads.embeddings()
    named.of(["a", "b"])
    assert torch.equal(ours.get("b"), named.get("b"))
    assert loads.counts["frees"] == 2


def test_prompts_that_do_not_fit_the_cache_are_right_all_the_same(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy = loads.embeddings()
    roomy.of(["first", "second"])
    monkeypatch.setattr(module, "_CACHE_BYTES", 10 * 32 * 4)
    tight = loads.embeddings()
    tight.of(["first", "second"])
    assert torch.equal(tight.get("first"), roomy.get("first"))
    assert torch.equal(tight.get("second"), roomy.get("second"))


def test_the_encoder_is_freed_when_encoding_fails(loads: Loads) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("out of memory")

    loads.pipeline.text_encoder.forward = broken
    with pytest.raises(RuntimeError, match="out of memory"):
        loads.embeddings().of(["a"])
    assert loads.counts["frees"] == 1


def test_nothing_holds_the_encoder_when_it_is_freed(loads: Loads) -> None:
    class Encoder:
        def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> object:
            return loads.pipeline.text_encoder(input_ids, attention_mask)

    held: list[weakref.ref[Encoder]] = []

    def load() -> tuple[object, Encoder]:
        encoder = Encoder()
        held.append(weakref.ref(encoder))
        return loads.pipeline.tokenizer, encoder

    def free() -> None:
        assert [encoder() for encoder in held] == [None] * len(held)
        loads.free()

    ours = TextEmbeddings(load=load, free=free, device=CPU, count=loads.count)
    ours.of(["a", "b"])
    ours.get("c")
    assert loads.counts["frees"] == len(held) == 2


def test_what_is_given_out_may_be_written_into(loads: Loads) -> None:
    ours = loads.embeddings(length=8)
    before = ours.get("12345678").clone()
    ours.get("12345678").zero_()
    assert torch.equal(ours.get("12345678"), before)
