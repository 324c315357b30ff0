"""What `wayframe compare` is given, as subjects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from core.payloads import details, task
from core.test_steptable import RUN_1
from logs.generator import Generator, Settings
from wayframe.core.comparison import Verdict, compare
from wayframe.core.documents import plan_json
from wayframe.core.steptable import sent_table
from wayframe.core.subject import Basis, Level, Subject
from wayframe.engines.base import AppliedStep
from wayframe.errors import MediaError, SpecError, StoreError, WayframeError
from wayframe.store.runs import RunFolder
from wayframe.workflow.log_import import import_log
from wayframe.workflow.render import OnDifference
from wayframe.workflow.run import RunResult
from wayframe.workflow.subjects import Reader, model_defaults
from workflow.engines import Scripted, install
from workflow.rides import LIGHTNING, Ground, Watch, draw, through

Finished = tuple[Ground, RunResult, Watch]
SPEC = through(0, 1, 2, prompts=("up", "down"))
BESIDE = ("activated_loras", "loras_multipliers", "model_type")


def reader(ground: Ground) -> Reader:
    return Reader(home=ground.home, defaults={})


def read(ground: Ground, what: object) -> Subject:
    return reader(ground).read(str(what))


# Every kind of thing that can be compared


def test_a_run_is_read_by_its_id_its_beginning_last_and_its_folder(finished: Finished) -> None:
    ground, result, _ = finished
    subject = read(ground, result.folder.run_id)
    assert subject == read(ground, result.folder.run_id[:12]) == read(ground, "last")
    assert subject == read(ground, result.folder.path)
    assert (subject.kind, subject.name, subject.status) == ("run", result.folder.run_id, "completed")
    assert subject.video == str(result.folder.video)
    assert [task.kind for task in subject.flow] == ["orchestrator", "segment", "segment", "stitch"]
    assert [segment.status for segment in subject.segments] == ["complete", "complete"]


def test_a_spec_a_plan_a_video_and_a_run_of_the_same_trip_are_the_same(finished: Finished) -> None:
    ground, result, _ = finished
    spec = ground.spec_file(SPEC)
    plan = ground.folder / "plan.json"
    plan.write_text(json.dumps(plan_json(ground.trip(SPEC).plan)))
    video = ground.folder / "Copy.MP4"
    shutil.copy(result.video, video)
    subjects = [read(ground, what) for what in (spec, plan, video, result.folder.run_id)]
    assert [subject.kind for subject in subjects] == ["spec", "plan", "video", "run"]
    assert [subject.name for subject in subjects[:3]] == ["trip.json", "plan.json", "Copy.MP4"]
    for one in subjects:
        for other in subjects:
            compared = compare(one, other)
            assert compared.verdict is Verdict.IDENTICAL, compared.differences
    assert subjects[2].video == str(video)
    assert subjects[0].video is None


def test_levels_are_kept_apart(finished: Finished) -> None:
    ground, result, _ = finished
    subject = read(ground, result.folder.run_id)
    assert set(subject.values) == set(Level) - {Level.APPLIED, Level.DERIVED}
    assert subject.whole == set(subject.values)
    assert subject.segments[1].values[Level.REQUESTED] == {"prompt": "down"}
    assert subject.segments[1].values[Level.PLANNED]["prompt"] == "down"
    assert subject.origins["fps"] == "default"
    assert subject.values[Level.OUTCOME]["digest"]


def test_keyframes_are_known_by_their_content(ground: Ground) -> None:
    draw(ground.folder / "copies", 2)
    here, there = (read(ground, ground.spec_file(through(*names))) for names in ((0, 1), ("copies/0", "copies/1")))
    assert here.keyframes == there.keyframes
    assert here.segments[0].keyframes == here.keyframes
    assert len(here.keyframes[0]) == 64
    assert compare(here, there).verdict is Verdict.IDENTICAL


def test_pictures_have_the_names_that_the_request_gives_them(finished: Finished) -> None:
    ground, result, _ = finished
    plan = ground.folder / "plan.json"
    plan.write_text(json.dumps(plan_json(ground.trip(SPEC).plan)))
    for what in (ground.spec_file(SPEC), result.folder.run_id, result.video):
        assert read(ground, what).pictures == ("0.png", "1.png", "2.png")
    assert read(ground, plan).pictures == ()
    draw(ground.folder / "copies", 2)
    assert read(ground, ground.spec_file(through("copies/0", "copies/1"))).pictures == ("0.png", "1.png")


def test_frames_are_those_of_the_plan(ground: Ground) -> None:
    subject = read(ground, ground.spec_file(through(0, 1, 2, overlap=2)))
    assert [(count.frames.delivered, count.frames.overlap_before, count.frames.new) for count in subject.segments] == [
        (5, 0, 5),
        (5, 2, 3),
    ]


def test_a_payload_is_called_one_and_can_be_compared(ground: Ground) -> None:
    path = ground.folder / "payload.json"
    data = task(details())
    path.write_text(json.dumps(data))
    subject = read(ground, path)
    assert (subject.kind, len(subject.segments)) == ("payload", 2)
    assert subject.segments[0].steps is not None
    assert len(subject.pictures) == len(subject.keyframes)
    assert compare(subject, subject).verdict is Verdict.IDENTICAL
    data["params"]["orchestrator_details"]["seed_base"] = 99
    path.write_text(json.dumps(data))
    compared = compare(subject, read(ground, path))
    assert compared.verdict is Verdict.SAME_RECIPE
    assert compared.reason.startswith("seed differ")


def test_applied_steps_win_over_planned_ones(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def halved(step: AppliedStep) -> AppliedStep:
        return AppliedStep(
            index=step.index,
            timestep=step.timestep,
            expert=step.expert,
            guidance=step.guidance,
            loras={name: weight / 2 for name, weight in step.loras.items()},
            forwards=step.forwards,
        )

    install(monkeypatch, Scripted(denoises=True, reports=halved))
    done = ground.run(through(0, 1, engine="scripted", **LIGHTNING), on_difference=OnDifference.RECORD)
    run = read(ground, done.folder.run_id)
    plan = read(ground, ground.spec_file(through(0, 1, engine="scripted", **LIGHTNING)))
    applied, planned = run.segments[0], plan.segments[0]
    assert applied.steps is not None
    assert planned.steps is not None
    assert (applied.steps.basis, planned.steps.basis) == (Basis.APPLIED, Basis.PLANNED)
    assert applied.wanted == planned.steps
    assert [row.loras["high_noise_model"] for row in applied.steps.rows] == [0.375, 0.375, 0.5, 0.5, 0, 0]
    assert [row.phase for row in applied.steps.rows] == [1, 1, 2, 2, 3, 3]
    assert compare(run, plan).verdict is Verdict.OTHER_RECIPE


def test_an_interrupted_run_is_read_as_far_as_it_went(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Scripted(breaks_at=1))
    with pytest.raises(WayframeError):
        ground.run(through(0, 1, 2, engine="scripted"))
    subject = read(ground, "last")
    assert (subject.status, subject.video) == ("failed", None)
    assert subject.error is not None
    assert [segment.error for segment in subject.segments] == [None, "out of memory on the card"]


def test_a_run_of_a_log_is_read_from_the_log_and_from_its_folder(ground: Ground) -> None:
    log = Generator(4, Settings(runs=2, outcomes=("completed",))).log()
    path = ground.folder / "debug_1.log"
    path.write_bytes(log.data)
    run = log.runs[0].run_id
    subject = read(ground, f"{path}#{run}")
    assert (subject.kind, subject.run_id, subject.status) == ("log", run, "completed")
    assert read(ground, f"{path}#{log.runs[0].orchestrator_task_id}").run_id == run
    folders = [entry.folder for entry in import_log([path], home=ground.home)]
    [folder] = [folder for folder in folders if folder.read()["logged"]["run_id"] == run]
    imported = read(ground, folder.run_id)
    assert compare(subject, imported).verdict is Verdict.IDENTICAL
    hidden = {path for path in subject.evidence if path.endswith("api_key")}
    assert hidden
    assert imported.evidence == {path: proof for path, proof in subject.evidence.items() if path not in hidden}


# What cannot be compared


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("x.png", None, SpecError, "is none of: run, spec, plan, payload, video; for a log write FILE.log#RUN"),
        ("x.log", "text", SpecError, "is none of: run, spec, plan, payload, video; for a log write FILE.log#RUN"),
        ("x.json", "{}", SpecError, "keyframes: is required"),
        ("x.json", "{", SpecError, "cannot be read"),
        ("x.json", '{"schema": "wayframe.plan/1"}', SpecError, ""),
        (
            "x.json",
            '{"schema": "wayframe.plan/9"}',
            SpecError,
            "schema: expected wayframe.plan/1 (got 'wayframe.plan/9')",
        ),
        ("x.mp4", "no video", MediaError, "x.mp4"),
        ("gone.json", "", SpecError, "there is no such file"),
        ("gone.mp4", "", MediaError, "gone.mp4"),
        ("gone", "", StoreError, "no run of id"),
        ("folder/", "", StoreError, "holds no run.json"),
        ("x.log#1", "text", WayframeError, "is not in this log"),
        ("gone.log#1", "", WayframeError, "gone.log"),
        ("x.log#", "text", StoreError, "no run of id"),
        ("#1", "", StoreError, "no run of id '#1'"),
        ("a\0b", "", StoreError, "no run of id"),
    ],
)
def test_anything_else_is_refused_in_one_clear_line(
    ground: Ground, name: str, content: str | None, error: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ground.folder)
    (ground.folder / "folder").mkdir()
    if content is None:
        draw(ground.folder, 1)
        shutil.copy(ground.folder / "0.png", ground.folder / name)
    elif content:
        (ground.folder / name.rstrip("#1")).write_text(content)
    with pytest.raises(error) as caught:
        read(ground, name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_picture_or_video_of_somebody_else_carries_no_plan(finished: Finished, tmp_path: Path) -> None:
    ground, result, _ = finished
    segment = next((ground.home.root / "artifacts").rglob("*.mp4"))
    plain = tmp_path / "plain.mp4"
    shutil.copy(segment, plain)
    assert plain.read_bytes() != result.video.read_bytes()
    with pytest.raises(SpecError, match="carries no plan"):
        read(ground, plain)


def test_a_file_with_a_number_sign_in_its_name_is_a_file(ground: Ground) -> None:
    assert read(ground, ground.spec_file(through(0, 1), name="trip#1.json")).kind == "spec"
    folder = ground.folder / "a#b"
    draw(folder, 2)
    (folder / "x.json").write_text(json.dumps(through(0, 1)))
    assert read(ground, folder / "x.json").name == "x.json"


def test_a_record_that_is_damaged_is_refused_by_its_file(ground: Ground) -> None:
    folder = RunFolder(path=ground.home.runs / "20250101000000000")
    folder.path.mkdir()
    for text in ("{", "[]", '{"schema": "wayframe.run/1"}', '{"schema": "other"}'):
        (folder.path / "run.json").write_text(text)
        with pytest.raises(StoreError, match=r"run\.json"):
            read(ground, "20250101000000000")


# Model definitions


def definitions(folder: Path, **models: object) -> Path:
    for name, data in models.items():
        (folder / f"{name}.json").write_text(json.dumps(data))
    return folder


def test_model_definitions_bring_loras_settings_and_experts(tmp_path: Path) -> None:
    lightning = {
        "model": {
            "name": "Lightning",
            "URLs": ["https://x/high.safetensors"],
            "URLs2": ["https://x/low.safetensors"],
            "loras": ["https://x/l/high_noise_model.safetensors", "https://x/l/low_noise_model.safetensors"],
            "loras_multipliers": ["0;1.0;0", "0;0;1"],
        },
        **{key: value for key, value in RUN_1.items() if key not in BESIDE},
    }
    found = model_defaults(definitions(tmp_path, lightning=lightning, plain={"model": {"URLs": ["x"]}}))
    assert list(found) == ["lightning", "plain"]
    assert (found["lightning"].experts, found["plain"].experts) == (2, 1)
    table = sent_table({"model_type": "lightning", "activated_loras": []}, defaults=found["lightning"])
    assert table is not None
    assert table.inferred == ("loras_multipliers: not given, 'nothing' is taken",)
    weights = {name: [row.loras[name] for row in table.rows] for name in table.rows[0].loras}
    assert weights == {"high_noise_model": [0, 0, 1, 1, 0, 0], "low_noise_model": [0, 0, 0, 0, 1, 1]}
    assert [row.expert for row in table.rows] == ["high"] * 4 + ["low"] * 2


def test_a_name_in_the_place_of_a_list_is_followed_to_its_model(tmp_path: Path) -> None:
    base = {"model": {"URLs": ["a"], "URLs2": ["b"], "loras": ["x.safetensors"], "loras_multipliers": ["1;0"]}}
    child = {"model": {"URLs": "base", "URLs2": "base", "loras": "base", "loras_multipliers": "base"}}
    lost = {"model": {"URLs": "nobody", "loras": "lost"}}
    found = model_defaults(definitions(tmp_path, base=base, child=child, lost=lost))
    assert (found["child"].experts, found["child"].loras, found["child"].multipliers) == (
        2,
        ("x.safetensors",),
        ("1;0",),
    )
    assert (found["lost"].experts, found["lost"].loras) == (None, ())


@pytest.mark.parametrize("text", ["{", "[]", '{"model": "x"}', '{"a": "\\ud8', "[" * 100_000])
def test_a_definition_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(SpecError, match=r"^--model-defaults: odd\.json is not a model definition"):
        model_defaults(tmp_path)


def test_no_folder_brings_nothing_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    assert model_defaults(None) == {}
    with pytest.raises(SpecError, match="--model-defaults: is not a folder"):
        model_defaults(tmp_path / "gone")
