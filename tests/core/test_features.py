"""Trips that use one feature each are planned as their golden files say."""

from __future__ import annotations

import pytest

from core.golden import FOLDER, as_text
from core.golden_features import FEATURES, feature
from wayframe.core.documents import parse_plan, plan_json


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_is_planned_as_its_golden_file_says(name: str):
    assert as_text(feature(name).whole) == (FOLDER / name).read_text()


@pytest.mark.parametrize("name", FEATURES)
def test_its_plan_reads_back_as_it_was(name: str):
    plan = feature(name).whole
    assert parse_plan(plan_json(plan)) == plan
