from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from media.clips import FPS, HEIGHT, WIDTH, Library, moving, write_foreign, write_video
from wayframe.errors import CancelledError, MediaError
from wayframe.media import encode
from wayframe.media.blend import bell
from wayframe.media.encode import PROFILES
from wayframe.media.index import decode_yuv, index, packet_digest, read_metadata
from wayframe.media.metrics import JoinPlace, measure
from wayframe.media.pixels import Yuv
from wayframe.media.stitch import Join, StitchReport, stitch

H264 = PROFILES["h264"]
BOUNDED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Trip:
    """Lengths of the pieces, the joins between them, and which pieces lack IDR frames at their cuts."""

    bodies: tuple[int, ...]
    joins: tuple[Join, ...]
    uncut: frozenset[int]

    def ends(self, number: int) -> tuple[int, int]:
        before = self.joins[number - 1].overlap if number else 0
        last = number == len(self.joins)
        after = 0 if last or not self.joins[number].blend else self.joins[number].overlap
        return before, after

    def length(self, number: int) -> int:
        return sum(self.ends(number)) + self.bodies[number]


@st.composite
def trips(draw: st.DrawFn) -> Trip:
    joins = draw(st.lists(st.builds(Join, overlap=st.sampled_from([0, 1, 2, 6]), blend=st.booleans()), max_size=4))
    bodies = [draw(st.sampled_from([0, 1, 2, 5, 9])) for _ in range(len(joins) + 1)]
    uncut = draw(st.frozensets(st.integers(0, len(joins)), max_size=1))
    trip = Trip(bodies=tuple(bodies), joins=tuple(joins), uncut=uncut)
    missing = [number for number in range(len(bodies)) if trip.length(number) == 0]
    return Trip(bodies=tuple(b or (n in missing) for n, b in enumerate(bodies)), joins=trip.joins, uncut=uncut)


def pieces_of(trip: Trip, library: Library) -> list[Path]:
    made = []
    for number in range(len(trip.bodies)):
        before, _ = trip.ends(number)
        cuts = () if number in trip.uncut else (before, before + trip.bodies[number])
        made.append(library.piece(trip.length(number), cuts=cuts, look=number % 2))
    return made


def pictures(path: Path, start: int = 0, stop: int | None = None) -> list[Yuv]:
    where = index(path)
    return list(decode_yuv(where, start=start, stop=where.frames if stop is None else stop))


def same(left: Sequence[Yuv], right: Sequence[Yuv]) -> bool:
    return len(left) == len(right) and all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def decodes_without_a_word(path: Path) -> bool:
    """Decode everything, strictly and apart from our own reader; whether FFmpeg found nothing to warn of."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as said, av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            context.options, context.thread_count = {"err_detect": "explode"}, 1
            ranks = [frame.pts for frame in container.decode(video=0)]
    finally:
        av.logging.set_level(before)
    return said == [] and ranks == sorted(ranks) and len(ranks) == index(path).frames


def times(path: Path) -> tuple[list[int], list[int]]:
    with av.open(str(path)) as container:
        found = [packet for packet in container.demux(video=0) if packet.size]
    return [packet.pts or 0 for packet in found], [packet.dts or 0 for packet in found]


def join(library: Library, pieces: Sequence[Path], joins: Sequence[Join]) -> tuple[Path, StitchReport]:
    target = library.fresh("joined")
    return target, stitch(pieces, joins=joins, target=target, profile=H264)


@given(trip=trips())
@BOUNDED
def test_every_frame_is_there_once_and_bodies_are_those_of_the_segments(library: Library, trip: Trip):
    pieces = pieces_of(trip, library)
    target, report = join(library, pieces, trip.joins)
    total = sum(map(trip.length, range(len(pieces)))) - sum(j.overlap for j in trip.joins)
    assert (report.frames, index(target).frames, report.copied + report.encoded) == (total, total, total)
    recoded = {finding.where for finding in report.findings}
    place = 0
    for number, path in enumerate(pieces):
        before, _ = trip.ends(number)
        place += before if number and trip.joins[number - 1].blend else 0
        body = trip.bodies[number]
        if f"segments[{number}]" not in recoded:
            assert same(pictures(target, place, place + body), pictures(path, before, before + body))
        else:
            assert number in trip.uncut
        place += body
    assert decodes_without_a_word(target)


@given(trip=trips())
@BOUNDED
def test_time_runs_evenly_from_zero_and_decoding_never_goes_back(library: Library, trip: Trip):
    target, report = join(library, pieces_of(trip, library), trip.joins)
    pts, dts = times(target)
    assert sorted(pts) == [1024 * rank for rank in range(report.frames)]
    assert all(earlier < later for earlier, later in pairwise(dts))
    assert all(decoded <= shown for decoded, shown in zip(dts, pts, strict=True))
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        assert (stream.start_time, stream.average_rate) == (0, FPS)
        assert stream.duration == 1024 * report.frames


def test_ffmpeg_decodes_a_mixed_stitch_strictly_and_says_nothing(library: Library):
    joins = [Join(overlap=6, blend=True), Join(overlap=1, blend=False), Join(overlap=2, blend=True)]
    trip = Trip(bodies=(9, 2, 0, 5), joins=tuple(joins), uncut=frozenset())
    target, report = join(library, pieces_of(trip, library), joins)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-xerror", "-err_detect", "explode"]
    done = subprocess.run([*command, "-i", target, "-f", "null", "-"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert report.frames == 9 + 6 + 2 + 2 + 5


def test_a_cut_only_copies(library: Library):
    pieces = [library.piece(13, look=0), library.piece(13, cuts=(1,), look=1)]
    target, report = join(library, pieces, [Join(overlap=1, blend=False)])
    assert (report.frames, report.copied, report.encoded, report.findings) == (25, 25, 0, ())
    assert same(pictures(target), pictures(pieces[0]) + pictures(pieces[1], 1))


def test_a_cut_is_not_seen(library: Library):
    """The right piece begins with an IDR frame and, after its first frame is dropped, with another one."""
    photograph = cv2.cvtColor(cv2.imread(str(files("skimage").joinpath("data", "chelsea.png"))), cv2.COLOR_BGR2RGB)
    pieces = [library.fresh("photograph") for _ in range(3)]
    for number, piece in enumerate(pieces):
        write_video(piece, (near(photograph, step=16 * number + step) for step in range(17)), cuts={1})
    target, report = join(library, pieces, [Join(overlap=1, blend=False)] * 2)
    assert report.encoded == 0
    seams = measure(target, joins=[JoinPlace(start=at, overlap=1) for at in (16, 32)]).joins
    assert [seam.verdict for seam in seams] == ["even", "even"]


def near(photograph: NDArray[np.uint8], *, step: int) -> NDArray[np.uint8]:
    """A part of the photograph that turns and comes nearer."""
    height, width = photograph.shape[:2]
    move = cv2.getRotationMatrix2D((width / 2, height / 2), 0.4 * step, 0.6 + 0.004 * step)
    move[:, 2] += (WIDTH - width / 2, HEIGHT - height / 2)
    return np.asarray(cv2.warpAffine(photograph, move, (2 * WIDTH, 2 * HEIGHT)), dtype=np.uint8)


def test_a_blend_mixes_the_end_of_the_left_piece_with_the_start_of_the_right_one(library: Library):
    pieces = [library.piece(15, cuts=(9,), look=0), library.piece(15, cuts=(6,), look=1)]
    target, report = join(library, pieces, [Join(overlap=6, blend=True)])
    assert (report.copied, report.encoded) == (18, 6)
    for step, (left, right, got) in enumerate(
        zip(pictures(pieces[0], 9), pictures(pieces[1], 0, 6), pictures(target, 9, 15), strict=True)
    ):
        expected = bell(left=left, right=right, step=step, steps=6).astype(int)
        assert np.abs(expected - got).mean() < 2.5


def test_a_lone_piece_is_copied_with_new_metadata(library: Library):
    piece, target = library.piece(13), library.fresh("lone")
    report = stitch([piece], joins=[], target=target, profile=H264, metadata={"wayframe.spec": "{}"})
    assert (report.copied, report.digest) == (13, packet_digest(piece))
    assert read_metadata(target) == {"wayframe.spec": "{}"}


def test_the_same_pieces_give_the_same_file(library: Library):
    pieces, joins = [library.piece(15, cuts=(6, 9), look=look) for look in (0, 1, 0)], [Join(overlap=6, blend=True)] * 2
    (first, one), (second, two) = (join(library, pieces, joins) for _ in range(2))
    assert first.read_bytes() == second.read_bytes()
    assert one.digest == two.digest == packet_digest(first)


def test_a_piece_of_another_profile_is_encoded_again_and_a_finding_says_so(library: Library):
    pieces = [library.piece(13), library.piece(13, cuts=(1,), profile="draft")]
    target, report = join(library, pieces, [Join(overlap=1, blend=False)])
    assert (report.copied, report.encoded) == (13, 12)
    (found,) = report.findings
    assert (found.code, found.where, found.evidence["frames"]) == ("stitch-reencoded", "segments[1]", 12)
    assert "parameter sets" in found.message
    assert decodes_without_a_word(target)


def test_a_piece_that_is_not_h264_is_encoded_again_and_a_finding_says_so(library: Library, tmp_path: Path):
    foreign = write_foreign(tmp_path / "foreign.mp4", 12)
    target, report = join(library, [foreign, library.piece(13)], [Join(overlap=0, blend=False)])
    assert [f.message for f in report.findings] == [
        "12 frames of foreign.mp4 were encoded again: it is mpeg4, not h264"
    ]
    again, before = pictures(target, 0, 12), pictures(foreign)
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(again, before, strict=True)) < 2.5
    assert decodes_without_a_word(target)


def test_a_cut_that_is_no_idr_frame_costs_only_the_frames_up_to_the_next_one(library: Library):
    right = library.piece(20, cuts=(8,), look=1)
    target, report = join(library, [library.piece(13), right], [Join(overlap=5, blend=False)])
    assert (report.copied, report.encoded) == (13 + 12, 3)
    (found,) = report.findings
    assert found.evidence["ranges"] == [[5, 8]]
    assert "no IDR frame stands at frame 5" in found.message
    assert same(pictures(target, 16, 28), pictures(right, 8))


def test_a_hundred_pieces_keep_count(library: Library):
    pieces = [library.piece(9, cuts=(2, 7), look=number % 2) for number in range(100)]
    target, report = join(library, pieces, [Join(overlap=2, blend=True)] * 99)
    assert (report.frames, report.encoded) == (900 - 198, 198)
    assert same(pictures(target, 700), pictures(pieces[-1], 7))


@pytest.mark.parametrize(
    ("right", "words"),
    [
        ({"size": (96, 96)}, "is 96x96, but .* is 96x64; pieces of different size cannot be joined"),
        ({"fps": Fraction(24)}, "has 24 frames a second, but .* has 16; pieces of different rate cannot be joined"),
    ],
    ids=["size", "rate"],
)
def test_pieces_of_another_size_or_rate_are_refused(right: dict, words: str, library: Library, tmp_path: Path):
    other = tmp_path / "other.mp4"
    width, height = right.get("size", (WIDTH, HEIGHT))
    write_video(other, [np.zeros((height, width, 3), np.uint8)] * 3, fps=right.get("fps", FPS))
    with pytest.raises(MediaError, match=rf"other\.mp4: {words}"):
        stitch(
            [library.piece(13), other],
            joins=[Join(overlap=1, blend=False)],
            target=tmp_path / "joined.mp4",
            profile=H264,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.mp4"]


@pytest.mark.parametrize(
    ("joins", "words"),
    [
        (
            [Join(overlap=8, blend=True), Join(overlap=6, blend=True)],
            "13 frames cannot hold overlaps of 8 before and 6",
        ),
        ([Join(overlap=-1, blend=False)] * 2, "overlaps of -1 before"),
        ([Join(overlap=1, blend=False)], "3 pieces and 1 joins"),
    ],
    ids=["meeting", "negative", "too few"],
)
def test_joins_that_do_not_fit_are_refused(joins: list[Join], words: str, library: Library):
    with pytest.raises(MediaError, match=words):
        join(library, [library.piece(13)] * 3, joins)


def test_no_pieces_an_unknown_curve_and_a_missing_piece_are_errors(library: Library, tmp_path: Path):
    with pytest.raises(MediaError, match="0 pieces"):
        join(library, [], [])
    with pytest.raises(MediaError, match="blend curve 'cubic' is not known"):
        stitch([library.piece(13)], joins=[], target=tmp_path / "a.mp4", profile=H264, curve="cubic")
    with pytest.raises(MediaError, match=r"gone\.mp4: cannot read this video"):
        join(library, [library.piece(13), tmp_path / "gone.mp4"], [Join(overlap=1, blend=False)])


def test_progress_counts_every_frame_up_to_the_last(library: Library):
    seen: list[int] = []
    pieces = [library.piece(15, cuts=(6, 9), look=look) for look in (0, 1)]
    stitch(
        pieces,
        joins=[Join(overlap=6, blend=True)],
        target=library.fresh("seen"),
        profile=H264,
        progress=seen.append,
    )
    assert seen == list(range(1, 25))


def test_a_cancelled_stitch_stops_and_leaves_what_was_there(library: Library, tmp_path: Path):
    target, seen = tmp_path / "joined.mp4", list[int]()
    target.write_bytes(b"old")
    with pytest.raises(CancelledError, match=r"joined\.mp4: stopped after 5 frames"):
        stitch(
            [library.piece(13)],
            joins=[],
            target=target,
            profile=H264,
            progress=seen.append,
            cancelled=lambda: len(seen) == 4,
        )
    assert seen == [1, 2, 3, 4]
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("joined.mp4", b"old")]


def test_frames_of_a_moving_clip_differ_so_that_a_misplaced_one_would_show():
    clip = list(moving(20))
    assert all(not np.array_equal(a, b) for a, b in pairwise(clip))


def test_an_open_gop_is_not_cut_although_a_decoder_may_start_there(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from_scratch = encode.X264_SETTINGS.replace("open-gop=0", "open-gop=1").replace("keyint=250", "keyint=6")
    with monkeypatch.context() as patch:
        patch.setattr(encode, "X264_SETTINGS", from_scratch)
        write_video(tmp_path / "open.mp4", moving(24))
    found = index(tmp_path / "open.mp4")
    inner = next(rank for rank in found.keyframes if rank not in found.idr)
    target, report = join(library, [library.piece(13), found.path], [Join(overlap=inner, blend=False)])
    assert (report.copied, report.encoded) == (13, 24 - inner)
    assert decodes_without_a_word(target)
