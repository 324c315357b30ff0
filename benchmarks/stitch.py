"""What a stitch costs: CPU time against encoding everything again, and memory against the number of segments.

    python benchmarks/stitch.py [--quick]

Segments of 61 frames at 768x576 are joined (a) by wayframe's stitch, (b) by decoding and encoding every frame with the
same encoder settings in this library, (c) by FFmpeg with a graph of xfade filters and the same x264 settings. Each runs
in a process of its own; CPU time is user + system over all threads, memory is the peak of the resident set. Segments
repeat three distinct clips. Exits with an error when the stitch of ten segments needs more than a sixth of the CPU time
of either (a fifth with --quick: fixed costs weigh more at a quarter of the size), or when its memory grows with the
number of segments.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from wayframe.media import encode
from wayframe.media.blend import bell
from wayframe.media.encode import PROFILES, REORDER, Encoder, VideoWriter, template
from wayframe.media.index import decode_yuv, index
from wayframe.media.mux import PacketWriter
from wayframe.media.pixels import Yuv, yuv_to_video
from wayframe.media.stitch import Join, stitch

FPS, FRAMES, PROFILE = Fraction(16), 61, PROFILES["h264"]
CLIPS = 3
ROUNDS = 2
LEAST_RATIO = 6.0
LEAST_RATIO_QUICK = 5.0
MEMORY_GROWTH_MB = 12.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """`count` segments that meet in `overlap` frames, blended or cut."""

    count: int
    overlap: int
    blend: bool

    @property
    def joins(self) -> list[Join]:
        return [Join(overlap=self.overlap, blend=self.blend)] * (self.count - 1)

    def paths(self, folder: Path) -> list[Path]:
        return [folder / f"clip{number % CLIPS}.mp4" for number in range(self.count)]


def texture(seed: int, *, width: int, height: int) -> NDArray[np.uint8]:
    """Coarse shapes with finer and finer detail on them, as photographs have."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for octave in range(2, 9):
        grid = random.normal(size=(3 * 2**octave // 4, 2**octave, 3)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * 0.75**octave
    return np.asarray(np.clip(128 + 60 * total, 0, 255), dtype=np.uint8)


def write_clips(folder: Path, *, width: int, height: int) -> None:
    """Three camera moves over one scene, each back to where it began: neighbours show the same in their overlap."""
    still = texture(0, width=width, height=height)
    for number in range(CLIPS):
        target = folder / f"clip{number}.mp4"
        with VideoWriter(target, width=width, height=height, fps=FPS, cuts={1, 6, 55}, profile=PROFILE) as writer:
            for step in range(FRAMES):
                turn = 2 * np.pi * step / (FRAMES - 1)
                swing, sway = np.sin(turn), np.sin(turn + number) - np.sin(number)
                move = cv2.getRotationMatrix2D((width / 2, height / 2), (number - 1) * 4 * swing, 1.2 + 0.08 * sway)
                move[:, 2] += (26 * swing, 14 * sway)
                turned = cv2.warpAffine(still, move, (width, height), borderMode=cv2.BORDER_REFLECT)
                writer.write(np.asarray(turned, dtype=np.uint8))


def by_copying(case: Case, folder: Path) -> int:
    report = stitch(case.paths(folder), joins=case.joins, target=folder / "copied.mp4", profile=PROFILE)
    return report.frames


def by_encoding(case: Case, folder: Path) -> int:
    """Every frame decoded, blended where segments meet, and encoded in one session."""
    first, target, count = index(case.paths(folder)[0]), folder / "encoded.mp4", 0
    like = {"width": first.width, "height": first.height, "fps": first.fps, "profile": PROFILE}
    packets = PacketWriter(target, target=target, fps=FPS, template=template(**like), reorder=REORDER)
    encoder = Encoder(**like)
    for pixels in every_frame(case, folder):
        for picture in encoder.encode(yuv_to_video(pixels), idr=False):
            packets.write(picture)
        count += 1
    for picture in encoder.flush():
        packets.write(picture)
    packets.finish()
    return count


def every_frame(case: Case, folder: Path) -> Iterator[Yuv]:
    tail: list[Yuv] = []
    for number, path in enumerate(case.paths(folder)):
        frames = decode_yuv(index(path), start=0, stop=FRAMES)
        head = list(islice(frames, case.overlap if number else 0))
        for step, (left, right) in enumerate(zip(tail, head, strict=False)):
            yield bell(left=left, right=right, step=step, steps=case.overlap)
        held = case.overlap if case.blend and number < case.count - 1 else 0
        yield from islice(frames, FRAMES - len(head) - held)
        tail = list(frames)


def by_ffmpeg(case: Case, folder: Path) -> int:
    """A graph of xfade filters, encoded by the x264 of imageio-ffmpeg's binary."""
    graph, left, length = [], "0:v", FRAMES
    for number in range(1, case.count):
        offset = Fraction(length - case.overlap) / FPS
        fade = f"xfade=transition=fade:duration={float(case.overlap / FPS)}:offset={float(offset)}"
        graph.append(f"[{left}][{number}:v]{fade}[v{number}]")
        left, length = f"v{number}", length + FRAMES - case.overlap
    inputs = [word for path in case.paths(folder) for word in ("-i", str(path))]
    settings = [
        "-c:v",
        "libx264",
        "-crf",
        str(PROFILE.crf),
        "-preset",
        PROFILE.preset,
        "-x264-params",
        encode.X264_SETTINGS,
    ]
    target = folder / "xfade.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *inputs, "-filter_complex", ";".join(graph)]
    subprocess.run([*command, "-map", f"[{left}]", *settings, "-pix_fmt", "yuv420p", str(target)], check=True)
    return index(target).frames


WAYS = {"copying": by_copying, "encoding": by_encoding, "ffmpeg": by_ffmpeg}


def measure(way: str, case: Case, folder: Path) -> dict[str, float]:
    """Run one way in this process and tell its CPU seconds (children included), frames and peak memory."""
    before = cpu_seconds()
    frames = WAYS[way](case, folder)
    return {"cpu": cpu_seconds() - before, "frames": frames, "peak_mb": peak_mb()}


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def peak_mb() -> float:
    """Linux hands ru_maxrss of the parent on to a child, so the kernel's own mark is read where there is one."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured_apart(way: str, case: Case, folder: Path) -> dict[str, float]:
    """`measure` in a process of its own."""
    what = json.dumps([way, asdict(case), str(folder)])
    done = subprocess.run([sys.executable, __file__, "--one", what], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def best(way: str, case: Case, folder: Path, *, rounds: int) -> dict[str, float]:
    """The cheapest of several measurements: what a busy machine adds is left out."""
    return min((measured_apart(way, case, folder) for _ in range(rounds)), key=lambda found: found["cpu"])


def compare(case: Case, folder: Path, *, peers: list[str]) -> dict[str, float]:
    """CPU time of the peers over that of the stitch, for one case; prints a line for each."""
    rounds = ROUNDS if peers else 1
    ours = best("copying", case, folder, rounds=rounds)
    kind = f"{case.count} segments, overlap {case.overlap} {'blended' if case.blend else 'cut'}"
    print(f"{kind}: stitch {ours['cpu']:.2f} s CPU, {ours['frames']} frames, peak {ours['peak_mb']:.0f} MB")
    ratios = {}
    for peer in peers:
        theirs = best(peer, case, folder, rounds=rounds)
        assert theirs["frames"] == ours["frames"], (peer, theirs["frames"], ours["frames"])
        ratios[peer] = theirs["cpu"] / ours["cpu"]
        print(f"    {peer:9} {theirs['cpu']:6.2f} s CPU: {ratios[peer]:.1f} times the stitch")
    return ratios | ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="384x288 and up to 40 segments")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        way, case, folder = json.loads(options.one)
        print(json.dumps(measure(way, Case(**case), Path(folder))))
        return
    with tempfile.TemporaryDirectory() as name:
        run(Path(name), quick=options.quick)


def run(folder: Path, *, quick: bool) -> None:
    width, height, many = (384, 288, 40) if quick else (768, 576, 100)
    wanted = LEAST_RATIO_QUICK if quick else LEAST_RATIO
    write_clips(folder, width=width, height=height)
    print(f"{FRAMES} frames a segment, {width}x{height}, x264 crf {PROFILE.crf} {PROFILE.preset}")
    few = compare(Case(count=10, overlap=6, blend=True), folder, peers=["encoding", "ffmpeg"])
    lot = compare(Case(count=many, overlap=6, blend=True), folder, peers=[])
    per_frame = lot["cpu"] / lot["frames"] / (few["cpu"] / few["frames"])
    print(f"    a frame costs {per_frame:.2f} times that of 10 segments; the peers, linear too, were run on 10 only")
    cut = compare(Case(count=10, overlap=1, blend=False), folder, peers=["encoding"])
    lot_cut = compare(Case(count=many, overlap=1, blend=False), folder, peers=[])
    growth = max(lot["peak_mb"] - few["peak_mb"], lot_cut["peak_mb"] - cut["peak_mb"])
    print(f"memory of {many} segments over that of 10: {growth:+.1f} MB")
    least = min(few["encoding"], few["ffmpeg"], cut["encoding"])
    print(f"least ratio at 10 segments: {least:.1f} (wanted: {wanted:g})")
    assert least >= wanted
    assert growth <= MEMORY_GROWTH_MB


if __name__ == "__main__":
    main()
