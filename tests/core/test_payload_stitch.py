"""Upstream's `stitch_config`: a travel whose segments are joined by rendered transitions, as bridges of ours."""

from __future__ import annotations

import pytest

from core.payloads import THREE, details, lora, phases
from core.trips import CATALOGUE, Data, planned
from wayframe.core.payload_spec import Imported
from wayframe.core.payload_stitch import import_travel
from wayframe.core.spec import spec_json
from wayframe.errors import PayloadError

STITCH: Data = {
    "context_frame_count": 8,
    "gap_frame_count": 17,
    "replace_mode": True,
    "prompt": "a door opens",
    "negative_prompt": "cut",
    "model": "wan_2_2_vace_lightning_baseline_2_2_2",
    "seed": 11,
    "random_seed": False,
}


def imported(config: Data | None = None, *, strict: bool = False, **said: object) -> Imported:
    own = {"chain_segments": False, "frame_overlap_expanded": [0, 0], "phase_config": THREE, **said}
    data = details(3, stitch_config={**STITCH, **(config or {})}, **own)
    return import_travel(data, catalogue=CATALOGUE, strict=strict)


def codes(found: Imported) -> set[tuple[str, str]]:
    return {
        (item.code, item.where) for item in found.findings if "stitch" in item.where or item.where == "chain_segments"
    }


def test_segments_are_bridged_by_its_numbers_and_words():
    found = imported()
    spec = found.spec
    assert spec.bridges is not None
    assert (spec.bridges.context, spec.bridges.gap, spec.bridges.replace) == (8, 17, (8, 9))
    assert (spec.bridges.prompt, spec.bridges.negative_prompt, spec.bridges.seed) == ("a door opens", "cut", 11)
    assert (spec.mode, spec.chaining, spec.overlap, spec.segment_frames) == ("batch", "independent", None, (53, 45, 41))
    assert codes(found) == set()
    plan = planned(spec_json(spec)).plan
    assert [segment.frames for segment in plan.segments] == [53, 33, 45, 33, 41]
    assert plan.frames == 53 + 45 + 41
    assert [segment.seed for segment in plan.segments if segment.needs] == [11, 11]
    assert {segment.prompt for segment in plan.segments if segment.needs} == {"a door opens"}


def test_a_timeline_becomes_segments_of_the_same_lengths():
    spec = imported(generation_mode="timeline").spec
    assert (spec.mode, spec.segment_frames) == ("batch", (53, 45, 41))
    assert {keyframe.at for keyframe in spec.keyframes} == {None}


def test_upstreams_defaults_are_its_own():
    found = import_travel(details(2, stitch_config={"random_seed": True}, phase_config=THREE), catalogue=CATALOGUE)
    bridges = found.spec.bridges
    assert bridges is not None
    assert (bridges.context, bridges.gap, bridges.replace) == (12, 17, (8, 9))  # 12 + 19 + 12 goes down to 41
    assert (bridges.prompt, bridges.seed) == ("smooth seamless transition", None)
    assert codes(found) == {
        ("payload-seed-random", "stitch_config.random_seed"),
        ("payload-frames-snapped", "stitch_config.gap_frame_count"),
        ("payload-overruled", "chain_segments"),
    }


def test_inserting_takes_nothing_out():
    spec = imported({"replace_mode": False}).spec
    assert spec.bridges is not None
    assert spec.bridges.replace is None
    assert planned(spec_json(spec)).plan.frames == 53 + 45 + 41 + 2 * 17


def test_its_phases_and_loras_are_those_of_the_bridges():
    own = phases(2, 1, steps=[1, 1], loras=[[], [lora("https://example.invalid/door.safetensors", "0.5")]])
    plan = planned(spec_json(imported({"phase_config": own}).spec)).plan
    assert [len(segment.steps) for segment in plan.segments] == [6, 2, 6, 2, 6]
    assert plan.segments[1].steps[1].loras["door"] == 0.5


@pytest.mark.parametrize(
    ("config", "where", "code"),
    [
        ({"enhance_prompt": True}, "stitch_config.enhance_prompt", "payload-key-unsupported"),
        ({"model": "wan_2_2_i2v_lightning_baseline_2_2_2"}, "stitch_config.model", "payload-key-unsupported"),
        ({"colour": 1}, "stitch_config.colour", "payload-key-unknown"),
    ],
)
def test_what_is_not_done_is_one_finding_and_with_strict_an_error(config: Data, where: str, code: str):
    assert codes(imported(config)) == {(code, where)}
    with pytest.raises(PayloadError) as caught:
        imported(config, strict=True)
    assert caught.value.field == where


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"gap_frame_count": 0}, "stitch_config.gap_frame_count"),
        ({"context_frame_count": "many"}, "stitch_config.context_frame_count"),
        ({"loras": [{"path": ""}]}, "stitch_config.loras"),
    ],
)
def test_a_wrong_value_is_one_error_that_names_its_place(config: Data, field: str):
    with pytest.raises(PayloadError) as caught:
        imported(config)
    assert caught.value.field.startswith(field)


def test_an_empty_one_and_one_of_a_single_segment_join_nothing():
    assert import_travel(details(2, stitch_config={}), catalogue=CATALOGUE).spec.bridges is None
    assert import_travel(details(1, stitch_config=STITCH), catalogue=CATALOGUE).spec.bridges is None


def test_sound_by_its_address_goes_into_the_final_file():
    address = "https://files.example/music.mp3"
    found = import_travel(details(2, audio_url=address, upscale_factor=2), catalogue=CATALOGUE)
    after = found.spec.after
    assert after is not None
    assert after.audio is not None
    assert after.upscale is not None
    assert (after.audio.file, after.upscale.factor) == (address, 2)
    assert "audio_url" not in {item.where for item in found.findings}
    assert import_travel(details(2, audio_url=""), catalogue=CATALOGUE).spec.after is None
