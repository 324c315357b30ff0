from __future__ import annotations

from wayframe.core.wording import counted


def test_one_is_singular_and_every_other_number_is_plural() -> None:
    assert [counted(number, "segment") for number in (0, 1, 2)] == ["0 segments", "1 segment", "2 segments"]
