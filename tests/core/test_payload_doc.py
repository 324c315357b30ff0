"""The page for people who come from upstream names every key, every model and every flag."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wayframe.core.payload_keys import CARRIED, CONSULTED, OPTIONAL, REQUIRED, SEGMENT, SWITCHED, UNSUPPORTED
from wayframe.core.payload_like import Like
from wayframe.core.payload_models import MODELS

PAGE = (Path(__file__).parents[2] / "docs" / "from-upstream.md").read_text()
PARTS = {
    "### Required": REQUIRED,
    "### Read": (*OPTIONAL, *CONSULTED, *SWITCHED, *SEGMENT),
    "### Not supported": UNSUPPORTED,
    "### Carried along": CARRIED,
}


def part(title: str) -> str:
    return re.split(r"\n##+ ", PAGE.split(f"\n{title}\n")[1])[0]


@pytest.mark.parametrize("title", PARTS)
def test_every_key_stands_under_what_is_done_with_it(title: str):
    assert [key for key in PARTS[title] if f"`{key}`" not in part(title)] == []


def test_every_model_stands_beside_ours():
    rows = [line for line in part("## Models").splitlines() if line.startswith("| `")]
    listed = {
        name: re.findall(r"`([^`]+)`", row.split("|")[2])[0]
        for row in rows
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    }
    assert listed == {name: model.model for name, model in MODELS.items()}


def test_every_way_of_reading_is_explained():
    assert [like for like in Like if f"`--like {like}`" not in PAGE] == []
