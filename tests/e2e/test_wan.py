"""From three photographs to a video by the Wan engine: the seed's run 2 on a tiny model of two experts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.wan_trip import FRAMES, HIGH, LOW, MODEL, SIZE, THREE_PHASES, TWO_PHASES, WIDE, Data, Place, decoded, spec
from wayframe.files import sha256_file
from wayframe.media.images import load_image

if TYPE_CHECKING:
    from engines.wan.tiny import TinyModels

pytestmark = pytest.mark.xdist_group("wan-e2e")  # the videos are made once
EXAMPLES = Path(__file__).parents[2] / "examples" / "wan"
TOTAL, OVERLAP = 2 * FRAMES - 1, 6
ATTACHED = 3 * 2 * 4  # blocks, the attentions of each, their matrices
EXPERTS = ["high"] * 4 + ["low"] * 2
TIMESTEPS = [1000.0, 952.4376343861677, 882.5258807285231, 769.6741514473969, 556.7879372571325, 4.9800796812749]

BARE = """
import sys
for name in ("torch", "diffusers", "transformers", "accelerate", "safetensors", "huggingface_hub", "ftfy", "gguf"):
    sys.modules[name] = None  # as where the extra is not installed
from wayframe.cli.app import main
sys.argv = ["wayframe", *sys.argv[1:]]
main()
"""


@dataclass(frozen=True, kw_only=True)
class Made:
    """The records of a run of three phases and of one of two, and where they were made."""

    place: Place
    three: Data
    two: Data


@pytest.fixture(scope="module")
def made(tiny: TinyModels, tmp_path_factory: pytest.TempPathFactory) -> Made:
    place = Place.at(tmp_path_factory.mktemp("wan") / "trip", tiny=tiny)
    three = place.run(spec(**THREE_PHASES), name="three")
    return Made(place=place, three=three, two=place.run(spec(**TWO_PHASES), name="two"))


def test_the_applied_steps_of_every_segment_are_those_of_the_plan(made: Made) -> None:
    assert [segment["index"] for segment in made.three["applied"]["segments"]] == [0, 1]
    for applied, planned in zip(made.three["applied"]["segments"], made.three["planned"]["segments"], strict=True):
        assert len(applied["steps"]) == len(planned["steps"]) == 6
        for done, wanted in zip(applied["steps"], planned["steps"], strict=True):
            for name in ("index", "expert", "guidance", "forwards", "loras"):
                assert done[name] == wanted[name]
            for name in ("timestep", "sigma", "sigma_next"):
                assert done[name] == pytest.approx(wanted[name], rel=1e-6)


def test_what_was_read_back_is_the_seeds_run_2(made: Made) -> None:
    for segment in made.three["applied"]["segments"]:
        steps = segment["steps"]
        assert [step["expert"] for step in steps] == EXPERTS
        assert [step["guidance"] for step in steps] == [3, 3, 1, 1, 1, 1]
        assert [step["forwards"] for step in steps] == [2, 2, 1, 1, 1, 1]
        assert [step["timestep"] for step in steps] == pytest.approx(TIMESTEPS, rel=1e-6)
        assert [step["loras"]["high_noise"] for step in steps] == [0.75, 0.75, 1, 1, 0, 0]
        assert [step["loras"]["low_noise"] for step in steps] == [0, 0, 0, 0, 1, 1]


def test_every_module_that_a_lora_is_attached_to_holds_its_weight(made: Made) -> None:
    for segment in made.three["applied"]["segments"]:
        for step in segment["steps"]:
            used = "high_noise" if step["expert"] == "high" else "low_noise"
            assert step["modules"] == {used: [ATTACHED, ATTACHED]}


def test_the_record_holds_every_level_with_counts_files_and_environment(made: Made) -> None:
    record = made.three
    assert record["status"] == "completed"
    assert {"requested", "resolved", "planned", "applied", "outcome", "environment"} <= record.keys()
    counts = record["outcome"]["engine"]
    told = {name: counts[name] for name in ("forwards", "expert_loads", "text_encodes", "vae_encodes", "vae_decodes")}
    assert told == {"forwards": 16, "expert_loads": 2, "text_encodes": 3, "vae_encodes": 3, "vae_decodes": 2}
    assert counts["bytes_moved"] > 0
    assert counts["peak_memory_bytes"] > 10**7
    environment = record["environment"]
    assert environment["device"] == "cpu"
    assert environment["options"] == {"text_length": "64", "device": "cpu"}
    assert {"torch", "diffusers", "transformers", "wayframe"} <= environment["versions"].keys()
    digests = {name: sha256_file(made.place.folder / name) for name in (HIGH, LOW)}
    assert record["applied"]["loras"] == {
        name.removesuffix(".safetensors"): {"sha256": digest, "commit": None} for name, digest in digests.items()
    }
    assert record["applied"]["weights"] == record["planned"]["weights"]
    assert record["planned"]["model"] == MODEL
    assert [item["code"] for item in record["findings"] if item["severity"] == "critical"] == []


def test_the_video_plays_and_its_contact_sheet_shows_it(made: Made) -> None:
    frames = decoded(made.place.folder / "three.mp4")
    assert len(frames) == made.three["outcome"]["frames"] == TOTAL
    assert frames[0].shape == (SIZE, SIZE, 3)
    assert len({frame.tobytes() for frame in frames}) == TOTAL
    sheet = load_image(made.place.home / "runs" / made.three["run_id"] / "contact-sheet.jpg")
    assert sheet.shape[1] == 1600
    assert sheet.std() > 20


def test_two_phases_and_three_are_told_apart_by_experts_weights_and_guidance(made: Made) -> None:
    done = made.place.wayframe("compare", made.two["run_id"], made.three["run_id"], "--no-videos")
    assert done.returncode == 1, done.stderr
    said = " ".join(done.stdout.split())
    assert (
        "A and B: different recipe. Experts, LoRA weights, guidance and phases differ; "
        "timestep agrees at every step." in said
    )
    assert "1. experts (effect 90): experts: A high high high low low low, B high high high high low low" in said
    assert "high_noise: A 1 1 1 0 0 0, B 0.75 0.75 1 1 0 0 in segments 0, 1" in said
    assert "low_noise: A 0 0 0 1 1 1, B 0 0 0 0 1 1 in segments 0, 1" in said
    assert "guidance: A 3 3 3 1 1 1, B 3 3 1 1 1 1" in said
    assert "forwards: A 9, B 8" in said
    assert "phases: A [3, 3], B [2, 2, 2]" in said
    assert "engine.forwards: A 18, B 16" in said
    assert "steps of segments 0, 1, level: applied, read back from the model" in said
    assert "on paper" not in said


def test_a_chained_trip_starts_from_the_segment_before_and_tells_of_a_lora_in_part(made: Made) -> None:
    low = {"file": WIDE, "multiplier": "0;1.0", "for": "low", "partial": True}
    phases = [{"steps": 1, "guidance": 1, "expert": expert} for expert in ("high", "low")]
    data = spec(phases=phases, loras=[low], chaining="chained", overlap=OVERLAP)
    record = made.place.run(data, name="chained")
    assert record["outcome"]["frames"] == 2 * FRAMES - OVERLAP
    assert len(decoded(made.place.folder / "chained.mp4")) == 2 * FRAMES - OVERLAP
    assert record["outcome"]["stitch"] == {"copied": 2 * FRAMES - OVERLAP, "encoded": 0}
    assert [len(segment["steps"]) for segment in record["applied"]["segments"]] == [2, 2]
    [found] = [item for item in record["findings"] if item["code"] == "lora-in-part"]
    assert found["message"] == "wide was used without blocks.9.attn1.to_q"
    assert found["severity"] == "warning"


def test_without_the_extra_a_trip_is_planned_and_a_run_says_what_to_install(made: Made) -> None:
    def bare(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", BARE, *words]
        environment, folder = made.place.environment(), made.place.folder
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    made.place.write(spec(**{**THREE_PHASES, "seed": 4}), name="bare.yaml")
    before = sorted((made.place.home / "runs").iterdir())
    planned = bare("plan", "bare.yaml", "--engine", "wan")
    assert planned.returncode == 0, planned.stderr
    assert "16 forwards" in planned.stdout
    done = bare("run", "bare.yaml", "--engine", "wan")
    assert done.returncode == 1
    assert done.stderr == (
        "error: engine wan needs torch, diffusers, transformers, accelerate, safetensors, huggingface_hub, ftfy, gguf, "
        'which are not installed; install them: pip install "wayframe[wan]"\n'
    )
    assert sorted((made.place.home / "runs").iterdir()) == before


@pytest.mark.parametrize(("name", "forwards"), [("lake", 16), ("two-phases", 18)])
def test_the_examples_can_be_planned(made: Made, name: str, forwards: int) -> None:
    done = made.place.wayframe("plan", str(EXAMPLES / f"{name}.yaml"))
    assert done.returncode == 0, done.stderr
    assert f"768x576 at 16 fps, 121 frames (7.56 s), 2 segments, {forwards} forwards" in done.stdout
