"""Keyframes by address: fetched once, kept by content, and only pictures."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import Fault, FileServer, serving
from media.tones import write_tone
from wayframe.core.spec import parse_spec
from wayframe.download import MIB
from wayframe.errors import CancelledError, ImageError, MediaError, SpecError, StoreError
from wayframe.media.audio import has_audio
from wayframe.store.pictures import meant
from wayframe.workflow import fetched
from wayframe.workflow.fetched import PictureTerms, fetched_trip
from wayframe.workflow.run import RunOptions, run_trip
from wayframe.workflow.sources import SpecSource, trip_of_plan, trip_of_video
from wayframe.workflow.trip import Trip
from workflow.rides import HEIGHT, WIDTH, Data, Ground, through
from workflow.test_shapes import video

LAN = PictureTerms(allow_private=True)
SIGNATURE = "deadbeefdeadbeef"


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground.at(tmp_path, count=3)


@pytest.fixture
def server(ground: Ground) -> Iterator[FileServer]:
    files = {f"/{path.name}": path.read_bytes() for path in ground.folder.glob("*.png")}
    running = FileServer(files=files)
    with serving(running):
        yield running


def by_address(server: FileServer, *names: str, **said: object) -> Data:
    keyframes = [{"image": f"{server.url}/{name}"} for name in names]
    return {"keyframes": keyframes, "engine": "null", "segment_frames": 5, **said}


def trip(ground: Ground, data: Data, *, terms: PictureTerms = LAN, pictures: Path | None = None) -> Trip:
    source = SpecSource(spec=parse_spec(data), base=ground.folder)
    return fetched_trip(source, home=ground.home, terms=terms, pictures=pictures)


def test_pictures_by_address_are_those_of_local_files(ground: Ground, server: FileServer) -> None:
    made, local = trip(ground, by_address(server, "0.png", "1.png")), ground.trip(through(0, 1))
    assert made.plan.keyframes == local.plan.keyframes
    assert made.plan.size == (WIDTH, HEIGHT)
    assert made.remote == ()
    assert run_trip(made, home=ground.home, options=RunOptions()).record["status"] == "completed"


def test_a_picture_is_kept_by_its_content_with_its_address_and_asked_for_once(
    ground: Ground, server: FileServer
) -> None:
    data = by_address(server, f"0.png?X-Amz-Signature={SIGNATURE}", "1.png", "0.png?X-Amz-Signature=another1234567890")
    made = trip(ground, data)
    digest = hashlib.sha256((ground.folder / "0.png").read_bytes()).hexdigest()
    assert made.images[0] == made.images[2] == ground.home.keyframes / digest / "0.png"
    assert len(server.gets("/0.png")) == 1
    notes = [json.loads(path.read_text()) for path in (ground.home.keyframes / "addresses").glob("*.json")]
    assert {note["sha256"] for note in notes} == {keyframe.digest for keyframe in made.plan.keyframes}
    assert not any(SIGNATURE in path.read_text() for path in ground.home.keyframes.rglob("*.json"))
    server.files.clear()
    assert trip(ground, data, terms=PictureTerms(offline=True)).plan == made.plan


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://h/f?key=a.jpg", "https://h/f?key=b.jpg", False),
        ("https://h/f?token=1", "https://h/f?token=2", False),
        ("https://h/f?st=1", "https://h/f?st=2", False),
        ("https://h/a.jpg#x", "https://me:word@h/a.jpg#y", True),
        ("https://h/a?X-Amz-Date=1&X-Amz-Signature=ab&v=1", "https://h/a?v=1&X-Amz-Date=2&X-Amz-Signature=cd", True),
        ("https://h/a?Expires=1&Signature=ab&Key-Pair-Id=K", "https://h/a?Expires=2&Signature=cd&Key-Pair-Id=L", True),
        ("https://h/a?sv=1&se=2&sig=ab", "https://h/a?sv=1&se=3&sig=cd", True),
        ("https://h/a?sig=ab&id=1", "https://h/a?sig=ab&id=2", False),
    ],
)
def test_only_what_signs_a_link_is_not_part_of_what_it_means(one: str, other: str, same: bool) -> None:
    assert (meant(one) == meant(other)) is same


def test_a_plan_finds_the_pictures_that_were_fetched_for_it(ground: Ground, server: FileServer, tmp_path: Path) -> None:
    made = trip(ground, by_address(server, "0.png", "1.png"))
    path = tmp_path / "apart" / "plan.json"
    path.parent.mkdir()
    path.write_text(json.dumps(made.planned()))
    assert trip_of_plan(path, keyframes=None, home=ground.home).images == made.images


def test_a_server_that_is_busy_is_asked_again(ground: Ground, server: FileServer) -> None:
    server.faults["/0.png"] = [Fault(status=503, headers={"Retry-After": "0"})] * 2
    made = trip(ground, by_address(server, "0.png", "1.png"))
    assert made.plan.keyframes == ground.trip(through(0, 1)).plan.keyframes
    assert len(server.gets("/0.png")) == 3


def test_private_hosts_and_plain_http_are_refused(ground: Ground, server: FileServer) -> None:
    with pytest.raises(SpecError, match=r"keyframes\[0\]\.image: is fetched by https only .*--allow-private"):
        trip(ground, by_address(server, "0.png", "1.png"), terms=PictureTerms())
    hidden = {"keyframes": [{"image": f"https://127.0.0.1:{server.port}/0.png"}, {"image": "1.png"}], "engine": "null"}
    with pytest.raises(StoreError, match=r"keyframes\[0\]\.image: the host 127\.0\.0\.1 is in a private network"):
        trip(ground, hidden, terms=PictureTerms())
    assert server.asked == []


def test_other_schemes_are_not_fetched(ground: Ground) -> None:
    with pytest.raises(SpecError, match=r"is fetched by https only \(got 'file:///etc/passwd'\); give a file"):
        trip(ground, {"keyframes": [{"image": "file:///etc/passwd"}, {"image": "1.png"}], "engine": "null"})


@pytest.mark.parametrize("user", ["", "[redacted]@"])
def test_an_address_without_a_host_that_can_be_read_is_an_error_of_its_keyframe(ground: Ground, user: str) -> None:
    said = {"keyframes": [{"image": f"https://{user}[/a.png?sig=abc"}, {"image": "1.png"}], "engine": "null"}
    with pytest.raises(SpecError, match=r"keyframes\[0\]\.image: is an address whose host cannot be read") as caught:
        trip(ground, said)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>please log in</html>", b"", b"\x89PNG\r\n\x1a\nbroken"])
def test_what_is_no_picture_is_refused_and_not_kept(ground: Ground, server: FileServer, body: bytes) -> None:
    server.files["/0.png"] = body
    with pytest.raises(ImageError, match=r"keyframes\[0\]\.image: is .*http://127\.0\.0\.1") as caught:
        trip(ground, by_address(server, f"0.png?token={SIGNATURE}", "1.png"))
    assert SIGNATURE not in str(caught.value)
    assert [path for path in ground.home.keyframes.rglob("*") if path.suffix not in (".lock", "")] == []


def test_the_suffix_follows_from_the_content(ground: Ground, server: FileServer) -> None:
    server.files["/photo.jpg"] = server.files["/0.png"]
    assert trip(ground, by_address(server, "photo.jpg", "1.png")).images[0].name == "photo.png"


def test_a_picture_above_the_limit_is_not_taken(
    ground: Ground, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetched.LARGEST == 64 * MIB
    monkeypatch.setattr(fetched, "LARGEST", 1000)
    with pytest.raises(StoreError, match=r"keyframes\[0\]\.image: .* is larger than"):
        trip(ground, by_address(server, "0.png", "1.png"))


def test_what_cannot_be_fetched_stops_a_run_and_is_a_finding_of_a_plan(ground: Ground, server: FileServer) -> None:
    data = by_address(server, "gone.png", "1.png", resolution="64x48")
    with pytest.raises(StoreError, match=r"keyframes\[0\]\.image: .*/gone\.png has no such file \(HTTP 404\)"):
        trip(ground, data)
    made = trip(ground, data, terms=PictureTerms(allow_private=True, needed=False))
    (found,) = [item for item in made.plan.findings if item.code == "keyframe-remote"]
    assert "HTTP 404" in found.message
    assert "HTTP 404" in str(found.evidence["why"])
    assert len(made.remote) == 1
    del data["resolution"]
    with pytest.raises(StoreError, match="HTTP 404"):
        trip(ground, data, terms=PictureTerms(allow_private=True, needed=False))


def test_offline_and_a_folder_of_pictures_ask_nobody(ground: Ground, server: FileServer, tmp_path: Path) -> None:
    data = by_address(server, "0.png", "1.png", resolution="64x48")
    assert len(trip(ground, data, terms=PictureTerms(offline=True)).remote) == 2
    shutil.copytree(ground.folder, tmp_path / "mine")
    made = trip(ground, data, pictures=tmp_path / "mine")
    assert made.images == (tmp_path / "mine" / "0.png", tmp_path / "mine" / "1.png")
    assert server.asked == []


def test_a_cancelled_fetch_stops(ground: Ground, server: FileServer) -> None:
    with pytest.raises(CancelledError):
        trip(
            ground, by_address(server, "0.png", "1.png"), terms=PictureTerms(allow_private=True, cancelled=lambda: True)
        )


class TestClips:
    def joined(self, ground: Ground, server: FileServer) -> Data:
        """A join of a fetched video with one that lies beside the spec."""
        video(ground.folder / "b.mp4", 15)
        video(ground.home.root / "a.mp4", 20)
        server.files["/u/a.mp4"] = (ground.home.root / "a.mp4").read_bytes()
        clips = [f"{server.url}/u/a.mp4?X-Amz-Signature={SIGNATURE}", "b.mp4"]
        return {"join": {"clips": clips, "context": 3, "gap": 5}, "engine": "null"}

    def test_they_are_fetched_once_and_the_run_is_that_of_local_files(self, ground: Ground, server: FileServer) -> None:
        data = self.joined(ground, server)
        made = trip(ground, data)
        (ground.folder / "a.mp4").write_bytes(server.files["/u/a.mp4"])
        local = ground.trip({**data, "join": {**data["join"], "clips": ["a.mp4", "b.mp4"]}})
        assert made.plan.segments == local.plan.segments
        assert len(server.gets("/u/a.mp4")) == 1
        server.files.clear()
        again = trip(ground, data, terms=PictureTerms(offline=True))
        result = run_trip(again, home=ground.home, options=RunOptions())
        assert result.record["outcome"]["frames"] == 20 + 5 + 15
        assert SIGNATURE not in (result.folder.path / "run.json").read_text()
        kept = trip_of_video(result.video, keyframes=ground.folder, home=ground.home)
        assert kept.plan.segments == again.plan.segments

    def test_one_in_the_named_folder_is_not_fetched(self, ground: Ground, server: FileServer, tmp_path: Path) -> None:
        data = self.joined(ground, server)
        (tmp_path / "had").mkdir()
        (tmp_path / "had" / "a.mp4").write_bytes(server.files["/u/a.mp4"])
        made = trip(ground, data, pictures=tmp_path / "had")
        assert made.clips[0] == tmp_path / "had" / "a.mp4"
        assert server.gets("/u/a.mp4") == []

    def test_a_video_that_is_continued_is_fetched_too(self, ground: Ground, server: FileServer) -> None:
        self.joined(ground, server)
        made = trip(ground, {**through(0, 1), "continue_from": f"{server.url}/u/a.mp4", "overlap": 2})
        assert [clip.frames for clip in made.plan.clips] == [20]

    def test_what_is_too_large_private_gone_or_no_video_is_an_error_that_names_its_place(
        self, ground: Ground, server: FileServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = self.joined(ground, server)
        with pytest.raises(SpecError, match=r"join\.clips\[0\]: is fetched by https only"):
            trip(ground, data, terms=PictureTerms())
        with pytest.raises(SpecError, match=r"join\.clips\[0\]: is an address, and a\.mp4 is not here"):
            trip(ground, data, terms=PictureTerms(offline=True))
        monkeypatch.setattr(fetched, "LARGEST_VIDEO", 1000)
        with pytest.raises(StoreError, match=r"join\.clips\[0\]: .*larger than"):
            trip(ground, data)
        monkeypatch.undo()
        server.files["/u/a.mp4"] = b"no video at all"
        with pytest.raises(MediaError, match=r"join\.clips\[0\]: .*a\.mp4.* is not a video that can be read"):
            trip(ground, data)
        assert not list(ground.home.keyframes.rglob("a.mp4"))
        server.files.clear()
        with pytest.raises(StoreError, match=r"join\.clips\[0\]: .*404.*named by its path"):
            trip(ground, data)


class TestSound:
    def sounding(self, ground: Ground, server: FileServer, name: str = "music.wav") -> Data:
        tone = write_tone(ground.home.root / "tone.wav", seconds=1)
        server.files[f"/{name.partition('?')[0]}"] = tone.read_bytes()
        return through(0, 1, after={"audio": {"file": f"{server.url}/{name}"}})

    def test_it_is_fetched_once_and_kept_by_its_content(self, ground: Ground, server: FileServer) -> None:
        data = self.sounding(ground, server, f"music.wav?X-Amz-Signature={SIGNATURE}")
        result = run_trip(trip(ground, data), home=ground.home, options=RunOptions())
        assert has_audio(result.video)
        assert result.video.name == "final.mp4"
        assert len(server.gets("/music.wav")) == 1
        assert SIGNATURE not in (result.folder.path / "run.json").read_text()
        server.files.clear()
        again = trip(ground, data, terms=PictureTerms(offline=True))
        assert run_trip(again, home=ground.home, options=RunOptions()).record["status"] == "completed"
        kept = trip_of_video(result.video, keyframes=ground.folder, home=ground.home)
        assert kept.after_files.keys() == again.after_files.keys() != set()

    def test_without_it_a_trip_can_be_planned_and_not_run(self, ground: Ground, server: FileServer) -> None:
        data = self.sounding(ground, server)
        made = trip(ground, data, terms=PictureTerms(offline=True))
        assert made.plan.after is not None
        with pytest.raises(SpecError, match="names an address that was not fetched"):
            run_trip(made, home=ground.home, options=RunOptions())

    def test_what_holds_no_sound_is_refused_and_not_kept(self, ground: Ground, server: FileServer) -> None:
        server.files["/music.wav"] = b"no sound at all"
        data = through(0, 1, after={"audio": {"file": f"{server.url}/music.wav"}})
        with pytest.raises(MediaError, match=r"after\.audio\.file: .*music\.wav holds no sound"):
            trip(ground, data)
        assert not list(ground.home.keyframes.rglob("music.wav"))

    def test_a_private_host_and_a_missing_file_are_errors(self, ground: Ground, server: FileServer) -> None:
        with pytest.raises(SpecError, match=r"after\.audio\.file: is fetched by https only"):
            trip(ground, self.sounding(ground, server), terms=PictureTerms())
        server.files.clear()
        with pytest.raises(StoreError, match=r"after\.audio\.file: .*404"):
            trip(ground, through(0, 1, after={"audio": {"file": f"{server.url}/music.wav"}}))
