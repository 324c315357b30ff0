from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from media.clips import Library, write_video
from wayframe.errors import MediaError
from wayframe.media.sheet import chosen_frames, contact_sheet

AMBER = (255, 184, 76)


def amber_parts(sheet: Path) -> float:
    pixels = np.asarray(Image.open(sheet).convert("RGB")).astype(int)
    return float((np.abs(pixels - AMBER).sum(axis=2) < 30).mean())


def test_frames_between_are_spread_evenly():
    assert chosen_frames(97, tiles=9, always=()) == (0, 12, 24, 36, 48, 60, 72, 84, 96)
    assert chosen_frames(97, tiles=5, always=[10]) == (0, 10, 38, 67, 96)
    assert chosen_frames(3, tiles=24, always=()) == (0, 1, 2)
    assert chosen_frames(1, tiles=24, always=[0, 7]) == (0,)


@given(frames=st.integers(1, 400), tiles=st.integers(1, 40), always=st.sets(st.integers(0, 420), max_size=12))
def test_first_last_and_keyframes_are_always_chosen_and_no_tile_is_wasted(frames: int, tiles: int, always: set[int]):
    chosen = chosen_frames(frames, tiles=tiles, always=always)
    fixed = {0, frames - 1} | {rank for rank in always if rank < frames}
    assert fixed <= set(chosen) <= set(range(frames))
    assert list(chosen) == sorted(set(chosen))
    assert len(chosen) == max(len(fixed), min(tiles, frames))


def test_the_sheet_is_a_jpeg_of_the_asked_width_with_its_frames_in_order(tmp_path: Path):
    looks = [(250, 30, 30), (30, 250, 30), (30, 30, 250), (240, 240, 240)]
    write_video(tmp_path / "a.mp4", [np.full((64, 96, 3), look, np.uint8) for look in looks])
    contact_sheet(tmp_path / "a.mp4", target=tmp_path / "sheet.jpg", columns=2, width=400)
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert (sheet.format, sheet.width) == ("JPEG", 400)
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    left, right = pixels[:, 100], pixels[:, 300]
    shown = [np.abs(column - look).sum(axis=1) < 40 for look in looks for column in (left, right)]
    rows = [np.flatnonzero(found) for found in shown]
    assert [len(found) > 60 for found in rows] == [True, False, False, True, True, False, False, True]
    assert rows[0].max() < rows[4].min()


def test_keyframes_and_joins_are_marked(library: Library, tmp_path: Path):
    video = library.piece(20)
    contact_sheet(video, target=tmp_path / "plain.jpg", width=600)
    contact_sheet(video, target=tmp_path / "one.jpg", width=600, keyframes={0: 0})
    contact_sheet(video, target=tmp_path / "two.jpg", width=600, keyframes={0: 0, 13: 1, 99: 2}, joins=[13])
    plain, one, two = (amber_parts(tmp_path / f"{name}.jpg") for name in ("plain", "one", "two"))
    assert one - plain > 0.0005
    assert 1.6 < (two - plain) / (one - plain) < 2.6


def test_a_sheet_of_more_keyframes_than_a_jpeg_is_high_has_more_of_them_in_a_row(tmp_path: Path):
    write_video(tmp_path / "a.mp4", [np.full((48, 48, 3), number % 251, np.uint8) for number in range(520)])
    contact_sheet(
        tmp_path / "a.mp4", target=tmp_path / "sheet.jpg", columns=1, width=160, keyframes={at: at for at in range(520)}
    )
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width == 160
        assert 520 * 20 < sheet.height < 65_500


def test_a_sheet_that_cannot_be_made_is_an_error_and_leaves_nothing(library: Library, tmp_path: Path):
    with pytest.raises(MediaError, match=r"gone\.mp4: cannot read this video"):
        contact_sheet(tmp_path / "gone.mp4", target=tmp_path / "sheet.jpg")
    with pytest.raises(MediaError, match="a sheet of 20 pixels cannot hold 6 columns"):
        contact_sheet(library.piece(13), target=tmp_path / "sheet.jpg", width=20)
    (tmp_path / "sheet.jpg").mkdir()
    with pytest.raises(MediaError, match=r"sheet\.jpg: cannot draw this video"):
        contact_sheet(library.piece(13), target=tmp_path / "sheet.jpg", width=300)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.jpg"]
