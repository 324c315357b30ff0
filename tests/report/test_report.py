"""What a report says is earned: by a verdict, a difference, a step table, a finding or a measurement."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from core.subjects import segment, subject
from report.dossiers import clip, of, run, steps, with_videos
from wayframe.core.diff import Filters
from wayframe.core.dossier import Dossier, LogFacts, NoiseFloor, VideoPair
from wayframe.core.findings import Finding, Severity
from wayframe.report.build import build_document
from wayframe.report.inputs import exchanged_pictures
from wayframe.report.markdown import markdown
from wayframe.report.text import print_report
from wayframe.report.values import number, segments_text, weights


def page(dossier: Dossier) -> str:
    return markdown(build_document(dossier)).replace("\\", "")


def part(text: str, title: str) -> str:
    """The text of a part."""
    return text.partition(f"\n## {title}")[2].partition("\n## ")[0]


def test_equal_runs_are_called_identical_and_nothing_is_proposed() -> None:
    text = page(of(run("a"), run("b")))
    assert "**identical**" in text
    assert "Runs to try next" not in text
    assert "Differences by severity" not in text


def test_the_same_difference_of_many_segments_is_told_once() -> None:
    text = page(of(run("a", prompt="a lake", segments=500), run("b", prompt="a sea", segments=500)))
    assert "| segments 0 to 499 | a lake | a sea | a ~~lake~~ **sea** |" in text
    assert len(text.splitlines()) < 500


def test_steps_show_a_column_for_each_side_only_where_they_differ() -> None:
    text = part(page(of(run("a", high=(1, 1, 0)), run("b", high=(1, 0.5, 0)))), "Steps")
    assert "| step | timestep | phase | expert | guidance | high A | high B |" in text
    assert "| 1 | 800.0 | 2 | high | 1 | 1 | **0.5** |" in text
    assert "Timesteps, experts and guidance agree at every step; LoRA weights differ." in text


def test_a_segment_that_differs_in_the_third_run_alone_is_drawn_by_itself() -> None:
    c = run("c")
    other = replace(c.segments[1], steps=steps((1, 0.25, 0)))
    text = part(page(of(run("a"), run("b"), replace(c, segments=(c.segments[0], other)))), "Steps")
    first, second = text.partition("```text")[2].partition("```text")[::2]
    assert first.lstrip().startswith("Steps of segment 1")
    assert "1 0.25 0" in first
    assert second.lstrip().startswith("Steps of segment 0")
    assert "**A against C**" in text


def test_what_was_wanted_is_drawn_beside_what_was_sent() -> None:
    text = part(page(of(run("a"), run("b", high=(1, 1, 1), wanted=(1, 1, 0)))), "Steps")
    requested, sent = text.partition("B requested")[2].split("B sent")[:2]
    assert "1 1 0" in requested.partition("high")[2].splitlines()[0]
    assert "1 1 1" in sent.partition("high  ")[2].splitlines()[0]


def test_a_lora_is_said_in_words_for_each_phase() -> None:
    text = page(of(run("a"), run("b", high=(1, 0.5, 0))))
    assert "- phase 1 (step 0): high expert, guidance 3, `high` 1" in text
    assert "- phase 2 (step 1): high expert, guidance 1, `high` 0.5" in text
    assert "- phase 3 (step 2): low expert, guidance 1, no LoRA" in text


def test_keyframes_known_by_content_are_said_to_be_so() -> None:
    assert "(by the digest of their bytes)" in page(of(run("a"), run("b")))
    addresses = [replace(run(name), keyframes=("http://x/1.png", "http://x/2.png")) for name in "ab"]
    text = page(of(*addresses))
    assert "(by their addresses; their bytes are not known)" in text
    assert "curl -sL http://x/1.png | sha256sum" in text


def test_another_picture_is_marked_where_it_stands() -> None:
    other = run("b")
    changed = replace(other, keyframes=(other.keyframes[0], "f" * 64, other.keyframes[2]))
    text = part(page(of(run("a"), changed)), "Keyframes")
    assert "**The runs' pictures differ**" in text
    assert "| 1 | `000000000000` | `ffffffffffff` |  |" in text


def test_every_subject_is_held_against_the_first() -> None:
    text = page(of(run("a"), run("b", prompt="a sea"), run("c", high=(0, 0, 0))))
    assert "A and B: **same recipe, other inputs**" in text
    assert "A and C: **different recipe**" in text
    assert "B and C:" not in text
    assert "| setting | A | B | C |" in text


def test_a_finding_of_several_runs_and_segments_is_one_statement() -> None:
    told = [
        Finding(code="odd", severity=Severity.WARNING, message="it is odd", where=f"segments[{at}].steps")
        for at in (0, 1)
    ]
    runs = [replace(run(name), findings=tuple(told)) for name in "ab"]
    text = part(page(of(*runs)), "Findings")
    assert text.count("it is odd") == 1
    assert "**A and B, segments 0, 1:** it is odd" in text


def test_filters_are_named_with_what_they_hide() -> None:
    pair = run("a", prompt="a lake"), run("b", prompt="a sea", high=(0, 0, 0))
    text = page(of(*pair, filters=Filters(ignore=("prompt",))))
    assert "2 differences are left out by --ignore prompt." in text
    assert "same recipe" not in text
    only = page(of(*pair, filters=Filters(only=("prompt",))))
    assert "**same recipe, other inputs**" in only
    assert "LoRA weights**" not in only


def test_a_setting_of_the_request_becomes_a_flag_of_the_run_to_try() -> None:
    text = page(of(run("a", requested={"seed": 7}), run("b", requested={"seed": 8})))
    tried = part(text, "Runs to try next")
    assert "**1. B with A's seed.** Nothing else differs: the result should be the first run's." in tried
    assert "wayframe show b --level requested > next.json" in tried
    assert "wayframe run next.json --seed 7" in tried
    assert "wayframe compare a last" in tried


def test_another_picture_is_named_beside_what_else_is_said_of_pictures() -> None:
    a, b = run("a", requested={"matte": "#000000"}), run("b", requested={"matte": "#ff0000"})
    other = replace(b, keyframes=("f" * 64, *b.keyframes[1:]))
    text = page(of(a, other))
    assert "keyframe 0 replaced; `matte`: A `#000000`, B `#ff0000`" in text
    tried = part(text, "Runs to try next")
    assert "#   keyframes = those of a" in tried
    assert '#   matte = "#000000"' in tried


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("xyz", "xqz", "keyframe 1 replaced"),
        ("xyz", "xyqz", "keyframe 2 of B put in"),
        ("xyz", "xz", "keyframe 1 of A left out"),
        ("xyz", "zyx", "the same pictures in another order"),
        ("wxyz", "wqz", "keyframes 1, 2 of A replaced by keyframe 1 of B"),
        ("xy", "xqyr", "keyframe 1 of B put in; keyframe 3 of B put in"),
    ],
)
def test_what_became_of_the_pictures_is_said_by_their_places(a: str, b: str, said: str) -> None:
    left, right = (subject(name, keyframes=pictures) for name, pictures in (("a", a), ("b", b)))
    assert exchanged_pictures(left, right, names=("A", "B")) == said


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("xyz", "xqz", "keyframe 1 replaced (y.png by q.png)"),
        ("xyz", "xyqz", "keyframe 2 of B put in (q.png)"),
        ("xyz", "xz", "keyframe 1 of A left out (y.png)"),
        ("wxyz", "wqz", "keyframes 1, 2 of A replaced by keyframe 1 of B (x.png, y.png by q.png)"),
        ("xyz", "xYz", "keyframe 1 replaced (another picture of the same name)"),
    ],
)
def test_pictures_are_named_where_their_names_are_known(a: str, b: str, said: str) -> None:
    left, right = (
        replace(subject(name, keyframes=pictures), pictures=tuple(f"{sign.lower()}.png" for sign in pictures))
        for name, pictures in (("a", a), ("b", b))
    )
    assert exchanged_pictures(left, right, names=("A", "B")) == said


def test_pictures_are_named_beside_their_digests_all_through_the_report() -> None:
    a, b = (replace(run(name), pictures=("dawn.png", "noon.png", "dusk.png")) for name in "ab")
    other = replace(b, keyframes=("f" * 64, *b.keyframes[1:]), pictures=("rain.png", *b.pictures[1:]))
    text = page(of(a, other))
    assert "keyframe 0 replaced (dawn.png by rain.png)" in text
    assert "| 0 | `dawn.png` *000000000000* | `rain.png` *ffffffffffff* |  |" in part(text, "Keyframes")
    shown = "`dawn.png` *000000000000*, `noon.png` *000000000000*, `dusk.png` *000000000000*"
    assert f"| **keyframes** | {shown} | " in part(text, "Side by side")
    assert f"| `keyframes` | *whole run* | {shown} | " in part(text, "Differences by severity")
    assert "#   keyframes = those of a: dawn.png, noon.png, dusk.png" in part(text, "Runs to try next")
    assert "# A; its pictures (dawn.png, noon.png, dusk.png) are found by their digests" in text


def test_equal_pictures_of_other_names_are_equal_and_have_both_names() -> None:
    a, b = (replace(run(name), pictures=(f"{name}.png", "noon.png", "dusk.png")) for name in "ab")
    text = part(page(of(a, b)), "Keyframes")
    assert "Both runs go through the same pictures" in text
    assert "| 0 | `a.png` *000000000000*, `b.png` *000000000000* |  |" in text
    assert "| 1 | `noon.png` *000000000000* |  |" in text


def test_many_pictures_are_counted_beside_other_settings() -> None:
    many = [replace(run(name, segments=9), pictures=tuple(f"{at}.png" for at in range(10))) for name in "ab"]
    text = page(of(*many))
    assert "| keyframes | *10 pictures, see Keyframes* | *10 pictures, see Keyframes* |" in text
    assert "(0.png, 1.png, 2.png, 3.png, 4.png, 5.png and 4 more) are found by their digests" in text


def test_a_setting_of_no_topic_is_proposed_by_its_name() -> None:
    pair = [run(name, requested={"profile": profile}) for name, profile in (("a", "h264"), ("b", "draft"))]
    assert "**1. B with A's profile.**" in part(page(of(*pair)), "Runs to try next")


def test_arguments_are_quoted_for_a_shell() -> None:
    dossier = replace(of(run("a"), run("b")), arguments=("a b.yaml", "x;y"))
    assert "wayframe compare 'a b.yaml' 'x;y'" in page(dossier)


def test_runs_of_a_log_by_name_are_compared_as_the_log_was() -> None:
    log = LogFacts(files=("a.log",), runs=())
    arguments = ("--log", "a.log", "--last", "2", "--model-defaults", "my defaults", "--only", "lora*")
    text = page(replace(of(run("1"), run("2")), log=log, arguments=arguments))
    assert "wayframe compare 'a.log#1' 'a.log#2' --model-defaults 'my defaults' --only 'lora*'\n" in text


def test_a_payload_is_called_one_and_run_as_it_is() -> None:
    other = replace(run("b", requested={"seed_base": 8}), kind="payload", source="b.json", run_id=None)
    text = page(of(run("a", requested={"seed_base": 7}), other))
    assert "a payload (planned, not run)" in text
    assert "# B\nwayframe run b.json\n" in text


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (VideoPair(same_packets=True), "The videos are the same, packet for packet."),
        (VideoPair(same_packets=False), "The videos' packets differ; their pictures were not measured."),
    ],
)
def test_videos_are_spoken_of_as_far_as_they_were_looked_at(pair: VideoPair, said: str, tmp_path: Path) -> None:
    clips = [clip(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    assert said in page(with_videos(of(run("a"), run("b")), clips=clips, pair=pair))


MEASURED = {
    "psnr": {"median": 30.0, "least": 25.0},
    "ssim": {"median": 0.95, "least": 0.9},
    "differs_at": [3, 4],
    "parts_at": None,
    **{
        side: {
            "frames": 9,
            "motion": {"median": 0.01, "high": 0.02},
            "flicker": 0.1,
            "frozen": {"frames": 0},
            "joins": [],
        }
        for side in ("a", "b")
    },
}


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        (NoiseFloor(run="a", same_packets=True), "gives the same packets, so that no difference is noise"),
        (NoiseFloor(run="a", same_packets=False, median_psnr=28.0, least_psnr=20.0), "does not differ more than that"),
        (NoiseFloor(run="a", same_packets=False, median_psnr=40.0, least_psnr=35.0), "The pair differs more than that"),
    ],
)
def test_a_pixel_difference_is_judged_by_the_noise_floor(noise: NoiseFloor, said: str, tmp_path: Path) -> None:
    clips = [clip(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    pair = VideoPair(same_packets=False, measured=MEASURED)
    text = page(with_videos(of(run("a"), run("b")), clips=clips, pair=pair, noise=noise))
    assert said in text
    assert "The pictures differ from frame 3 of A (frame 4 of B) on." in text


def test_segments_that_one_video_alone_has_are_not_said_to_be_equal(tmp_path: Path) -> None:
    clips = [clip(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    pair = VideoPair(same_packets=False, measured={**MEASURED, "differs_at": None})
    text = part(page(with_videos(of(run("a"), run("b", segments=3)), clips=clips, pair=pair)), "Videos")
    assert "Not compared, since the other video has no such segment: segment 2 of B." in text
    assert "In all the other segments every frame has the same luma." in text
    assert "the pictures do not" not in text


@pytest.mark.parametrize(("setting", "reason"), [("prompt", True), ("matte", False)])
def test_an_engine_is_made_the_reason_for_equal_videos_only_of_what_it_ignores(
    setting: str, reason: bool, tmp_path: Path
) -> None:
    message = "engine preview does not denoise"
    idle = Finding(code="engine-does-not-denoise", severity=Severity.INFO, message=message, where="engine")
    pair = [replace(run(name, requested={setting: name}), findings=(idle,)) for name in ("a", "b")]
    clips = [clip(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    text = page(with_videos(of(*pair), clips=clips, pair=VideoPair(same_packets=True)))
    assert "**Yet the videos of A and B are the same, packet for packet**" in text
    assert ("nothing of what differs reaches the picture" in text) is reason


def test_equal_videos_of_different_recipes_are_said_first(tmp_path: Path) -> None:
    clips = [clip(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    dossier = with_videos(of(run("a"), run("b", high=(0, 0, 0))), clips=clips, pair=VideoPair(same_packets=True))
    summary = page(dossier).partition("\n## ")[0]
    assert "**Yet the videos of A and B are the same, packet for packet**" in summary


def test_subjects_without_common_ground_are_not_compared() -> None:
    text = page(of(run("a"), subject("b", requested={"seed": 1})))
    assert "**not comparable**" in text
    assert "Runs to try next" not in text


def test_a_setting_that_no_rule_knows_changes_the_picture_and_not_the_workflow() -> None:
    sides = [
        subject(name, segments=[segment(requested={"brand_new": value, "is_last_segment": value == 1})])
        for name, value in (("a", 1), ("b", 2))
    ]
    text = page(of(*sides))
    assert "### Changes the picture (1)" in text
    assert "Changes the workflow" not in text
    assert "is_last_segment" not in part(text, "Differences by severity")


def test_findings_of_a_pair_call_the_runs_by_their_letters() -> None:
    text = part(page(of(run("first.json"), run("second.json", high=(0, 0, 0)))), "Findings")
    assert "A and B run the same expert at the same guidance at every step" in text
    assert "first.json" not in text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((0,), "segment 0"), ((0, 1), "segments 0, 1"), ((0, 1, 2, 5), "segments 0 to 2, 5"), ((3, 1), "segments 1, 3")],
)
def test_segments_are_named_in_few_words(numbers: tuple[int, ...], text: str) -> None:
    assert segments_text(numbers) == text


@pytest.mark.parametrize(("value", "shown"), [(0.0015, "0.0015"), (4.98008, "4.98"), (3.0, "3"), (952.4376, "952.4")])
def test_a_small_weight_is_not_rounded_away(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(("width", "wide"), [(200, True), (50, False)])
def test_steps_that_do_not_fit_as_a_table_are_printed_as_lines(width: int, wide: bool) -> None:
    out = StringIO()
    print_report(of(run("a"), run("b", high=(1, 0.5, 0))), console=Console(file=out, width=width))
    assert ("step  timestep  phase  expert  guidance  high A  high B" in out.getvalue()) is wide
    assert ("expert                   H H L" in out.getvalue()) is not wide


def test_weights_of_many_steps_are_counted() -> None:
    assert weights([0.75] * 3 + [1.0]) == "0.75 0.75 0.75 1"
    assert weights([0.75] * 15 + [0.0] * 24 + [0.5]) == "0.75 x15, 0 x24, 0.5"
