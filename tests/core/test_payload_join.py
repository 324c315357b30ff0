"""Upstream's payloads that join clips, as joins of ours."""

from __future__ import annotations

import pytest

from core.trips import CATALOGUE, SEED_PHASES, VACE, Data
from wayframe.core.payload import is_payload
from wayframe.core.payload_join import import_join, is_join
from wayframe.core.payload_spec import Imported
from wayframe.core.spec import spec_json
from wayframe.errors import PayloadError


def details(**said: object) -> Data:
    clips = [{"url": f"https://files.example/{name}.mp4?token=x", "name": name} for name in "abc"]
    return {"clip_list": clips, "run_id": "r", "prompt": "a walk", "negative_prompt": "blurry", **said}


def task(**said: object) -> Data:
    return {"task_type": "join_clips_orchestrator", "params": {"orchestrator_details": details(**said)}}


def imported(**said: object) -> Imported:
    return import_join(task(**said), catalogue=CATALOGUE)


def codes(found: Imported) -> set[str]:
    return {item.code for item in found.findings}


def test_a_payload_that_joins_clips_is_told_from_a_travel():
    assert is_join(task())
    assert is_join([task()])
    assert is_join(details())
    assert is_payload(task())
    assert is_payload(details())
    assert not is_join({"task_type": "travel_orchestrator", "params": {"orchestrator_details": details()}})
    assert not is_join(details(num_new_segments_to_generate=2))
    assert not is_join({"join": {"clips": ["a.mp4", "b.mp4"]}})
    assert not is_payload({"join": {"clips": ["a.mp4", "b.mp4"]}})


def test_upstreams_defaults_are_its_own():
    spec = imported().spec
    assert spec.join is not None
    assert [clip.video.split("?")[0] for clip in spec.join.clips] == [f"https://files.example/{n}.mp4" for n in "abc"]
    assert (spec.join.context, spec.join.gap, spec.join.replace) == (8, 53, None)
    assert (spec.model, spec.prompt, spec.negative_prompt) == (VACE, "a walk", "blurry")
    assert (spec.resolution, spec.fps, spec.keyframes) == (None, None, ())


@pytest.mark.parametrize(("context", "gap", "planned"), [(8, 53, 53), (15, 24, 23), (15, 23, 23), (10, 20, 17)])
def test_a_bridge_goes_down_to_a_length_of_the_model(context: int, gap: int, planned: int):
    found = imported(context_frame_count=context, gap_frame_count=gap)
    assert found.spec.join is not None
    assert found.spec.join.gap == planned
    assert ("payload-frames-snapped" in codes(found)) is (gap != planned)


def test_replace_mode_takes_half_of_the_gap_from_each_side():
    found = imported(context_frame_count=15, gap_frame_count=24, replace_mode=True).spec.join
    assert found is not None
    assert found.replace == (11, 12)


def test_phases_loras_steps_and_size_are_read_as_in_a_travel():
    spec = imported(phase_config=SEED_PHASES, seed=7, resolution=[902, 508], fps=24).spec
    assert spec.phases is not None
    assert [(phase.steps, phase.guidance, phase.expert) for phase in spec.phases] == [
        (2, 3.0, "high"),
        (2, 1.0, "high"),
        (2, 1.0, "low"),
    ]
    assert (spec.seed, spec.resolution, spec.fps) == (7, "896x496", 24)
    inputs = imported(resolution=[902, 508], fps=24, use_input_video_fps=True, use_input_video_resolution=True).spec
    assert (inputs.resolution, inputs.fps) == (None, None)


def test_each_bridge_may_have_its_own_words():
    found = imported(per_join_settings=[{"prompt": "a door", "seed": 3}, {"prompt": "night", "guidance_scale": 2}])
    assert spec_json(found.spec)["join"]["bridges"] == [{"prompt": "a door", "seed": 3}, {"prompt": "night"}]
    assert [item.where for item in found.findings if item.code == "payload-key-unsupported"] == [
        "per_join_settings[1].guidance_scale"
    ]


def test_what_is_not_done_is_a_finding_and_an_error_where_that_is_asked_for():
    assert "payload-key-unsupported" in codes(imported(loop_first_clip=True))
    assert "payload-key-unsupported" not in codes(imported(loop_first_clip=False, keep_bridging_images=True))
    with pytest.raises(PayloadError, match="loop_first_clip: has an effect upstream and none here"):
        import_join(task(loop_first_clip=True), catalogue=CATALOGUE, strict=True)


def test_secrets_are_removed():
    found = imported(openai_api_key="sk-123")
    assert "payload-secret-removed" in codes(found)
    assert "sk-123" not in str(found.requested)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"clip_list": [{"url": "a"}]}, "clip_list"),
        ({"clip_list": [{"url": "a"}, {"name": "b"}]}, "clip_list[1].url"),
        ({"context_frame_count": 0}, "context_frame_count"),
        ({"gap_frame_count": 0}, "gap_frame_count"),
        ({"resolution": "large"}, "resolution"),
        ({"model": "none_such"}, "model_name"),
    ],
)
def test_a_wrong_key_is_named(said: Data, field: str):
    with pytest.raises(PayloadError) as caught:
        imported(**said)
    assert caught.value.field == field


def test_sound_by_its_address_goes_into_the_final_file():
    after = imported(audio_url="https://files.example/music.mp3").spec.after
    assert after is not None
    assert after.audio is not None
    assert after.audio.file == "https://files.example/music.mp3"
    local = imported(audio_url="music.mp3")
    assert local.spec.after is None
    assert "audio_url" in {item.where for item in local.findings}
