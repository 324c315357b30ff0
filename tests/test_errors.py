"""Errors read as one line that says what was wrong, what was given and what to do."""

from __future__ import annotations

import inspect

import pytest

from wayframe import errors
from wayframe.errors import ImageError, InputError, SpecError, StoreError, WayframeError


def test_an_input_error_reads_as_field_problem_value_and_fix() -> None:
    error = SpecError("phases[1].multiplier", "3 values for 2 steps", "0.9,0.8,0.7", fix="use 2 values")
    assert str(error) == "phases[1].multiplier: 3 values for 2 steps (got '0.9,0.8,0.7'); use 2 values"
    assert (error.field, error.problem, error.value, error.fix) == (
        "phases[1].multiplier",
        "3 values for 2 steps",
        "0.9,0.8,0.7",
        "use 2 values",
    )


def test_what_is_not_known_is_left_out() -> None:
    assert str(SpecError("mode", "is required")) == "mode: is required"
    assert str(ImageError("a.png", "is empty", 0)) == "a.png: is empty (got 0)"


def test_a_long_value_is_cut() -> None:
    text = str(SpecError("prompt", "is wrong", "x" * 1000))
    assert text.endswith("xxx...)")
    assert len(text) < 200


def test_a_value_larger_than_the_memory_when_written_out_is_shown_in_parts() -> None:
    value: list[object] = ["x"] * 9
    for _ in range(60):
        value = [value] * 9
    text = str(SpecError("prompt", "expected text", value))
    assert text.startswith("prompt: expected text (got [[[")
    assert len(text) < 200


def test_a_newline_in_a_value_does_not_break_the_line() -> None:
    assert "\n" not in str(SpecError("prompt", "is wrong", "a\nb"))


def test_the_tree_is_as_its_docstring_draws_it() -> None:
    drawn = {line.split("── ")[1].split()[0] for line in (errors.__doc__ or "").splitlines() if "── " in line}
    classes = [item for item in vars(errors).values() if inspect.isclass(item)]
    defined = {item.__name__ for item in classes if item.__module__ == errors.__name__}
    assert drawn | {"WayframeError"} == defined


@pytest.mark.parametrize("kind", [InputError, StoreError])
def test_every_error_is_ours_and_not_worth_a_retry_unless_it_says_so(kind: type[WayframeError]) -> None:
    assert issubclass(kind, WayframeError)
    assert kind.retryable is False
