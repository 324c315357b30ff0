"""Which model and options are proposed for a machine, and the arithmetic behind it."""

from __future__ import annotations

import pytest

from wayframe.core.advice import GB, GIB, SHAPES, Machine, Setting, activation_bytes, gpu_bytes, propose, tokens

SIZES = {"wan2.2-i2v-a14b": 126.2 * GB, "wan2.1-vace-14b": 75.2 * GB, "wan2.1-vace-1.3b": 19.0 * GB}
A14B = SHAPES["wan2.2-i2v-a14b"]


def test_a_default_segment_has_27648_tokens() -> None:
    assert tokens() == 16 * 48 * 36 == 27648


def test_a_block_of_the_14b_holds_three_gib() -> None:
    assert activation_bytes(A14B) == 27648 * 2 * (9 * 5120 + 13824)
    assert activation_bytes(A14B) / GIB == pytest.approx(3.08, abs=0.01)


def test_one_expert_in_bf16_and_a_step_take_32_gib_and_decoding_beside_it_34() -> None:
    expert, vae, step = 14.3e9 * 2, 0.51e9, 27648 * 2 * (9 * 5120 + 13824)
    decoding = 4 * 4 * 192 * 4 * 768 * 576
    plain, tiled = (Setting(weights="bf16", offload="model", vae_tiling=tiled) for tiled in (False, True))
    assert gpu_bytes(A14B, tiled) == pytest.approx(expert + vae + step + 1.5 * GIB)
    assert gpu_bytes(A14B, plain) == pytest.approx(expert + vae + decoding + 1.5 * GIB)
    assert [round(gpu_bytes(A14B, one) / GIB, 1) for one in (tiled, plain)] == [31.7, 33.7]


@pytest.mark.parametrize(
    ("gib", "model", "options"),
    [
        (8, "wan2.2-i2v-a14b", {"weights": "fp8", "offload": "blocks", "vae_tiling": "true"}),
        (12, "wan2.2-i2v-a14b", {"weights": "fp8", "offload": "blocks", "vae_tiling": "true"}),
        (16, "wan2.2-i2v-a14b", {"weights": "fp8", "offload": "blocks", "vae_tiling": "true"}),
        (24, "wan2.2-i2v-a14b", {"weights": "fp8", "offload": "model"}),
        (32, "wan2.2-i2v-a14b", {"weights": "fp8", "offload": "model"}),
        (48, "wan2.2-i2v-a14b", {"offload": "model"}),
        (80, "wan2.2-i2v-a14b", {}),
    ],
)
def test_each_size_of_gpu_gets_the_fastest_options_that_fit(gib: int, model: str, options: dict[str, str]) -> None:
    advice = propose(Machine(gpu=gib * GIB, disk=200 * GB, memory=64 * GIB), sizes=SIZES)
    assert advice is not None
    assert (advice.model, advice.options) == (model, options)
    assert advice.needs <= gib * GIB


@pytest.mark.parametrize(
    ("disk", "here", "model"),
    [
        (127, (), "wan2.2-i2v-a14b"),
        (126, (), "wan2.1-vace-14b"),
        (60, (), "wan2.1-vace-1.3b"),
        (1, ("wan2.2-i2v-a14b",), "wan2.2-i2v-a14b"),
        (1, (), None),
    ],
)
def test_a_model_that_the_disk_cannot_take_is_not_proposed_unless_it_is_here(
    disk: int, here: tuple[str, ...], model: str | None
) -> None:
    advice = propose(Machine(gpu=48 * GIB, disk=disk * GB), sizes=SIZES, here=here)
    assert (advice.model if advice else None) == model


def test_blocks_need_main_memory_for_one_expert() -> None:
    for memory, model in ((19, "wan2.1-vace-1.3b"), (20, "wan2.2-i2v-a14b")):
        advice = propose(Machine(gpu=12 * GIB, disk=200 * GB, memory=memory * GIB), sizes=SIZES)
        assert advice is not None
        assert advice.model == model


def test_without_a_gpu_or_with_a_tiny_one_nothing_is_proposed() -> None:
    assert propose(Machine(gpu=None, disk=200 * GB), sizes=SIZES) is None
    assert propose(Machine(gpu=2 * GIB, disk=200 * GB), sizes=SIZES) is None


def test_the_proposal_reads_as_words_for_run() -> None:
    advice = propose(Machine(gpu=24 * GIB, disk=200 * GB), sizes=SIZES)
    assert advice is not None
    assert advice.command() == "--engine wan --model wan2.2-i2v-a14b --option weights=fp8 --option offload=model"
    assert advice.why.startswith("one expert at a time is on the GPU, 13.3 GiB in fp8: ")
