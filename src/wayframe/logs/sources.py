"""The bytes of a log: plain, gzip or zstd, rotated sets in their order, in blocks that end at a line's end."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from wayframe.errors import LogError

CHUNK_BYTES = 1 << 20
LONGEST_LINE = 16 << 20
_LOOKED_AT = 64
_GZIP, _ZSTD, _UTF8_BOM, _UTF16_BOMS = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_ROTATED = re.compile(r"^(?P<base>.+?)(?:\.(?P<number>\d{1,4}))?$")
_DATED = re.compile(r"_(\d{8}_\d{6})(?=\.|$)")
_LOG_NAMES = re.compile(r"(?i)\.(?:log|jsonl)(?:\.\d{1,4})?(?:\.(?:gz|zst))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some lines of a log. `ended` is False when the last line has no line end: the file stops inside it, maybe."""

    data: bytes
    ended: bool = True
    too_long: int = 0
    """Lines of more than `LONGEST_LINE` bytes whose content was thrown away; their line end is in `data`."""


def in_order(paths: Iterable[Path]) -> list[Path]:
    """The files of `paths` in the order in which they were written.

    Of one rotated set the highest number is the oldest (``debug.log.2``, ``debug.log.1``, ``debug.log``); upstream's
    dated files (``debug_20251007_044631.log``) go by their date; a folder stands for all logs in it. Sets that have
    nothing to do with each other stay in the order given. A file named twice is read once.
    """
    files = list(dict.fromkeys(file for path in paths for file in _members(path)))
    groups: dict[tuple[Path, str], int] = {}
    for file in files:
        groups.setdefault(rotated_set(file), len(groups))
    return sorted(files, key=lambda file: (groups[rotated_set(file)], *_age(file)))


def _members(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.is_file() and _LOG_NAMES.search(file.name))
    if not found:
        raise LogError(str(path), "holds no log", fix="name a file, or a folder with *.log files")
    return found


def _plain_name(path: Path) -> str:
    return path.stem if path.suffix in {".gz", ".zst"} else path.name


def _parts(path: Path) -> tuple[str, int]:
    match = _ROTATED.match(_plain_name(path))
    return (match["base"], int(match["number"] or 0)) if match else (path.name, 0)


def rotated_set(path: Path) -> tuple[Path, str]:
    """What the files of one rotated set, or of one program's dated logs, have in common."""
    return path.parent, _DATED.sub("", _parts(path)[0])


def _age(path: Path) -> tuple[str, int]:
    base, number = _parts(path)
    dated = _DATED.search(base)
    return (dated[1] if dated else "", -number)


def blocks(path: Path) -> Iterator[Block]:
    """The whole lines of a file, about a megabyte at a time; memory is bounded by `LONGEST_LINE`.

    Raises LogError when the file cannot be read or is not what its first bytes say; a compressed file that was cut
    off gives what it still holds.
    """
    rest, skipping = b"", False
    for chunk in _chunks(path):
        if skipping:
            cut = chunk.find(b"\n")
            chunk = chunk[cut:] if cut >= 0 else b""
            skipping = cut < 0
        data = rest + chunk
        cut = data.rfind(b"\n") + 1
        if cut:
            yield Block(data=data[:cut])
        rest = data[cut:]
        if len(rest) > LONGEST_LINE:
            rest, skipping = b"", True
            yield Block(data=b"", too_long=1)
    if rest or skipping:
        yield Block(data=rest, ended=False)


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_ZSTD))
            stream.seek(0)
            yield from _without_bom(_unpacked(stream, head))
    except OSError as exc:
        fix = "check the path" if isinstance(exc, FileNotFoundError) else ""
        raise LogError(str(path), f"cannot be read ({exc.strerror or exc})", fix=fix) from exc


def _unpacked(stream: BinaryIO, head: bytes) -> Iterator[bytes]:
    if head.startswith(_GZIP):
        return _gunzipped(stream)
    if head == _ZSTD:
        return _unzstd(stream)
    return iter(lambda: stream.read(CHUNK_BYTES), b"")


def _gunzipped(stream: BinaryIO) -> Iterator[bytes]:
    # zlib by hand: the gzip module throws away the last megabyte of a file that was cut off.
    unpacker = zlib.decompressobj(wbits=31)
    left = stream.read(CHUNK_BYTES // 8)
    try:
        while left:
            yield unpacker.decompress(left, CHUNK_BYTES)
            left = unpacker.unconsumed_tail
            if unpacker.eof:
                left = unpacker.unused_data.lstrip(b"\0")  # members may be padded
                unpacker = zlib.decompressobj(wbits=31)
            left = left or stream.read(CHUNK_BYTES // 8)
        yield unpacker.flush()
    except zlib.error as exc:
        raise LogError(
            stream.name, f"is a damaged gzip file ({exc})", fix="unpack it by hand as far as it goes"
        ) from exc


def _unzstd(stream: BinaryIO) -> Iterator[bytes]:
    try:
        zstandard = import_module("zstandard")
    except ImportError as exc:
        raise LogError(
            stream.name,
            "is a zstd file, and the package to read it is not installed",
            fix="pip install 'wayframe[logs]'",
        ) from exc
    try:
        with zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True) as reader:
            yield from iter(lambda: reader.read(CHUNK_BYTES), b"")
    except zstandard.ZstdError as exc:
        raise LogError(
            stream.name, f"is a damaged zstd file ({exc})", fix="unpack it by hand as far as it goes"
        ) from exc


def _without_bom(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next((chunk for chunk in chunks if chunk), b"")
    if first.startswith(_UTF16_BOMS) and first[:_LOOKED_AT].count(b"\0") * 4 > len(first[:_LOOKED_AT]):
        decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        yield decoder.decode(first).encode("utf-8", "replace")
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8", "replace")
        return
    yield first.removeprefix(_UTF8_BOM)
    yield from chunks
