"""The videos of what is compared: where their segments and keyframes are, how they look, and where two of them part."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from wayframe.core.documents import parse_plan
from wayframe.core.dossier import Clip, NoiseFloor, Thumbnail, VideoPair, aligned_spans
from wayframe.core.pairing import Pairing
from wayframe.core.plan import usual_ends
from wayframe.core.subject import Level, Subject
from wayframe.errors import MediaError, SpecError
from wayframe.media.index import VideoIndex, decode_some, index, packet_digest
from wayframe.media.metrics import Footage, JoinPlace
from wayframe.media.metrics_compare import Aligned, compare_videos
from wayframe.store.home import Home, open_home
from wayframe.store.runs import find_run
from wayframe.workflow.run import RunOptions, run_trip
from wayframe.workflow.sources import capsule_of, plan_trip

THUMBNAIL = (240, 180)
QUALITY = 78
MOST_THUMBNAILS = 24


def clip_of(subject: Subject, *, thumbnails: bool) -> Clip | None:
    """The video of a subject, or None when it has none.

    Raises `MediaError` when it cannot be read, or is not the one that the subject's record tells of.
    """
    if subject.video is None:
        return None
    path = Path(subject.video)
    recorded = subject.value(Level.OUTCOME, "digest")
    if isinstance(recorded, str) and packet_digest(path) != recorded:
        raise MediaError(f"{path}: is not the video of this record")
    where, plan = index(path), capsule_of(path)["plan"]
    positions = [keyframe["at"] for keyframe in plan["keyframes"]]
    return Clip(
        path=str(path),
        size_bytes=path.stat().st_size,
        width=where.width,
        height=where.height,
        frames=where.frames,
        rate=float(where.fps),
        spans=tuple(_span(segment, positions=positions) for segment in plan["segments"]),
        joins=tuple((segment["start"], segment["overlap_before"]) for segment in plan["segments"][1:]),
        thumbnails=_thumbnails(where, positions) if thumbnails else (),
    )


def _span(segment: Mapping[str, Any], *, positions: Sequence[int]) -> tuple[int, int]:
    """First and last frame of a planned segment, from keyframe to keyframe, where it has them."""
    first, last = segment.get("ends") or usual_ends(segment["index"], keyframes=len(positions))
    if segment.get("still"):
        return segment["start"], segment["end"] - 1
    starts = segment["start"] if first is None else max(positions[first], segment["start"])
    return starts, segment["end"] - 1 if last is None else positions[last]


def _thumbnails(where: VideoIndex, positions: Sequence[int]) -> tuple[Thumbnail, ...]:
    numbers = {at: number for number, at in enumerate(positions[:MOST_THUMBNAILS])}
    return tuple(
        Thumbnail(keyframe=numbers[at], at=at, jpeg=_jpeg(Image.fromarray(pixels)))
        for at, pixels in decode_some(where, ranks=numbers.keys())
    )


def _jpeg(picture: Image.Image) -> bytes:
    picture.thumbnail(THUMBNAIL)
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=QUALITY)
    return target.getvalue()


def video_pair(pairs: Sequence[Pairing], *, a: Clip | None, b: Clip | None) -> VideoPair | None:
    """Two videos over time, aligned from keyframe to keyframe; None where one of them is missing."""
    if a is None or b is None:
        return None
    if packet_digest(Path(a.path)) == packet_digest(Path(b.path)):
        return VideoPair(same_packets=True)
    spans = aligned_spans(pairs, a=a, b=b)
    parts = [Aligned(a=range(left[0], left[1] + 1), b=range(right[0], right[1] + 1)) for left, right in spans]
    measured = compare_videos(a=_footage(a), b=_footage(b), alignment=parts or None)
    return VideoPair(same_packets=False, measured=measured.to_json())


def _footage(clip: Clip) -> Footage:
    return Footage(path=Path(clip.path), joins=[JoinPlace(start=start, overlap=shared) for start, shared in clip.joins])


def noise_floor(run: str, *, home: Home, keyframes: Path | None) -> NoiseFloor:
    """Render the plan of a run again, in a home folder of its own, and hold the result against the first one.

    Its pictures are looked for in `keyframes`, else where we are and where its spec names them. Raises `SpecError` for
    a run that has no video, or whose pictures are not found.
    """
    folder = find_run(home, run)
    record = folder.read()
    if "logged" in record or not folder.video.is_file():
        raise SpecError("--repeat", "has no video of ours", run)
    folders, said = [keyframes] if keyframes else _places(record), record["environment"].get("options", {})
    trip = plan_trip(parse_plan(record["planned"]), folders=folders, home=home, options=said)
    with TemporaryDirectory(prefix="wayframe-repeat-") as place:
        again = run_trip(trip, home=open_home(Path(place)), options=RunOptions(library=home)).video
        if packet_digest(again) == packet_digest(folder.video):
            return NoiseFloor(run=folder.run_id, same_packets=True)
        found = compare_videos(a=Footage(path=folder.video), b=Footage(path=again)).to_json()
    return NoiseFloor(
        run=folder.run_id,
        same_packets=False,
        median_psnr=found["psnr"]["median"],
        least_psnr=found["psnr"]["least"],
    )


def _places(record: Mapping[str, Any]) -> list[Path]:
    images = [Path(str(keyframe["image"])) for keyframe in (record["requested"] or {}).get("keyframes", [])]
    folders = [Path.cwd(), *(Path.cwd() / image.parent for image in images)]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]
