"""Every rule over a plan: a plan that it speaks about, and a like one that it is silent about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from core.trips import HIGH, I2V, LOW, ONE_EXPERT, PREVIEW, SEED_PHASES, T2V, VACE, planned, stills, timeline
from wayframe.core import lint, look_rules, model_rules, resolve_shape, shape_rules
from wayframe.core.findings import RULES, Finding, Rule, Severity, finding, rule
from wayframe.core.lint import with_findings
from wayframe.core.media_rules import IMAGE_TURNED

Data = dict[str, Any]
BASELINE, THREE_THREE = "lightning_baseline_2_2_2", "lightning_3_3"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A spec that a rule finds something in and one in which it finds nothing; `given` are facts beside the spec."""

    code: str
    loud: Data
    quiet: Data
    given: Data = field(default_factory=dict)
    quiet_given: Data | None = None
    where: str


def wire(**change: object) -> Data:
    return {**SEED_PHASES, **change}


def phases(*guidance: float, **lora: object) -> list[Data]:
    return [{"steps": 2, "guidance": scale, "loras": [lora] if lora else []} for scale in guidance]


PINNED = HIGH.replace("/main/", "/1d2c3b4a/")
SMALL = "wan2.2-ti2v-5b"
CASES = [
    Case(
        code="keyframes-identical",
        loud=stills(3),
        quiet=stills(3),
        given={"digests": ["a0", "b1", "b1"]},
        quiet_given={"digests": ["a0", "b1", "a0"]},
        where="keyframes[2]",
    ),
    Case(
        code="guidance-on-distilled",
        loud=stills(2, preset=BASELINE),
        quiet=stills(2, preset=THREE_THREE),
        where="segments[0].phases[0]",
    ),
    Case(
        code="guidance-on-distilled",
        loud=stills(2, phases=phases(1, 3, file="causvid.safetensors")),
        quiet=stills(2, phases=[*phases(3), *phases(1, file="causvid.safetensors")]),
        where="segments[0].phases[1]",
    ),
    Case(
        code="lora-wrong-expert",
        loud=stills(2, model=T2V, phase_config=wire(model_switch_phase=1)),
        quiet=stills(2, model=T2V, phase_config=SEED_PHASES),
        where="segments[0].loras[high_noise_model]",
    ),
    Case(
        code="lora-wrong-expert",
        loud=stills(2, model=T2V, preset=BASELINE, loras=[{"file": LOW, "multiplier": "1"}]),
        quiet=stills(2, model=ONE_EXPERT, steps=6, loras=[{"file": LOW, "multiplier": "1"}]),
        where="segments[0].loras[low_noise_model]",
    ),
    Case(
        code="switch-never",
        loud=stills(2, model=T2V, steps=2),
        quiet=stills(2, model=T2V, steps=4),
        where="segments[0]",
    ),
    Case(
        code="switch-never",
        loud=stills(2, model=T2V, phases=[{"steps": 2, "expert": "low"}]),
        quiet=stills(2, model=T2V, phases=[{"steps": 2, "expert": "high"}, {"steps": 2, "expert": "low"}]),
        where="segments[0]",
    ),
    Case(
        code="switch-never",
        loud=stills(2, model=ONE_EXPERT, phase_config=wire()),
        quiet=stills(2, model=ONE_EXPERT, phase_config=wire(model_switch_phase=None)),
        where="phase_config.model_switch_phase",
    ),
    Case(
        code="lora-without-effect",
        loud=stills(2, steps=4, loras=[{"file": "s", "multiplier": "0"}]),
        quiet=stills(2, steps=4, loras=[{"file": "s", "multiplier": "0,0,0,0.1"}]),
        where="segments[0].loras[s]",
    ),
    Case(
        code="last-step-idle",
        loud=stills(2, preset=BASELINE),
        quiet=stills(2, preset=BASELINE, sample_solver="trailing"),
        where="segments[0].steps[5]",
    ),
    Case(
        code="guidance-below-one",
        loud=stills(2, steps=4, guidance=0.5),
        quiet=stills(2, steps=4, guidance=1),
        where="segments[0].phases[0]",
    ),
    Case(
        code="keyframe-small",
        loud=stills(2, resolution="768x576"),
        quiet=stills(2, resolution="768x576"),
        given={"sizes": {1: (767, 4000)}},
        quiet_given={"sizes": {1: (768, 576)}},
        where="keyframes[1]",
    ),
    Case(
        code="keyframe-small",
        loud=stills(2, resolution="768x576", fit="contain"),
        quiet=stills(2, resolution="768x576", fit="contain"),
        given={"sizes": {0: (767, 575)}},
        quiet_given={"sizes": {0: (767, 4000)}},
        where="keyframes[0]",
    ),
    Case(
        code="keyframe-aspect",
        loud=stills(2, resolution="768x576"),
        quiet=stills(2, resolution="832x480"),
        given={"sizes": {0: (1920, 1080), 1: (1920, 1080)}},
        where="keyframes[0]",
    ),
    Case(
        code="keyframe-aspect",
        loud=stills(2, resolution="480x832"),
        quiet=stills(2, resolution="480x832"),
        given={"sizes": {0: (1080, 1920), 1: (1080, 1440)}},
        quiet_given={"sizes": {0: (1080, 1920), 1: (1080, 1920)}},
        where="keyframes[1]",
    ),
    Case(
        code="prompts-empty",
        loud=stills(3, prompt=" "),
        quiet={"keyframes": [{"image": "a"}, {"image": "b", "prompt": "x"}, {"image": "c"}]},
        where="prompt",
    ),
    Case(
        code="prompts-empty",
        loud=stills(3),
        quiet=stills(3),
        quiet_given={"engine": PREVIEW},
        where="prompt",
    ),
    Case(
        code="overlap-double-exposed",
        loud=stills(4, overlap=[1, 2]),
        quiet=stills(4, overlap=[1, 0]),
        where="joins[1]",
    ),
    Case(
        code="overlap-double-exposed",
        loud=stills(3, overlap=6),
        quiet=stills(3, overlap=6, chaining="chained"),
        where="joins[0]",
    ),
    *[
        Case(
            code="overlap-wastes-frames",
            loud=stills(3, model=model, chaining="chained", overlap=wasteful),
            quiet=stills(3, model=model, chaining="chained", overlap=full),
            where="joins[0]",
        )
        for model, wasteful, full in (
            *((VACE, *pair) for pair in ((3, 2), (5, 6), (7, 10), (9, 14))),
            *((SMALL, *pair) for pair in ((2, 1), (6, 5), (10, 9), (12, 13))),
        )
    ],
    *[
        Case(
            code="overlap-wastes-frames",
            loud=stills(3, model=VACE, chaining="chained", overlap=kept),
            quiet=stills(3, model=I2V, chaining="chained", overlap=kept),
            where="joins[0]",
        )
        for kept in (3, 5, 8)
    ],
    Case(
        code="overlap-wastes-frames",
        loud=stills(3, model=VACE, chaining="chained", overlap=1),
        quiet=stills(3, model=I2V, chaining="chained", overlap=1),
        where="joins[0]",
    ),
    Case(
        code="overlap-wastes-frames",
        loud=stills(3, model=VACE, chaining="chained", overlap=4),
        quiet=stills(3, model=VACE, chaining="independent", overlap=4),
        where="joins[0]",
    ),
    Case(
        code="weight-unusual",
        loud=stills(2, steps=4, loras=[{"file": "s", "multiplier": "1,2.5"}]),
        quiet=stills(2, steps=4, loras=[{"file": "s", "multiplier": "0,2"}]),
        where="segments[0].loras[s]",
    ),
    Case(
        code="weight-unusual",
        loud=stills(2, steps=4, loras=[{"file": "s", "multiplier": -0.1}]),
        quiet=stills(2, steps=4, loras=[{"file": "s", "multiplier": 0.1}]),
        where="segments[0].loras[s]",
    ),
    Case(
        code="ramp-over-phases",
        loud=stills(2, phases=phases(1, 1), loras=[{"file": "d/s.safetensors", "multiplier": "0.75,0.0"}]),
        quiet=stills(2, phases=phases(1, 1), loras=[{"file": "d/s.safetensors", "multiplier": "0.75,0.0;1"}]),
        where="segments[0].loras[s.safetensors]",
    ),
    Case(
        code="ramp-over-phases",
        loud=stills(2, preset=THREE_THREE, loras=[{"file": "s", "multiplier": "1,0"}]),
        quiet=stills(2, steps=6, loras=[{"file": "s", "multiplier": "1,0"}]),
        where="segments[0].loras[s]",
    ),
    Case(
        code="engine-does-not-denoise",
        loud=stills(2, steps=4),
        quiet=stills(2),
        given={"engine": PREVIEW},
        where="engine",
    ),
    Case(
        code="engine-does-not-denoise",
        loud=stills(2, prompt="x"),
        quiet=stills(2, prompt="x"),
        given={"engine": PREVIEW},
        quiet_given={},
        where="engine",
    ),
    Case(
        code="lora-unpinned",
        loud=stills(2, steps=4, loras=[{"file": HIGH}]),
        quiet=stills(2, steps=4, loras=[{"file": PINNED}, {"file": "main/s.safetensors"}]),
        where="loras[high_noise_model]",
    ),
    *[
        Case(
            code="lora-unpinned",
            loud=stills(2, steps=4, loras=[{"file": HIGH.replace("/main/", f"/{branch}/")}]),
            quiet=stills(2, steps=4, loras=[{"file": HIGH.replace("/main/", f"/{fixed}/")}]),
            where="loras[high_noise_model]",
        )
        for branch, fixed in (("fp8", "c0ffee" * 6 + "c0de"), ("refs/pr/3", "v1.0"), ("dev-2", "2.2.1-rc1"))
    ],
    Case(
        code="segment-long",
        loud=stills(3, model=I2V, segment_frames=[81, 85]),
        quiet=stills(3, segment_frames=[81, 85]),
        where="segments[1]",
    ),
    Case(
        code="segment-long",
        loud=timeline(0, 100, model=I2V),
        quiet=timeline(0, 80, model=I2V),
        where="segments[0]",
    ),
    Case(
        code="model-takes-no-pictures",
        loud=stills(2, model=T2V),
        quiet=stills(2, model=VACE),
        where="model",
    ),
    Case(
        code="model-takes-no-pictures",
        loud=stills(2, model=T2V),
        quiet=stills(2, model=T2V),
        quiet_given={"engine": PREVIEW},
        where="model",
    ),
    Case(
        code="end-keyframe-unused",
        loud=stills(2, model="wan2.1-i2v-14b"),
        quiet=stills(2, model=I2V),
        where="model",
    ),
    Case(
        code="end-keyframe-unused",
        loud=stills(3, model="wan2.2-ti2v-5b", resolution="768x576"),
        quiet=stills(1, model="wan2.2-ti2v-5b", resolution="768x576"),
        where="model",
    ),
    Case(
        code="end-keyframe-unused",
        loud=stills(2, model="wan2.1-i2v-14b-480p"),
        quiet=stills(2, model="wan2.1-i2v-14b-480p"),
        quiet_given={"engine": PREVIEW},
        where="model",
    ),
    Case(
        code="resolution-untrained",
        loud=stills(2, model=I2V, resolution="1920x1088"),
        quiet=stills(2, model=I2V, resolution="1280x720"),
        where="resolution",
    ),
    Case(
        code="resolution-untrained",
        loud=stills(2, model="wan2.1-vace-1.3b", resolution="1280x720"),
        quiet=stills(2, model="wan2.1-vace-1.3b"),
        where="resolution",
    ),
    Case(
        code="cfg-without-effect",
        loud=stills(2, preset=THREE_THREE, cfg_star=True),
        quiet=stills(2, preset=BASELINE, cfg_star=True),
        where="segments[0].cfg_star",
    ),
    Case(
        code="cfg-without-effect",
        loud=stills(3, model=I2V, guidance=1, cfg_zero=1),
        quiet=stills(3, model=I2V, guidance=1, cfg_zero=0),
        where="segments[0..1].cfg_zero",
    ),
    Case(
        code="bundle-adds-nothing",
        loud=stills(2, model=I2V, bundles=["styleboost"]),
        quiet=stills(2, model=I2V, bundles=["reward"]),
        where="segments[0].bundles",
    ),
    Case(
        code="loop-repeats-frame",
        loud=stills(2, loop=True),
        quiet=stills(2),
        where="loop",
    ),
    Case(
        code="look-adds-up",
        loud=stills(3, chaining="chained", look={"saturation": 0.9}),
        quiet=stills(3, chaining="chained", look={"colour_match": 1}),
        where="segments[1].look",
    ),
    Case(
        code="look-adds-up",
        loud=stills(2, continue_from="a.mp4", look={"brightness": 0.1}, chaining="independent"),
        quiet=stills(3, look={"brightness": 0.1}),
        where="segments[0].look",
    ),
    Case(
        code="keyframe-replaced",
        loud=stills(3, bridges={"replace": [1, 0]}),
        quiet=stills(3, bridges={"replace": [0, 1]}),
        where="keyframes[1]",
    ),
    Case(
        code="lead-from-nowhere",
        loud=stills(2, model=I2V, lead={}),
        quiet=stills(2, model=VACE, lead={}),
        where="segments[0]",
    ),
    Case(
        code="clip-rate-differs",
        loud=stills(1, continue_from="a.mp4", fps=24),
        quiet=stills(1, continue_from="a.mp4"),
        where="clips[0]",
    ),
    Case(
        code="clip-fitted",
        loud=stills(1, continue_from="a.mp4"),
        quiet=stills(1, continue_from="a.mp4", resolution="640x480"),
        where="clips[0]",
    ),
    Case(
        code="position-moved",
        loud=timeline(0, 51, 91, model=I2V, overlap=1),
        quiet=timeline(0, 51, 91),
        where="keyframes[1].at",
    ),
    Case(
        code="length-changed",
        loud=timeline(0, 52, 95, model=I2V),
        quiet=timeline(0, 51, 96, model=I2V),
        where="keyframes",
    ),
]


def found(case: Case, data: Data, given: Data) -> list[Finding]:
    return [finding for finding in planned(data, **given).findings if finding.code == case.code]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_a_rule_speaks_where_it_must(case: Case):
    first = found(case, case.loud, case.given)[0]
    assert first.where == case.where
    assert first.message
    assert (first.severity, first.action) == (RULES[case.code].severity, RULES[case.code].action)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_a_rule_is_silent_where_it_must_be(case: Case):
    assert found(case, case.quiet, case.given if case.quiet_given is None else case.quiet_given) == []


def test_every_rule_about_plans_is_in_the_table():
    rules = {
        item.code
        for module in (lint, look_rules, model_rules, resolve_shape, shape_rules)
        for item in vars(module).values()
        if isinstance(item, Rule)
    }
    assert rules == {case.code for case in CASES}


def test_a_good_trip_has_no_finding():
    pinned = [{**phase, "loras": []} for phase in SEED_PHASES["phases"]]
    config = wire(phases=[{**phase, "guidance_scale": 1} for phase in pinned], sample_solver="dpm++")
    data = timeline(0, 52, 96, model=VACE, prompt="x", chaining="chained", overlap=2, phase_config=config)
    data["keyframes"][2]["at"] = 95
    assert planned(data | {"resolution": "768x576"}).findings == ()


def test_findings_come_gravest_first_and_keep_their_order_otherwise():
    data = timeline(0, 50, model=T2V, loras=[{"file": HIGH, "multiplier": 3}])
    severities = [finding.severity for finding in planned(data).findings]
    assert set(severities) == {Severity.CRITICAL, Severity.WARNING, Severity.INFO}
    assert severities == sorted(severities, key=[Severity.CRITICAL, Severity.WARNING, Severity.INFO].index)


def test_the_plan_carries_the_findings_of_resolving_and_of_lint():
    trip = planned(timeline(0, 50, model=T2V))
    whole = with_findings(trip.look)
    assert {"position-moved", "length-changed", "model-takes-no-pictures"} <= {f.code for f in whole.findings}
    assert [segment.key for segment in whole.segments] == trip.keys


@pytest.mark.parametrize(
    ("fit", "size", "said", "share"),
    [
        ("cover", (1920, 1080), "keyframe 1 is 1920x1080: cover cuts off 25 % of it", 0.25),
        ("cover", (1000, 1500), "keyframe 1 is 1000x1500: cover cuts off 50 % of it", 0.5),
        ("contain", (1600, 960), "keyframe 1 is 1600x960: contain adds bars on 20 % of the frame", 0.2),
        ("stretch", (1920, 1080), "keyframe 1 is 1920x1080: stretch distorts it by 33 %", 0.3333),
        ("stretch", (1080, 1080), "keyframe 1 is 1080x1080: stretch distorts it by 33 %", 0.3333),
    ],
)
def test_a_keyframe_of_another_shape_is_told_what_the_fit_costs(
    fit: str, size: tuple[int, int], said: str, share: float
):
    trip = planned(stills(2, resolution="768x576", fit=fit), sizes={1: size})
    (shape,) = [finding for finding in trip.findings if finding.code == "keyframe-aspect"]
    assert (shape.message, shape.evidence["share"]) == (said, share)


def test_a_picture_that_a_loop_returns_to_is_told_of_once():
    data = stills(2, loop=True, resolution="512x512")
    found = planned(data, sizes=dict.fromkeys(range(3), (768, 576))).findings
    assert [one.where for one in found if one.code == "keyframe-aspect"] == ["keyframes[0]", "keyframes[1]"]


def test_what_was_noticed_of_a_picture_is_in_the_plan():
    turned = finding(IMAGE_TURNED, "b.jpg is turned upright", where="keyframes[1]")
    assert turned in with_findings(planned(stills(2), noticed={1: turned}).look).findings
    assert turned not in with_findings(planned(stills(2)).look).findings


def test_segments_of_one_recipe_share_one_finding_that_names_them_all():
    def places(*own: int, count: int) -> list[str]:
        pictures = [{"image": "a"} | ({"guidance": 2} if index in own else {}) for index in range(count)]
        trip = planned({"keyframes": [*pictures, {"image": "z"}], "steps": 2, "guidance": 0.5})
        return [finding.where for finding in trip.findings if finding.code == "guidance-below-one"]

    assert places(count=1) == ["segments[0].phases[0]"]
    assert places(count=4) == ["segments[0..3].phases[0]"]
    assert places(1, count=4) == ["segments[0,2,3].phases[0]"]


def test_evidence_of_a_wrong_expert_names_the_steps():
    (wrong,) = [
        finding
        for finding in planned(stills(2, model=T2V, phase_config=wire(model_switch_phase=1))).findings
        if finding.code == "lora-wrong-expert"
    ]
    assert wrong.evidence == {"weights": [0.75, 0.75, 1, 1, 0, 0], "steps": [2, 3]}
    assert wrong.message == "high_noise_model is for the high expert and active on the low one at steps 2, 3"


def test_many_steps_of_a_wrong_expert_are_told_as_a_range():
    loras = [{"file": "low.safetensors", "multiplier": "1;1", "for": "low"}]
    phases = [{"steps": 25, "expert": "high"}, {"steps": 25, "expert": "low"}]
    trip = planned(stills(2, model=T2V, phases=phases, loras=loras))
    (wrong,) = [finding for finding in trip.findings if finding.code == "lora-wrong-expert"]
    assert wrong.message == "low is for the low expert and active on the high one at steps 0 to 24"
    assert wrong.evidence["steps"] == list(range(25))


@pytest.mark.parametrize(
    ("model", "kept", "latents"),
    [
        (VACE, 3, "1 latent frame"),
        (VACE, 5, "1 latent frame"),
        (VACE, 7, "2 latent frames"),
        (VACE, 1, "0 latent frames"),
        (SMALL, 4, "1 latent frame"),
        (SMALL, 6, "2 latent frames"),
        (SMALL, 8, "2 latent frames"),
    ],
)
def test_kept_frames_count_by_whole_latent_frames_with_vace_and_with_the_5b(model: str, kept: int, latents: str):
    (waste,) = [
        finding
        for finding in planned(stills(3, model=model, chaining="chained", overlap=kept)).findings
        if finding.code == "overlap-wastes-frames"
    ]
    assert waste.message == f"{kept} kept frames hold {latents}"


def test_a_code_cannot_be_given_twice():
    with pytest.raises(ValueError, match="'switch-never' is defined twice"):
        rule("switch-never", Severity.INFO, title="", why="", action="")
