from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from wayframe.core.spec import parse_spec, spec_json
from wayframe.store.specs import read_data
from wayframe.web.settings import Settings
from web.browser import Browser
from workflow.queue.stage import Stage
from workflow.rides import LIGHTNING, through

YAML = sorted((Path(__file__).parents[2] / "examples").rglob("*.yaml"))
EXAMPLES = [path for path in YAML if "keyframes:" in path.read_text()]
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nkeyframes: *c\n"


def draft(stage: Stage, browser: Browser, *names: int, **said: Any) -> dict[str, Any]:
    """A spec through pictures that were sent."""
    return {
        "spec": through(*names, **said),
        "keyframes": [browser.send(stage.ground.folder / f"{n}.png") for n in names],
    }


def test_a_draft_is_planned_as_the_program_plans_the_files(stage: Stage, browser: Browser) -> None:
    told = browser.post("/plan", json=draft(stage, browser, 0, 1, 2, prompt="dawn", seed=3)).json()
    trip = stage.ground.trip(through(0, 1, 2, prompt="dawn", seed=3))
    assert told["plan"] == json.loads(json.dumps(trip.planned()))
    assert (told["frames"], told["forwards"]) == (9, 0)
    assert told["estimate"]["says"] == "unknown: no run of null was completed here"


def test_pictures_may_be_named_by_their_uploads_in_the_spec_itself(stage: Stage, browser: Browser) -> None:
    ids = [browser.send(stage.ground.folder / f"{number}.png") for number in (0, 1)]
    spec = {**through(0, 1), "keyframes": [{"image": name} for name in ids]}
    told = browser.post("/plan", json={"spec": spec}).json()
    assert [keyframe["digest"] for keyframe in told["plan"]["keyframes"]] == ids


def test_a_wrong_field_is_named_as_one_types(stage: Stage, browser: Browser) -> None:
    body = draft(stage, browser, 0, 1)
    body["spec"]["segmet_frames"] = 5
    answer = browser.post("/plan", json=body)
    assert answer.status_code == 422
    assert (answer.json()["field"], answer.json()["type"]) == ("segmet_frames", "urn:wayframe:problem:spec")
    assert "did you mean segment_frames?" in answer.json()["detail"]
    body["spec"].pop("segmet_frames")
    body["spec"]["model"] = "wan2.2-vace-a14"
    assert browser.post("/plan", json=body).json()["field"] == "model"


def test_uploads_and_keyframes_must_be_as_many(stage: Stage, browser: Browser) -> None:
    body = draft(stage, browser, 0, 1)
    body["keyframes"].pop()
    assert browser.post("/plan", json=body).json()["field"] == "keyframes"


def test_an_estimate_is_made_of_past_runs_and_of_what_is_missing(stage: Stage, browser: Browser) -> None:
    stage.ground.run(through(0, 1, engine="preview"))
    browser.site.library.stale()
    body = draft(stage, browser, 0, 1, 2, engine="preview")
    told = browser.post("/plan", json=body).json()["estimate"]
    assert (told["segments"], told["found"], told["runs"]) == (2, 1, 1)
    assert told["seconds"] > 0
    assert told["says"] == "from 1 runs of preview here"


def test_steps_are_planned_with_the_loras_of_the_servers_folder(stage: Stage) -> None:
    with Browser.of(stage.place, Settings(loras=stage.ground.folder)) as browser:
        told = browser.post("/plan", json=draft(stage, browser, 0, 1, **{**LIGHTNING, "engine": "wan"})).json()
        assert told["forwards"] == 8
        assert [step["expert"] for step in told["plan"]["segments"][0]["steps"]] == ["high"] * 4 + ["low"] * 2
        assert browser.get("/catalogue").json()["loras"] == [
            "high_noise_model.safetensors",
            "low_noise_model.safetensors",
        ]
        for name in ("../pictures/0.png", "nothing.safetensors", ".", "a\\b"):
            answer = browser.post("/plan", json=draft(stage, browser, 0, 1, loras=[{"file": name}]))
            assert (answer.status_code, answer.json()["field"]) == (422, "loras[0].file")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_a_spec_that_is_opened_and_saved_again_is_the_same(browser: Browser, path: Path) -> None:
    read = browser.post("/specs/read", content=path.read_bytes())
    assert read.status_code == 200, read.text
    saved = browser.post("/specs/yaml", json={"spec": read.json()["spec"]})
    assert saved.headers["content-type"] == "text/yaml; charset=utf-8"
    assert parse_spec(yaml.safe_load(saved.text)) == parse_spec(read_data(path))
    again = browser.post("/specs/read", content=saved.content)
    assert again.json()["spec"] == read.json()["spec"]


def test_examples_are_there() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("form", ["json", "toml"])
def test_specs_come_in_other_forms_too(browser: Browser, form: str) -> None:
    text = {
        "json": '{"keyframes": [{"image": "a.png"}, {"image": "b.png"}]}',
        "toml": '[[keyframes]]\nimage = "a.png"\n[[keyframes]]\nimage = "b.png"\n',
    }[form]
    told = browser.post("/specs/read", params={"form": form}, content=text).json()
    assert [picture["name"] for picture in told["keyframes"]] == ["a.png", "b.png"]


def test_an_upstream_payload_becomes_a_spec_with_what_was_found(browser: Browser) -> None:
    payload = {
        "orchestrator_details": {
            "input_image_paths_resolved": ["https://example.org/a.png", "https://example.org/b.png"],
            "segment_frames_expanded": [61],
            "frame_overlap_expanded": [],
            "base_prompts_expanded": ["dawn"],
            "parsed_resolution_wh": "768x576",
            "model_name": "wan_2_2_vace_lightning_baseline_2_2_2",
            "openai_api_key": "sk-abcdefghijklmnop",
        }
    }
    answer = browser.post("/specs/read", params={"form": "json"}, content=json.dumps(payload))
    assert answer.status_code in (200, 422)
    assert "sk-abcdefghijklmnop" not in answer.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BOMB, "anchors or aliases"),
        ("keyframes: [", "cannot be read"),
        ("a: 1\na: 2\n", "stands twice"),
        (b"\xff\xfe", "is not UTF-8"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
        ("[" * 3000, "nested too deeply"),
        ("just words", "expected a mapping"),
        ("keyframes:\n- image: 2001-01-01\n", "expected text"),
    ],
)
def test_text_that_is_no_spec_is_a_problem_without_a_path_of_ours(
    browser: Browser, text: str | bytes, problem: str
) -> None:
    answer = browser.post("/specs/read", content=text)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert problem in answer.json()["detail"]
    assert "/tmp" not in answer.text


def test_text_above_its_limit_is_not_read(browser: Browser) -> None:
    assert browser.post("/specs/read", content=b"#" * (256 * 1024 + 1)).status_code == 413


def test_a_video_of_ours_gives_its_settings_back_and_says_which_pictures_are_here(
    stage: Stage, browser: Browser
) -> None:
    spec = through(0, 1, 2, prompt="dawn", seed=9)
    video = stage.ground.run(spec).folder.video
    sent = browser.send(stage.ground.folder / "1.png")
    told = browser.post("/specs/from-video", content=video.read_bytes()).json()
    assert told["spec"] == spec_json(parse_spec(spec))
    assert [picture["upload"] for picture in told["keyframes"]] == [None, sent, None]
    assert [picture["name"] for picture in told["keyframes"]] == ["0.png", "1.png", "2.png"]
    assert not list((stage.ground.home.root / "uploads").glob("incoming-*"))


@pytest.mark.parametrize("data", [b"", b"no video", b"\0\0\0\x18ftypisom" + b"\0" * 1000])
def test_what_is_no_video_of_ours_is_a_problem(stage: Stage, browser: Browser, data: bytes) -> None:
    answer = browser.post("/specs/from-video", content=data)
    assert answer.status_code == 422
    assert str(stage.ground.home.root) not in answer.text
    foreign = browser.post("/specs/from-video", content=(stage.ground.folder / "0.png").read_bytes())
    assert foreign.status_code == 422


def test_the_catalogue_and_the_schema_are_told(browser: Browser) -> None:
    told = browser.get("/catalogue").json()
    assert {"preview", "null", "wan"} <= set(told["engines"])
    assert "wan2.2-vace-a14b" in [model["name"] for model in told["models"]]
    assert told["presets"]
    assert told["bundles"]
    assert browser.get("/schema").json()["title"] == "wayframe travel spec"
