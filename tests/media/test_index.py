from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.clips import FPS, HEIGHT, WIDTH, Library, write_foreign
from wayframe.errors import MediaError
from wayframe.media.index import decode, decode_yuv, index, packet_digest, read_metadata


def test_an_index_counts_frames_and_knows_the_format(library: Library):
    found = index(library.piece(20, cuts=(6, 14)))
    assert (found.frames, found.width, found.height, found.fps, found.codec) == (20, WIDTH, HEIGHT, FPS, "h264")
    assert [found.rank(pts) for pts in found.pts] == list(range(20))
    assert found.rank(found.pts[3] + 1) == 20


@pytest.mark.parametrize(("start", "stop"), [(0, 20), (0, 1), (5, 6), (6, 14), (13, 15), (7, 8), (19, 20), (9, 9)])
def test_a_range_holds_exactly_the_frames_that_the_whole_has_there(start: int, stop: int, library: Library):
    path = library.piece(20, cuts=(6, 7, 14))
    whole = list(decode(path))
    part = list(decode(path, start=start, stop=stop))
    assert len(whole) == 20
    assert len(part) == stop - start
    assert all(np.array_equal(a, b) for a, b in zip(part, whole[start:stop], strict=True))


def test_frames_are_rgb_arrays_and_stored_ones_have_three_halves_of_the_height(library: Library):
    path = library.piece(4)
    assert [(f.shape, f.dtype) for f in decode(path, stop=1)] == [((HEIGHT, WIDTH, 3), np.uint8)]
    assert [f.shape for f in decode_yuv(index(path), start=3, stop=4)] == [(HEIGHT * 3 // 2, WIDTH)]


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 21)])
def test_a_range_that_is_not_in_the_video_is_refused(start: int, stop: int, library: Library):
    with pytest.raises(MediaError, match=f"frames {start} to {stop} were asked for, there are 20"):
        decode(library.piece(20), start=start, stop=stop)


def test_other_codecs_can_be_read_but_not_cut(tmp_path: Path):
    found = index(write_foreign(tmp_path / "a.mp4", 14))
    assert (found.codec, found.idr) == ("mpeg4", frozenset())
    assert len(list(decode(found.path, start=13))) == 1


@pytest.mark.parametrize("read", [index, packet_digest, read_metadata, decode], ids=lambda f: f.__name__)
@pytest.mark.parametrize("what", ["missing", "folder", "empty", "text"])
def test_what_is_no_video_is_an_error_that_names_the_file(read: object, what: str, tmp_path: Path):
    path = tmp_path / "trip.mp4"
    if what == "folder":
        path.mkdir()
    elif what != "missing":
        path.write_text("" if what == "empty" else "these are words " * 40)
    assert callable(read)
    with pytest.raises(MediaError, match=r"trip\.mp4: cannot read this video"):
        read(path)


def test_a_file_without_video_is_an_error(tmp_path: Path):
    silence = tmp_path / "a.wav"
    data = bytes(3200)
    head = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    form = b"\1\0\1\0" + (16000).to_bytes(4, "little") + (32000).to_bytes(4, "little") + b"\2\0\x10\0"
    silence.write_bytes(head + form + b"data" + len(data).to_bytes(4, "little") + data)
    with pytest.raises(MediaError, match="there is no video in this file"):
        index(silence)


def test_a_truncated_video_is_an_error_and_not_a_shorter_video(library: Library, tmp_path: Path):
    whole = library.piece(20).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(MediaError, match=r"cut\.mp4"):
        list(decode(tmp_path / "cut.mp4"))


def test_a_flipped_byte_changes_the_digest(library: Library, tmp_path: Path):
    data = bytearray(library.piece(20).read_bytes())
    data[-200] ^= 1
    (tmp_path / "flipped.mp4").write_bytes(data)
    assert packet_digest(tmp_path / "flipped.mp4") != packet_digest(library.piece(20))
