"""The frames that guide a segment: made once, kept as an artifact, and read from it ever after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from wayframe.core.digest import content_digest
from wayframe.core.guide_spec import GuideSpan, SegmentGuide
from wayframe.core.plan import Plan, SegmentPlan
from wayframe.engines.base import Frame
from wayframe.errors import SpecError
from wayframe.files import sha256_file
from wayframe.media.depth import with_contrast
from wayframe.media.encode import VideoWriter
from wayframe.media.guides import edges, motion
from wayframe.media.images import fit_image
from wayframe.media.index import decode, decode_some, index, packet_digest
from wayframe.media.profiles import MASTER
from wayframe.store.artifacts import ArtifactStore
from wayframe.workflow.depth import DepthVideos, depth_keys

_DRAWN: Mapping[str, Callable[[Iterable[Frame]], Iterator[Frame]]] = MappingProxyType(
    {"raw": iter, "canny": edges, "flow": motion, "depth": iter}
)


def guide_keys(plan: Plan) -> set[str]:
    """The content keys of the artifacts that hold the guide frames of a plan, and depth that they are made of."""
    return {_key(plan, segment.guide) for segment in plan.segments if segment.guide is not None} | depth_keys(plan)


def _key(plan: Plan, guide: SegmentGuide) -> str:
    form = [plan.resolution, plan.fit, plan.matte]
    return content_digest({"guide": guide.key([video.digest for video in plan.guides]), "form": form})


@dataclass(frozen=True, slots=True, kw_only=True)
class Guides:
    """The guide frames of a plan's segments; `videos` are the files of the plan's guides.

    `depth` are the folders of depth models, by what identifies them. Stops once `cancelled()`.
    """

    plan: Plan
    videos: Sequence[Path]
    store: ArtifactStore
    depth: Mapping[str, Path] = field(default_factory=dict)
    cancelled: Callable[[], bool] = lambda: False

    def of(self, segment: SegmentPlan) -> tuple[Frame | None, ...]:
        """One entry per frame of a segment, at output size, None where nothing guides it; empty without a guide.

        Raises `SpecError` when a video was changed since the plan was made, `MediaError` when it cannot be read.
        """
        guide = segment.guide
        if guide is None:
            return ()
        key = _key(self.plan, guide)
        artifact = self.store.find(key)
        if artifact is None:
            with self.store.staging() as folder:
                path = folder / "guide.mp4"
                count = self._write(path, guide.spans)
                facts = {"frames": count, "digest": packet_digest(path), "guide": [span.kind for span in guide.spans]}
                artifact = self.store.publish(path, key=key, facts=facts)
        shown = decode(artifact.video)
        frames: list[Frame | None] = [None] * segment.frames
        for span in guide.spans:
            for place in range(span.at, span.at + len(span.sources)):
                frames[place] = next(shown)
        return tuple(frames)

    def _write(self, path: Path, spans: Sequence[GuideSpan]) -> int:
        width, height = self.plan.size
        with VideoWriter(path, width=width, height=height, fps=self.plan.rate, cuts=(), profile=MASTER) as writer:
            for frame in chain.from_iterable(_DRAWN[span.kind](self._shown(span)) for span in spans):
                writer.write(frame)
        return writer.count

    def _shown(self, span: GuideSpan) -> Iterator[Frame]:
        """The frames of the video that a span shows, fitted to the output; sources rise."""
        path, (width, height) = self.videos[span.guide], self.plan.size
        if sha256_file(path) != self.plan.guides[span.guide].digest:
            raise SpecError(f"guides[{span.guide}].video", "was changed since the plan was made", fix="start again")
        if span.depth is not None:
            made = DepthVideos(store=self.store, models=self.depth, cancelled=self.cancelled)
            path = made.of(path, digest=self.plan.guides[span.guide].digest, model=span.depth.model).video
        for source, picture in decode_some(index(path), ranks=set(span.sources)):
            shown = with_contrast(picture, contrast=span.depth.contrast) if span.depth else picture
            fitted = fit_image(shown, width=width, height=height, fit=self.plan.fit, matte=self.plan.matte)
            for _ in range(span.sources.count(source)):
                yield fitted
