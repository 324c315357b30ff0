"""H.264 bytes: NAL units, the two ways of writing them down, and the parameter sets a decoder is set up with.

Sources: ITU-T H.264 annex B (start codes, NAL unit types in table 7-1), ISO/IEC 14496-15 5.3.3 (the avcC record).
"""

from __future__ import annotations

from collections.abc import Iterator

SLICE, IDR_SLICE = 1, 5
_TYPE_BITS = 0x1F
_LENGTH_BYTES = 4
_START_CODE = b"\0\0\1"
_AVCC_VERSION = 1
_AVCC_HEAD = 5


def annexb_units(data: bytes) -> Iterator[bytes]:
    """The NAL units between the start codes of `data`; zero bytes before a start code are not part of a unit."""
    start = data.find(_START_CODE)
    while start >= 0:
        start += len(_START_CODE)
        following = data.find(_START_CODE, start)
        yield (data[start:] if following < 0 else data[start:following]).rstrip(b"\0")
        start = following


def to_length_prefixed(data: bytes) -> bytes:
    """Annex B as MP4 wants it: every NAL unit after its length in four bytes, big endian."""
    return b"".join(len(unit).to_bytes(_LENGTH_BYTES, "big") + unit for unit in annexb_units(data))


def length_prefixed_units(data: bytes) -> Iterator[bytes]:
    """The NAL units of an MP4 sample with four length bytes; stops at the first length that leads outside."""
    at = 0
    while at + _LENGTH_BYTES <= len(data):
        size = int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
        at += _LENGTH_BYTES
        if not 0 < size <= len(data) - at:
            return
        yield data[at : at + size]
        at += size


def is_idr(sample: bytes) -> bool:
    """Whether an MP4 sample is an IDR picture: nothing after it refers to anything before it."""
    for unit in length_prefixed_units(sample):
        if unit[0] & _TYPE_BITS in (SLICE, IDR_SLICE):
            return unit[0] & _TYPE_BITS == IDR_SLICE
    return False


def parameter_sets(avcc: bytes) -> tuple[bytes, ...] | None:
    """The sequence and picture parameter sets of an avcC record, or None when it is none with four length bytes."""
    if len(avcc) <= _AVCC_HEAD or avcc[0] != _AVCC_VERSION or (avcc[4] & 0b11) + 1 != _LENGTH_BYTES:
        return None
    found: list[bytes] = []
    at = _AVCC_HEAD
    for mask in (0x1F, 0xFF):  # five bits count the sequence sets, a whole byte counts the picture sets
        if at >= len(avcc):
            return None
        count, at = avcc[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(avcc[at : at + 2], "big")
            found.append(avcc[at + 2 : at + 2 + size])
            at += 2 + size
    return tuple(found)
