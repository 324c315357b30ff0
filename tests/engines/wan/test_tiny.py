"""The tiny models that the other tests stand on."""

from __future__ import annotations

from pathlib import Path

import pytest
from diffusers import DiffusionPipeline

from engines.wan.tiny import KINDS, TinyKind, TinyModels
from wayframe.store.catalogue import load_catalogue


@pytest.mark.parametrize("kind", KINDS)
def test_a_tiny_model_opens_as_the_stock_pipeline_of_its_kind(tiny: TinyModels, kind: TinyKind) -> None:
    pipeline = DiffusionPipeline.from_pretrained(tiny.folder(kind))
    assert type(pipeline).__name__.startswith("Wan")
    assert (pipeline.transformer_2 is not None) == (tiny.model(kind).experts == 2)


def test_a_home_folder_has_the_tiny_models_in_its_catalogue(tiny: TinyModels, tmp_path: Path) -> None:
    catalogue = load_catalogue(tiny.home(tmp_path, "i2v22", "t2v21"))
    assert catalogue.faults == ()
    assert catalogue.models["tiny-i2v22"] == tiny.model("i2v22")
    assert catalogue.models["tiny-t2v21"].source == str(tiny.folder("t2v21"))


def test_a_model_is_made_once(tiny: TinyModels) -> None:
    made = (tiny.folder("t2v") / "model_index.json").stat().st_mtime_ns
    assert (TinyModels(root=tiny.root).folder("t2v") / "model_index.json").stat().st_mtime_ns == made
