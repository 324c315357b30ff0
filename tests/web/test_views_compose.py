from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wayframe.core.catalogue import Catalogue
from wayframe.engines.wan.options import WanOptions
from wayframe.store.catalogue import load_catalogue
from wayframe.store.home import Home
from wayframe.web.drafts import OPTIONS
from wayframe.web.views_compose import ENGINE_OPTIONS, MOST_CHARTS, charts, listed, offer_of


def segment(index: int, *, guidance: float = 1.0, steps: int = 2) -> dict[str, Any]:
    """A segment of a plan as JSON, with what a chart needs."""
    made = [
        {
            "timestep": 1000.0 - step,
            "sigma": 1.0,
            "sigma_next": 0.5,
            "phase": 1,
            "expert": "only",
            "guidance": guidance,
            "loras": {},
            "forwards": 1,
        }
        for step in range(steps)
    ]
    return {"index": index, "solver": "euler", "thresholds": [], "steps": made}


def test_segments_that_are_denoised_alike_share_a_chart() -> None:
    drawn = charts({"segments": [segment(0), segment(1, guidance=3.0), segment(2), segment(3)]})
    assert [chart["title"] for chart in drawn] == ["Steps of segments 0, 2 to 3", "Steps of segments 1"]


def test_one_way_for_all_segments_needs_no_numbers() -> None:
    (drawn,) = charts({"segments": [segment(0), segment(1)]})
    assert drawn["title"] == "Steps of all segments"
    assert [cell["text"] for cell in drawn["cells"] if cell["kind"] == "guidance"] == ["1", "1"]


def test_what_does_not_denoise_has_no_chart() -> None:
    assert charts({"segments": [segment(0, steps=0)]}) == []


def test_of_many_ways_the_first_few_are_drawn() -> None:
    plan = {"segments": [segment(index, guidance=1.0 + index) for index in range(MOST_CHARTS + 3)]}
    assert len(charts(plan)) == MOST_CHARTS


@pytest.mark.parametrize(
    ("numbers", "words"), [([0], "0"), ([0, 1, 2, 5], "0 to 2, 5"), ([1, 3, 5], "1, 3, 5"), ([], "")]
)
def test_rising_numbers_are_shortened(numbers: list[int], words: str) -> None:
    assert listed(numbers) == words


def test_an_offer_says_which_presets_are_for_which_models_and_what_fields_allow(
    tmp_path: Path,
) -> None:
    offer = offer_of(load_catalogue(Home(root=tmp_path)), engines=("preview",))
    assert "wan2.2-vace-a14b" in offer.facts["presets"]["lightning_3_3"]
    assert offer.facts["models"]["wan2.2-vace-a14b"] == {"experts": 2, "step": 4}
    assert offer.words["fit"] == ("cover", "contain", "stretch")
    assert offer.words["sample_solver"] == ("euler", "unipc", "dpm++", "trailing")
    assert offer.words["after.profile"] == ("h264", "draft", "av1", "prores")
    assert [model.name for model in offer.models] == sorted(model.name for model in offer.models)


def test_the_options_that_can_be_chosen_are_those_that_may_be_set_and_the_engine_takes_them() -> None:
    assert sorted(option.name for option in ENGINE_OPTIONS) == sorted(OPTIONS)
    for option in ENGINE_OPTIONS:
        for value in option.values or ("8",):
            WanOptions.parse({option.name: value})


def test_an_empty_catalogue_offers_nothing_but_engines() -> None:
    offer = offer_of(Catalogue(), engines=("null", "preview"))
    assert (offer.models, offer.presets, offer.engines) == ((), (), ("null", "preview"))
