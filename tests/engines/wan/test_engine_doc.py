"""docs/engine.md tells every option as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from wayframe.engines.wan.options import IDENTITY, Attention, WanOptions

PAGE = (Path(__file__).parents[3] / "docs" / "engine.md").read_text(encoding="utf-8")
OTHER = {
    "dtype": "float32",
    "weights": "fp8",
    "offload": "blocks",
    "keep": "true",
    "vae_tiling": "true",
    "attention": "math",
    "compile": "true",
    "device": "mps",
    "batch": "2",
    "text_length": "77",
}
"""A value of each option that is not its default."""


def row(name: str) -> list[str]:
    """The cells of an option's row: values, default, whether it decides pixels, what it is."""
    found = re.search(rf"^\| `{name}` \| (.*) \|$", PAGE, flags=re.MULTILINE)
    assert found is not None, name
    return found[1].split(" | ")


@pytest.mark.parametrize("name", WanOptions.model_fields)
def test_an_option_has_a_row_with_its_default_and_whether_it_decides_pixels(name: str) -> None:
    _, default, pixels, _ = row(name)
    value = WanOptions.model_fields[name].default
    assert default == f"`{str(value).lower() if isinstance(value, bool) else value}`"
    changed = WanOptions.parse({name: OTHER[name]}).identity() != IDENTITY
    assert pixels == ("yes" if changed else "no")


def test_every_way_to_compute_attention_is_named_and_said_to_be_tried_or_not() -> None:
    values, *_ = row("attention")
    assert values == ", ".join(f"`{name}`" for name in get_args(Attention))
    untried = PAGE[PAGE.index("### Untried on a GPU") : PAGE.index("## What a segment costs")]
    assert {name for name in get_args(Attention) if f"`{name}`" not in untried} == {"sdpa", "math"}
