"""Guide videos in VACE: told as the stock pipeline tells a control video, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from engines.wan.runs import engine_of, planned, rendered, same, setup
from engines.wan.runs import trip as trip_of
from engines.wan.stock import FRAMES, Stock, control_video, forward_of, frame, furthest, trip
from engines.wan.tiny import TinyKind, TinyModels
from wayframe.core.guide_spec import GuideSpan, SegmentGuide
from wayframe.engines.base import Frame, SegmentJob

Control = dict[str, object]


def steered(job: SegmentJob, pictures: Mapping[int, Frame], *, strength: float = 1.0) -> SegmentJob:
    """The job with guide frames at some frames."""
    span = GuideSpan(guide=0, kind="raw", at=0, sources=(0,))
    guide = tuple(pictures.get(at) for at in range(job.segment.frames))
    segment = replace(job.segment, guide=SegmentGuide(strength=strength, spans=(span,)))
    return replace(job, segment=segment, guide=guide)


def with_guide(control: Control, pictures: Mapping[int, Frame]) -> Control:
    """VACE's arguments with control pictures where its mask is white."""
    (video,) = control["video"]
    for at, picture in pictures.items():
        video[at] = picture.astype(np.float32) / 255.0
    return control


@pytest.mark.parametrize("kind", ["vace", "vace21"])
@pytest.mark.parametrize("places", [range(6, 11), range(1, 16)], ids=["some", "all"])
def test_a_guide_is_told_as_the_stock_pipeline_tells_a_control_video(
    tiny: TinyModels, kind: TinyKind, places: range
) -> None:
    stock = Stock.of(tiny, kind)
    pictures = {at: frame(40 + at) for at in places}
    ours = stock.conditions().condition(steered(trip(last=2), pictures, strength=0.6))
    asked = with_guide(control_video({0: 1, FRAMES - 1: 2}), pictures)
    assert furthest(forward_of(ours), stock.first_forward(**asked, conditioning_scale=0.6)) == 0


def test_a_picture_that_is_known_goes_before_a_guide(tiny: TinyModels) -> None:
    conditions = Stock.of(tiny, "vace").conditions()
    everywhere = {at: frame(40 + at) for at in range(FRAMES)}
    between = {at: picture for at, picture in everywhere.items() if 0 < at < FRAMES - 1}
    both = [forward_of(conditions.condition(steered(trip(last=2), one))) for one in (everywhere, between)]
    assert furthest(*both) == 0


def test_before_a_guide_begins_nothing_changes(tiny: TinyModels) -> None:
    conditions = Stock.of(tiny, "vace").conditions()
    pictures = {at: frame(40 + at) for at in range(9, FRAMES)}
    plain = conditions.condition(trip()).extra["control_hidden_states"]
    guided = conditions.condition(steered(trip(), pictures)).extra["control_hidden_states"]
    latent_channels = (plain.shape[1] - 64) // 2
    kept, changed, mask = plain.split([latent_channels, latent_channels, 64], dim=1)
    ours_kept, ours_changed, ours_mask = guided.split([latent_channels, latent_channels, 64], dim=1)
    assert torch.equal(kept, ours_kept)
    assert torch.equal(mask, ours_mask)
    assert torch.equal(changed[:, :, :3], ours_changed[:, :, :3])  # frames 0, 1 to 4 and 5 to 8
    assert all(not torch.equal(changed[:, :, at], ours_changed[:, :, at]) for at in (3, 4))


@pytest.mark.parametrize("kind", ["t2v", "i2v22", "ti2v5b"])
def test_models_without_such_a_branch_go_without(tiny: TinyModels, kind: TinyKind) -> None:
    conditions = Stock.of(tiny, kind).conditions()
    plain = forward_of(conditions.condition(trip()))
    assert furthest(forward_of(conditions.condition(steered(trip(), {4: frame(50)}))), plain) == 0


def test_the_engine_makes_other_frames_with_a_guide_and_the_same_ones_where_there_is_none(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "vace", steps=2)
    (one,) = trip_of([plan])
    with engine_of(setup(tiny, "vace")) as engine:
        plain = rendered(engine, [one]).frames()
        empty = rendered(engine, [replace(one, guide=(None,) * plan.frames)]).frames()
        pictures = {at: frame(40 + at) for at in range(5, 12)}
        guided = rendered(engine, [steered(one, pictures)]).frames()
    assert same(plain, empty)
    assert not same(plain, guided)
