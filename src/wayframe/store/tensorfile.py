"""The head of a .safetensors file: enough to tell a whole file from a cut one, and from something else.

Format: eight bytes little-endian N, then N bytes of JSON that give each tensor its dtype, shape and place, then the
data without gaps (https://huggingface.co/docs/safetensors). Nothing in it is ever executed.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

LONGEST_HEAD = 100 * 1024**2
"""The reference reader refuses a longer one."""
_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
_LENGTH = 8


def tensor_fault(path: Path) -> str | None:
    """What is wrong with a .safetensors file by its head and its length, in a few words; None when it is whole.

    An OSError passes through.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH), "little")
        if size < _LENGTH or not 1 < length <= LONGEST_HEAD:
            return "is not a .safetensors file"
        if _LENGTH + length > size:
            return f"is cut off in its head, at {size} bytes"
        head = _table(stream.read(length))
    if head is None:
        return "is not a .safetensors file: its head is no JSON table"
    return _data_fault(head, data=size - _LENGTH - length)


def _table(text: bytes) -> dict[str, object] | None:
    try:
        head = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return head if isinstance(head, dict) else None


def _data_fault(head: dict[str, object], *, data: int) -> str | None:
    spans: list[tuple[int, int]] = []
    for name, entry in head.items():
        if name == "__metadata__":
            continue
        span = _span(entry)
        if span is None:
            return f"has a wrong entry for tensor {name[:80]!r}"
        spans.append(span)
    at = 0
    for start, end in sorted(spans):
        if start != at:
            return f"has a gap or an overlap at byte {at} of its data"
        at = end
    if at != data:
        return f"has {data} bytes of data, {at} are announced"
    return None


def _span(entry: object) -> tuple[int, int] | None:
    """Where a tensor lies in the data, when its place fits its shape."""
    if not isinstance(entry, dict):
        return None
    bits = _BITS.get(str(entry.get("dtype")))
    shape, place = _counts(entry.get("shape")), _counts(entry.get("data_offsets"))
    if bits is None or shape is None or place is None:
        return None
    match place:
        case [start, end] if end - start == -(-prod(shape) * bits // 8):
            return start, end
        case _:
            return None


def _counts(value: object) -> list[int] | None:
    if not isinstance(value, list):
        return None
    counts = [item for item in value if type(item) is int and item >= 0]
    return counts if len(counts) == len(value) else None
