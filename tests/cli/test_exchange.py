"""Payloads on the command line: import, export, and plan, lint and run of a payload as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import wayframe as api
from cli.terminal import Terminal
from core.payloads import Data, details, segment, task
from core.trips import HIGH
from wayframe.core.spec import parse_spec
from wayframe.store.specs import read_data

SMALL: Data = {
    "parsed_resolution_wh": "64x48",
    "segment_frames_expanded": [9, 5],
    "frame_overlap_expanded": [2],
    "chain_segments": False,
}


def payload(terminal: Terminal, name: str = "payload.json", **said: object) -> Path:
    path = terminal.folder / name
    path.write_text(json.dumps(task(details(**{**SMALL, **said}))))
    return path


def codes(findings: list[dict[str, Any]]) -> set[str]:
    return {item["code"] for item in findings}


def test_import_writes_a_spec_that_can_be_planned_and_says_what_it_did(wayframe: Terminal):
    path = payload(wayframe, guidance_scale=1, openai_api_key="sk-made-up-0123456789")
    printed = wayframe("import", path)
    assert (printed.code, printed.err) == (0, "")
    assert "guidance_scale says 1, phase_config 3: phase_config wins" in printed.out
    assert "params.orchestrator_details.openai_api_key was there and is removed" in printed.out
    assert printed.out.splitlines()[-1] == f"next: wayframe plan {path.with_suffix('.yaml')}"
    text = path.with_suffix(".yaml").read_text()
    assert "# warning: guidance_scale says 1, phase_config 3: phase_config wins [payload-overruled]" in text
    assert "made-up" not in text + printed.out
    own = wayframe("plan", path.with_suffix(".yaml"), "--json").json()
    direct = wayframe("plan", path, "--json").json()
    assert own["segments"] == direct["segments"]
    assert "payload-overruled" in codes(direct["findings"]) - codes(own["findings"])


def test_import_writes_json_too_and_lists_findings_and_origins_as_json(wayframe: Terminal):
    path = payload(wayframe, steps=20)
    said = wayframe("import", path, "--out", "trip.json", "--json").json()
    assert said["spec"] == "trip.json"
    assert "payload-overruled" in codes(said["findings"])
    assert said["origins"]["flow_shift"] == "payload:phase_config"
    assert parse_spec(read_data(wayframe.folder / "trip.json")).resolution == "64x48"


def test_import_never_replaces_a_file_unasked_and_knows_two_forms(wayframe: Terminal):
    path = payload(wayframe)
    (wayframe.folder / "payload.yaml").write_text("mine")
    assert wayframe("import", path).code == 2
    assert (wayframe.folder / "payload.yaml").read_text() == "mine"
    assert wayframe("import", path, "--force").code == 0
    assert wayframe.fails("import", path, "--out", "a.toml").startswith(
        "error: --out: a spec is written as .yaml or .json"
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"keyframes": []}, "bad.json: is no upstream payload; it holds keyframes, as our specs do: wayframe plan"),
        ({"sheep": 3}, "bad.json: is no upstream payload; it holds no key that makes one"),
        ({"orchestrator_details": {"model_name": "i2v"}}, "payload: lacks parsed_resolution_wh, num_new_segments"),
        (
            task(details(model_name="other")),
            "model_name: is not known (got 'other'); known are lightning_baseline_2_2_2",
        ),
        (
            {**task(details()), "task_type": "magic_edit"},
            "task_type: is not a travel between images (got 'magic_edit')",
        ),
    ],
)
def test_what_cannot_be_imported_is_told_in_one_line(wayframe: Terminal, data: Data, says: str):
    (wayframe.folder / "bad.json").write_text(json.dumps(data))
    assert says in wayframe.fails("import", "bad.json")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (
            {"segment_frames_expanded": [9, 1], "frame_overlap_expanded": [0]},
            "segment_frames[1]: is too short for a segment",
        ),
        (
            {
                "num_new_segments_to_generate": 3,
                "segment_frames_expanded": [9, 9, 9],
                "frame_overlap_expanded": [8, 8],
                "base_prompts_expanded": ["up"],
                "negative_prompts_expanded": [""],
                "input_image_paths_resolved": [f"https://example.invalid/{index}.png" for index in range(4)],
            },
            "overlap: segment 1 has 9 frames, but shares 8",
        ),
    ],
)
def test_import_writes_no_spec_that_plan_refuses(wayframe: Terminal, said: Data, says: str):
    path = payload(wayframe, **said)
    refused = wayframe.fails("plan", path).removeprefix("error: ").strip()
    assert says in refused
    line = wayframe.fails("import", path)
    assert line.startswith(f"error: payload.json: the spec that it makes could not be planned: {refused}")
    assert not path.with_suffix(".yaml").exists()


def test_a_payload_is_planned_and_linted_as_it_is(wayframe: Terminal):
    path = payload(wayframe, segment_frames_expanded=[8, 5])
    plan = wayframe("plan", path, "--json", "--origins").json()
    assert [one["frames"] for one in plan["segments"]] == [9, 5]
    assert plan["origins"]["model"] == "payload:model_name"
    assert plan["keyframes"][0]["digest"] == "url:https://example.invalid/pictures/0.png"
    assert {"keyframe-remote", "payload-frames-snapped"} <= codes(wayframe("lint", path, "--json").json())


def test_loras_of_the_workers_folder_can_be_planned_linted_and_exported_by_name(wayframe: Terminal):
    path = payload(wayframe, phase_config=None, lora_names=["a.safetensors"], lora_multipliers=["0.5"])
    wayframe("import", path, "--out", "trip.yaml")
    for source in (path, "trip.yaml"):
        plan = wayframe("plan", source, "--json").json()
        assert plan["loras"]["a"]["digest"] == "name:a.safetensors"
        [found] = [item for item in wayframe("lint", source, "--json").json() if item["code"] == "lora-by-name"]
        assert (found["severity"], found["message"]) == (
            "info",
            "a.safetensors is not here: it is known by its name only",
        )
        settings = wayframe("export", source, "--to", "wangp").json()[0]
        assert (settings["activated_loras"], settings["loras_multipliers"]) == (["a.safetensors"], "0.5;0.5")
    assert wayframe("run", path, "--engine", "null", "--keyframes", ".", "--quiet").code == 0
    (wayframe.folder / "a.safetensors").write_bytes(b"a")
    assert wayframe("plan", path, "--json").json()["loras"]["a"]["digest"].startswith("sha256:")
    assert "lora-by-name" not in codes(wayframe("lint", path, "--json").json())


def test_a_lora_of_our_own_spec_has_to_be_here(wayframe: Terminal):
    spec: Data = {"keyframes": [{"image": "0.png"}, {"image": "1.png"}], "loras": [{"file": "a.safetensors"}]}
    (wayframe.folder / "trip.json").write_text(json.dumps(spec))
    assert "loras[0].file: cannot be read" in wayframe.fails("plan", "trip.json", "--model", "wan2.2-vace-a14b")


def test_of_many_findings_of_a_kind_every_place_is_named(wayframe: Terminal):
    keys = {
        **dict.fromkeys(("use_svi", "show_input_images", "debug_mode", "regenerate_anchors", "use_uni3c"), True),
        "audio_url": "a.mp3",
    }
    printed = wayframe("lint", payload(wayframe, **keys)).out
    assert "3 more of this kind: regenerate_anchors, use_uni3c, audio_url\n" in printed
    many = {f"a_key_that_nobody_knows_{index}": 1 for index in range(60)}
    [line] = [one for one in wayframe("lint", payload(wayframe, **many)).out.splitlines() if "57 more" in one]
    assert line.endswith(", …")
    assert 280 < len(line.split(": ", 1)[1]) <= 303


def test_like_reads_by_upstreams_habits(wayframe: Terminal):
    path = payload(wayframe, segment_frames_expanded=[8, 5], phase_config=None, num_inference_steps=6)
    late = wayframe("plan", path, "--json", "--like", "upstream-2026").json()
    assert [one["frames"] for one in late["segments"]] == [5, 5]
    assert "payload-added" in codes(wayframe("lint", path, "--json", "--like", "upstream-2025-10").json())
    assert "payload-added" not in codes(wayframe("lint", path, "--json").json())
    assert wayframe("plan", path, "--like", "upstream-2024").code == 2


def test_strict_refuses_what_is_not_done_here(wayframe: Terminal):
    path = payload(wayframe, audio_url="a.mp3")
    for command in ("plan", "run", "import"):
        assert "audio_url: upstream adds sound; that is not done here" in wayframe.fails(command, path, "--strict")
    assert wayframe("plan", path).code == 0


def test_like_and_strict_are_for_payloads(wayframe: Terminal):
    (wayframe.folder / "trip.json").write_text(json.dumps({"keyframes": [{"image": "0.png"}, {"image": "1.png"}]}))
    assert "is no upstream payload" in wayframe.fails("plan", "trip.json", "--strict")
    assert "pictures: is no upstream payload" in wayframe.fails("plan", "0.png", "1.png", "--like", "upstream-2026")


def test_flags_take_the_place_of_the_payloads_words(wayframe: Terminal):
    plan = wayframe("plan", payload(wayframe), "--json", "--origins", "--seed", "5", "--fps", "24").json()
    assert ([one["seed"] for one in plan["segments"]], plan["fps"]) == ([5, 5], 24)
    assert (plan["origins"]["fps"], plan["origins"]["resolution"]) == ("spec", "payload:parsed_resolution_wh")


def test_a_run_needs_the_pictures_and_finds_them_by_their_names(wayframe: Terminal):
    path = payload(wayframe)
    line = wayframe.fails("run", path, "--engine", "null", "--offline")
    assert line.startswith("error: keyframes: 3 of them are not here: 0.png, 1.png, 2.png; leave out --offline, or")
    unknown = wayframe.fails("run", path, "--engine", "null")
    assert unknown.startswith("error: keyframes[0].image: the host example.invalid is not known; ")
    assert "--keyframes FOLDER" in unknown
    printed = wayframe("run", path, "--engine", "null", "--keyframes", ".", "--out", "out.mp4", "--quiet")
    assert printed.code == 0, printed
    assert (wayframe.folder / "out.mp4").exists()
    assert "is not a folder" in wayframe.fails("run", path, "--engine", "null", "--keyframes", "nowhere")
    missing = payload(wayframe, "other.json", input_image_paths_resolved=["https://a.invalid/0.png", "b.png", "c.png"])
    assert "b.png" in wayframe.fails("plan", missing, "--keyframes", ".")


def test_the_record_of_a_run_holds_the_payload_and_exports_it_again(wayframe: Terminal):
    path = payload(wayframe, shot_id="s", openai_api_key="sk-made-up-0123456789", guidance_scale=1)
    assert wayframe("run", path, "--keyframes", ".", "--quiet", "--engine", "null").code == 0
    record = wayframe("show", "last", "--json").json()
    assert "made-up" not in json.dumps(record)
    assert record["requested"]["flags"] == {"engine": "null"}
    assert record["requested"]["params"]["orchestrator_details"] == details(**SMALL, shot_id="s", guidance_scale=1)
    back = wayframe("export", "last", "--to", "payload").json()["params"]["orchestrator_details"]
    assert (back["shot_id"], back["guidance_scale"], back["phase_config"]["steps_per_phase"]) == ("s", 3, [2, 2, 2])
    assert wayframe("export", "last", "--to", "wangp").json()[0]["activated_loras"][0] == HIGH


def test_export_of_a_spec_gives_the_payload_or_settings_for_each_segment(wayframe: Terminal):
    wayframe("import", payload(wayframe, mood="calm"), "--out", "trip.yaml")
    printed = wayframe("export", "trip.yaml", "--to", "payload", "--out", "back.json")
    assert (printed.code, printed.out) == (0, "back.json\n")
    back = read_data(wayframe.folder / "back.json")
    assert isinstance(back, dict)
    assert back["params"]["orchestrator_details"]["mood"] == "calm"
    again = wayframe("plan", "back.json", "--json").json()
    assert again["segments"] == wayframe("plan", "trip.yaml", "--json").json()["segments"]
    assert wayframe("export", "trip.yaml", "--to", "wangp", "--out", "settings").out.split() == [
        "settings/segment_000.json",
        "settings/segment_001.json",
    ]
    settings = read_data(wayframe.folder / "settings" / "segment_001.json")
    assert isinstance(settings, dict)
    assert (settings["video_length"], settings["loras_multipliers"]) == (5, "0.75;1;0 0;0;1")
    assert wayframe("export", "trip.yaml", "--to", "wangp", "--out", "settings").code == 2
    assert wayframe("export", "trip.yaml", "--to", "wangp", "--out", "settings", "--force").code == 0
    assert len(wayframe("export", "trip.yaml", "--to", "wangp").json()) == 2


def test_an_export_that_cannot_be_says_why(wayframe: Terminal):
    spec = {"keyframes": [{"image": "0.png"}, {"image": "1.png"}], "engine": "null"}
    (wayframe.folder / "trip.json").write_text(json.dumps(spec))
    assert "model: is required for an upstream payload" in wayframe.fails("export", "trip.json", "--to", "payload")
    assert "model: is not known to WanGP" in wayframe.fails("export", "trip.json", "--to", "wangp")
    assert wayframe("export", "trip.json", "--to", "vhs").code == 2


def test_secrets_in_addresses_never_come_out(wayframe: Terminal):
    signed = [f"https://example.invalid/{index}.png?token=made-up-{index}&x=1" for index in range(3)]
    path = payload(wayframe, input_image_paths_resolved=signed)
    outputs = [
        wayframe("plan", path, "--json").out,
        wayframe("import", path).out,
        (wayframe.folder / "payload.yaml").read_text(),
        wayframe("export", path, "--to", "payload").out,
    ]
    assert "made-up" not in "".join(outputs)
    assert "3 texts held what looks like a secret" in outputs[1]


def test_a_secret_that_another_text_repeats_never_comes_out(wayframe: Terminal):
    path = payload(
        wayframe, openai_api_key="correct horse battery", main_output_dir_for_run="out/correct horse battery"
    )
    outputs = [wayframe("plan", path, "--json").out, wayframe("import", path).out]
    outputs.append((wayframe.folder / "payload.yaml").read_text())
    outputs.append(wayframe("export", path, "--to", "payload").out)
    assert "correct horse" not in "".join(outputs)
    assert "out/[redacted]" in outputs[-1]


def test_a_segments_payload_is_one_segment(wayframe: Terminal):
    (wayframe.folder / "segment.json").write_text(json.dumps(segment()))
    plan = wayframe("plan", "segment.json", "--json").json()
    assert [(one["frames"], one["seed"], one["prompt"]) for one in plan["segments"]] == [(49, 42, "the boat turns")]


def test_the_python_api_takes_payloads_too(wayframe: Terminal):
    path = payload(wayframe)
    assert api.load(path).resolution == "64x48"
    assert api.plan(path, home=wayframe.home).segments == api.plan(task(details(**SMALL)), home=wayframe.home).segments
