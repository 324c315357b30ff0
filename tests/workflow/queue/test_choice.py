from __future__ import annotations

from wayframe.workflow.queue.adapter import Depth, dbos_priority
from wayframe.workflow.queue.choice import Scene, next_capability


def waits(count: int = 1, *, age: float = 0.0, priority: int = 0, number: int = 1) -> Depth:
    return Depth(waiting=count, oldest=0, age=age, first=dbos_priority(priority, number=number))


def chosen(scene: Scene) -> str | None:
    return next_capability(scene, max_wait=600)


def test_an_idle_worker_takes_what_was_submitted_first() -> None:
    assert chosen(Scene(waiting={"a": waits(number=7), "b": waits(number=3)})) == "b"


def test_a_higher_priority_comes_before_an_earlier_run() -> None:
    assert chosen(Scene(waiting={"a": waits(number=1), "b": waits(priority=5, number=9)})) == "b"


def test_it_takes_what_the_others_do_not_hold() -> None:
    waiting = {"a": waits(10, number=1), "b": waits(10, number=2)}
    assert chosen(Scene(waiting=waiting, others=["a"])) == "b"
    assert chosen(Scene(waiting=waiting, others=["a", "b", "b"])) == "a"


def test_a_long_queue_gets_more_workers_than_a_short_one() -> None:
    assert chosen(Scene(waiting={"a": waits(100, number=2), "b": waits(2, number=1)}, others=["a", "b"])) == "a"


def test_it_stays_while_its_model_has_work_or_is_at_work() -> None:
    other = {"b": waits(priority=100)}
    assert chosen(Scene(waiting={"a": waits(), **other}, holding="a")) == "a"
    assert chosen(Scene(waiting=other, holding="a", busy=True)) == "a"


def test_it_leaves_when_its_model_has_none() -> None:
    assert chosen(Scene(waiting={"b": waits()}, holding="a")) == "b"


def test_it_keeps_its_model_loaded_while_nothing_waits() -> None:
    assert chosen(Scene(waiting={}, holding="a")) == "a"
    assert chosen(Scene(waiting={})) is None


def test_a_model_that_waited_too_long_gets_its_turn() -> None:
    waiting = {"a": waits(9, age=5000), "b": waits(age=601), "c": waits(age=900)}
    assert chosen(Scene(waiting=waiting, holding="a", busy=True, served=601)) == "c"


def test_it_does_not_go_to_and_fro_between_two_long_queues() -> None:
    waiting = {"a": waits(9, age=5000), "b": waits(9, age=5000)}
    assert chosen(Scene(waiting=waiting, holding="a", served=30)) == "a"
    assert chosen(Scene(waiting=waiting, holding="a", served=700, others=["b"])) == "a"
    assert chosen(Scene(waiting=waiting, holding="a", served=700)) == "b"


def test_what_it_left_its_model_for_comes_next_even_if_it_is_not_the_first() -> None:
    waiting = {"a": waits(9, number=1), "b": waits(number=2)}
    assert chosen(Scene(waiting=waiting, promised="b")) == "b"
    assert chosen(Scene(waiting=waiting, promised="c")) == "a"
