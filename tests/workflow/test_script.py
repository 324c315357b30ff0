"""The script of a segment: run by another Python without us, it makes what the engine `wan` makes."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers")

import torch
from PIL import Image

from engines.wan import runs
from engines.wan.tiny import TinyKind, TinyModels, text_length
from wayframe.core.guide_spec import SegmentGuide
from wayframe.core.look import Look
from wayframe.core.script import ScriptSource, segment_script
from wayframe.errors import SpecError
from wayframe.media.images import Fit, fit_image, load_image

DRIVER = """
import runpy, sys, torch, numpy
torch.set_num_threads(1)
made = runpy.run_path(sys.argv[1])
assert not any(name.split(".")[0] == "wayframe" for name in sys.modules)
torch.save({"latents": made["latents"], "frames": torch.from_numpy(numpy.array(made["frames"]))}, sys.argv[2])
"""
PHASES: dict[str, Any] = {
    "phases": [
        {"steps": 1, "guidance": 3, "expert": "high"},
        {"steps": 1, "guidance": 1, "expert": "high"},
        {"steps": 1, "guidance": 2, "expert": "low"},
    ],
    "flow_shift": 5,
    "sample_solver": "euler",
    "loras": [
        {"file": "fast.safetensors", "multiplier": "0.75;1.0;0"},
        {"file": "slow.safetensors", "multiplier": "0;0;1"},
    ],
}
ONE: dict[str, Any] = {"phases": [{"steps": 2, "guidance": 2.5}, {"steps": 1, "guidance": 1}], "flow_shift": 3}


def script_of(tiny: TinyModels, kind: TinyKind, *, index: int = 0, segments: int = 1, **said: object) -> str:
    plan = runs.plan_of(tiny, kind, segments=segments, **said)
    images = [f"{number}.png" for number in range(segments + 1)]
    source = ScriptSource(
        plan=plan, model=tiny.model(kind), images=images, dtype="float32", text_length=text_length(kind)
    )
    return segment_script(source, index=index)


def made_by_script(text: str, *, folder: Path) -> dict[str, torch.Tensor]:
    for index in range(2):
        Image.fromarray(runs.frame(index)).save(folder / f"{index}.png")
    (folder / "segment.py").write_text(text)
    (folder / "driver.py").write_text(DRIVER)
    command = [sys.executable, "-W", "ignore", "driver.py", "segment.py", "made.pt"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "segment_000.mp4").is_file()
    made: dict[str, torch.Tensor] = torch.load(folder / "made.pt")
    return made


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("i2v22", PHASES),
        ("vace", PHASES),
        ("t2v", PHASES),
        ("i2v21", {**ONE, "sample_solver": "unipc"}),
        ("flf2v21", {**ONE, "sample_solver": "dpm++"}),
        ("t2v21", {**ONE, "sample_solver": "euler", "cfg_star": True, "cfg_zero": 1}),
    ],
)
def test_the_script_makes_what_the_engine_makes(tiny: TinyModels, tmp_path: Path, kind: TinyKind, said: dict) -> None:
    files = runs.loras(tiny, kind, folder=tmp_path) if said is PHASES else {}
    (plan,) = runs.planned(tiny, kind, **said)
    with runs.latents_seen() as seen, runs.engine_of(runs.setup(tiny, kind, loras=files)) as engine:
        ours = runs.rendered(engine, runs.trip([plan]))
    made = made_by_script(script_of(tiny, kind, **said), folder=tmp_path)
    assert made["latents"].shape == seen[0].shape
    assert float((made["latents"] - seen[0]).abs().max()) < 1e-4
    theirs = (made["frames"].numpy() * 255).round().astype(int)
    assert int(np.abs(theirs - np.stack(ours.frames()).astype(int)).max()) <= 1


def test_a_script_is_short_and_knows_nothing_of_us(tiny: TinyModels) -> None:
    for kind in ("i2v22", "vace", "t2v"):
        text = script_of(tiny, kind, **PHASES)
        assert "wayframe" not in text
        assert len(text.splitlines()) < 150
        assert max(map(len, text.splitlines())) <= 250
    assert "fast.safetensors" in text


def of_segment(tiny: TinyModels, *, images: tuple[str, str] = ("0.png", "1.png"), **changed: object) -> str:
    plan = runs.plan_of(tiny, "i2v22", segments=1, **PHASES)
    plan = replace(plan, segments=(replace(plan.segments[0], **changed),))
    return segment_script(ScriptSource(plan=plan, model=tiny.model("i2v22"), images=images), index=0)


@pytest.mark.parametrize("name", ['a"""; evil(); """.png', 'b\n"""\nevil()\n.png', '"""'])
def test_a_name_of_a_file_is_never_code(tiny: TinyModels, name: str) -> None:
    tree = ast.parse(of_segment(tiny, images=(name, "1.png")))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "evil"]
    [first] = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and "FIRST" in ast.unparse(node.targets[0])
    ]
    assert ast.literal_eval(first) == name
    assert name in (ast.get_docstring(tree, clean=False) or "")


def test_a_look_is_left_out_and_that_is_said(tiny: TinyModels) -> None:
    said = "The plan's look (colours, saturation, brightness, banner) is not in it."
    assert said in of_segment(tiny, look=Look(saturation=0.9))
    assert said not in of_segment(tiny)


def test_a_keyframe_that_stands_still_has_no_script(tiny: TinyModels) -> None:
    with pytest.raises(SpecError, match=r"segments\[0\]: shows a keyframe that stands still"):
        of_segment(tiny, still=True, steps=())


def test_files_of_one_name_cannot_both_lie_beside_it(tiny: TinyModels) -> None:
    with pytest.raises(SpecError, match=r"segments\[0\]: is the name of two files.*\(got 'a.png'\); rename one"):
        of_segment(tiny, images=("here/a.png", "there/a.png"))


def test_a_segment_that_a_guide_steers_has_no_script(tiny: TinyModels) -> None:
    plan = runs.plan_of(tiny, "vace", segments=1, **PHASES)
    plan = replace(plan, segments=(replace(plan.segments[0], guide=SegmentGuide(strength=1.0, spans=())),))
    with pytest.raises(SpecError, match="is steered by a guide video"):
        segment_script(ScriptSource(plan=plan, model=tiny.model("vace"), images=["0.png", "1.png"]), index=0)


def test_pictures_of_a_phone_need_one_more_package(tiny: TinyModels) -> None:
    text = of_segment(tiny, images=("0.HEIC", "1.png"))
    assert "peft pillow-heif" in text
    assert "\nregister_heif_opener()\n" in text
    assert "heif" not in of_segment(tiny)


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
@pytest.mark.parametrize("size", [(97, 61), (40, 90), (64, 48)])
def test_it_reads_a_picture_as_we_do(tiny: TinyModels, tmp_path: Path, fit: Fit, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "0.png", exif=turned)
    text = of_segment(tiny)
    values = f'WIDTH, HEIGHT, FIT, MATTE = 62, 47, "{fit}", "#40c080"\n'
    body = text[text.index("def picture(file)") : text.index("first = picture")]
    (tmp_path / "reader.py").write_text(f"from PIL import Image, ImageOps\n{values}{body}")
    made = runpy.run_path(str(tmp_path / "reader.py"))
    ours = fit_image(load_image(tmp_path / "0.png", matte="#40c080"), width=62, height=47, fit=fit, matte="#40c080")
    assert np.array_equal(np.asarray(made["picture"](tmp_path / "0.png")), ours)


def test_what_a_script_cannot_make_is_refused(tiny: TinyModels) -> None:
    with pytest.raises(SpecError, match="there are segments 0 to 0"):
        script_of(tiny, "i2v22", index=3, **PHASES)
    with pytest.raises(SpecError, match="starts from the last 4 frames of segment 0"):
        script_of(tiny, "vace", index=1, segments=2, chaining="chained", overlap=4, **PHASES)
