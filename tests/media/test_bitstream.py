from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wayframe.media.bitstream import (
    annexb_units,
    is_idr,
    length_prefixed_units,
    parameter_sets,
    to_length_prefixed,
)

UNIT = st.binary(min_size=1, max_size=40).filter(lambda unit: b"\0\0" not in unit and unit[-1] != 0)


def test_start_codes_of_three_and_four_bytes_are_replaced_by_lengths():
    assert to_length_prefixed(b"\0\0\0\1\x67ab\0\0\1\x65c") == b"\0\0\0\3\x67ab\0\0\0\2\x65c"


@given(units=st.lists(UNIT, max_size=5))
def test_units_survive_both_ways_of_writing_them(units: list[bytes]):
    annexb = b"".join(b"\0\0\0\1" + unit for unit in units)
    assert list(annexb_units(annexb)) == units
    assert list(length_prefixed_units(to_length_prefixed(annexb))) == units


@given(data=st.binary(max_size=60))
def test_any_bytes_can_be_looked_at(data: bytes):
    assert is_idr(data) in (True, False)
    parameter_sets(data)
    list(annexb_units(data))


def test_an_idr_picture_is_told_by_its_first_slice():
    assert is_idr(b"\0\0\0\2\x06s\0\0\0\2\x65a")
    assert not is_idr(b"\0\0\0\2\x06s\0\0\0\2\x41a")
    assert not is_idr(b"")


def test_parameter_sets_are_read_from_an_avcc_record():
    record = b"\1\x64\0\x0a\xff\xe1\0\3gSP\1\0\2hP"
    assert parameter_sets(record) == (b"gSP", b"hP")
    assert parameter_sets(b"\1\x64\0\x0a\xfd" + record[5:]) is None  # two length bytes
    assert parameter_sets(b"\0\0\0\1gSP") is None
