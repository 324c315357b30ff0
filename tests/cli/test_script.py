"""export --script."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from cli.terminal import Terminal
from workflow.rides import LIGHTNING, lora, through


@pytest.fixture
def spec(wayframe: Terminal) -> Path:
    for name in ("high_noise_model", "low_noise_model"):
        lora(wayframe.folder / f"{name}.safetensors")
    path = wayframe.folder / "trip.json"
    path.write_text(json.dumps({**through(0, 1, 2, prompts=("up", "down"), seed=5), **LIGHTNING}))
    return path


def constants(text: str) -> dict[str, object]:
    """The values that the script names, as far as they are plain."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def test_a_segment_is_written_as_a_program_that_says_all_its_steps(wayframe: Terminal, spec: Path) -> None:
    printed = wayframe("export", spec, "--script", "--segment", "1")
    assert printed.code == 0, printed
    said = constants(printed.out)
    assert {name: said[name] for name in ("MODEL", "FIRST", "LAST", "PROMPT", "SEED", "FRAMES", "WIDTH")} == {
        "MODEL": "linoyts/Wan2.2-VACE-Fun-14B-diffusers",
        "FIRST": "1.png",
        "LAST": "2.png",
        "PROMPT": "down",
        "SEED": 5,
        "FRAMES": 5,
        "WIDTH": 64,
    }
    steps = said["STEPS"]
    assert [(step[3], step[4], step[6]) for step in steps] == [
        *[("high", 3.0, {"high_noise_model": 0.75})] * 2,
        *[("high", 1.0, {"high_noise_model": 1.0})] * 2,
        *[("low", 1.0, {"low_noise_model": 1.0})] * 2,
    ]
    assert said["LORAS"] == {name: f"{name}.safetensors" for name in ("high_noise_model", "low_noise_model")}


def test_it_is_written_of_a_run_and_to_a_file(wayframe: Terminal, spec: Path) -> None:
    assert wayframe("run", spec, "--engine", "null", "--quiet").code == 0
    target = wayframe.folder / "segment.py"
    assert wayframe("export", "last", "--script", "--out", target).out == f"{target}\n"
    assert target.read_text() == wayframe("export", spec, "--script").out
    assert "exists; use another name, or --force" in wayframe("export", "last", "--script", "--out", target).err


@pytest.mark.parametrize("flags", [(), ("--script", "--to", "wangp"), ("--to", "wangp", "--segment", "1")])
def test_one_way_is_chosen(wayframe: Terminal, spec: Path, flags: tuple[str, ...]) -> None:
    assert "give one of: --to payload, --to wangp, or --script" in wayframe("export", spec, *flags).err


def test_a_trip_that_denoises_nothing_has_no_script(wayframe: Terminal) -> None:
    (wayframe.folder / "plain.json").write_text(json.dumps(through(0, 1)))
    assert wayframe.fails("export", "plain.json", "--script").startswith("error: model: is required for a script")
