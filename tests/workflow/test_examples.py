"""The examples of shapes and looks run as they are, one after the other where one goes on from another's video."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

import pytest

from wayframe.core.findings import Severity
from wayframe.store.home import open_home
from wayframe.workflow.run import RunOptions, run_trip
from wayframe.workflow.sources import spec_source, trip_of_spec

EXAMPLES = Path(__file__).parents[2] / "examples" / "shapes"
SMALL = {"resolution": "96x72"}
RUN = {
    "loop": (97, 3),
    "hold": (105, 5),
    "lead-and-trail": (98, 4),
    "one-picture": (87, 3),
    "continue": (33, 1),
    "join": (223, 3),
    "look": (73, 3),
}
"""Frames and segments of each example, in an order in which the videos are there that others start from."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The examples and the pictures that they name, as they lie in the repository."""
    pictures = tmp_path / "src" / "wayframe" / "demo"
    pictures.mkdir(parents=True)
    for name in ("dawn.jpg", "day.jpg", "dusk.jpg"):
        (pictures / name).write_bytes(resources.files("wayframe.demo").joinpath(name).read_bytes())
    made_here = shutil.ignore_patterns("*.mp4")
    return Path(shutil.copytree(EXAMPLES, tmp_path / "examples" / "shapes", ignore=made_here))


def test_the_examples_of_shapes_run_as_they_say(folder: Path) -> None:
    home = open_home(folder / "home")
    for name, (frames, segments) in RUN.items():
        words = {} if name == "join" else SMALL
        trip = trip_of_spec(spec_source([folder / f"{name}.yaml"], words=words), home=home)
        result = run_trip(trip, home=home, options=RunOptions(out=folder / f"{name}.mp4"))
        assert (result.record["outcome"]["frames"], len(trip.plan.segments)) == (frames, segments), name
        assert {found.severity for found in trip.plan.findings} <= {Severity.INFO}, name


def test_an_example_says_every_segment_in_its_own_way(folder: Path) -> None:
    plan = trip_of_spec(spec_source([folder / "segments.yaml"], words={}), home=open_home(folder / "home")).plan
    assert [(one.frames, one.seed, len(one.steps), one.forwards) for one in plan.segments] == [
        (61, 789, 6, 8),
        (45, 77, 8, 16),
    ]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_says_how_it_is_run(path: Path) -> None:
    first, *more = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert first.endswith((".", ":"))
    assert any(f"examples/shapes/{path.name}" in line for line in more)
    assert path.stem in {*RUN, "segments"}
