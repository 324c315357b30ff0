"""Guides, transitions and final files of a spec in the keys of upstream: what goes out comes back."""

from __future__ import annotations

import pytest

from core.payloads import THREE, Data, details, phases, planned, planned_data, planned_spec, segment
from core.trips import CATALOGUE
from wayframe.core.payload_stitch import import_travel
from wayframe.core.spec import TravelSpec, parse_spec, spec_json
from wayframe.errors import PayloadError

VACE = "wan2.2-vace-a14b"
MUSIC = "https://files.example/music.mp3"


def spec(count: int = 3, **said: object) -> Data:
    keyframes = [{"image": f"{index}.png", "prompt": f"buoy {index}"} for index in range(count - 1)]
    return {"keyframes": [*keyframes, {"image": "last.png"}], "model": VACE, **said}


def sent(data: Data) -> Data:
    """A spec as a payload."""
    return planned_data({"preset": "lightning_baseline_2_2_2", **data}).payload()


def read(payload: Data) -> TravelSpec:
    return import_travel(payload, catalogue=CATALOGUE).spec


def changed(payload: Data, **words: object) -> Data:
    """What a payload becomes when words of its spec are changed; None takes a word out."""
    data = {name: value for name, value in {**spec_json(read(payload)), **words}.items() if value is not None}
    return planned_spec(parse_spec(data)).payload()


GUIDE: Data = {"video": "a.mp4", "kind": "canny", "at": 4, "until": 30, "fit": "clip", "strength": 0.7}


@pytest.mark.parametrize(
    "guides",
    [
        [GUIDE],
        [GUIDE, {**GUIDE, "video": "b.mp4", "at": 40, "until": 60}],
        [{"video": "a.mp4"}],
        [{"video": "a.mp4", "kind": "depth", "contrast": 1.5}],
    ],
)
def test_guides_come_back(guides: list[Data]):
    back = read(sent(spec(guides=guides))).guides
    assert back == parse_spec(spec(guides=guides)).guides


def test_times_become_frames():
    video = sent(spec(guides=[{"video": "a.mp4", "at": "1s", "until": "2.5s"}]))["structure_guidance"]["videos"][0]
    assert (video["start_frame"], video["end_frame"]) == (16, 40)


def test_guides_that_were_changed_take_the_place_of_those_that_came():
    came = details(structure_videos=[{"path": "a.mp4", "structure_type": "flow"}], structure_video_motion_strength=0.5)
    assert changed(came)["structure_videos"] == came["structure_videos"]
    new = changed(came, guides=[GUIDE])
    assert "structure_videos" not in new
    assert read(new).guides == parse_spec(spec(guides=[GUIDE])).guides
    gone = changed(came, guides=None)
    assert read(gone).guides is None
    assert not {"structure_videos", "structure_guidance"} & gone.keys()


def test_a_guide_video_that_is_not_done_here_stays_as_it_came():
    came = details(structure_guidance={"target": "uni3c", "videos": [{"path": "a.mp4"}]})
    assert changed(came)["structure_guidance"] == came["structure_guidance"]


def test_a_final_file_comes_back():
    after = {"upscale": {"factor": 1.5}, "audio": {"file": MUSIC}}
    back = sent(spec(after=after))
    assert (back["upscale_factor"], back["audio_url"]) == (1.5, MUSIC)
    assert spec_json(read(back))["after"] == after


@pytest.mark.parametrize("factor", [2, "2", 2.0])
def test_a_final_file_that_was_changed_or_left_out_is_said_anew(factor: object):
    came = details(upscale_factor=factor, audio_url=MUSIC, upscale_model_name="m")
    assert {key: changed(came)[key] for key in ("upscale_factor", "audio_url")} == {
        "upscale_factor": factor,
        "audio_url": MUSIC,
    }
    assert changed(came, after={"upscale": {"factor": 4}})["upscale_factor"] == 4
    gone = changed(came, after=None)
    assert (gone["upscale_factor"], gone["audio_url"]) == (0, "")
    assert read(gone).after is None


def test_a_segments_payload_has_its_factor_too():
    first = planned(segment(upscale_factor=2))
    assert first.payload()["params"]["upscale_factor"] == 2
    larger = {**spec_json(first.spec), "after": {"upscale": {"factor": 3}}}
    assert planned_spec(parse_spec(larger)).payload()["params"]["upscale_factor"] == 3


def bridged(**said: object) -> Data:
    words = {"context": 8, "gap": 17, "replace": [8, 9], "prompt": "a door opens", "negative_prompt": "cut", **said}
    return spec(4, bridges=words, segment_frames=[53, 45, 41])


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"replace": 0},
        {"seed": 11},
        {"phase_config": phases(2, 1, steps=[1, 1])},
        {"context": 6, "gap": 21, "replace": [10, 11]},
    ],
)
def test_bridges_come_back_as_a_stitch_config_with_the_same_plan(said: Data):
    data = parse_spec({"preset": "lightning_baseline_2_2_2", **bridged(**said)})
    first = planned_spec(data)
    back = first.payload()
    assert (back["num_new_segments_to_generate"], back["segment_frames_expanded"]) == (3, [53, 45, 41])
    again = planned_spec(read(back))
    assert again.plan.segments == first.plan.segments
    assert again.payload() == back


def test_a_stitch_config_keeps_what_is_not_read_and_goes_with_its_bridges():
    config = {"context_frame_count": 8, "gap_frame_count": 17, "priority": 3, "seed": 5, "random_seed": False}
    came = details(3, stitch_config=config, phase_config=THREE, chain_segments=False, frame_overlap_expanded=[0, 0])
    assert changed(came)["stitch_config"].items() >= config.items()
    gone = changed(came, bridges=None)
    assert "stitch_config" not in gone
    assert read(gone).bridges is None


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"after": {"trim": {"start": 3}}}, "after.trim"),
        ({"after": {"fps": 32}}, "after.fps"),
        ({"after": {"fps": 32, "rife": "m.pth"}}, "after.fps"),
        ({"after": {"profile": "av1"}}, "after.profile"),
        ({"after": {"upscale": {"factor": 2, "file": "m.safetensors"}}}, "after.upscale.file"),
        ({"after": {"audio": {"file": "a.mp3"}}}, "after.audio.file"),
        ({"after": {"audio": {"file": MUSIC, "fade_in": 1}}}, "after.audio.fade_in"),
        ({"guides": [GUIDE, {**GUIDE, "at": 40, "until": 50, "kind": "flow"}]}, "guides[1]"),
        ({"guides": [{"video": "a.mp4", "kind": "depth", "model": "org/name"}]}, "guides[0].model"),
        ({"bridges": {"gap": 21, "replace": 3}}, "bridges.replace"),
        ({"bridges": {"gap": 21, "each": [{"prompt": "a"}, {"prompt": "b"}]}}, "bridges.each"),
        ({"bridges": {"gap": 21, "look": {"saturation": 1.2}}}, "bridges.look"),
        ({"bridges": {"gap": 21, "amount_of_motion": 0.9}}, "bridges.amount_of_motion"),
        ({"lead": {"frames": 33}}, "segments[0]"),
    ],
)
def test_what_upstream_cannot_be_told_is_refused(said: Data, field: str):
    with pytest.raises(PayloadError) as caught:
        sent(spec(4, **said))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("words", "field"), [({"guides": [GUIDE]}, "guides"), ({"after": {"audio": {"file": MUSIC}}}, "after.audio")]
)
def test_a_segments_payload_has_no_place_for_the_rest(words: Data, field: str):
    data = {**spec_json(planned(segment()).spec), **words}
    with pytest.raises(PayloadError, match="has no place in a segment's payload") as caught:
        planned_spec(parse_spec(data)).payload()
    assert caught.value.field == field
