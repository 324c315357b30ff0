from __future__ import annotations

from pathlib import Path

import pytest

from media.clips import write_foreign
from media.tones import write_tone
from wayframe.errors import MediaError
from wayframe.media.kinds import media_facts


def test_a_video_is_known_by_what_it_holds_and_not_by_its_name(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "clip.mp4", 9)
    found = media_facts(path.rename(tmp_path / "song.mp3"))
    assert (found.kind, found.suffix, found.frames) == ("video", ".mp4", 9)
    assert found.fps == "16"
    assert found.seconds == pytest.approx(9 / 16, abs=0.001)


def test_a_sound_has_a_length_and_no_frames(tmp_path: Path) -> None:
    found = media_facts(write_tone(tmp_path / "tone.wav", seconds=1.5))
    assert (found.kind, found.suffix, found.frames, found.width) == ("sound", ".wav", None, None)
    assert found.seconds == pytest.approx(1.5, abs=0.1)


def test_a_list_of_other_files_is_refused(tmp_path: Path) -> None:
    write_foreign(tmp_path / "clip.mp4", 5)
    script = tmp_path / "list.mp4"
    script.write_text("ffconcat version 1.0\nfile clip.mp4\n")
    with pytest.raises(MediaError, match="concat is not taken"):
        media_facts(script)


def test_what_is_no_media_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing of that kind" * 40)
    with pytest.raises(MediaError, match="cannot read"):
        media_facts(tmp_path / "a.mp4")
