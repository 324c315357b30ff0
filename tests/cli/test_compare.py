"""compare: what it takes, what it gives, and its exit codes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.terminal import Terminal
from logs.generator import Generator, Log, Settings
from workflow.rides import draw, through

FIXTURES = os.environ.get("WAYFRAME_FIXTURES")
NOISE = {"run_id", "openai_api_key", "input_image_paths_resolved"}
SENT = ("prompt", "seed", "video_length", "loras_multipliers", "flow_shift", "activated_loras")


def spec(wayframe: Terminal, name: str, **said: object) -> Path:
    path = wayframe.folder / name
    path.write_text(json.dumps(through(0, 1, 2, **said)))
    return path


def run_of(wayframe: Terminal, path: Path) -> str:
    """The id of a new run of a spec."""
    assert wayframe("run", path, "--quiet").code == 0
    found: str = wayframe("show", "last", "--json").json()["run_id"]
    return found


def test_a_spec_is_the_same_as_itself(wayframe: Terminal) -> None:
    path = spec(wayframe, "a.json")
    printed = wayframe("compare", path, path)
    assert printed.code == 0
    assert "identical" in printed.out


@pytest.mark.parametrize(
    ("said", "any_code", "recipe_code"),
    [({"seed": 4}, 1, 0), ({"chaining": "chained", "overlap": 1}, 1, 1), ({}, 0, 0)],
)
def test_exit_code_says_whether_specs_differ(
    said: dict[str, object], any_code: int, recipe_code: int, wayframe: Terminal
) -> None:
    a, b = spec(wayframe, "a.json"), spec(wayframe, "b.json", **said)
    assert wayframe("compare", a, b).code == any_code
    assert wayframe("compare", a, b, "--fail-on", "recipe").code == recipe_code


def test_trouble_is_exit_code_two(wayframe: Terminal) -> None:
    path = spec(wayframe, "a.json")
    assert "no run of id 'nothing'" in wayframe.fails("compare", path, "nothing", code=2)
    assert "none.log" in wayframe.fails("compare", "--log", "none.log", code=2)


def test_what_is_wrong_in_one_of_several_specs_is_said_with_its_name(wayframe: Terminal) -> None:
    a, b = spec(wayframe, "a.json"), spec(wayframe, "b.json", seed="x")
    assert wayframe.fails("compare", a, b, code=2).startswith(f"error: {b}: seed: ")
    (wayframe.folder / "c.json").write_text("{")
    line = wayframe.fails("compare", a, "c.json", code=2)
    assert line.count("c.json") == 1


@pytest.mark.parametrize("words", [(), ("a.json",), ("a.json", "b.json", "--log", "x.log")])
def test_what_is_compared_must_be_said(words: tuple[str, ...], wayframe: Terminal) -> None:
    printed = wayframe("compare", *words)
    assert printed.code == 2
    assert "SUBJECTS" in printed.err


@pytest.mark.parametrize(
    ("filters", "paths"),
    [
        (("--only", "seed"), {"requested.seed", "seed"}),
        (("--ignore", "seed"), {"resolution"}),
        (("--ignore", "seed", "--ignore", "resolution"), set()),
    ],
)
def test_every_format_honours_the_filters(filters: tuple[str, ...], paths: set[str], wayframe: Terminal) -> None:
    a, b = spec(wayframe, "a.json", seed=1), spec(wayframe, "b.json", seed=2, resolution="96x64")
    printed = wayframe("compare", a, b, "--format", "json", *filters)
    found = {item["path"].rpartition(".")[2] for item in printed.json()["comparisons"][0]["differences"]}
    assert found == {path.rpartition(".")[2] for path in paths}
    assert printed.code == (1 if paths else 0)
    causes = {"text": "{} (effect", "md": "**{}**", "html": "<strong>{}</strong>"}
    for form, cause in causes.items():
        told = wayframe("compare", a, b, "--format", form, *filters)
        assert told.code == printed.code
        assert (cause.format("size") in told.out) is ("resolution" in found)
        assert (cause.format("seed") in told.out) is ("seed" in found)


def test_a_filter_that_keeps_nothing_at_all_does_not_make_runs_identical(wayframe: Terminal) -> None:
    a, b = spec(wayframe, "a.json"), spec(wayframe, "b.json", seed=4)
    line = wayframe.fails("compare", a, b, "--only", "sead", code=2)
    assert line == "error: --only: no such name in what is compared (got 'sead'); did you mean seed?"
    for pattern in ("segment_frames", "lora*", "*.overlap", "segments[0].planned.prompt"):
        assert wayframe("compare", a, b, "--only", pattern).code == 0, pattern
    for pattern in ("seed", "se*d", "requested.seed", "segments[?].planned.seed", "segments[0]", "planned"):
        assert wayframe("compare", a, b, "--only", pattern).code == 1, pattern


def test_json_has_a_schema_and_says_what_is_missing(wayframe: Terminal) -> None:
    a, b = spec(wayframe, "a.json"), spec(wayframe, "b.json", seed=2)
    data = wayframe("compare", a, b, "--format", "json").json()
    assert data["schema"] == "wayframe.comparison/1"
    assert [subject["letter"] for subject in data["subjects"]] == ["A", "B"]
    requested = next(d for d in data["comparisons"][0]["differences"] if d["path"] == "requested.seed")
    assert (requested["a"], requested["b"], requested["sort"]) == ({"missing": "absent"}, 2, "only in the second")


@pytest.mark.parametrize(("name", "begins"), [("r.md", "# Comparison"), ("r.html", "<!doctype html>"), ("r.json", "{")])
def test_the_name_of_out_decides_the_format(name: str, begins: str, wayframe: Terminal) -> None:
    a, b = spec(wayframe, "a.json"), spec(wayframe, "b.json", seed=2)
    printed = wayframe("compare", a, b, "--out", name)
    assert printed.out.strip() == name
    assert (wayframe.folder / name).read_text(encoding="utf-8").lstrip().startswith(begins)


@pytest.mark.parametrize(("out", "said"), [("a.json", "one of those that are compared"), ("a.mp4", "--format")])
def test_a_report_never_takes_the_place_of_what_it_is_about(out: str, said: str, wayframe: Terminal) -> None:
    a, b = spec(wayframe, "a.json"), spec(wayframe, "b.json", seed=4)
    before = a.read_bytes()
    assert said in " ".join(wayframe("compare", a, b, "--out", wayframe.folder / out).err.split())
    assert a.read_bytes() == before
    assert not (wayframe.folder / "a.mp4").exists()


def test_runs_plans_videos_and_specs_are_compared_with_each_other(wayframe: Terminal) -> None:
    path = spec(wayframe, "a.json", prompt="a lake")
    run = run_of(wayframe, path)
    plan = wayframe.folder / "plan.json"
    plan.write_text(wayframe("plan", path, "--json").out)
    video = wayframe.home / "runs" / run / "travel.mp4"
    for other in (path, plan, video):
        printed = wayframe("compare", run, other)
        assert printed.code == 0, printed.out


def test_three_are_each_held_against_the_first(wayframe: Terminal) -> None:
    paths = [spec(wayframe, f"{seed}.json", seed=seed) for seed in (1, 1, 3)]
    data = wayframe("compare", *paths, "--format", "json").json()
    assert [(c["a"], c["b"], c["verdict"]) for c in data["comparisons"]] == [
        ("A", "B", "identical"),
        ("A", "C", "same recipe, other inputs"),
    ]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two runs whose videos differ."""

    a: str
    b: str


@pytest.fixture
def pair(wayframe: Terminal) -> Pair:
    a = run_of(wayframe, spec(wayframe, "a.json"))
    return Pair(a=a, b=run_of(wayframe, spec(wayframe, "b.json", segment_frames=9)))


def test_videos_of_two_runs_are_measured_and_aligned(wayframe: Terminal, pair: Pair) -> None:
    data = wayframe("compare", pair.a, pair.b, "--format", "json").json()
    (video,) = data["videos"]
    assert video["same_packets"] is False
    assert (video["measured"]["a"]["frames"], video["measured"]["b"]["frames"]) == (9, 17)
    assert wayframe("compare", pair.a, pair.b, "--format", "json", "--no-videos").json()["videos"] == [None]


def test_another_video_in_the_place_of_a_runs_own_is_not_taken_for_it(wayframe: Terminal, pair: Pair) -> None:
    videos = [wayframe.home / "runs" / run / "travel.mp4" for run in (pair.a, pair.b)]
    videos[0].write_bytes(videos[1].read_bytes())
    assert "is not the video of this record" in wayframe.fails("compare", pair.a, pair.b, code=2)
    assert wayframe("compare", pair.a, pair.b, "--no-videos").code == 1


def test_the_error_of_a_broken_video_says_how_to_do_without(wayframe: Terminal, pair: Pair) -> None:
    (wayframe.home / "runs" / pair.a / "travel.mp4").write_bytes(b"no video")
    line = wayframe.fails("compare", pair.a, pair.b, code=2)
    assert "travel.mp4" in line
    assert line.endswith("; --no-videos compares the records alone")
    assert wayframe("compare", pair.a, pair.b, "--no-videos").code == 1


def test_a_run_rendered_again_gives_the_noise_floor(wayframe: Terminal, pair: Pair) -> None:
    data = wayframe("compare", pair.a, pair.b, "--repeat", pair.a, "--format", "json").json()
    assert data["noise"] == {"run": pair.a, "same_packets": True, "median_psnr": None, "least_psnr": None}
    assert len(list((wayframe.home / "runs").iterdir())) == 2  # the repetition has a home of its own


def test_pictures_for_a_repetition_are_looked_for_where_one_says(
    wayframe: Terminal, pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    said = wayframe.fails("compare", pair.a, pair.b, "--repeat", pair.a, code=2)
    assert "no picture in" in said
    assert wayframe("compare", pair.a, pair.b, "--repeat", pair.a, "--keyframes", wayframe.folder).code == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--last", "3"), "counts the runs of a log"),
        (("--keyframes", "."), "give --repeat RUN"),
        (("--repeat", "last", "--no-videos"), "leave out --no-videos"),
        (("--embed",), "is for HTML"),
        (("--no-embed", "--out", "r.md"), "is for HTML"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(words: tuple[str, ...], why: str, wayframe: Terminal) -> None:
    path = spec(wayframe, "a.json")
    printed = wayframe("compare", path, path, *words)
    assert printed.code == 2
    said = " ".join(printed.err.replace("│", " ").split())
    assert f"Invalid value for {words[0].replace('--no-', '--')}: " in said
    assert why in said


def test_no_run_is_rendered_again_where_no_videos_are_compared(wayframe: Terminal, pair: Pair) -> None:
    line = wayframe.fails("compare", pair.a, spec(wayframe, "c.json"), "--repeat", pair.a, code=2)
    assert line.startswith("error: --repeat: no two of those compared have videos")


def test_small_videos_are_inside_the_page_and_others_beside_it(wayframe: Terminal, pair: Pair) -> None:
    wayframe("compare", pair.a, pair.b, "--out", "in.html")
    wayframe("compare", pair.a, pair.b, "--out", "beside.html", "--no-embed")
    inside, beside = ((wayframe.folder / name).read_text(encoding="utf-8") for name in ("in.html", "beside.html"))
    assert inside.count("data:video/mp4;base64,") == 2
    assert f'src="../home/runs/{pair.a}/travel.mp4"' in beside
    assert "data:image/jpeg" in beside


def test_a_page_of_runs_holds_no_path_of_the_machine(wayframe: Terminal, pair: Pair) -> None:
    for name in ("r.html", "r.md"):
        wayframe("compare", pair.a, pair.b, "--out", name)
        assert str(wayframe.home.parent) not in (wayframe.folder / name).read_text(encoding="utf-8")


def test_secrets_of_a_plan_do_not_come_out(wayframe: Terminal) -> None:
    planted = f"sk-{'0123456789' * 2}"
    plan = wayframe("plan", spec(wayframe, "a.json", prompt="a lake"), "--json").json()
    plan["segments"][0]["prompt"] = f"a lake {planted}"
    for segment in plan["segments"]:
        del segment["key"]
    (wayframe.folder / "plan.json").write_text(json.dumps(plan))
    for form in ("text", "md", "html", "json"):
        printed = wayframe("compare", wayframe.folder / "a.json", "plan.json", "--format", form)
        assert "prompt" in printed.out
        assert planted not in printed.out


def log_file(wayframe: Terminal, seed: int, *, runs: int, outcomes: tuple[str, ...], workers: int = 1) -> Log:
    made = Generator(seed, Settings(decoys=False, runs=runs, outcomes=outcomes, workers=workers)).log()
    (wayframe.folder / "debug.log").write_bytes(made.data)
    return made


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_differences_of_a_logs_last_runs_are_those_that_are_in_it(seed: int, workers: int, wayframe: Terminal) -> None:
    made = log_file(wayframe, seed, runs=4, workers=workers, outcomes=("completed",))
    data = wayframe("compare", "--log", "debug.log", "--format", "json").json()
    assert [subject["name"] for subject in data["subjects"]] == made.completed[-2:]
    a, b = (next(run for run in made.runs if run.run_id == name) for name in made.completed[-2:])
    found = {item["path"] for item in data["comparisons"][0]["differences"]}
    keys = {*a.requested, *b.requested} - NOISE
    differing = {key for key in keys if a.requested.get(key, "absent") != b.requested.get(key, "absent")}
    assert {p.partition(".")[2] for p in found if p.startswith("requested.")} - {"keyframes"} == differing
    sent = {
        f"segments[{at}].applied.{key}"
        for at, (left, right) in enumerate(zip(a.segments, b.segments, strict=False))
        for key in SENT
        if left["applied"][key] != right["applied"][key]
    }
    told = {path for path in found if ".applied." in path}
    assert told == sent if workers == 1 else told <= sent  # of two at once the log does not always tell whose it is


def test_last_takes_more_runs_of_the_log(wayframe: Terminal) -> None:
    made = log_file(wayframe, 1, runs=4, outcomes=("completed",))
    data = wayframe("compare", "--log", "debug.log", "--last", "3", "--format", "json").json()
    assert [subject["name"] for subject in data["subjects"]] == made.completed[-3:]


def test_runs_of_a_log_can_be_named(wayframe: Terminal) -> None:
    made = log_file(wayframe, 1, runs=3, outcomes=("completed",))
    names = [f"debug.log#{name}" for name in made.completed[:2]]
    assert wayframe("compare", *names, "--format", "json").json()["subjects"][0]["name"] == made.completed[0]
    assert "is not in this log" in wayframe.fails("compare", names[0], "debug.log#nothing", code=2)


def test_too_few_completed_runs_name_those_that_there_are(wayframe: Terminal) -> None:
    made = log_file(wayframe, 3, runs=3, outcomes=("failed",))
    said = wayframe.fails("compare", "--log", "debug.log", code=2)
    assert "no completed runs, 2 asked for; nearest: " in said
    assert all(f"{run.run_id} (failed)" in said for run in made.runs)


def test_no_secret_of_a_log_comes_out(wayframe: Terminal) -> None:
    log_file(wayframe, 5, runs=3, outcomes=("completed",))
    for form in ("text", "md", "html", "json"):
        printed = wayframe("compare", "--log", "debug.log", "--format", form, "--all")
        assert "sk-invented" not in printed.out
        assert "eyJhbGciOiJub25l" not in printed.out


@pytest.mark.skipif(not FIXTURES, reason="WAYFRAME_FIXTURES does not name the folder with the real logs")
def test_a_real_log_with_one_completed_run_says_which(wayframe: Terminal) -> None:
    log = Path(str(FIXTURES)) / "logs" / "five_segments.log"
    said = wayframe.fails("compare", "--log", log, code=2)
    assert "1 completed run, 2 asked for; nearest: 20251005181000777 (completed)" in said


@pytest.mark.skipif(not FIXTURES, reason="WAYFRAME_FIXTURES does not name the folder with the real logs")
def test_the_seeds_pair_in_a_terminal(wayframe: Terminal) -> None:
    printed = wayframe("compare", "--log", Path(str(FIXTURES)) / "logs" / "seed_pair.log")
    assert printed.code == 1
    assert "different recipe. LoRA weights differ; timestep, expert and guidance agree at every step." in printed.out
    assert "next: B again, with the LoRA weights that were requested" in printed.out


def test_pictures_of_another_folder_are_other_pictures(wayframe: Terminal, tmp_path: Path) -> None:
    draw(tmp_path / "more", 3, width=96)
    (tmp_path / "more" / "b.json").write_text(json.dumps(through(0, 1, 2)))
    printed = wayframe("compare", spec(wayframe, "a.json"), tmp_path / "more" / "b.json", "--format", "json")
    causes = [cause["topic"] for cause in printed.json()["comparisons"][0]["causes"]]
    assert causes[0] == "keyframes"
