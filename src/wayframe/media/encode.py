"""Frames into H.264, so that a file can be cut and joined later without encoding it again."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType, TracebackType

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from wayframe.errors import MediaError
from wayframe.files import atomic_path
from wayframe.media.bitstream import parameter_sets, to_length_prefixed
from wayframe.media.mux import EncodedFrame, PacketWriter, VideoFacts
from wayframe.media.pixels import BT709, LIMITED, Frame, rgb_to_video
from wayframe.media.reading import media_errors

ENCODER_THREADS = 4
"""Part of what decides the packets, therefore never taken from the machine."""
REORDER = 2
"""Frames that decode order runs ahead of presentation: B-frames that may be references (b-pyramid) need two."""

# stitchable: parameter sets don't depend on the content; closed GOPs: nothing refers over an IDR frame;
# cpu-independent and fixed threads: no choice by machine; ref and bframes: every preset reorders alike. A cut must not
# show, so an IDR frame is to look like what stands around it: mbtree and ipratio make it far better because much refers
# to it; qcomp (0.6 by default) in turn starves what follows a picture that is dear to encode, such as the IDR frame of
# a first frame that is cut off.
X264_SETTINGS = (
    "stitchable=1:open-gop=0:bframes=3:b-pyramid=normal:ref=4:weightp=2:8x8dct=1:cabac=1:keyint=250:min-keyint=1:"
    "mbtree=0:ipratio=1.0:qcomp=0.75:force-cfr=1:nal-hrd=none:aud=0:repeat-headers=0:sliced-threads=0:lookahead-threads=1:cpu-independent=1:"
    f"threads={ENCODER_THREADS}:colorprim=bt709:transfer=bt709:colormatrix=bt709:fullrange=off"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How frames are encoded: x264's constant rate factor (lower is better) and its speed preset."""

    name: str
    crf: int
    preset: str


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "h264": Profile(name="h264", crf=18, preset="medium"),
        "draft": Profile(name="draft", crf=26, preset="veryfast"),
    }
)


class Encoder:
    """An H.264 encoder without a file; pictures come out as MP4 holds them, in decode order."""

    def __init__(self, *, width: int, height: int, fps: Fraction, profile: Profile) -> None:
        self._context = av.CodecContext.create("libx264", "w")
        _configure(self._context, width=width, height=height, fps=fps, profile=profile)
        self._context.open()
        self._time_base = 1 / fps
        self._taken = 0

    def encode(self, picture: av.VideoFrame, *, idr: bool) -> Iterator[EncodedFrame]:
        """Take in the next picture and give those that are ready; the first one is always an IDR frame."""
        picture.pts, picture.time_base = self._taken, self._time_base
        picture.pict_type = PictureType.I if idr or self._taken == 0 else PictureType.NONE
        self._taken += 1
        return self._given(picture)

    def flush(self) -> Iterator[EncodedFrame]:
        """Give all that is left; nothing may be taken in after it."""
        return self._given(None)

    def _given(self, picture: av.VideoFrame | None) -> Iterator[EncodedFrame]:
        for packet in self._context.encode(picture):
            data = to_length_prefixed(bytes(packet))
            yield EncodedFrame(data=data, rank=int(packet.pts or 0), key=packet.is_keyframe)


def _configure(context: VideoCodecContext, *, width: int, height: int, fps: Fraction, profile: Profile) -> None:
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = 1 / fps, fps
    context.thread_count = ENCODER_THREADS
    context.color_primaries = context.color_trc = context.colorspace = BT709
    context.color_range = LIMITED
    context.flags |= Flags.global_header
    context.options = {
        "crf": str(profile.crf),
        "preset": profile.preset,
        "forced-idr": "1",
        "x264-params": X264_SETTINGS,
    }


@lru_cache(maxsize=8)
def template(*, width: int, height: int, fps: Fraction, profile: Profile) -> bytes:
    """A one-frame MP4 in memory whose stream is set up as every file of this size, rate and profile."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        _configure(stream.codec_context, width=width, height=height, fps=fps, profile=profile)
        container.mux(stream.encode(rgb_to_video(np.zeros((height, width, 3), np.uint8))))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def template_parameters(*, width: int, height: int, fps: Fraction, profile: Profile) -> tuple[bytes, ...] | None:
    """The parameter sets of every file of this size, rate and profile."""
    source = template(width=width, height=height, fps=fps, profile=profile)
    with av.open(io.BytesIO(source)) as container:
        return parameter_sets(container.streams.video[0].codec_context.extradata or b"")


@dataclass(slots=True)
class VideoWriter:
    """Writes RGB frames one by one into an MP4 that appears, whole and checked, when the block ends.

    ``with VideoWriter(path, width=, height=, fps=, cuts=, profile=) as writer: writer.write(frame)``; afterwards
    `facts` tells what was written. An IDR frame stands at frame 0 and at each of `cuts`, so that the stitch can copy
    from there. The same frames and settings give the same packets on any machine. Raises `MediaError` for a size that
    is not even, a frame of another shape or type, a cut that is not in the video, and when the file cannot be written
    or doesn't read back as it was written; then, and when the block raises, nothing is left behind.
    """

    path: Path
    _: KW_ONLY
    width: int
    height: int
    fps: Fraction
    cuts: Collection[int]
    profile: Profile
    metadata: Mapping[str, str] = field(default_factory=dict)
    count: int = field(default=0, init=False)
    facts: VideoFacts | None = field(default=None, init=False)
    _encoder: Encoder = field(init=False, repr=False)
    _packets: PacketWriter = field(init=False, repr=False)
    _stack: ExitStack = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_format(self.path, width=self.width, height=self.height, fps=self.fps)

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack, media_errors(self.path, "write"):
            temporary = stack.enter_context(atomic_path(self.path))
            self._encoder = Encoder(width=self.width, height=self.height, fps=self.fps, profile=self.profile)
            source = template(width=self.width, height=self.height, fps=self.fps, profile=self.profile)
            self._packets = PacketWriter(temporary, target=self.path, fps=self.fps, template=source, reorder=REORDER)
            self._packets.describe(self.metadata)
            self._stack = stack.pop_all()
        return self

    def write(self, pixels: Frame) -> None:
        """Append one frame: (height, width, 3) RGB, uint8."""
        shape = (self.height, self.width, 3)
        if pixels.shape != shape or pixels.dtype != np.uint8:
            raise MediaError(
                f"{self.path}: frame {self.count} is {pixels.dtype} {pixels.shape}, expected uint8 {shape}"
            )
        with media_errors(self.path, "encode"):
            for picture in self._encoder.encode(rgb_to_video(pixels), idr=self.count in self.cuts):
                self._packets.write(picture)
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._packets.abandon()
            self._stack.__exit__(kind, error, trace)
            return
        with media_errors(self.path, "write"), self._stack:
            self._finish()

    def _finish(self) -> None:
        for picture in self._encoder.flush():
            self._packets.write(picture)
        facts = self._packets.finish()
        outside = sorted(cut for cut in set(self.cuts) if not 0 <= cut < facts.frames)
        if outside:
            raise MediaError(f"{self.path}: cut at frame {outside[0]}, but there are {facts.frames} frames")
        self.facts = facts


def check_format(path: Path, *, width: int, height: int, fps: Fraction) -> None:
    """Raise `MediaError` unless a video of this size and rate can be stored."""
    if width <= 0 or height <= 0 or width % 2 or height % 2:
        raise MediaError(f"{path}: a video of {width}x{height} cannot be stored; width and height must be even")
    if fps <= 0:
        raise MediaError(f"{path}: {fps} frames a second; the rate must be above 0")
