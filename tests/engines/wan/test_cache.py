"""A bounded cache of tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from wayframe.engines.wan.cache import TensorCache

FOUR_BYTES, TWELVE_BYTES = torch.zeros(1), torch.zeros(3)


def never() -> Tensor:
    raise AssertionError("it was held")


def test_a_tensor_is_made_once() -> None:
    cache = TensorCache(limit=100)
    assert cache.get("a", lambda: FOUR_BYTES) is FOUR_BYTES
    assert cache.get("a", never) is FOUR_BYTES


def test_the_longest_unused_goes_first() -> None:
    cache = TensorCache(limit=8)
    for key in ("a", "b", "a", "c"):
        cache.get(key, FOUR_BYTES.clone)
    assert [key in cache for key in "abc"] == [True, False, True]
    assert cache.bytes == 8


def test_what_is_larger_than_the_cache_is_given_but_not_kept() -> None:
    cache = TensorCache(limit=8)
    cache.get("a", FOUR_BYTES.clone)
    assert cache.get("b", lambda: TWELVE_BYTES) is TWELVE_BYTES
    assert [key in cache for key in "ab"] == [True, False]
    assert cache.bytes == 4


def test_a_view_does_not_hold_on_to_what_it_was_cut_from() -> None:
    cache = TensorCache(limit=8)
    held = cache.get("a", lambda: torch.arange(1000.0)[1:3])
    assert held.tolist() == [1, 2]
    assert held.untyped_storage().nbytes() == cache.bytes == 8
