"""Upstream's ways to go on: from another video, from the segment before, and with a motion of each segment's own."""

from __future__ import annotations

import pytest

from core.payloads import Data, details, planned, planned_spec, segment, task
from core.trips import CATALOGUE
from wayframe.core.payload_like import Like
from wayframe.core.payload_spec import import_payload
from wayframe.core.spec import spec_json
from wayframe.errors import PayloadError

I2V = "wan_2_2_i2v_lightning_baseline_2_2_2"


def continued(segments: int = 2, **said: object) -> Data:
    """A travel that goes on with a video: it has as many pictures as segments."""
    pictures = [f"{index}.png" for index in range(segments)]
    more = {"frame_overlap_expanded": [8] * segments, "input_image_paths_resolved": pictures, **said}
    return details(segments, continue_from_video_resolved_path="before.mp4", **more)


def test_the_first_segment_leads_from_the_video_to_the_first_picture():
    got = planned(continued(frame_overlap_expanded=[8, 6]))
    assert (got.spec.continue_from, got.spec.overlap, got.spec.chaining) == ("before.mp4", (8, 6), "chained")
    assert got.spec.lead is not None
    assert got.spec.lead.prompt == "the boat passes buoy 0"
    assert [one.prompt for one in got.spec.keyframes] == ["the boat passes buoy 1", None]
    first, second = got.plan.segments
    assert first.given is not None
    assert (first.given.start, first.given.frames) == (33 - 8, 8)
    assert (first.frames, second.frames, second.overlap_before) == (53, 45, 6)
    assert [(one.index, one.at) for one in got.plan.keyframes] == [(0, 52), (1, 91)]


@pytest.mark.parametrize(
    ("given", "used"), [(8, (8, 8)), ([8], (8, 8)), ([7, 6, 4], (6, 6)), ([90, 6], (36, 6)), ([8, 90], (8, 36))]
)
def test_its_overlaps_begin_with_that_of_the_video(given: int | list[int], used: tuple[int, int]):
    data = continued(segment_frames_expanded=[37, 61], frame_overlap_expanded=given)
    assert import_payload(data, catalogue=CATALOGUE).spec.overlap == used


def test_one_overlap_less_counts_the_first_for_the_video_too():
    assert planned(continued(3, frame_overlap_expanded=[8, 6])).spec.overlap == (8, 8, 6)
    with pytest.raises(PayloadError, match="0 values for 2 joins") as caught:
        planned(continued(2, frame_overlap_expanded=[]))
    assert caught.value.field == "frame_overlap_expanded"


@pytest.mark.parametrize(
    "said", [{"chain_segments": False}, {"model_name": I2V, "model_type": "i2v", "chain_segments": True}]
)
def test_what_upstream_does_not_chain_starts_from_the_last_frame_alone(said: Data):
    got = planned(continued(**said))
    first = got.plan.segments[0]
    assert first.given is not None
    assert (first.given.start, first.given.frames) == (32, 1)


def test_positions_of_a_timeline_count_from_the_first_frame_of_the_video_that_is_kept():
    got = planned(continued(generation_mode="timeline"))
    assert [one.at for one in got.spec.keyframes] == [52, 89]
    assert [one.frames for one in got.plan.segments] == [53, 45]
    alone = planned(continued(1, generation_mode="timeline"))
    assert (alone.spec.mode, alone.plan.frames) == ("timeline", 53)


def test_an_overlap_of_nothing_and_too_few_pictures_are_errors():
    with pytest.raises(PayloadError, match="needs frames of that video"):
        planned(continued(frame_overlap_expanded=[0, 6]))
    with pytest.raises(PayloadError, match="1 picture for 2 segments; 2 are needed"):
        planned(continued(input_image_paths_resolved=["a.png"]))


def test_a_prompt_that_no_model_writes_for_the_lead_is_a_finding():
    data = continued(enhance_prompt=True, base_prompts_expanded=["", ""], base_prompt="on and on")
    got = planned(data)
    assert [item.where for item in got.found("payload-prompt-not-enhanced")] == ["lead.prompt"]
    assert got.plan.segments[0].prompt == "on and on"


@pytest.mark.parametrize("mode", ["batch", "timeline"])
@pytest.mark.parametrize("chained", [True, False])
def test_it_comes_back_with_the_same_plan(mode: str, chained: bool):
    first = planned(task(continued(3, generation_mode=mode, chain_segments=chained)))
    back = first.payload()
    again = planned(back)
    assert again.plan.segments == first.plan.segments
    assert again.payload() == back
    inner = back["params"]["orchestrator_details"]
    assert inner["continue_from_video_resolved_path"] == "before.mp4"
    assert len(inner["input_image_paths_resolved"]) == 3


def test_the_payload_of_a_segment_says_where_to_find_the_video():
    got = planned(segment(frame_overlap_from_previous=6, inside={"continue_from_video_resolved_path": "before.mp4"}))
    assert got.spec.continue_from is None
    (found,) = got.found("payload-key-unsupported")
    assert found.where == "frame_overlap_from_previous"
    assert "continue_from" in found.message


@pytest.mark.parametrize(
    ("config", "chain", "chaining"),
    [
        ({"strategy": "guide_overlap_masked"}, False, "chained"),
        ({"strategy": "guide_overlap_masked"}, None, "chained"),
        ({"strategy": "none"}, True, "independent"),
        ({"strategy": ""}, True, "independent"),
        ({}, None, "independent"),
        ({"strategy": "prefix_video_source"}, True, "chained"),
        ({"strategy": "svi_latent_chaining"}, False, "independent"),
    ],
)
def test_a_continuation_decides_whether_segments_are_chained(config: Data, chain: bool | None, chaining: str):
    got = planned(details(continuation_config=config, chain_segments=chain))
    assert got.spec.chaining == chaining
    again = planned(got.payload())
    assert (again.spec.chaining, again.plan.segments) == (chaining, got.plan.segments)


def test_the_winner_of_a_continuation_is_named():
    data = details(continuation_config={"strategy": "none"}, chain_segments=True)
    (found,) = planned(data).found("payload-overruled")
    assert "continuation_config wins" in found.message
    data = details(continuation_config={"strategy": "guide_overlap_masked", "overlap_frames": 24})
    (found,) = planned(data).found("payload-overruled")
    assert (found.evidence["winner"], found.evidence["used"]) == ("frame_overlap_expanded", [6])
    assert planned(data).spec.overlap == (6,)


def test_the_worker_of_2025_does_not_read_a_continuation():
    data = details(continuation_config={"strategy": "none"}, chain_segments=True)
    assert planned(data, like=Like.UPSTREAM_2025_10).spec.chaining == "chained"


def test_a_continuation_that_the_spec_no_longer_means_stays_out_of_an_export():
    got = planned(details(continuation_config={"strategy": "none"}))
    assert got.payload()["continuation_config"] == {"strategy": "none"}
    changed = got.spec.model_copy(update={"chaining": "chained"})
    back = planned_spec(changed).payload()
    assert "continuation_config" not in back
    assert back["chain_segments"] is True


def test_each_segment_may_have_its_own_motion():
    got = planned(details(amount_of_motion=0.25, motion_settings_expanded=[None, {"amount_of_motion": 0.75}]))
    assert [one.amount_of_motion for one in got.plan.segments] == [0.25, 0.75]
    assert got.resolved.origins["segments[1].amount_of_motion"] == "payload:motion_settings_expanded"
    back = got.payload()
    assert back["motion_settings_expanded"] == [{"amount_of_motion": 0.25}, {"amount_of_motion": 0.75}]
    assert planned(back).plan.segments == got.plan.segments
    same = planned(details(motion_settings_expanded=[{"amount_of_motion": 0.5}])).payload()
    assert (same["amount_of_motion"], "motion_settings_expanded" in same) == (0.5, False)


def test_in_advanced_mode_no_motion_counts():
    got = planned(details(advanced_mode=True, motion_settings_expanded=[{"amount_of_motion": 0.9}]))
    assert "amount_of_motion" not in spec_json(got.spec)["keyframes"][0]


def test_a_segment_takes_its_entry_unless_it_says_its_own():
    inside = {"motion_settings_expanded": [None, {"amount_of_motion": 0.9}]}
    assert planned(segment(inside=inside)).plan.segments[0].amount_of_motion == 0.9
    assert planned(segment(inside=inside, amount_of_motion=0.1)).plan.segments[0].amount_of_motion == 0.1
