"""Sound of an exact length, with fades, beside a video that is copied."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from media.clips import moving, write_video
from media.tones import heard, loudness, write_tone
from wayframe.core.after import Sound
from wayframe.errors import MediaError
from wayframe.media.audio import has_audio, put_together, write_sound
from wayframe.media.index import packet_digest, read_metadata

FULL = 0.5 / 2  # root mean square of a sine of 0.5, and one channel shared out to two at equal power


def sound_of(folder: Path, *, seconds: Fraction, long: float = 3, **said: float):
    target = folder / "sound.mp4"
    write_sound(
        write_tone(folder / "tone.wav", seconds=long), target=target, sound=Sound(digest="", **said), seconds=seconds
    )
    return heard(target)


def test_a_sound_is_cut_to_the_length_that_is_asked_for(tmp_path: Path):
    samples = sound_of(tmp_path, seconds=Fraction(31, 16))
    assert abs(len(samples) - 93_000) <= 1024  # a player drops the padding of the last block
    assert loudness(samples[2000:90_000]) == pytest.approx(FULL, rel=0.02)


def test_what_lacks_is_silence(tmp_path: Path):
    samples = sound_of(tmp_path, seconds=Fraction(2), long=1)
    assert loudness(samples[4000:44_000]) == pytest.approx(FULL, rel=0.02)
    assert loudness(samples[52_000:]) < 0.001


def test_fades_rise_and_fall_straight_and_a_gain_is_in_decibels(tmp_path: Path):
    samples = sound_of(tmp_path, seconds=Fraction(2), fade_in=0.5, fade_out=1.0, gain=-6)
    full = FULL * 0.5012
    assert loudness(samples[:480]) < 0.02 * full + 0.005
    assert loudness(samples[11_500:12_500]) == pytest.approx(full / 2, rel=0.1)
    assert loudness(samples[30_000:46_000]) == pytest.approx(full, rel=0.02)
    assert loudness(samples[71_500:72_500]) == pytest.approx(full / 2, rel=0.1)


def test_a_start_leaves_out_what_stands_before_it(tmp_path: Path):
    samples = sound_of(tmp_path, seconds=Fraction(2), long=2, start=1.5)
    assert loudness(samples[2000:20_000]) == pytest.approx(FULL, rel=0.02)
    assert loudness(samples[30_000:]) < 0.001


def test_a_video_with_a_sound_has_the_same_packets_and_its_metadata(tmp_path: Path):
    video = write_video(tmp_path / "v.mp4", moving(16)).path
    write_sound(
        write_tone(tmp_path / "t.wav", seconds=1),
        target=tmp_path / "s.mp4",
        sound=Sound(digest=""),
        seconds=Fraction(1),
    )
    target = tmp_path / "both.mp4"
    put_together(video, sound=tmp_path / "s.mp4", target=target, metadata={"wayframe": "plan"})
    assert packet_digest(target) == packet_digest(video)
    assert read_metadata(target) == {"wayframe": "plan"}
    assert (has_audio(target), has_audio(video)) == (True, False)
    assert loudness(heard(target)[2000:40_000]) == pytest.approx(FULL, rel=0.02)


def test_a_file_without_sound_is_an_error(tmp_path: Path):
    video = write_video(tmp_path / "v.mp4", moving(4)).path
    with pytest.raises(MediaError, match=r"no sound in this file"):
        write_sound(video, target=tmp_path / "s.mp4", sound=Sound(digest=""), seconds=Fraction(1))
    assert not (tmp_path / "s.mp4").exists()
