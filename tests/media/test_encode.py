from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.clips import FPS, HEIGHT, WIDTH, moving, write_video
from wayframe.errors import MediaError
from wayframe.media.encode import PROFILES, VideoWriter
from wayframe.media.index import decode, index, packet_digest, read_metadata


def writer(path: Path, *, width: int = WIDTH, height: int = HEIGHT, cuts: frozenset[int] = frozenset()) -> VideoWriter:
    return VideoWriter(path, width=width, height=height, fps=FPS, cuts=cuts, profile=PROFILES["h264"])


def write_two(video: VideoWriter, second: np.ndarray) -> None:
    with video:
        video.write(next(moving(1)))
        video.write(second)


@pytest.mark.parametrize(
    ("rgb", "stored"),
    [((255, 0, 0), (63, 102, 240)), ((0, 0, 255), (32, 240, 118)), ((255, 255, 255), (235, 128, 128))],
)
def test_colours_are_stored_as_bt709_in_limited_range(
    rgb: tuple[int, int, int], stored: tuple[int, int, int], tmp_path: Path
):
    flat = np.full((HEIGHT, WIDTH, 3), rgb, np.uint8)
    write_video(tmp_path / "flat.mp4", [flat])
    with av.open(str(tmp_path / "flat.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
        picture = next(container.decode(video=0))
    middle = [int(np.frombuffer(plane, np.uint8)[plane.line_size * 8 + 8]) for plane in picture.planes]
    assert np.abs(np.subtract(middle, stored)).max() <= 1


def test_what_is_read_back_is_close_to_what_was_written(tmp_path: Path):
    pictures = list(moving(8))
    write_video(tmp_path / "a.mp4", pictures)
    for before, after in zip(pictures, decode(tmp_path / "a.mp4"), strict=True):
        error = np.square(before.astype(float) - after).mean()
        assert 10 * np.log10(255**2 / error) > 32


def test_idr_frames_stand_at_the_start_and_at_each_cut(tmp_path: Path):
    write_video(tmp_path / "a.mp4", moving(20), cuts={6, 7, 14})
    found = index(tmp_path / "a.mp4")
    assert {0, 6, 7, 14} <= found.idr
    assert found.idr == set(found.keyframes)


def test_the_facts_are_those_of_the_file(tmp_path: Path):
    facts = write_video(tmp_path / "a.mp4", moving(5)).facts
    assert facts is not None
    assert (facts.frames, facts.width, facts.height, facts.fps) == (5, WIDTH, HEIGHT, FPS)
    assert facts.digest == packet_digest(tmp_path / "a.mp4")


def test_the_same_frames_give_the_same_bytes_and_other_frames_do_not(tmp_path: Path):
    for name, look in (("a", 0), ("b", 0), ("c", 1)):
        write_video(tmp_path / f"{name}.mp4", moving(12, look=look), cuts={4})
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert packet_digest(tmp_path / "a.mp4") != packet_digest(tmp_path / "c.mp4")


@pytest.mark.parametrize("fps", [Fraction(16), Fraction(24000, 1001), Fraction(25, 2)])
@pytest.mark.parametrize("frames", [1, 5, 9])
def test_time_starts_at_zero_and_rate_and_duration_are_exact(fps: Fraction, frames: int, tmp_path: Path):
    write_video(tmp_path / "a.mp4", moving(frames), fps=fps)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.start_time, stream.average_rate) == (0, fps)
        assert stream.duration is not None
        assert stream.time_base is not None
        assert stream.duration * stream.time_base == frames / fps


def test_the_index_of_the_mp4_stands_before_the_data(tmp_path: Path):
    write_video(tmp_path / "a.mp4", moving(3))
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_metadata_of_several_megabytes_comes_back_and_leaves_the_digest_alone(tmp_path: Path):
    metadata = {"wayframe.plan": "plän " * 800_000, "title": "a trip"}
    with VideoWriter(
        tmp_path / "a.mp4",
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        cuts=(),
        profile=PROFILES["draft"],
        metadata=metadata,
    ) as described:
        for picture in moving(2):
            described.write(picture)
    plain = write_video(tmp_path / "b.mp4", moving(2), profile="draft")
    assert read_metadata(tmp_path / "a.mp4") == metadata
    assert described.facts == plain.facts
    assert read_metadata(tmp_path / "b.mp4") == {}


@pytest.mark.parametrize(("width", "height"), [(95, 64), (96, 63), (0, 64)])
def test_a_size_that_is_not_even_is_refused(width: int, height: int, tmp_path: Path):
    with pytest.raises(MediaError, match=f"{width}x{height} cannot be stored; width and height must be even"):
        writer(tmp_path / "a.mp4", width=width, height=height)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((64, 98, 3), np.uint8), np.zeros((64, 96), np.uint8), np.zeros((64, 96, 3), np.float32)],
    ids=["size", "grey", "float"],
)
def test_a_frame_of_another_shape_or_type_is_refused_and_leaves_nothing(pixels: np.ndarray, tmp_path: Path):
    with pytest.raises(MediaError, match=r"frame 1 is .* expected uint8 \(64, 96, 3\)"):
        write_two(writer(tmp_path / "a.mp4"), pixels)
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_block_passes_through_and_the_old_file_stays(tmp_path: Path):
    target = tmp_path / "a.mp4"
    target.write_bytes(b"old")

    def interrupted() -> None:
        with writer(target) as w:
            w.write(next(moving(1)))
            raise OSError("from outside")

    with pytest.raises(OSError, match=r"^from outside$"):
        interrupted()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.mp4", b"old")]


def test_a_video_without_frames_is_refused(tmp_path: Path):
    with pytest.raises(MediaError, match=r"a\.mp4: a video needs at least one frame"), writer(tmp_path / "a.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_cut_behind_the_last_frame_is_refused(tmp_path: Path):
    with pytest.raises(MediaError, match="cut at frame 3, but there are 3 frames"):
        write_video(tmp_path / "a.mp4", moving(3), cuts={3})


def test_a_folder_in_the_place_of_the_file_is_an_error_that_names_it(tmp_path: Path):
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(MediaError, match=r"a\.mp4: cannot write this video"):
        write_video(tmp_path / "a.mp4", moving(2))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
