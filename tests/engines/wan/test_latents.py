"""Between frames and latents: equal to the stock pipelines, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engines.wan.stock import FRAMES, HEIGHT, SEED, WIDTH, Stock, frame, pil, trip
from engines.wan.tiny import TinyKind, TinyModels
from wayframe.engines.wan.guide import canvas_of
from wayframe.engines.wan.latents import as_video, noise
from wayframe.errors import EngineError


@pytest.mark.parametrize("kind", ["t2v", "vace", "ti2v5b"])
def test_latents_decode_to_the_frames_of_the_stock_pipeline(tiny: TinyModels, kind: TinyKind) -> None:
    stock = Stock.of(tiny, kind)
    extra = {"image": pil(1)} if kind == "ti2v5b" else {}
    latents = stock.pipeline(**stock.shared(), **extra, output_type="latent").frames
    theirs = stock.pipeline(**stock.shared(), **extra, output_type="np").frames[0]
    ours = list(stock.conditions().decode(latents, job=trip()))
    assert np.array_equal(ours, (theirs * 255).round().astype(np.uint8))
    assert len(ours) == FRAMES


def test_frames_are_those_that_the_stock_pipeline_gives_as_pictures(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "t2v")
    latents = stock.pipeline(**stock.shared(), output_type="latent").frames
    pictures = stock.pipeline(**stock.shared(), output_type="pil").frames[0]
    ours = list(stock.conditions().decode(latents, job=trip()))
    assert np.array_equal(ours, [np.asarray(one) for one in pictures])
    assert stock.counts == {"vae_decodes": 1}


def test_each_frame_is_an_array_of_its_own(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "t2v")
    latents = noise(seed=3, shape=(1, 16, 5, HEIGHT // 8, WIDTH // 8))
    for one in stock.conditions().decode(latents, job=trip()):
        assert one.flags.c_contiguous
        assert one.base is None or one.base.nbytes == one.nbytes
        one[:] = 0


def test_only_what_the_canvas_shows_is_handed_out(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "t2v")
    latents = noise(seed=3, shape=(1, 16, 5, HEIGHT // 8, WIDTH // 8))
    whole = list(stock.codec().decode(latents, canvas=canvas_of(trip(), grid=stock.space().grid)))
    job = trip(frames=15)
    part = canvas_of(job, grid=stock.space().grid)
    assert part.frames == FRAMES
    assert np.array_equal(list(stock.codec().decode(latents, canvas=part)), whole[:15])


def test_noise_is_that_of_the_stock_pipeline(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "t2v")
    theirs = stock.pipeline.prepare_latents(
        1, 16, HEIGHT, WIDTH, FRAMES, torch.float32, torch.device("cpu"), torch.Generator().manual_seed(SEED)
    )
    shape = stock.space().shape(width=WIDTH, height=HEIGHT, frames=FRAMES)
    assert torch.equal(noise(seed=SEED, shape=shape), theirs)
    assert not torch.equal(noise(seed=SEED + 1, shape=shape), theirs)


def test_noise_does_not_touch_the_shared_generator() -> None:
    torch.manual_seed(1)
    first = torch.rand(1)
    torch.manual_seed(1)
    noise(seed=5, shape=(2, 3))
    assert torch.equal(torch.rand(1), first)


def test_pictures_become_numbers_as_diffusers_makes_them(tiny: TinyModels) -> None:
    stock = Stock.of(tiny, "t2v")
    every = np.arange(256, dtype=np.uint8).repeat(WIDTH * HEIGHT * 3 // 256).reshape(HEIGHT, WIDTH, 3)
    theirs = stock.pipeline.video_processor.preprocess_video([pil(1), pil(2)], HEIGHT, WIDTH)
    ours = as_video([frame(1), None, every, frame(2)])
    assert torch.equal(ours[:, :, [0, 3]], theirs)
    assert bool((ours[:, :, 1] == 0).all())
    assert (float(ours.min()), float(ours.max())) == (-1.0, 1.0)


def test_a_size_or_length_that_has_no_latents_is_refused(tiny: TinyModels) -> None:
    wide = Stock.of(tiny, "ti2v5b").space()
    assert wide.shape(width=64, height=32, frames=9) == (1, 48, 3, 2, 4)
    with pytest.raises(EngineError, match=r"width: the model makes a multiple of 32 \(got 80\); use 64 or 96"):
        wide.shape(width=80, height=64, frames=9)
    with pytest.raises(EngineError, match=r"frames: the model makes 4n\+1 \(got 60\); use 57 or 61"):
        wide.shape(width=64, height=64, frames=60)
