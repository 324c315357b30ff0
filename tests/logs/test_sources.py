"""Files of all kinds give the same lines."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from wayframe.errors import LogError
from wayframe.logs import sources
from wayframe.logs.sources import blocks, in_order

TEXT = b"".join(b"line %d of some log with a few words in it\n" % at for at in range(60_000))


def content(path: Path) -> bytes:
    return b"".join(block.data for block in blocks(path))


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, zstandard.compress, lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:])]
)
def test_packed_or_not_the_bytes_are_the_same(tmp_path: Path, pack: Callable[[bytes], bytes]):
    path = tmp_path / "any.log"
    path.write_bytes(pack(TEXT))
    assert content(path) == TEXT


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_an_archive_that_was_cut_off_gives_what_it_holds(tmp_path: Path, pack: Callable[[bytes], bytes]):
    path = tmp_path / "any.log"
    packed = pack(TEXT)
    path.write_bytes(packed[: len(packed) * 3 // 4])
    found = content(path)
    assert TEXT.startswith(found)
    assert len(found) > len(TEXT) // 3


def test_damage_and_missing_files_are_said_in_one_line(tmp_path: Path):
    path = tmp_path / "any.log"
    path.write_bytes(b"\x1f\x8bno gzip at all")
    with pytest.raises(LogError, match="is a damaged gzip file"):
        content(path)
    path.write_bytes(b"\x28\xb5\x2f\xfd but no zstd")
    with pytest.raises(LogError, match="is a damaged zstd file"):
        content(path)
    with pytest.raises(LogError, match="cannot be read"):
        content(tmp_path / "nothing.log")


def test_without_the_package_zstd_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(sources, "import_module", missing)
    path = tmp_path / "any.log.zst"
    path.write_bytes(zstandard.compress(b"x\n"))
    with pytest.raises(LogError, match=r"wayframe\[logs\]"):
        content(path)


def test_a_byte_order_mark_is_no_text(tmp_path: Path):
    path = tmp_path / "any.log"
    path.write_bytes(b"\xef\xbb\xbfone\ntwo")
    assert [(block.data, block.ended) for block in blocks(path)] == [(b"one\n", True), (b"two", False)]
    path.write_bytes("eins\nzwei\n".encode("utf-16"))
    assert content(path) == b"eins\nzwei\n"


def test_a_line_without_end_is_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sources, "LONGEST_LINE", 5000)
    path = tmp_path / "any.log"
    path.write_bytes(b"before\n" + b"x" * (3 << 20) + b"\nafter\n")
    found = list(blocks(path))
    assert b"".join(block.data for block in found) == b"before\n\nafter\n"
    assert sum(block.too_long for block in found) == 1


def test_rotated_sets_and_dated_files_go_from_old_to_new(tmp_path: Path):
    names = ["debug.log", "debug.log.1", "debug.log.10.gz", "debug.log.2.zst"]
    assert [path.name for path in in_order(tmp_path / name for name in names)] == [
        "debug.log.10.gz",
        "debug.log.2.zst",
        "debug.log.1",
        "debug.log",
    ]
    dated = ["debug_20251007_044631.log", "other.log", "debug_20251005_181017.log"]
    assert [path.name for path in in_order(tmp_path / name for name in dated)] == [
        "debug_20251005_181017.log",
        "debug_20251007_044631.log",
        "other.log",
    ]


def test_a_folder_stands_for_its_logs_and_an_empty_one_is_an_error(tmp_path: Path):
    with pytest.raises(LogError, match="holds no log"):
        in_order([tmp_path])
    for name in ("debug.log", "debug.log.1", "readme.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in in_order([tmp_path, tmp_path / "debug.log"])] == ["debug.log.1", "debug.log"]
