"""What is done to a finished video, step by step; each step is an artifact, found again when it was made before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from wayframe.core.after import AFTER_VERSION, After, Sound
from wayframe.core.digest import content_digest
from wayframe.engines.base import Frame
from wayframe.errors import CancelledError
from wayframe.files import sha256_file
from wayframe.media.audio import has_audio, put_together, write_sound
from wayframe.media.encode import PROFILES, Profile, VideoWriter
from wayframe.media.index import decode, index, packet_digest
from wayframe.media.profiles import FINAL_CODECS, MASTER, FinalWriter
from wayframe.media.rate import Between, by_flow, retimed, retimed_count
from wayframe.media.rife import by_rife
from wayframe.media.upscale import Enlarge, by_lanczos, by_model, enlarged_size
from wayframe.store.artifacts import ArtifactStore

COPIED = "h264"
"""A video of another codec is encoded, even if nothing else is done to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reel:
    """Frames `start` to `stop` of a video file; `key` names all that decided its packets."""

    path: Path
    key: str
    start: int
    stop: int
    size: tuple[int, int]
    fps: Fraction

    @property
    def frames(self) -> int:
        """How many they are."""
        return self.stop - self.start

    @property
    def seconds(self) -> Fraction:
        """How long they last."""
        return self.frames / self.fps

    @classmethod
    def of(cls, path: Path, *, key: str | None = None) -> Reel:
        """A whole file; without a `key` its packets' digest is the key."""
        where = index(path)
        size = where.width, where.height
        return cls(path=path, key=key or packet_digest(path), start=0, stop=where.frames, size=size, fps=where.fps)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One change of a reel: its name and settings for the key, what comes out, and how a frame stream changes."""

    name: str
    settings: Mapping[str, Any]
    size: tuple[int, int]
    fps: Fraction
    frames: int
    change: Callable[[Iterator[Frame]], Iterator[Frame]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterWork:
    """Does to a video what `after` says; `files` are the files that it names, by digest.

    `profile` is how the video is encoded where `after` names no other. Frames stream through: memory does not grow with
    the video.
    """

    after: After
    store: ArtifactStore
    profile: str
    files: Mapping[str, Path] = field(default_factory=dict)
    cancelled: Callable[[], bool] = lambda: False

    def make(self, video: Path, *, target: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
        """Write the final file, with the video's own sound where `after` names none; gives what a record says of it.

        Raises `MediaError` for files that cannot be read or written, `CancelledError` when stopped.
        """
        told: list[dict[str, Any]] = []
        codec = index(video).codec
        reel = source = Reel.of(video)
        trim = self.after.trim
        if trim is not None:
            reel = replace(reel, start=trim.start, stop=min(trim.end, reel.stop))
            told.append({"step": "trim", "start": reel.start, "end": reel.stop})
        for step in self._steps(reel):
            reel = self._made(reel, step, profile=MASTER.name, told=told)
        if reel != source or self.after.profile not in (None, self.profile) or codec != COPIED:
            reel = self._made(reel, _unchanged(reel), profile=self.after.profile or self.profile, told=told)
        sound = self._sound(source, seconds=reel.seconds, told=told)
        put_together(reel.path, sound=sound, target=target, metadata=metadata)
        width, height = reel.size
        return {
            "file": target.name,
            "steps": told,
            "frames": reel.frames,
            "fps": str(reel.fps),
            "resolution": f"{width}x{height}",
            "profile": self.after.profile or self.profile,
            "digest": packet_digest(target),
            "sha256": sha256_file(target),
            "bytes": target.stat().st_size,
        }

    def _steps(self, reel: Reel) -> Iterator[_Step]:
        upscale, fps, rife = self.after.upscale, self.after.fps, self.after.rife
        size = reel.size
        if upscale is not None:
            size = enlarged_size(size, factor=upscale.factor)
            settings = {"size": list(size), "model": upscale.digest}
            yield _Step(
                name="upscale",
                settings=settings,
                size=size,
                fps=reel.fps,
                frames=reel.frames,
                change=lambda frames: map(self._enlarge(size), frames),
            )
        if fps is not None:
            target = Fraction(fps)
            yield _Step(
                name="fps",
                settings={"fps": str(target), **({"model": rife} if rife else {})},
                size=size,
                fps=target,
                frames=retimed_count(reel.frames, fps=reel.fps, target=target),
                change=lambda frames: retimed(frames, fps=reel.fps, target=target, between=self._between()),
            )

    def _between(self) -> Between:
        rife = self.after.rife
        return by_rife(self.files[rife]) if rife else by_flow

    def _enlarge(self, size: tuple[int, int]) -> Enlarge:
        upscale = self.after.upscale
        digest = upscale.digest if upscale else None
        return by_model(self.files[digest], size=size) if digest else by_lanczos(size)

    def _made(self, reel: Reel, step: _Step, *, profile: str, told: list[dict[str, Any]]) -> Reel:
        """The reel after a step, from the store where it is there."""
        cut = [reel.start, reel.stop] if reel.start or reel.stop != index(reel.path).frames else None
        told_settings = {**step.settings, "profile": profile}
        key = self._key(step.name, reel.key, settings={**told_settings, "cut": cut})
        found = self.store.find(key)
        if found is None:
            with self.store.staging() as folder:
                path = folder / "step.mp4"
                self._write(path, reel, step, profile=profile)
                facts = {"frames": step.frames, "digest": packet_digest(path), "step": step.name}
                artifact = self.store.publish(path, key=key, facts=facts)
        else:
            artifact = found
        told.append({"step": step.name, **told_settings, "key": key, "reused": found is not None})
        return Reel(path=artifact.video, key=key, start=0, stop=step.frames, size=step.size, fps=step.fps)

    def _write(self, path: Path, reel: Reel, step: _Step, *, profile: str) -> None:
        width, height = step.size
        frames = step.change(self._watched(decode(reel.path, start=reel.start, stop=reel.stop)))
        if profile in FINAL_CODECS:
            with FinalWriter(path, width=width, height=height, fps=step.fps, codec=FINAL_CODECS[profile]) as final:
                for frame in frames:
                    final.write(frame)
            return
        with VideoWriter(path, width=width, height=height, fps=step.fps, cuts=(), profile=_profile(profile)) as writer:
            for frame in frames:
                writer.write(frame)

    def _watched(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if self.cancelled():
                raise CancelledError("the final file was not made")
            yield frame

    def _sound(self, source: Reel, *, seconds: Fraction, told: list[dict[str, Any]]) -> Path | None:
        """The sound of the final file: the one that is named, else the video's own, else none."""
        sound = self.after.audio
        if sound is not None:
            path = self.files[sound.digest]
        elif has_audio(source.path):
            trim = self.after.trim
            begin = float(trim.start / source.fps) if trim else 0.0
            path, sound = source.path, Sound(digest=sha256_file(source.path), start=begin)
        else:
            return None
        settings = {**asdict(sound), "seconds": str(seconds)}
        key = self._key("audio", sound.digest, settings=settings)
        found = self.store.find(key)
        if found is None:
            with self.store.staging() as folder:
                made = folder / "sound.mp4"
                write_sound(path, target=made, sound=sound, seconds=seconds)
                facts = {"frames": 0, "digest": sha256_file(made), "step": "audio"}
                artifact = self.store.publish(made, key=key, facts=facts)
        else:
            artifact = found
        own = self.after.audio is None
        told.append({"step": "audio", **settings, "own": own, "key": key, "reused": found is not None})
        return artifact.video

    def _key(self, name: str, given: str, *, settings: Mapping[str, Any]) -> str:
        return content_digest({"after": AFTER_VERSION, "step": name, "input": given, "settings": dict(settings)})


def check_models(after: After, *, files: Mapping[str, Path]) -> None:
    """Raise `MediaError` for a model's file that cannot be read; `files` are by digest."""
    if after.upscale is not None and after.upscale.digest is not None:
        by_model(files[after.upscale.digest], size=(2, 2))
    if after.rife is not None:
        by_rife(files[after.rife])


def _unchanged(reel: Reel) -> _Step:
    return _Step(
        name="encode", settings={}, size=reel.size, fps=reel.fps, frames=reel.frames, change=lambda frames: frames
    )


def _profile(name: str) -> Profile:
    return MASTER if name == MASTER.name else PROFILES[name]
