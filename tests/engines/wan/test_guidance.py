"""Guidance on vectors whose results are known by hand."""

from __future__ import annotations

import pytest
import torch

from wayframe.engines.wan.guidance import guided, optimised_scale


def samples(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows).view(len(rows), -1, 1, 1, 1)


def test_guidance_goes_on_from_the_unguided_through_the_guided_velocity() -> None:
    velocity = guided(cond=samples([2.0, 1.0]), uncond=samples([1.0, 3.0]), scale=3.0, star=False)
    assert velocity.flatten().tolist() == [4.0, -3.0]


def test_guidance_of_zero_is_the_unguided_velocity() -> None:
    velocity = guided(cond=samples([2.0, 1.0]), uncond=samples([1.0, 3.0]), scale=0.0, star=False)
    assert velocity.flatten().tolist() == [1.0, 3.0]


def test_the_optimised_scale_is_found_for_each_sample() -> None:
    cond, uncond = samples([2.0, 0.0], [1.0, 1.0]), samples([1.0, 0.0], [2.0, 2.0])
    assert optimised_scale(cond=cond, uncond=uncond).flatten().tolist() == [2.0, 0.5]


def test_the_star_scales_the_unguided_velocity_before() -> None:
    velocity = guided(cond=samples([2.0, 4.0]), uncond=samples([1.0, 0.0]), scale=3.0, star=True)
    # the scale is 2, so 2 * [1, 0] + 3 * ([2, 4] - 2 * [1, 0])
    assert velocity.flatten().tolist() == [2.0, 12.0]


def test_the_star_leaves_what_is_guided_along_the_unguided_velocity_alone() -> None:
    velocity = guided(cond=samples([3.0, 6.0]), uncond=samples([1.0, 2.0]), scale=5.0, star=True)
    assert velocity.flatten().tolist() == [3.0, 6.0]


def test_no_unguided_velocity_is_scaled_by_zero_and_not_by_infinity() -> None:
    assert optimised_scale(cond=samples([1.0]), uncond=samples([0.0])).item() == 0


@pytest.mark.parametrize("star", [False, True])
def test_half_precision_is_guided_in_single_precision(star: bool) -> None:
    cond, uncond = samples([1.0, 1.0078125]).bfloat16(), samples([1.0, 1.0]).bfloat16()
    velocity = guided(cond=cond, uncond=uncond, scale=1.1, star=star)
    expected = guided(cond=cond.float(), uncond=uncond.float(), scale=1.1, star=star)
    assert velocity.dtype is torch.float32
    assert torch.equal(velocity, expected)
