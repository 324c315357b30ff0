"""What a segment costs, as docs/engine.md tells it: its tables are calculated, and the formula holds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def costs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wan_costs", ROOT / "benchmarks" / "wan_costs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_page_are_those_that_are_calculated(costs: ModuleType) -> None:
    page = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    for table in costs.tables().split("\n\n"):
        assert table in page


def test_tokens_are_latent_frames_times_patches(costs: ModuleType) -> None:
    assert costs.A14B.tokens((832, 480), frames=81) == 21 * 52 * 30
    assert costs.SMALL.tokens((1280, 704), frames=121) == 31 * 40 * 22


@pytest.mark.parametrize("vace", [0, 1])
def test_the_formula_gives_the_operations_that_torch_counts(costs: ModuleType, vace: int) -> None:
    shape = costs.Shape(name="four layers", width=5120, layers=4, ffn=13824, parameters=0, vace=vace)
    tokens = shape.tokens((832, 480), frames=81)
    counted = costs.counted(shape, size=(832, 480), frames=81)
    assert shape.operations(tokens) == pytest.approx(counted, rel=2e-3)


def test_a_published_step_is_two_forwards_at_the_rate_of_the_card(costs: ModuleType) -> None:
    for card in costs.GPUS:
        forward = costs.A14B.operations(costs.A14B.tokens((832, 480), frames=81))
        assert 2 * forward / card.rate == pytest.approx(card.step)
