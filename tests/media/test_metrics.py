from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from media.clips import FPS, HEIGHT, WIDTH, Library, moving, texture, write_foreign, write_video
from wayframe.errors import CancelledError, MediaError
from wayframe.media.index import decode
from wayframe.media.metrics import FrozenRange, JoinPlace, Metrics, measure
from wayframe.media.metrics_quality import luma_of
from wayframe.media.metrics_series import Meter

Pictures = list[NDArray[np.uint8]]
Shot = Callable[..., Metrics]


@pytest.fixture
def shot(tmp_path: Path) -> Shot:
    def measured(pictures: Pictures, *, joins: list[JoinPlace] | None = None, profile: str = "h264") -> Metrics:
        write_video(tmp_path / "shot.mp4", pictures, profile=profile)
        return measure(tmp_path / "shot.mp4", joins=joins or [])

    return measured


def pan(frames: int, *, pixels: int, look: int = 1) -> Pictures:
    pattern = texture(look)
    return [pattern[8 : 8 + HEIGHT, pixels * step : pixels * step + WIDTH] for step in range(frames)]


def lit(picture: NDArray[np.uint8], levels: float) -> NDArray[np.uint8]:
    return np.clip(picture.astype(np.float64) + levels, 0, 255).astype(np.uint8)


def test_a_hard_cut_at_a_join_scores_high_and_a_smooth_one_does_not(shot: Shot):
    join = [JoinPlace(start=16, overlap=0)]
    smooth = shot(pan(32, pixels=1), joins=join).joins[0]
    cut = shot([*pan(16, pixels=1), *pan(16, pixels=1, look=2)], joins=join).joins[0]
    assert smooth.score < 2
    assert cut.score > 8
    assert cut.compensated.ratio > 4


def test_a_jump_of_light_at_a_join_raises_its_score(shot: Shot):
    pictures = [lit(picture, 8.0 * (step >= 16)) for step, picture in enumerate(pan(32, pixels=1))]
    (seam,) = shot(pictures, joins=[JoinPlace(start=15, overlap=1)]).joins
    assert seam.luma.inside == pytest.approx(8 * 219 / 255, abs=1.5)
    assert seam.score > 5


def test_a_blend_that_doubles_two_pictures_shows_in_sharpness(shot: Shot):
    left, right = (np.random.default_rng(look).integers(60, 200, (HEIGHT, WIDTH, 3), dtype=np.uint8) for look in (1, 2))
    mixed = (left // 2 + right // 2).astype(np.uint8)
    pictures = [left] * 12 + [mixed] * 2 + [right] * 12
    (seam,) = shot(pictures, joins=[JoinPlace(start=12, overlap=2)]).joins
    assert seam.sharpness.inside > 0.4


def test_motion_is_measured_in_fractions_of_the_width(shot: Shot):
    still, slow, fast = (shot(pan(20, pixels=pixels)).motion.median for pixels in (0, 1, 3))
    assert still == 0
    assert slow == pytest.approx(1 / WIDTH, rel=0.35)
    assert fast == pytest.approx(3 / WIDTH, rel=0.35)


def test_compensation_takes_out_what_moves(shot: Shot):
    series = shot(pan(16, pixels=1)).series
    assert (series.compensated[1:] < series.raw[1:] / 2).all()


@pytest.mark.parametrize("profile", ["h264", "draft"])
def test_frozen_frames_are_found_exactly(shot: Shot, profile: str):
    pictures = list(moving(30))
    pictures[11:19] = [pictures[10]] * 8
    metrics = shot(pictures, profile=profile)
    assert metrics.frozen == (FrozenRange(start=11, stop=19),)
    assert metrics.frozen_frames == 8


def test_the_slowest_pan_is_not_frozen_unless_the_encoder_left_it_out():
    still, meter = luma_of(texture(1)), Meter()
    for step in range(24):
        shift = np.array([[1, 0, -0.1 * step], [0, 1, 0]])
        meter.add(cv2.warpAffine(still, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT))
    assert not meter.series().repeated.any()


def test_a_small_thing_that_moves_keeps_a_video_from_being_frozen(shot: Shot):
    pictures = [np.full((192, 256, 3), 90, np.uint8) for _ in range(12)]
    for step, picture in enumerate(pictures):
        picture[60:66, 20 + 4 * step : 26 + 4 * step] = 200
    assert shot(pictures).frozen == ()


def test_a_flickering_video_scores_higher_than_a_calm_one_and_than_a_fade(shot: Shot):
    calm = pan(24, pixels=1)
    fading = [lit(picture, 2.0 * step) for step, picture in enumerate(calm)]
    flickering = [lit(picture, 6.0 * (step % 2)) for step, picture in enumerate(calm)]
    calm_score, fade_score, flicker_score = (shot(pictures).flicker for pictures in (calm, fading, flickering))
    assert flicker_score > 3
    assert max(calm_score, fade_score) < flicker_score / 5


def test_series_hold_one_value_a_frame_and_nothing_before_the_first_step(library: Library):
    series = measure(library.piece(13)).series
    assert len(series) == 13
    assert (series.raw[0], series.compensated[0], series.motion[0], series.repeated[0]) == (0, 0, 0, False)
    assert (series.raw[1:] > 0).all()
    lumas = [luma_of(picture).mean() for picture in islice(moving(13), 13)]
    assert series.luma == pytest.approx(lumas, abs=0.5)


def test_fidelity_is_that_of_scikit_image_between_the_frame_and_its_keyframe(library: Library):
    video = library.piece(13)
    keyframes = dict(enumerate(moving(13)))
    metrics = measure(video, keyframes={at: keyframes[at] for at in (0, 12)})
    frames = dict(enumerate(decode(video)))
    assert [keyframe.at for keyframe in metrics.keyframes] == [0, 12]
    for keyframe in metrics.keyframes:
        shown, wanted = luma_of(frames[keyframe.at]), luma_of(keyframes[keyframe.at])
        theirs = structural_similarity(
            shown, wanted, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert keyframe.psnr == pytest.approx(peak_signal_noise_ratio(shown, wanted, data_range=255), abs=0.3)
        assert keyframe.ssim == pytest.approx(theirs, abs=2e-3)


def test_a_keyframe_that_is_not_met_is_told_from_one_that_is(library: Library):
    picture = next(moving(1, look=5))
    met, missed = measure(library.piece(13), keyframes={0: next(moving(1)), 6: picture}).keyframes
    assert met.psnr > 35
    assert met.ssim > 0.95
    assert missed.psnr < 20
    assert missed.ssim < 0.5


def test_json_is_compact_and_holds_series_only_when_asked(library: Library):
    metrics = measure(library.piece(20), joins=[JoinPlace(start=9, overlap=2)], keyframes={0: next(moving(1))})
    compact = json.loads(json.dumps(metrics.to_json(), allow_nan=False))
    assert list(compact) == ["frames", "joins", "keyframes", "motion", "flicker", "frozen"]
    assert (compact["frames"], compact["frozen"]) == (20, {"frames": 0, "ranges": []})
    assert compact["joins"][0]["start"] == 9
    whole = metrics.to_json(series=True)["series"]
    assert {name: len(values) for name, values in whole.items()} == dict.fromkeys(
        ("raw", "compensated", "motion", "sharpness", "luma", "repeated"), 20
    )


def test_a_video_of_another_program_is_measured(tmp_path: Path):
    assert measure(write_foreign(tmp_path / "other.mp4", 9)).frames == 9


def test_a_video_of_odd_size_and_other_colours_is_measured(tmp_path: Path):
    with av.open(str(tmp_path / "odd.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 65, 47, "yuv444p"
        for picture in moving(6):
            cropped = np.ascontiguousarray(picture[:47, :65])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cropped, format="rgb24")))
        container.mux(stream.encode(None))
    metrics = measure(tmp_path / "odd.mp4")
    assert (metrics.frames, metrics.size) == (6, (65, 47))
    assert (metrics.series.raw[1:] > 0.5).all()


def test_one_frame_and_tiny_pictures_are_measured(shot: Shot):
    assert shot([np.full((64, 96, 3), 100, np.uint8)]).motion.high == 0
    tiny = [np.full((8, 8, 3), level, np.uint8) for level in (0, 90, 180)]
    assert shot(tiny).series.raw[1] == pytest.approx(90 * 219 / 255, abs=3)


def test_places_outside_of_the_video_are_refused(library: Library):
    video = library.piece(13)
    with pytest.raises(MediaError, match="a join at frame 13 with 0 shared frames is not in a video of 13 frames"):
        measure(video, joins=[JoinPlace(start=13, overlap=0)])
    with pytest.raises(MediaError, match="a keyframe at frame 13 is not in a video of 13 frames"):
        measure(video, keyframes={13: next(moving(1))})
    with pytest.raises(MediaError, match="frames are 96x64, but the keyframe at frame 0 is 64x96"):
        measure(video, keyframes={0: np.zeros((96, 64, 3), np.uint8)})


def test_progress_counts_frames_and_may_stop_the_work(library: Library):
    seen: list[int] = []

    def stop_after_three(done: int) -> None:
        seen.append(done)
        if done == 3:
            raise CancelledError

    with pytest.raises(CancelledError):
        measure(library.piece(13), progress=stop_after_three)
    assert seen == [1, 2, 3]
