from __future__ import annotations

import pytest

from wayframe.core.wording import counted, ranges


def test_one_is_singular_and_every_other_number_is_plural() -> None:
    assert [counted(number, "segment") for number in (0, 1, 2)] == ["0 segments", "1 segment", "2 segments"]


@pytest.mark.parametrize(
    ("numbers", "text"), [((), ""), ((4,), "4"), ((4, 5), "4, 5"), ((0, 1, 2, 5, 7, 8, 9), "0 to 2, 5, 7 to 9")]
)
def test_three_numbers_in_a_row_are_a_range(numbers: tuple[int, ...], text: str) -> None:
    assert ranges(numbers) == text
