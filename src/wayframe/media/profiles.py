"""How final files, and those on the way to them, are encoded beside the profiles that a stitch can copy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, field
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import cast

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from wayframe.files import atomic_path
from wayframe.media.encode import Profile, check_format
from wayframe.media.mux import mp4_options
from wayframe.media.pixels import BT709, LIMITED, SCALING, Frame
from wayframe.media.reading import media_errors

MASTER = Profile(name="master", crf=0, preset="veryfast")
"""Lossless H.264: what stands between two steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalCodec:
    """A codec of FFmpeg with its container and the options that fix its quality."""

    codec: str
    container: str
    pixels: str
    options: Mapping[str, str]


FINAL_CODECS: Mapping[str, FinalCodec] = MappingProxyType(
    {
        # 10 bits cost AV1 nothing and spare skies their steps; one thread, so that a machine's cores decide no packet
        "av1": FinalCodec(
            codec="libsvtav1",
            container="mp4",
            pixels="yuv420p10le",
            options={"crf": "28", "preset": "7", "svtav1-params": "lp=1"},
        ),
        # profile 3 is ProRes 422 HQ
        "prores": FinalCodec(
            codec="prores_ks",
            container="mov",
            pixels="yuv422p10le",
            options={"profile": "3", "vendor": "apl0"},
        ),
    }
)
_ERRORS_ONLY = "1"
"""The AV1 encoder writes its settings to standard error past FFmpeg's log, unless it is told by the environment."""


@dataclass(slots=True)
class FinalWriter:
    """Writes RGB frames one by one into a file of `codec` that appears whole when the block ends, or not at all.

    Raises `MediaError` for a size that is not even, and when the file cannot be written.
    """

    path: Path
    _: KW_ONLY
    width: int
    height: int
    fps: Fraction
    codec: FinalCodec
    count: int = field(default=0, init=False)
    _container: av.container.OutputContainer = field(init=False, repr=False)
    _stream: av.VideoStream = field(init=False, repr=False)
    _stack: ExitStack = field(init=False, repr=False)

    def __enter__(self) -> FinalWriter:
        check_format(self.path, width=self.width, height=self.height, fps=self.fps)
        os.environ.setdefault("SVT_LOG", _ERRORS_ONLY)
        with ExitStack() as stack, media_errors(self.path, "write"):
            temporary = stack.enter_context(atomic_path(self.path))
            options = mp4_options(self.fps)
            self._container = stack.enter_context(
                av.open(str(temporary), "w", format=self.codec.container, options=options)
            )
            stream = self._container.add_stream(self.codec.codec, rate=self.fps, options=dict(self.codec.options))
            self._stream = cast(av.VideoStream, stream)
            context = self._stream.codec_context
            context.width, context.height, context.pix_fmt = self.width, self.height, self.codec.pixels
            context.time_base = 1 / self.fps
            context.color_primaries = context.color_trc = context.colorspace = BT709
            context.color_range = LIMITED
            self._stack = stack.pop_all()
        return self

    def write(self, pixels: Frame) -> None:
        """Append one frame: (height, width, 3) RGB, uint8."""
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
            format=self.codec.pixels,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=SCALING,
            threads=1,
        )
        picture.pts, picture.time_base = self.count, 1 / self.fps
        with media_errors(self.path, "encode"):
            self._container.mux(self._stream.encode(picture))
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with media_errors(self.path, "write"), self._stack:
            self._container.mux(self._stream.encode(None))
