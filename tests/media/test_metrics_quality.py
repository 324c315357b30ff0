from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from media.clips import HEIGHT, WIDTH, texture
from wayframe.media.metrics_quality import luma_of, psnr, ssim


def pair(noise: int, *, look: int = 3) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    first = np.ascontiguousarray(texture(look)[:HEIGHT, :WIDTH, 0])
    wild = np.random.default_rng(noise).integers(-noise, noise + 1, first.shape)
    return first, np.clip(first + wild, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [1, 6, 40, 200])
def test_psnr_and_ssim_are_those_of_scikit_image(noise: int):
    first, second = pair(noise)
    assert psnr(first=first, second=second) == pytest.approx(peak_signal_noise_ratio(first, second, data_range=255))
    theirs = structural_similarity(
        first, second, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(first=first, second=second) == pytest.approx(theirs, abs=1e-5)


def test_flat_pictures_do_not_lose_ssim_to_rounding():
    bright, brighter = (np.full((32, 48), level, np.uint8) for level in (250, 252))
    theirs = structural_similarity(
        bright, brighter, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(first=bright, second=brighter) == pytest.approx(theirs, abs=1e-4)


def test_equal_pictures_have_no_noise_and_full_similarity():
    first, _ = pair(1)
    assert psnr(first=first, second=first) == math.inf
    assert ssim(first=first, second=first) == pytest.approx(1, abs=1e-6)


def test_psnr_of_a_hand_made_pair():
    black, grey = np.zeros((8, 8), np.uint8), np.full((8, 8), 51, np.uint8)  # a fifth of 255: 10 log10(25)
    assert psnr(first=black, second=grey) == pytest.approx(13.9794, abs=1e-4)


def test_ssim_is_defined_for_pictures_smaller_than_its_window():
    small = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert ssim(first=small, second=small) == pytest.approx(1, abs=1e-6)
    assert ssim(first=small, second=small[::-1].copy()) < 0.5


def test_pictures_of_different_size_are_refused():
    first, second = np.zeros((8, 8), np.uint8), np.zeros((8, 10), np.uint8)
    with pytest.raises(ValueError, match="pictures of one size are needed"):
        psnr(first=first, second=second)
    with pytest.raises(ValueError, match="pictures of one size are needed"):
        ssim(first=first, second=second)


def test_luma_runs_from_16_to_235_as_it_is_stored():
    white, black = (np.full((16, 17, 3), level, np.uint8) for level in (255, 0))
    assert luma_of(white).shape == (16, 16)
    assert set(luma_of(white).ravel()) == {235}
    assert set(luma_of(black).ravel()) == {16}
