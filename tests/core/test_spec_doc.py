"""The page about the spec names every key, and all that it shows is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.trips import CATALOGUE, planned, resolved, stills, timeline
from wayframe.cli.options import FLAGS
from wayframe.core.documents import resolved_json
from wayframe.core.prompting import PromptSpec
from wayframe.core.shape import legs
from wayframe.core.spec import TravelSpec, parse_spec, spec_schema
from wayframe.core.spec_recipe import LoraUse, PhaseConfig, PhaseLora, PhaseSpec, WireLora, WirePhase
from wayframe.core.spec_stops import FreeSegment, Keyframe

PAGE = (Path(__file__).parents[2] / "docs" / "spec.md").read_text()
EXAMPLES: list[dict[str, Any]] = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
PARTS = (TravelSpec, Keyframe, FreeSegment, PhaseSpec, PhaseLora, LoraUse, PhaseConfig, WirePhase, WireLora, PromptSpec)


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of all table rows, without those of heads."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(", ")]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_key_is_on_the_page(part: type[TravelSpec]):
    names = [info.alias or name for name, info in part.model_fields.items()]
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_every_key_of_the_trip_and_of_a_segment_has_a_row_of_its_own():
    listed = {row[0] for title in ("The whole trip", "How a segment is made") for row in rows(section(title))}
    assert listed - {"key"} == {f"`{name}`" for name in TravelSpec.model_fields}


@pytest.mark.parametrize("data", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_can_be_planned(data: dict[str, Any]):
    plan = planned(data).plan
    assert len(plan.segments) == len(legs(parse_spec(data)))


def test_there_is_an_example_of_both_forms_of_phases_and_both_say_the_same():
    own, wire = (next(data for data in EXAMPLES if form in data) for form in ("phases", "phase_config"))
    assert planned(own).keys == planned(wire).keys
    assert planned(own).plan.segments[0].thresholds == (917.4817575573454, 663.2310443522647)


def test_the_defaults_on_the_page_are_those_of_an_empty_spec():
    values = resolved_json(resolved(stills(2)))["values"]
    told = {row[0].strip("`"): row[2].strip("`") for row in rows(section("The whole trip"))}
    for name in ("mode", "chaining", "fit", "matte", "fps", "seed_policy", "engine", "profile", "curve"):
        assert told[name] == str(values[name])
    assert told["segment_frames"] == str(values["segment_frames"][0])
    assert told["overlap"] == "1`, chained `6"
    assert resolved(stills(3, chaining="chained")).layout.overlaps == (6,)


def test_the_choices_on_the_page_are_those_of_the_schema():
    properties = spec_schema()["properties"]
    for row in rows(section("The whole trip")):
        name = row[0].strip("`")
        choices = next((form["enum"] for form in properties.get(name, {}).get("anyOf", ()) if "enum" in form), None)
        if choices:
            assert row[1] == ", ".join(f"`{choice}`" for choice in choices)


def test_the_table_of_the_timeline_is_so():
    table = [row for row in rows(section("The timeline")) if len(row) == 4 and row[0] != "overlap"]
    assert len(table) == 3
    for overlap, at, segments, frames in table:
        layout = resolved(timeline(*map(int, numbers(at)), overlap=int(overlap), model="wan2.2-vace-a14b")).layout
        assert list(layout.frames) == numbers(segments)
        assert layout.total == int(frames)


def test_the_weights_on_the_page_are_those_of_a_plan():
    table = [row for row in rows(section("LoRAs and multipliers")) if len(row) == 7 and row[0] != "multiplier"]
    assert len(table) == 5
    for multiplier, *weights in table:
        spec = stills(2, phases=[{"steps": 2}] * 3, loras=[{"file": "s", "multiplier": multiplier.strip("`")}])
        steps = planned(spec).plan.segments[0].steps
        assert [step.loras["s"] for step in steps] == [float(weight) for weight in weights]


def test_every_model_and_preset_is_on_the_page():
    told = {row[0].strip("`"): row for row in rows(section("Models and presets"))}
    assert set(told) == {"model", "preset", *CATALOGUE.models, *CATALOGUE.presets}
    for name, model in CATALOGUE.models.items():
        assert told[name][2] == str(model.experts)


def test_every_bundle_is_on_the_page_with_its_switches():
    told = {row[0].strip("`"): row for row in rows(section("Bundles")) if row[0] != "bundle"}
    assert set(told) == set(CATALOGUE.bundles)
    for name, bundle in CATALOGUE.bundles.items():
        assert told[name][3] == (", ".join(f"`{switch}`" for switch in bundle.switches) or "none")
        assert f"{bundle.steps} steps" in told[name][2] if bundle.steps else told[name][2] == "none"


def test_every_flag_for_a_word_of_the_spec_is_on_the_page():
    words = {*TravelSpec.model_fields, *(f"prompts.{name}" for name in PromptSpec.model_fields)}
    assert {flag.word for flag in FLAGS.values()} <= words
    assert [name for name in FLAGS if f"`--{name}`" not in section("The shortest ones")] == []
