"""plan, lint, show, runs, schema, new, doctor."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from PIL import Image

import wayframe as package
from cli.terminal import Terminal
from wayframe.store.runs import RunFolder
from workflow.rides import through

PLAN_KEYS = {
    *("schema", "mode", "chaining", "fps", "resolution", "frames", "forwards", "engine", "model", "keyframes"),
    *("loras", "segments", "findings"),
}
SEGMENT_KEYS = {
    *("index", "key", "start", "end", "frames", "overlap_before", "overlap_after", "seed", "prompt"),
    *("negative_prompt", "forwards", "thresholds", "timesteps", "steps"),
}
STEP_KEYS = {
    *("index", "timestep", "sigma", "sigma_next", "phase", "expert", "guidance", "loras", "forwards"),
}
LIGHTNING = ("--model", "wan2.2-t2v-a14b", "--preset", "lightning_baseline_2_2_2")


@pytest.fixture
def spec(wayframe: Terminal) -> Path:
    path = wayframe.folder / "trip.json"
    path.write_text(json.dumps(through(0, 1, 2, prompt="[bold]a lake")))
    return path


def test_plan_json_has_the_documented_keys(wayframe: Terminal, spec: Path) -> None:
    plan = wayframe("plan", spec, "--json", *LIGHTNING).json()
    assert plan.keys() >= PLAN_KEYS
    assert plan["keyframes"][0].keys() >= {"index", "at", "digest"}
    assert all(lora.keys() >= {"file", "digest", "for", "distilled"} for lora in plan["loras"].values())
    assert len(plan["loras"]) == 2
    segment = plan["segments"][0]
    assert segment.keys() >= SEGMENT_KEYS
    assert segment["steps"][0].keys() >= STEP_KEYS
    assert segment["steps"][0]["loras"].keys() == plan["loras"].keys()
    assert [step["expert"] for step in segment["steps"]] == ["high"] * 4 + ["low"] * 2


def test_plan_shows_every_step_to_people(wayframe: Terminal, spec: Path) -> None:
    printed = wayframe("plan", spec, *LIGHTNING)
    assert printed.code == 0
    assert "64x48 at 16 fps, 9 frames (0.56 s), 2 segments, 16 forwards" in printed.out
    assert "[bold]a lake" in printed.out
    assert "segments 0 to 1" in printed.out
    assert [line.split()[1] for line in printed.out.splitlines() if " high " in line or " low " in line] == [
        *("1000.0", "952.4", "882.5", "769.7", "556.8", "5.0"),
    ]


def test_plan_touches_no_engine_and_leaves_no_run(wayframe: Terminal, spec: Path) -> None:
    assert wayframe("plan", spec, "--engine", "not-here-yet").code == 0
    assert not wayframe.home.exists()


def test_origins_say_where_every_value_is_from(wayframe: Terminal, spec: Path) -> None:
    origins = wayframe("plan", spec, "--json", "--origins", *LIGHTNING).json()["origins"]
    assert origins["engine"] == "spec"
    assert origins["fps"] == "model:wan2.2-t2v-a14b"
    assert origins["flow_shift"] == "preset:lightning_baseline_2_2_2"
    assert origins["overlap"] == "default"
    assert origins["positions"] == "automatic"
    shown = wayframe("plan", spec, "--origins", *LIGHTNING).out
    [line] = [line for line in shown.splitlines() if line.startswith("flow_shift")]
    assert line.split() == ["flow_shift", "5.0", "preset:lightning_baseline_2_2_2"]


def test_lint_says_what_is_probably_not_meant(wayframe: Terminal) -> None:
    printed = wayframe("lint", "0.png", "0.png", "--resolution", "64x48")
    assert printed.code == 0
    assert "critical keyframes 0 and 1 are the same file  [keyframes-identical at keyframes[1]]" in printed.out
    assert printed.out.splitlines()[-1] == "1 finding"
    [found] = wayframe("lint", "0.png", "0.png", "--resolution", "64x48", "--json").json()
    assert found.keys() >= {"code", "severity", "message", "where", "evidence", "action"}


def test_lint_tells_what_is_done_to_a_picture(wayframe: Terminal) -> None:
    Image.new("RGBA", (64, 48), (200, 100, 50, 128)).save(wayframe.folder / "veil.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (48, 64), (90, 90, 90)).save(wayframe.folder / "lying.jpg", exif=turned)
    text = "matte: '#102030'\nkeyframes: [{image: 0.png}, {image: veil.png}, {image: lying.jpg}, {image: veil.png}]\n"
    (wayframe.folder / "veiled.yaml").write_text(text)
    found = wayframe("lint", "veiled.yaml", "--json").json()
    done = [(item["code"], item["where"], item["message"]) for item in found if item["code"].startswith("image-")]
    assert done == [
        ("image-matted", "keyframes[1]", "transparent parts of veil.png are laid on #102030"),
        ("image-turned", "keyframes[2]", "lying.jpg is turned upright as its EXIF orientation 6 says"),
        ("image-matted", "keyframes[3]", "transparent parts of veil.png are laid on #102030"),
    ]


def test_strict_lint_fails_on_a_warning_and_not_on_a_remark(wayframe: Terminal, spec: Path) -> None:
    assert wayframe("lint", "0.png", "0.png", "--strict").code == 1
    printed = wayframe("lint", spec, "--strict")
    assert (printed.code, printed.out.splitlines()[-1]) == (0, "1 finding")
    assert "engine-does-not-denoise" in printed.out
    assert wayframe("lint", spec, "--prompt", "").out == "0 findings\n"


def test_show_tells_of_a_run_by_any_of_its_names(wayframe: Terminal, spec: Path) -> None:
    wayframe("run", spec, "-q")
    [run] = wayframe("runs", "--json").json()
    shown = wayframe("show", "last")
    assert shown.out.startswith(f"run {run['run_id']} completed, 20")
    assert all(task["id"] in shown.out for task in run["tasks"])
    assert f"digest {run['outcome']['digest'][:12]}" in shown.out
    for name in (run["run_id"], run["run_id"][:6], wayframe.home / "runs" / run["run_id"]):
        assert wayframe("show", name).out == shown.out
    assert wayframe("show", "last", "--json").json() == run


def test_show_prints_each_level(wayframe: Terminal, spec: Path) -> None:
    wayframe("run", spec, "-q")
    record = wayframe("show", "last", "--json").json()
    for level in ("requested", "resolved", "planned", "applied", "outcome", "environment"):
        assert wayframe("show", "last", "--level", level).json() == record[level]


def test_show_tells_what_a_video_carries(wayframe: Terminal, spec: Path) -> None:
    wayframe("run", spec, "-q", "--out", "out.mp4")
    record = wayframe("show", "last", "--json").json()
    assert "64x48 at 16 fps, 9 frames" in wayframe("show", "out.mp4").out
    for level in ("requested", "resolved", "planned"):
        assert wayframe("show", "out.mp4", "--level", level).json() == record[level]
    assert wayframe("show", "out.mp4", "--level", "applied").code == 2


def test_show_and_runs_tell_of_a_failed_run(wayframe: Terminal, spec: Path) -> None:
    assert wayframe("run", spec, "--model", "wan2.1-vace-14b", "--engine", "wan").code == 1
    wayframe("run", spec, "-q")
    [folder] = (wayframe.home / "runs").iterdir()
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "status": "failed", "error": "[red]no memory"}))
    assert "error: [red]no memory" in wayframe("show", "last").out
    assert "failed" in wayframe("runs").out


def test_runs_lists_the_newest_first_and_says_so_when_there_is_none(wayframe: Terminal, spec: Path) -> None:
    assert "no runs yet" in wayframe("runs").out
    assert wayframe("runs", "--json").json() == []
    for seed in (1, 2, 3):
        wayframe("run", spec, "-q", "--seed", str(seed))
    runs = wayframe("runs", "--json").json()
    assert [run["planned"]["segments"][0]["seed"] for run in runs] == [3, 2, 1]
    lines = wayframe("runs", "--limit", "2").out.splitlines()
    assert [line.split()[0] for line in lines] == ["run", runs[0]["run_id"], runs[1]["run_id"]]
    assert lines[1].split()[1:5] == ["completed", "2", "9", "null"]


def test_runs_says_on_stderr_how_many_records_it_leaves_out(wayframe: Terminal, spec: Path) -> None:
    wayframe("run", spec, "-q")
    [good] = (wayframe.home / "runs").iterdir()
    texts = ["{", '{"schema": "wayframe.run/99"}', '{"schema": "wayframe.run/1", "status": "completed"}']
    for number, text in enumerate(texts):
        (wayframe.home / "runs" / f"2999010100000000{number}").mkdir()
        (wayframe.home / "runs" / f"2999010100000000{number}" / "run.json").write_text(text)
    for words in ((), ("--where", "frames = 9")):
        printed = wayframe("runs", *words)
        assert printed.err == "3 records left out: damaged, or of another version\n"
        assert [line.split()[0] for line in printed.out.splitlines()] == ["run", good.name]
    assert [run["run_id"] for run in wayframe("runs", "--json").json()] == [good.name]


def test_a_list_reads_no_more_records_than_it_shows(
    wayframe: Terminal, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in ("1", "2", "3"):
        wayframe("run", spec, "-q", "--seed", seed)
    read, names = RunFolder.read, []

    def noted(folder: RunFolder) -> dict[str, object]:
        names.append(folder.run_id)
        return read(folder)

    monkeypatch.setattr(RunFolder, "read", noted)
    wayframe("runs", "--limit", "1")
    assert len(names) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("runs",),
        ("show", "last"),
        ("plan", "trip.json"),
        ("lint", "trip.json"),
        ("inspect", "last"),
        ("compare", "last", "last"),
        ("export", "last", "--to", "payload"),
        ("doctor",),
    ],
)
def test_commands_that_read_make_no_home_folder(wayframe: Terminal, spec: Path, words: tuple[str, ...]) -> None:
    assert spec.exists()
    printed = wayframe(*words, "--home", "typo")
    assert not (wayframe.folder / "typo").exists()
    if "last" in words:
        assert "there is no home folder" in printed.err
    if words == ("runs",):
        assert f"there is no home folder {wayframe.folder / 'typo'}" in printed.out


def test_the_schema_accepts_what_the_program_does(wayframe: Terminal, spec: Path) -> None:
    schema = wayframe("schema").json()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(spec.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError, match="segment_framez"):
        jsonschema.validate({**through(0, 1), "segment_framez": 5}, schema)
    assert wayframe("schema", "--out", "schema.json").code == 0
    assert json.loads((wayframe.folder / "schema.json").read_text()) == schema


def test_new_writes_a_spec_that_plans_and_replaces_one_only_by_force(wayframe: Terminal) -> None:
    printed = wayframe("new", ".", "--out", "fresh.yaml")
    assert printed.code == 0
    assert "next: wayframe plan fresh.yaml" in printed.out
    text = (wayframe.folder / "fresh.yaml").read_text()
    assert [keyframe["image"] for keyframe in yaml.safe_load(text)["keyframes"]] == [f"{n}.png" for n in range(4)]
    assert text.startswith("# ")
    assert wayframe("plan", "fresh.yaml").code == 0
    assert wayframe("new", "1.png", "0.png", "--out", "fresh.yaml").code == 2
    assert (wayframe.folder / "fresh.yaml").read_text() == text
    assert wayframe("new", "1.png", "0.png", "--out", "fresh.yaml", "--force").code == 0
    assert "1.png" in (wayframe.folder / "fresh.yaml").read_text().split("0.png")[0]


def test_doctor_finds_a_healthy_place_and_names_what_is_not(wayframe: Terminal) -> None:
    printed = wayframe("doctor")
    assert printed.code == 0
    assert all(line.startswith("ok ") for line in printed.out.splitlines())
    assert {check["name"] for check in wayframe("doctor", "--json").json()} >= {"versions", "codec", "home", "space"}
    (wayframe.folder / "file").write_text("")
    bad = wayframe("doctor", "--home", wayframe.folder / "file")
    assert bad.code == 1
    assert [line for line in bad.out.splitlines() if line.startswith("fail home")]


def test_version_and_help_are_there(wayframe: Terminal) -> None:
    assert wayframe("--version").out == f"wayframe {package.__version__}\n"
    shown = wayframe("--help").out
    for command in ("demo", "run", "plan", "lint", "show", "runs", "schema", "new", "doctor"):
        assert f" {command} " in shown
        assert wayframe(command, "--help").code == 0
