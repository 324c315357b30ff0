"""A sound track of an exact length, and a video with one."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Stream
from numpy.typing import NDArray

from wayframe.core.after import Sound
from wayframe.errors import MediaError
from wayframe.files import atomic_path
from wayframe.media.index import index, packet_digest
from wayframe.media.mux import mp4_options
from wayframe.media.reading import media_errors

RATE, BLOCK, BITS = 48_000, 1024, 192_000
"""Samples a second, samples of an AAC frame, bits a second."""
_CHANNELS = 2
_DECIBELS = 20
Samples = NDArray[np.float32]
"""(2, count), -1 to 1."""


def has_audio(path: Path) -> bool:
    """Whether a file holds sound. Raises `MediaError` when it cannot be read."""
    with media_errors(path, "read"), av.open(str(path)) as container:
        return bool(container.streams.audio)


def write_sound(source: Path, *, target: Path, sound: Sound, seconds: Fraction) -> None:
    """The sound of a file from `sound.start` on as AAC (48 kHz, stereo), `seconds` long: cut, or filled with silence.

    Memory does not grow with the length. Raises `MediaError` when the file cannot be read or holds no sound.
    """
    count = round(seconds * RATE)
    with atomic_path(target) as temporary, ExitStack() as stack, media_errors(source, "read the sound of"):
        container = stack.enter_context(av.open(str(temporary), "w", format="mp4", options={"fflags": "+bitexact"}))
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        stream.codec_context.bit_rate = BITS
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for at, block in _blocks(source, start=round(sound.start * RATE), count=count):
            shaped = block * _volume(sound, at=at, size=block.shape[1], count=count)
            frame = av.AudioFrame.from_ndarray(
                np.clip(shaped, -1, 1).astype(np.float32), format="fltp", layout="stereo"
            )
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _volume(sound: Sound, *, at: int, size: int, count: int) -> Samples:
    """The factor of each sample: gain, and straight fades at both ends."""
    places = np.arange(at, at + size, dtype=np.float64)
    rise = places / (sound.fade_in * RATE) if sound.fade_in else 1.0
    fall = (count - 1 - places) / (sound.fade_out * RATE) if sound.fade_out else 1.0
    volume = np.clip(np.minimum(rise, fall), 0, 1) * 10 ** (sound.gain / _DECIBELS)
    return np.broadcast_to(np.asarray(volume, np.float32), (size,))


def _blocks(source: Path, *, start: int, count: int) -> Iterator[tuple[int, Samples]]:
    """`count` samples from `start` on in blocks, each with its place; silence where the file has no more."""
    at, kept = 0, np.zeros((_CHANNELS, 0), np.float32)
    for samples in _decoded(source, start=start):
        kept = np.concatenate([kept, samples], axis=1)[:, : count - at]
        while kept.shape[1] >= BLOCK:
            yield at, kept[:, :BLOCK]
            at, kept = at + BLOCK, kept[:, BLOCK:]
        if at + kept.shape[1] >= count:
            break
    while at < count:
        size = min(BLOCK, count - at)
        yield at, np.pad(kept[:, :size], ((0, 0), (0, size - min(size, kept.shape[1]))))
        at, kept = at + size, kept[:, size:]


def _decoded(source: Path, *, start: int) -> Iterator[Samples]:
    """Samples from `start` on."""
    with av.open(str(source)) as container:
        if not container.streams.audio:
            raise MediaError(f"{source}: there is no sound in this file")
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
        passed = 0
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                samples = np.asarray(part.to_ndarray(), np.float32)
                skipped = min(max(start - passed, 0), samples.shape[1])
                passed += samples.shape[1]
                yield samples[:, skipped:]
        for part in resampler.resample(None):
            yield np.asarray(part.to_ndarray(), np.float32)[:, max(start - passed, 0) :]


def put_together(video: Path, *, sound: Path | None, target: Path, metadata: Mapping[str, str]) -> None:
    """`video` with `sound` and `metadata`, both copied packet by packet; .mov and .mp4 by the target's name.

    Raises `MediaError` when a file cannot be read or written, or does not read back as it was.
    """
    fps = index(video).fps
    with atomic_path(target) as temporary, ExitStack() as stack, media_errors(target, "write"):
        options = mp4_options(fps)
        sources = [stack.enter_context(av.open(str(path))) for path in (video, sound) if path]
        kind = "mov" if target.suffix.lower() == ".mov" else "mp4"
        container = stack.enter_context(av.open(str(temporary), "w", format=kind, options=options))
        container.metadata.update(metadata)
        found = [source.streams.video[0] if at == 0 else source.streams.audio[0] for at, source in enumerate(sources)]
        made = [container.add_stream_from_template(stream, opaque=True) for stream in found]
        made[0].time_base = found[0].time_base
        flows = [_timed(source, stream, at) for at, (source, stream) in enumerate(zip(sources, found, strict=True))]
        for _, at, packet in heapq.merge(*flows, key=lambda entry: entry[:2]):
            packet.stream = made[at]
            container.mux_one(packet)
    if packet_digest(target) != packet_digest(video):
        raise MediaError(f"{target}: other packets were read back than were written")


def _timed(
    source: av.container.InputContainer, stream: av.VideoStream | av.AudioStream, at: int
) -> Iterator[tuple[Fraction, int, av.Packet[Stream]]]:
    for packet in source.demux(stream):
        if packet.size and packet.dts is not None:
            yield packet.dts * Fraction(packet.time_base), at, packet
