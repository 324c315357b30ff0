"""Verdicts, causes and filters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.subjects import Data, of_plan, segment, subject, table
from core.test_steptable import RUN_1, RUN_2
from core.trips import HIGH, PREVIEW, SEED_PHASES, T2V, digest, planned, stills
from wayframe.core.comparison import NO_FILTERS, Cause, Comparison, Topic, Verdict, compare, topic_of
from wayframe.core.diff import Filters
from wayframe.core.steptable import requested_table, sent_table
from wayframe.core.subject import FrameCount, Level, Subject

WAN = {"model": T2V, "preset": "lightning_baseline_2_2_2", "prompt": "a lake"}


def trip(count: int = 3, **said: object) -> Subject:
    data = stills(count, **{**WAN, **said})
    return of_plan(planned(data), requested=data)


def preview(count: int = 3, *, digests: tuple[str, ...] = (), **said: object) -> Subject:
    data = stills(count, prompt="a lake", **said)
    return of_plan(planned(data, digests=digests, engine=PREVIEW), requested=data)


def verdict(a: Subject, b: Subject, *, filters: Filters = NO_FILTERS) -> tuple[Verdict, str]:
    there, back = compare(a, b, filters=filters), compare(b, a, filters=filters)
    assert there.verdict is back.verdict
    assert there.reason == back.reason
    assert len(there.differences) == len(back.differences)
    return there.verdict, there.reason


def causes(comparison: Comparison) -> dict[Topic, Cause]:
    return {cause.topic: cause for cause in comparison.causes}


def topics(a: Subject, b: Subject, *, paper: bool = False) -> set[Topic]:
    assert causes(compare(a, b)).keys() == causes(compare(b, a)).keys()
    return {cause.topic for cause in compare(a, b).causes if cause.paper is paper}


def logged(name: str, sent: Data, *, asked: Data | None = None, whole: bool = True) -> Subject:
    """A logged run of one segment."""
    values: Data = {"applied": sent, **({"requested": asked} if asked is not None else {})}
    made = replace(segment(**values), steps=sent_table(sent), wanted=requested_table(asked or {}))
    made = replace(made, whole=frozenset({Level.REQUESTED}) if whole else frozenset())
    return subject(name, requested={"model_name": "m"}, segments=[made])


# Verdicts


@pytest.mark.parametrize("same", [trip(), preview(), logged("a", RUN_1)])
def test_a_subject_is_identical_to_itself(same: Subject) -> None:
    assert verdict(same, same) == (Verdict.IDENTICAL, "nothing differs but ids, times and paths")
    compared = compare(same, same, filters=Filters(everything=True))
    assert (compared.differences, compared.hidden, compared.causes) == ((), 0, ())


@pytest.mark.parametrize(
    ("said", "topic"),
    [
        ({"prompt": "a mountain"}, Topic.PROMPTS),
        ({"negative_prompt": "blur"}, Topic.PROMPTS),
        ({"seed": 2**31}, Topic.SEED),
        ({"segment_frames": 65}, Topic.LENGTHS),
        ({"overlap": 4}, Topic.LENGTHS),
        ({"resolution": "640x480"}, Topic.SIZE),
        ({"fit": "contain"}, Topic.KEYFRAMES),
    ],
)
def test_other_inputs_leave_the_recipe_the_same(said: Data, topic: Topic) -> None:
    found, reason = verdict(trip(), trip(**said))
    assert found is Verdict.SAME_RECIPE
    assert topics(trip(), trip(**said)) == {topic}
    verb = "differs" if topic in (Topic.SEED, Topic.SIZE) else "differ"
    assert reason == f"{topic.value} {verb}; timestep, expert, guidance and LoRA weights agree at every step"


@pytest.mark.parametrize(
    ("said", "topic"),
    [
        ({"preset": None, "phase_config": {**SEED_PHASES, "flow_shift": 7}}, Topic.SCHEDULE),
        ({"sample_solver": "unipc"}, Topic.SCHEDULE),
        ({"loras": [{"file": HIGH, "multiplier": "0.5"}]}, Topic.LORAS),
        ({"chaining": "chained", "overlap": 6}, Topic.FLOW),
    ],
)
def test_another_recipe_is_told_by_what_it_changes(said: Data, topic: Topic) -> None:
    found, reason = verdict(trip(), trip(**said))
    assert found is Verdict.OTHER_RECIPE
    assert topic.value in reason
    assert topic in topics(trip(), trip(**said))


def test_other_keyframes_are_other_inputs() -> None:
    a, b = preview(), preview(digests=("a", "b", "c"))
    assert verdict(a, b) == (Verdict.SAME_RECIPE, "keyframes differ")


@pytest.mark.parametrize(
    ("said", "expected", "topic"),
    [
        ({"seed": 5}, Verdict.SAME_RECIPE, Topic.SEED),
        ({"segment_frames": 41}, Verdict.SAME_RECIPE, Topic.LENGTHS),
        ({"overlap": 4}, Verdict.SAME_RECIPE, Topic.LENGTHS),
        ({"negative_prompt": "x"}, Verdict.SAME_RECIPE, Topic.PROMPTS),
        ({"chaining": "chained"}, Verdict.OTHER_RECIPE, Topic.FLOW),
    ],
)
def test_runs_that_denoise_nothing_are_compared_by_their_values(said: Data, expected: Verdict, topic: Topic) -> None:
    assert verdict(preview(), preview(**said))[0] is expected
    assert topic in topics(preview(), preview(**said))


def test_other_weights_of_the_model_are_another_model_and_no_lora_weight() -> None:
    data = stills(3, **WAN)
    made = planned(data)
    one, other = (
        of_plan(replace(made, plan=replace(made.plan, weights=f"folder:{mark * 64}")), requested=data) for mark in "ab"
    )
    assert verdict(one, other)[0] is Verdict.OTHER_RECIPE
    assert topics(one, other) == {Topic.MODEL}
    assert compare(one, other).causes[0].effect == 100


def test_two_phases_and_three_differ_in_nothing_but_experts_weights_and_guidance() -> None:
    """The seed's two forms: 0.75;1.0;0 in three phases, 1.0;0 in two; forwards and deals go with the guidance."""
    two = {"phases": [{"steps": 3, "guidance": 3, "expert": "high"}, {"steps": 3, "guidance": 1, "expert": "low"}]}
    three = {
        "phases": [
            {"steps": 2, "guidance": 3, "expert": "high"},
            {"steps": 2, "guidance": 1, "expert": "high"},
            {"steps": 2, "guidance": 1, "expert": "low"},
        ]
    }
    a, b = (
        trip(**{**said, "preset": None, "loras": [{"file": HIGH, "multiplier": text}]})
        for said, text in ((two, "1.0;0"), (three, "0.75;1.0;0"))
    )
    assert topics(a, b) == {Topic.EXPERTS, Topic.LORAS, Topic.GUIDANCE}
    assert topics(a, b, paper=True) == set()
    told = {item.path: (item.a, item.b) for item in causes(compare(a, b))[Topic.GUIDANCE].differences}
    assert told["segments[0].derived.phases"] == ([3, 3], [2, 2, 2])
    assert told["segments[0].derived.forwards"] == (9, 8)


def test_another_engine_is_another_recipe() -> None:
    other = of_plan(planned(stills(3, prompt="a lake"), engine=replace(PREVIEW, name="null", identity="null/1")))
    assert verdict(preview(), other) == (Verdict.OTHER_RECIPE, "model and engine differ")


def test_a_segment_more_is_told_and_the_others_still_agree() -> None:
    found, reason = verdict(trip(2), trip(3))
    assert found is Verdict.SAME_RECIPE
    assert reason == (
        "keyframes, lengths and overlaps differ; timestep, expert, guidance and LoRA weights agree at every step"
    )


def test_subjects_without_segments_or_a_common_level_are_not_comparable() -> None:
    empty = replace(trip(), name="b", segments=())
    assert verdict(trip(), empty) == (Verdict.NOT_COMPARABLE, "nothing is known of the segments of b")
    requested = subject("asked", requested={"steps": 1}, segments=[segment()])
    applied = subject("asked", applied={"steps": 1}, segments=[segment()])
    assert verdict(requested, applied) == (Verdict.NOT_COMPARABLE, "asked and asked have no level in common")


def test_videos_that_differ_for_no_reason_are_told_so() -> None:
    one, two = (subject(planned={}, outcome={"digest": text}, segments=[segment()]) for text in ("x", "y"))
    assert verdict(one, two) == (
        Verdict.SAME_RECIPE,
        "recipe and inputs are equal, yet the videos differ: look at the environment",
    )


def test_filters_that_hide_the_cause_do_not_make_the_recipe_equal() -> None:
    one, two = (subject(planned={"seed": seed}, outcome={"digest": str(seed)}, segments=[segment()]) for seed in (1, 2))
    hidden = compare(one, two, filters=Filters(ignore=("seed",)))
    assert hidden.reason == "of what the filters keep, the videos alone differ"


def test_a_video_follows_from_its_inputs_and_is_not_blamed() -> None:
    one, two = (subject(planned={"seed": seed}, outcome={"digest": str(seed)}, segments=[segment()]) for seed in (1, 2))
    assert verdict(one, two) == (Verdict.SAME_RECIPE, "seed differs")
    assert causes(compare(one, two))[Topic.RESULT].effect == 0


# Paper


def test_what_reaches_no_step_differs_on_paper() -> None:
    a = logged("a", RUN_1, asked={"steps": 6})
    b = logged("b", {**RUN_1, "switch_threshold": 900}, asked={"steps": 8, "guidance_scale": 7})
    assert verdict(a, b) == (Verdict.SAME_RECIPE, "what differs does not reach a single step")
    assert topics(a, b, paper=True) == {Topic.SCHEDULE, Topic.GUIDANCE}
    assert topics(a, b) == set()


@pytest.mark.parametrize(("sent", "paper"), [({}, {Topic.GUIDANCE}), ({"flow_shift": 4.9}, set())])
def test_other_thresholds_are_on_paper_among_the_same_timesteps_alone(sent: Data, paper: set[Topic]) -> None:
    a, b = logged("a", RUN_1, asked={}), logged("b", {**RUN_1, "switch_threshold": 885, **sent}, asked={})
    [table] = compare(a, b).tables
    assert [row.phase for row in table.a.rows] == [row.phase for row in table.b.rows]
    assert topics(a, b, paper=True) == paper


def test_the_seeds_two_runs_differ_in_lora_weights_alone() -> None:
    compared = compare(logged("1", RUN_1, asked={}), logged("2", RUN_2, asked={"guidance_phases": 3}))
    assert compared.verdict is Verdict.OTHER_RECIPE
    assert compared.reason == "LoRA weights differ; timestep, expert and guidance agree at every step"
    found = causes(compared)
    assert found[Topic.GUIDANCE].paper
    assert (found[Topic.LORAS].paper, found[Topic.LORAS].effect) == (False, 100)
    assert found[Topic.LORAS].detail == "loras[low_noise_model], loras[high_noise_model] in segment 0"


def test_motion_of_a_logged_run_is_the_lora_that_the_worker_makes_of_it() -> None:
    a, b = logged("1", RUN_1, asked={"amount_of_motion": 0.5}), logged("2", RUN_2, asked={})
    assert topics(a, b) == {Topic.LORAS}
    same_loras = logged("3", RUN_1, asked={})
    assert topics(a, same_loras) == set()
    assert topics(a, same_loras, paper=True) == {Topic.LORAS}


def test_phases_of_one_side_alone_are_not_on_paper() -> None:
    plain = trip()
    stepless = replace(
        plain,
        values={**plain.values, Level.REQUESTED: {}},
        segments=tuple(replace(part, steps=None, wanted=None) for part in plain.segments),
    )
    phased = replace(plain, values={**plain.values, Level.REQUESTED: {"phases": [{"steps": 6}]}})
    unphased = replace(plain, values={**plain.values, Level.REQUESTED: {}})
    assert topics(stepless, phased) == {Topic.GUIDANCE}
    assert topics(unphased, phased) == set()
    assert topics(unphased, phased, paper=True) == {Topic.GUIDANCE}


def test_a_timeline_of_equal_places_differs_from_a_batch_on_paper() -> None:
    one, other = (subject(planned={"mode": mode, "frames": 49}, segments=[segment()]) for mode in ("batch", "timeline"))
    assert topics(one, other, paper=True) == {Topic.LENGTHS}
    longer = subject(planned={"mode": "timeline", "frames": 65}, segments=[segment()])
    assert topics(one, longer) == {Topic.LENGTHS}


def test_what_is_filtered_out_does_not_make_the_rest_paper() -> None:
    compared = compare(
        logged("1", RUN_1, asked={}),
        logged("2", RUN_2, asked={"lora_names": ["x"]}),
        filters=Filters(only=("requested",)),
    )
    assert [item.path for item in compared.differences] == ["segments[0].requested.lora_names"]
    assert not causes(compared)[Topic.LORAS].paper
    assert compared.verdict is Verdict.OTHER_RECIPE
    assert compared.hidden > 0


@pytest.mark.parametrize("change", [{"sample_solver": "dpm++_sde"}, {"cfg_star_switch": 1}, {"cfg_zero_step": 2}])
def test_what_the_steps_numbers_do_not_show_is_no_paper(change: Data) -> None:
    sent = {**RUN_1, "sample_solver": "dpm++", "cfg_star_switch": 0, "cfg_zero_step": -1}
    found, _ = verdict(logged("a", sent), logged("b", {**sent, **change}))
    assert found is Verdict.OTHER_RECIPE


def test_a_solver_that_was_asked_for_and_not_sent_is_paper() -> None:
    a, b = (logged(solver, RUN_1, asked={"sample_solver": solver}) for solver in ("euler", "unipc"))
    assert verdict(a, b)[1] == "what differs does not reach a single step"


@pytest.mark.parametrize("said", [{"chaining": "independent"}, {"seed": 0}, {"segment_frames": 61}, {"overlap": 1}])
def test_a_default_that_is_written_out_is_paper(said: Data) -> None:
    assert verdict(trip(), trip(**said)) == (Verdict.SAME_RECIPE, "what differs does not reach a single step")
    assert topics(trip(), trip(**said)) == set()
    assert verdict(preview(), preview(**said))[1] == "what differs does not reach a single step"


def test_without_steps_nothing_is_called_paper() -> None:
    bare = {"guidance_scale": 3}
    a, b = logged("a", bare, asked={"guidance_scale": 3}), logged("b", bare, asked={"guidance_scale": 4})
    assert compare(a, b).tables == ()
    assert verdict(a, b) == (Verdict.OTHER_RECIPE, "guidance and phases differ")


# LoRA files


def with_lora(file: str, *, sha: str) -> Subject:
    lora = {"file": file, "multiplier": "1.0;0;0", "for": "high"}
    data = stills(3, **{**WAN, "loras": [lora]})
    return of_plan(planned(data, loras={file: digest(sha)}), requested=data)


def test_a_renamed_or_moved_lora_file_is_no_difference() -> None:
    here = with_lora("style.safetensors", sha="a")
    assert verdict(here, with_lora("copies/style-copy.safetensors", sha="a"))[0] is Verdict.IDENTICAL
    assert verdict(here, with_lora("elsewhere/style.safetensors", sha="a"))[0] is Verdict.IDENTICAL
    shown = compare(here, with_lora("copy.safetensors", sha="a"), filters=Filters(everything=True))
    assert {item.path.rpartition(".")[2] for item in shown.differences} >= {"file"}


def test_another_lora_under_the_same_name_is_another_recipe() -> None:
    found, reason = verdict(with_lora("style.safetensors", sha="a"), with_lora("style.safetensors", sha="b"))
    assert found is Verdict.OTHER_RECIPE
    assert reason == "LoRA weights differ; timestep, expert and guidance agree at every step"


# Causes and findings


def test_causes_are_ranked_by_how_much_they_move_the_picture() -> None:
    compared = compare(trip(), trip(prompt="x", seed=1, negative_prompt="y", segment_frames=65))
    assert [cause.topic for cause in compared.causes] == [Topic.SEED, Topic.PROMPTS, Topic.LENGTHS]
    effects = [cause.effect for cause in compared.causes]
    assert effects == sorted(effects, reverse=True)


def test_every_difference_belongs_to_one_cause() -> None:
    compared = compare(trip(), trip(2, prompt="x", seed=1, engine="wan"))
    held = [item for cause in compared.causes for item in cause.differences]
    assert sorted(held, key=id) == sorted(compared.differences, key=id)


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("model_name", Topic.MODEL),
        ("model_switch_phase", Topic.EXPERTS),
        ("additional_loras", Topic.LORAS),
        ("phase_config.phases[0].loras[x].multiplier", Topic.LORAS),
        ("phase_config.phases[0].guidance_scale", Topic.GUIDANCE),
        ("phase_config.flow_shift", Topic.SCHEDULE),
        ("base_prompts_expanded", Topic.PROMPTS),
        ("text_after_prompts", Topic.PROMPTS),
        ("seed_base", Topic.SEED),
        ("input_image_paths_resolved", Topic.KEYFRAMES),
        ("parsed_resolution_wh", Topic.SIZE),
        ("segment_frames_expanded", Topic.LENGTHS),
        ("frame_overlap_expanded", Topic.LENGTHS),
        ("chain_segments", Topic.FLOW),
        ("structure_guidance.strength", Topic.FLOW),
        ("never_heard_of", Topic.OTHER),
    ],
)
def test_a_difference_belongs_to_the_topic_of_its_innermost_known_name(name: str, topic: Topic) -> None:
    [item] = compare(
        subject("a", requested={"odd": 1}, segments=[segment()]), subject("b", requested={}, segments=[segment()])
    ).differences
    assert topic_of(replace(item, path=f"segments[0].requested.{name}")) is topic
    assert topic_of(replace(item, path=f"requested.{name}")) is topic


def test_findings_are_filtered_like_differences_and_gravest_first() -> None:
    a, b = logged("1", RUN_1, asked={}), logged("2", RUN_2, asked={"seed_to_use": 1})
    everything = compare(a, b)
    assert {item.code for item in everything.findings_of_a} >= {"lora-applied-unasked"}
    ranks = [item.severity.value for item in everything.findings]
    assert ranks == sorted(ranks, key=["critical", "warning", "info"].index)
    assert compare(a, b, filters=Filters(ignore=("segments",))).findings_of_a == ()


def test_frames_differ_by_arithmetic_too() -> None:
    a = replace(segment(), frames=FrameCount(delivered=61, overlap_before=6), steps=table((1000.0, "only", 1.0, {})))
    b = replace(a, frames=FrameCount(delivered=61, overlap_before=0))
    compared = compare(subject("a", planned={}, segments=[a]), subject("b", planned={}, segments=[b]))
    [item] = compared.differences
    assert (item.a, item.b) == ({"new": 55}, {"new": 61})
    assert compared.verdict is Verdict.SAME_RECIPE
