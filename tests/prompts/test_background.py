"""Coroutines beside the caller: results at once, errors passed on, nothing left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from wayframe.errors import CancelledError
from wayframe.prompts.background import results_of


def never() -> bool:
    return False


async def count(tell: Callable[[int], None]) -> None:
    for number in range(3):
        tell(number)
        await asyncio.sleep(0)


def alive() -> bool:
    return any(thread.name == "wayframe-prompts" for thread in threading.enumerate())


def test_results_come_in_order_and_the_thread_ends():
    assert list(results_of(count, cancelled=never)) == [0, 1, 2]
    assert not alive()


def test_a_caller_with_a_loop_of_its_own_can_use_it():
    async def main() -> list[int]:
        return list(results_of(count, cancelled=never))

    assert asyncio.run(main()) == [0, 1, 2]


def test_an_error_comes_after_the_results():
    async def work(tell: Callable[[int], None]) -> None:
        tell(1)
        raise ValueError("a bug")

    got = results_of(work, cancelled=never)
    assert next(got) == 1
    with pytest.raises(ValueError, match="a bug"):
        next(got)
    assert not alive()


def test_what_is_ready_is_given_out_before_the_work_is_cancelled():
    ended = threading.Event()

    async def work(tell: Callable[[int], None]) -> None:
        tell(1)
        tell(2)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    got = results_of(work, cancelled=lambda: True)
    assert [next(got), next(got)] == [1, 2]
    with pytest.raises(CancelledError):
        next(got)
    assert ended.is_set()
    assert not alive()


def test_a_caller_that_leaves_early_cancels_the_work():
    ended = threading.Event()

    async def work(tell: Callable[[int], None]) -> None:
        tell(1)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    got = results_of(work, cancelled=never)
    assert next(got) == 1
    got.close()
    assert ended.is_set()
    assert not alive()
