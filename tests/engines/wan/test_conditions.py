"""Conditions of every kind of model: equal to the stock pipelines' where these know the case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engines.wan.stock import (
    CPU,
    FRAMES,
    HEIGHT,
    WIDTH,
    Stock,
    bridge,
    control_video,
    forward_of,
    frame,
    furthest,
    pil,
    trip,
)
from engines.wan.tiny import TinyKind, TinyModels
from wayframe.engines.wan.conditions import Conditions, Traits, folded_mask, thinned_mask
from wayframe.engines.wan.latents import as_video
from wayframe.errors import EngineError

SAME = 1e-6  # two pictures in one batch of CLIP; a division by the deviation in place of a product


def test_text_to_video_is_given_noise_alone(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "t2v")
    ours = stock.conditions().condition(trip(last=2))
    assert furthest(forward_of(ours), stock.first_forward()) == 0
    assert (ours.channels, ours.first, ours.extra) == (None, None, {})
    assert stock.counts == {}


@pytest.mark.parametrize("kind", ["i2v22", "i2v21"])
def test_a_start_keyframe_is_told_as_the_stock_pipeline_tells_it(tiny: TinyModels, kind: TinyKind) -> None:
    stock = Stock.of(tiny, kind)
    ours = stock.conditions().condition(trip())
    assert furthest(forward_of(ours), stock.first_forward(image=pil(1))) == 0


@pytest.mark.parametrize("kind", ["i2v22", "flf2v21"])
def test_two_keyframes_are_told_as_the_stock_pipeline_tells_them(tiny: TinyModels, kind: TinyKind) -> None:
    stock = Stock.of(tiny, kind)
    ours = stock.conditions().condition(trip(last=2))
    assert furthest(forward_of(ours), stock.first_forward(image=pil(1), last_image=pil(2))) <= SAME


def test_only_transformers_that_have_eyes_are_given_embeddings(tiny: TinyModels) -> None:
    shapes = {}
    for kind in ("i2v22", "i2v21", "flf2v21"):
        extra = Stock.of(tiny, kind).conditions().condition(trip(last=2)).extra
        shapes[kind] = {name: tuple(value.shape) for name, value in extra.items()}
    assert shapes == {
        "i2v22": {},
        "i2v21": {"encoder_hidden_states_image": (1, 17, 4)},
        "flf2v21": {"encoder_hidden_states_image": (2, 17, 4)},
    }


def test_a_first_last_frame_model_without_an_end_sees_the_start_twice(tiny: TinyModels) -> None:
    condition = Stock.of(tiny, "flf2v21").conditions().condition(trip())
    seen = condition.extra["encoder_hidden_states_image"]
    assert torch.equal(seen[0], seen[1])


def test_a_model_that_takes_no_end_is_not_told_of_it(tiny: TinyModels) -> None:
    conditions = Stock.of(tiny, "i2v21", takes_end=False).conditions()
    with_end, without = conditions.condition(trip(last=2)), conditions.condition(trip())
    assert furthest(forward_of(with_end), forward_of(without)) == 0


def test_one_given_frame_is_a_start_keyframe(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "i2v21")
    ours = stock.conditions().condition(trip(given=[5]))
    assert furthest(forward_of(ours), stock.first_forward(image=pil(5))) == 0


def test_given_frames_fill_the_first_frames_of_video_and_mask(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "i2v22")
    condition = stock.conditions().condition(trip(given=range(3, 9), last=2))
    assert condition.channels is not None
    mask = condition.channels[0, :4]
    assert mask.unique(dim=2).shape[2] == 1
    assert mask[:, :, 0, 0].T.tolist() == [[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    video = torch.zeros(1, 3, FRAMES, HEIGHT, WIDTH)
    for at, seed in {**{number: number + 3 for number in range(6)}, FRAMES - 1: 2}.items():
        video[:, :, at] = stock.pipeline.video_processor.preprocess(pil(seed), HEIGHT, WIDTH)
    config = stock.pipeline.vae.config
    mean, std = (torch.tensor(v).view(1, -1, 1, 1, 1) for v in (config.latents_mean, config.latents_std))
    with torch.no_grad():
        latents = (stock.pipeline.vae.encode(video).latent_dist.mode() - mean) / std
    assert float((condition.channels[:, 4:] - latents).abs().max()) <= SAME


def test_clip_sees_the_first_given_frame(tiny: TinyModels) -> None:
    conditions = Stock.of(tiny, "i2v21", takes_end=False).conditions()
    chained, alone = conditions.condition(trip(given=[4, 5])), conditions.condition(trip(given=[4]))
    assert torch.equal(*(one.extra["encoder_hidden_states_image"] for one in (chained, alone)))


@pytest.mark.parametrize(
    ("last", "given", "kept"),
    [
        (None, (), {0: 1}),
        (2, (), {0: 1, 16: 2}),
        (2, (4, 5, 6, 7, 8, 9), {0: 4, 1: 5, 2: 6, 3: 7, 4: 8, 5: 9, 16: 2}),
        (None, (4, 5, 6, 7, 8), {0: 4, 1: 5, 2: 6, 3: 7, 4: 8}),
    ],
    ids=["start", "start and end", "given and end", "given"],
)
@pytest.mark.parametrize("kind", ["vace", "vace21"])
def test_vace_is_told_as_the_stock_pipeline_tells_it(
    tiny: TinyModels, kind: TinyKind, last: int | None, given: tuple[int, ...], kept: dict[int, int]
) -> None:
    stock = Stock.of(tiny, kind)
    ours = stock.conditions(scale=0.7).condition(trip(last=last, given=given))
    asked = stock.first_forward(**control_video(kept), conditioning_scale=0.7)
    assert furthest(forward_of(ours), asked) == 0


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ((4, 5, 6), (7, 8), {0: 4, 1: 5, 2: 6, 15: 7, 16: 8}),
        ((), (7,), {16: 7}),
        ((4,), (5, 6, 7), {0: 4, 14: 5, 15: 6, 16: 7}),
    ],
    ids=["bridge", "end alone", "more after than before"],
)
@pytest.mark.parametrize("kind", ["vace", "vace21"])
def test_vace_is_told_of_frames_at_the_end_as_of_those_at_the_start(
    tiny: TinyModels, kind: TinyKind, before: tuple[int, ...], after: tuple[int, ...], kept: dict[int, int]
) -> None:
    stock = Stock.of(tiny, kind)
    ours = stock.conditions().condition(bridge(before, after))
    assert furthest(forward_of(ours), stock.first_forward(**control_video(kept))) == 0


def test_the_mask_of_i2v_keeps_what_is_given_for_the_end(tiny: TinyModels) -> None:
    condition = Stock.of(tiny, "i2v22").conditions().condition(bridge((4, 5), (6, 7, 8)))
    assert condition.channels is not None
    mask = condition.channels[0, :4, :, 0, 0].T.tolist()
    assert mask == [[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1]]


@pytest.mark.parametrize("kind", ["i2v21", "flf2v21"])
def test_clip_sees_the_end_where_nothing_is_known_of_the_start(tiny: TinyModels, kind: TinyKind) -> None:
    conditions = Stock.of(tiny, kind).conditions()
    from_nowhere = conditions.condition(bridge((), (5,))).extra["encoder_hidden_states_image"]
    at_both = conditions.condition(bridge((5,), (5,))).extra["encoder_hidden_states_image"]
    assert torch.equal(from_nowhere, at_both)


def test_the_5b_that_is_told_of_no_start_is_noise_everywhere(tiny: TinyModels) -> None:
    ours = Stock.of(tiny, "ti2v5b", takes_end=False).conditions().condition(bridge((), (5,)))
    assert ours.first is not None
    assert bool((ours.first.mask == 1).all())


def test_the_5b_is_given_its_first_latent_frame_and_a_time_for_each_token(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "ti2v5b", takes_end=False)
    ours = stock.conditions().condition(trip(last=2))
    asked = stock.first_forward(image=pil(1))
    assert furthest(forward_of(ours), asked) == 0
    assert ours.first is not None
    times = (ours.first.mask[0, 0, :, ::2, ::2] * 1000).flatten()
    assert torch.equal(times[None], asked["timestep"])


def test_the_5b_of_text_alone_is_noise_everywhere(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "ti2v5b", takes_end=False, text=True)
    ours = stock.conditions().condition(trip())
    assert furthest(forward_of(ours), stock.first_forward()) == 0
    assert stock.counts == {}


@pytest.mark.parametrize(("given", "whole"), [(1, 1), (4, 1), (5, 2), (6, 2), (9, 3)])
def test_the_5b_keeps_the_latent_frames_that_given_frames_fill(tiny: TinyModels, given: int, whole: int) -> None:
    stock = Stock.of(tiny, "ti2v5b", takes_end=False)
    conditions = stock.conditions()
    first = conditions.condition(trip(given=range(10, 10 + given))).first
    assert first is not None
    assert first.mask[0, 0, :, 0, 0].tolist() == [0.0] * whole + [1.0] * (5 - whole)
    known = stock.codec().encode(as_video([frame(10 + number) for number in range(4 * whole - 3)]))
    put = first.put_into(torch.full_like(first.latents, 7.0))
    assert torch.equal(put[:, :, :whole], known)
    assert bool((put[:, :, whole:] == 7).all())


@pytest.mark.parametrize("kind", ["i2v21", "vace"])
def test_extra_arguments_come_in_the_dtype_of_the_transformer(tiny: TinyModels, kind: TinyKind) -> None:
    condition = Stock.of(tiny, kind).conditions(dtype=torch.bfloat16).condition(trip(last=2))
    assert {value.dtype for value in condition.extra.values()} == {torch.bfloat16}
    assert condition.channels is None or condition.channels.dtype == torch.float32


def test_a_model_without_its_image_encoder_is_refused(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "i2v21")
    with pytest.raises(EngineError, match="no image encoder"):
        Conditions(traits=Traits.of(stock.layout), codec=stock.codec(), device=CPU, dtype=torch.float32)


def test_what_was_encoded_is_not_encoded_again(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "flf2v21")
    conditions = stock.conditions()
    conditions.condition(trip(last=2))
    one = trip(last=2)
    conditions.condition(replace(one, segment=replace(one.segment, seed=3, prompt="other", key="f" * 64)))
    assert stock.counts == {"vae_encodes": 1, "image_encodes": 2}
    conditions.condition(trip(last=3))
    assert stock.counts == {"vae_encodes": 2, "image_encodes": 3}


@pytest.mark.parametrize(
    "other",
    [trip(last=3), trip(), trip(last=2, given=[1, 1]), trip(last=2, frames=13), trip(last=1, given=[2])],
    ids=["end", "no end", "given", "frames", "the other way"],
)
def test_other_pictures_frames_or_places_are_encoded_anew(tiny: TinyModels, other: object) -> None:
    stock = Stock.of(tiny, "i2v22")
    conditions = stock.conditions()
    conditions.condition(trip(last=2))
    conditions.condition(other)
    assert stock.counts == {"vae_encodes": 2}


@pytest.mark.parametrize("kind", ["i2v22", "ti2v5b"])
def test_a_single_pixel_makes_another_picture(tiny: TinyModels, kind: TinyKind) -> None:
    stock = Stock.of(tiny, kind)
    conditions = stock.conditions()
    one = trip()
    conditions.condition(one)
    conditions.condition(one)
    assert stock.counts == {"vae_encodes": 1}
    one.first[3, 4, 1] ^= 1
    conditions.condition(one)
    assert stock.counts == {"vae_encodes": 2}


def test_the_gray_stream_of_vace_is_encoded_once_for_a_size_and_length(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "vace")
    conditions = stock.conditions()
    for last in (2, 3, 4):
        conditions.condition(trip(last=last))
    assert stock.counts == {"vae_encodes": 4}
    conditions.condition(trip(last=2, frames=13))
    assert stock.counts == {"vae_encodes": 6}


def test_a_condition_is_the_same_first_and_after_others(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "vace")
    conditions = stock.conditions()
    before = forward_of(conditions.condition(trip(last=2)))
    conditions.condition(trip(last=3, given=[7, 8]))
    assert furthest(before, forward_of(conditions.condition(trip(last=2)))) == 0
    assert furthest(before, forward_of(stock.conditions().condition(trip(last=2)))) == 0


@pytest.mark.parametrize("kind", ["t2v", "i2v22", "flf2v21", "vace", "ti2v5b"])
@pytest.mark.parametrize(("size", "frames", "given"), [((65, 47), 2, 0), ((47, 65), 3, 3), ((16, 16), 1, 3)])
def test_any_size_and_length_is_served(
    tiny: TinyModels, kind: TinyKind, size: tuple[int, int], frames: int, given: int
) -> None:
    stock = Stock.of(tiny, kind)
    conditions = stock.conditions()
    width, height = size
    flat = np.full((height, width, 3), 90, np.uint8)
    asked = trip(last=2, frames=frames)
    asked = replace(asked, width=width, height=height, first=flat, last=flat, given=(flat,) * given)
    condition = conditions.condition(asked)
    step = 32 if kind == "ti2v5b" else 16
    rows, columns = (-(-side // step) * 2 for side in (height, width))
    assert condition.latents_shape[2:] == (1 if frames == 1 else 2, rows, columns)
    latents = forward_of(condition)["hidden_states"][:, : condition.latents_shape[1]]
    shown = list(conditions.decode(latents, job=asked))
    assert [(one.shape, one.dtype) for one in shown] == [((height, width, 3), np.dtype(np.uint8))] * frames


def test_a_latent_frame_stands_for_its_four_frames_and_the_first_for_one() -> None:
    known = torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 8, 9])
    assert folded_mask(known, step=4).T.tolist() == [[1, 1, 1, 1], [2, 3, 4, 5], [6, 7, 8, 9]]


def test_vace_takes_the_mask_of_the_frame_nearest_to_the_middle() -> None:
    assert thinned_mask(torch.arange(53.0), count=14).tolist()[:4] == [1, 5, 9, 13]
    assert thinned_mask(torch.arange(53.0), count=14).tolist()[-2:] == [47, 51]
