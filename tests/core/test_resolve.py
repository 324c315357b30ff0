"""Every value filled in, each with its origin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from core.trips import SEED_PHASES, T2V, planned, resolved, stills, timeline
from wayframe.core.documents import resolved_json
from wayframe.errors import SpecError

Data = dict[str, Any]
BASELINE = "lightning_baseline_2_2_2"
SPECS: dict[str, Data] = {
    "bare": stills(2),
    "lone": stills(1, steps=2),
    "model": stills(3, model=T2V, chaining="chained"),
    "preset": stills(3, preset=BASELINE, seed=7, seed_policy="increment"),
    "wire": timeline(0, 52, 91, model=T2V, phase_config=SEED_PHASES, overlap=6),
    "own": stills(3, model=T2V, phases=[{"steps": 2, "loras": [{"file": "a"}]}, {"steps": 1, "guidance": 2}]),
    "blocks": stills(
        3,
        guides=[{"video": "a.mp4", "kind": "canny", "until": 20}, {"video": "b.mp4", "kind": "depth", "at": 30}],
        after={"trim": {"start": "1s"}, "upscale": {}, "fps": 32, "audio": {"file": "x/music.mp3"}},
    ),
    "mixed": {
        "keyframes": [
            {"image": "a", "steps": 3, "prompt": "x"},
            {"image": "b", "loras": []},
            {"image": "c"},
            {"image": "d"},
        ],
        "model": T2V,
        "loras": [{"file": "s", "multiplier": 0.5, "for": "low"}],
    },
}


def leaves(value: object, path: str) -> Iterator[str]:
    """Paths of all values; a list of plain values counts as one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path


def origin(found: Data, path: str) -> str | None:
    """The origin of a value: a segment's own, else that of all segments."""
    origins: dict[str, str] = found["origins"]
    return origins.get(path, origins.get(re.sub(r"^segments\[\d+\]\.", "", path)))


@pytest.mark.parametrize("name", SPECS)
def test_every_value_has_an_origin(name: str):
    found = resolved_json(resolved(SPECS[name]))
    paths = list(leaves(found["values"], ""))
    known = re.compile(r"spec|default|automatic|preset:[a-z0-9_]+|model:[a-z0-9.-]+")
    assert len(paths) > 20
    assert [path for path in paths if not known.fullmatch(origin(found, path) or "")] == []


def test_a_bare_spec_gets_the_defaults():
    values = resolved_json(resolved(stills(3)))["values"]
    shared = {name: values[name] for name in values if name != "segments"}
    assert shared == {
        "mode": "batch",
        "chaining": "independent",
        "overlap": [1],
        "segment_frames": [61, 61],
        "positions": [0, 60, 120],
        "fps": 16,
        "resolution": "768x576",
        "fit": "cover",
        "matte": "#000000",
        "profile": "h264",
        "curve": "bell",
        "seed_policy": "same",
        "engine": "preview",
        "model": None,
        "preset": None,
    }
    assert [(s["seed"], s["prompt"], s["negative_prompt"], s["amount_of_motion"]) for s in values["segments"]] == [
        (0, "", "", 0.3),
        (0, "", "", 0.3),
    ]


def test_the_default_overlap_follows_the_chaining():
    assert resolved(stills(3, chaining="chained")).layout.overlaps == (6,)
    assert resolved(stills(3, chaining="independent")).layout.overlaps == (1,)
    assert resolved(stills(4, overlap=[2, 3])).layout.overlaps == (2, 3)


@pytest.mark.parametrize(
    ("path", "where_from"),
    [
        ("model", f"preset:{BASELINE}"),
        ("engine", "model:wan2.2-vace-a14b"),
        ("fps", "model:wan2.2-vace-a14b"),
        ("resolution", "automatic"),
        ("positions", "automatic"),
        ("chaining", "default"),
        ("phases[0].guidance", f"preset:{BASELINE}"),
        ("loras[1].multiplier", f"preset:{BASELINE}"),
        ("flow_shift", f"preset:{BASELINE}"),
        ("segments[1].seed", "spec"),
        ("segments[1].prompt", "default"),
    ],
)
def test_origins_of_a_preset(path: str, where_from: str):
    assert resolved(SPECS["preset"]).origins[path] == where_from


@pytest.mark.parametrize(
    ("name", "path", "where_from"),
    [
        ("model", "phases[0].steps", f"model:{T2V}"),
        ("model", "sample_solver", f"model:{T2V}"),
        ("model", "phases[0].expert", "automatic"),
        ("own", "phases[0].guidance", f"model:{T2V}"),
        ("own", "phases[1].guidance", "spec"),
        ("own", "phases[1].expert", "automatic"),
        ("wire", "phases[2].expert", "spec"),
        ("wire", "positions", "spec"),
        ("wire", "segment_frames", "automatic"),
        ("mixed", "segments[0].phases[0].steps", "spec"),
        ("mixed", "segments[1].loras", "spec"),
        ("mixed", "loras[0].for", "spec"),
        ("mixed", "loras[0].distilled", "automatic"),
        ("bare", "phases", "default"),
        ("bare", "engine", "default"),
    ],
)
def test_origins_of_other_forms(name: str, path: str, where_from: str):
    assert resolved(SPECS[name]).origins[path] == where_from


def test_a_solver_that_a_phase_config_leaves_out_is_a_default():
    said = {name: value for name, value in SEED_PHASES.items() if name not in ("sample_solver", "flow_shift")}
    found = resolved(stills(2, model=T2V, phase_config=said))
    assert (found.segments[0].recipe.solver, found.origins["sample_solver"]) == ("euler", "default")
    assert (found.segments[0].recipe.flow_shift, found.origins["flow_shift"]) == (12, f"model:{T2V}")


def test_seeds_stay_the_same_or_rise_by_segment():
    assert [s.seed for s in resolved(stills(4, seed=789)).segments] == [789, 789, 789]
    assert [s.seed for s in resolved(stills(4, seed=789, seed_policy="increment")).segments] == [789, 790, 791]
    own = {"keyframes": [{"image": "a"}, {"image": "b", "seed": 0}, {"image": "c"}], "seed": 5}
    assert [s.seed for s in resolved(own).segments] == [5, 0]


def test_a_keyframe_without_a_prompt_takes_the_spec_s_and_an_empty_one_is_a_prompt():
    pictures = [{"image": "a"}, {"image": "b", "prompt": ""}, {"image": "c", "prompt": "own"}, {"image": "d"}]
    found = resolved({"keyframes": pictures, "prompt": "all", "negative_prompt": "cut"})
    assert [s.prompt for s in found.segments] == ["all", "", "own"]
    assert [s.negative_prompt for s in found.segments] == ["cut"] * 3


def test_the_engine_of_the_spec_wins_over_the_model_s():
    assert resolved(stills(2, model=T2V)).engine == "wan"
    assert resolved(stills(2, model=T2V, engine="preview")).engine == "preview"


def test_the_first_keyframe_gives_the_resolution_and_is_not_enlarged():
    assert resolved(stills(2), first_size=(1920, 1080)).resolution == (886, 498)
    assert resolved(stills(2, model=T2V), first_size=(1920, 1080)).resolution == (880, 496)
    assert resolved(stills(2), first_size=(120, 90)).resolution == (120, 90)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"resolution": "760x576", "model": T2V}, "sides must be multiples of 16 .got '760x576'.; use 752 or 768"),
        ({"resolution": "8x8", "model": T2V}, "use 16 or 32"),
        ({"resolution": "767x576"}, "sides must be multiples of 2 .got '767x576'.; use 766 or 768"),
    ],
)
def test_a_resolution_off_the_grid_is_refused_and_its_neighbours_are_named(said: Data, problem: str):
    with pytest.raises(SpecError, match=f"resolution: .*{problem}"):
        resolved(stills(2, **said))


def test_a_length_off_the_model_s_grid_is_refused_and_its_neighbours_are_named():
    with pytest.raises(SpecError, match=r"segment_frames\[0\]: .* \(4n\+1\) \(got 60\); use 57 or 61"):
        resolved(stills(2, segment_frames=60, model=T2V))
    assert resolved(stills(2, segment_frames=60)).layout.frames == (60,)


def test_a_segment_between_two_keyframes_has_room_for_both():
    with pytest.raises(SpecError, match=r"segment_frames\[0\]: is too short for a segment \(got 1\); use 2 or more"):
        resolved(stills(2, segment_frames=1))
    assert resolved(stills(1, segment_frames=1)).layout.total == 1


def test_positions_may_be_times_and_the_first_one_may_be_left_out():
    data: Data = {
        "mode": "timeline",
        "keyframes": [{"image": "a"}, {"image": "b", "at": "3.2s"}, {"image": "c", "at": 96}],
    }
    assert resolved(data).layout.positions == (0, 51, 96)
    assert resolved({**data, "fps": 10}).layout.positions == (0, 32, 96)
    with pytest.raises(SpecError, match=r"keyframes\[1\]\.at: is required in mode timeline"):
        resolved(timeline(0, 1, 2) | {"keyframes": [{"image": "a"}, {"image": "b"}, {"image": "c", "at": 9}]})


def test_a_position_that_moves_is_a_finding_with_what_was_asked_and_what_is_planned():
    found = planned(timeline(0, 50, 101, model=T2V)).plan.findings
    assert [(f.code, f.where, f.evidence) for f in found] == [
        ("position-moved", "keyframes[1].at", {"asked": 50, "planned": 48}),
        ("position-moved", "keyframes[2].at", {"asked": 101, "planned": 100}),
        ("length-changed", "keyframes", {"asked": 102, "planned": 101}),
    ]
    assert planned(timeline(0, 48, 100, model=T2V)).plan.findings == ()


def test_a_chained_segment_needs_a_frame_to_start_from():
    with pytest.raises(SpecError, match="overlap: a chained segment starts from frames of the one before"):
        resolved(stills(3, chaining="chained", overlap=0))
    assert resolved(stills(3, overlap=0)).layout.total == 122


def test_the_order_of_keys_does_not_change_what_is_resolved():
    data = SPECS["mixed"]
    turned = {key: data[key] for key in reversed(data)}
    assert resolved_json(resolved(turned)) == resolved_json(resolved(data))


def test_the_blocks_of_a_spec_have_their_values_and_origins():
    made = resolved({**SPECS["blocks"], "bridges": {"context": 4, "replace": [5, 4]}})
    found, total = resolved_json(made), made.layout.total
    values = found["values"]
    assert values["bridges"] == {"context": 4, "gap": 9, "replace": [5, 4]}
    assert [(one["at"], one["until"]) for one in values["guides"]] == [(0, 20), (30, total)]
    assert values["guides"][1]["model"] == "depth-anything/Depth-Anything-V2-Small-hf"
    assert values["after"]["trim"] == {"start": "1s", "end": total}
    assert (values["after"]["audio"]["file"], values["after"]["profile"]) == ("music.mp3", "h264")
    told = ("bridges.gap", "guides[0].until", "guides[1].until", "after.upscale.factor", "after.profile", "after.fps")
    assert [found["origins"][path] for path in told] == [
        *("automatic", "spec", "automatic", "default", "automatic", "spec")
    ]


def test_a_spec_without_blocks_has_none_of_them():
    assert {"bridges", "guides", "after"}.isdisjoint(resolved_json(resolved(SPECS["bare"]))["values"])
