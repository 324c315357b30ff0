from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from media.clips import Library, moving, texture, write_video
from wayframe.errors import MediaError
from wayframe.media.index import decode_yuv, index
from wayframe.media.metrics import Footage, JoinPlace
from wayframe.media.metrics_compare import Aligned, compare_videos


def test_a_video_does_not_differ_from_itself(library: Library):
    found = compare_videos(a=Footage(path=library.piece(13)), b=Footage(path=library.piece(13)))
    assert (found.differs_at, found.parts_at, len(found.pairs)) == (None, None, 13)
    assert np.isinf(found.psnr).all()
    assert found.to_json()["psnr"] == {"median": None, "least": None}


def test_psnr_and_ssim_of_each_pair_are_those_of_scikit_image(library: Library):
    paths = library.piece(13), library.piece(13, profile="draft")
    found = compare_videos(a=Footage(path=paths[0]), b=Footage(path=paths[1]))
    stored = [list(decode_yuv(index(path), start=0, stop=13)) for path in paths]
    for frame, (left, right) in enumerate(zip(*stored, strict=True)):
        first, second = left[:64], right[:64]
        theirs = structural_similarity(
            first, second, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert found.psnr[frame] == pytest.approx(peak_signal_noise_ratio(first, second, data_range=255))
        assert found.ssim[frame] == pytest.approx(theirs, abs=1e-4)
    assert found.differs_at == 0
    assert found.parts_at is None


def test_the_first_frame_where_two_videos_part_is_named(tmp_path: Path):
    one, other = list(moving(24)), list(moving(24, look=7))
    write_video(tmp_path / "one.mp4", one, cuts=[15])
    write_video(tmp_path / "two.mp4", one[:15] + other[15:], cuts=[15])
    found = compare_videos(a=Footage(path=tmp_path / "one.mp4"), b=Footage(path=tmp_path / "two.mp4"))
    assert found.parts_at == 15
    assert found.to_json()["parts_at"] == [15, 15]
    assert (found.ssim[:15] > 0.95).all()


def test_videos_of_different_length_are_compared_to_the_end_of_the_shorter_one(library: Library):
    found = compare_videos(a=Footage(path=library.piece(13)), b=Footage(path=library.piece(20)))
    assert found.pairs.tolist() == [[frame, frame] for frame in range(13)]
    assert (found.a.frames, found.b.frames) == (13, 20)


def test_ranges_of_different_length_meet_at_both_ends():
    assert list(Aligned(a=range(4, 7), b=range(10, 15)).pairs()) == [(4, 10), (4, 11), (5, 12), (6, 13), (6, 14)]
    assert list(Aligned(a=range(3, 4), b=range(8, 9)).pairs()) == [(3, 8)]
    assert list(Aligned(a=range(2, 4), b=range(5, 6)).pairs()) == [(2, 5), (3, 5)]


@given(a=st.integers(1, 40), b=st.integers(1, 40), start=st.integers(0, 9))
def test_aligned_pairs_rise_and_skip_no_frame_of_the_longer_range(a: int, b: int, start: int):
    pairs = list(Aligned(a=range(start, start + a), b=range(b)).pairs())
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assert left == sorted(left)
    assert right == sorted(right)
    longer = left if a >= b else right
    assert longer == list(range(start, start + a) if a >= b else range(b))
    if min(a, b) > 1:
        assert (pairs[0], pairs[-1]) == ((start, 0), (start + a - 1, b - 1))


def test_a_slower_video_is_the_same_when_it_is_aligned(tmp_path: Path):
    frames = list(moving(13))
    write_video(tmp_path / "fast.mp4", frames[::2])
    write_video(tmp_path / "slow.mp4", frames)
    footage = {"a": Footage(path=tmp_path / "fast.mp4"), "b": Footage(path=tmp_path / "slow.mp4")}
    plain = compare_videos(**footage)
    aligned = compare_videos(**footage, alignment=[Aligned(a=range(7), b=range(13))])
    assert len(aligned.pairs) == 13
    assert np.median(aligned.ssim) > np.median(plain.ssim) + 0.05


def test_a_smaller_video_is_compared_at_its_own_size(tmp_path: Path):
    large = [texture(1)[:96, :160] for _ in range(4)]
    write_video(tmp_path / "large.mp4", large)
    write_video(
        tmp_path / "small.mp4", [cv2.resize(picture, (80, 48), interpolation=cv2.INTER_AREA) for picture in large]
    )
    found = compare_videos(a=Footage(path=tmp_path / "large.mp4"), b=Footage(path=tmp_path / "small.mp4"))
    assert found.size == (80, 48)
    assert found.parts_at is None
    assert (found.psnr > 30).all()


def test_metrics_of_both_cover_every_frame_whatever_is_aligned(library: Library):
    joins = [JoinPlace(start=9, overlap=1)]
    found = compare_videos(
        a=Footage(path=library.piece(20), joins=joins),
        b=Footage(path=library.piece(13), keyframes={12: list(moving(13))[12]}),
        alignment=[Aligned(a=range(2, 5), b=range(3)), Aligned(a=range(4, 9), b=range(3, 8))],
    )
    assert (len(found.a.series), len(found.b.series), len(found.pairs)) == (20, 13, 8)
    assert found.a.joins[0].start == 9
    assert found.b.keyframes[0].psnr > 35
    data = json.loads(json.dumps(found.to_json(series=True), allow_nan=False))
    assert data["series"]["frames"][0] == [2, 0]
    assert len(data["a"]["series"]["raw"]) == 20


@pytest.mark.parametrize(
    ("alignment", "message"),
    [
        ([], "an alignment without ranges compares nothing"),
        ([Aligned(a=range(3, 3), b=range(2))], "cannot align frames 3 to 3 of 13"),
        ([Aligned(a=range(14), b=range(2))], "cannot align frames 0 to 14 of 13"),
        (
            [Aligned(a=range(8), b=range(3)), Aligned(a=range(4, 9), b=range(3, 5))],
            "frames to align go back from 8 to 4",
        ),
    ],
)
def test_ranges_that_cannot_be_walked_are_refused(library: Library, alignment: list[Aligned], message: str):
    footage = Footage(path=library.piece(13))
    with pytest.raises(MediaError, match=message):
        compare_videos(a=footage, b=footage, alignment=alignment)
