"""`import wayframe`: what the README promises of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import wayframe
from wayframe.core.events import RunFinished, RunStarted
from wayframe.errors import CancelledError, SpecError, StoreError
from wayframe.media.index import index, packet_digest
from workflow.rides import Watch, draw, through


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec beside its pictures, in the current folder, with a home of its own."""
    draw(tmp_path, 3)
    (tmp_path / "trip.yaml").write_text(json.dumps(through(0, 1, 2)))  # JSON is YAML
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAYFRAME_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_spec_file_becomes_a_video(trip: Path) -> None:
    result = wayframe.run("trip.yaml", out="trip.mp4")
    assert result.video == Path("trip.mp4")
    assert index(result.video).frames == result.record["outcome"]["frames"] == 9
    assert result.folder.path.parent == trip / "home" / "runs"


def test_a_file_a_mapping_and_a_loaded_spec_are_the_same_trip(trip: Path) -> None:
    spec = wayframe.load(trip / "trip.yaml")
    plans = [wayframe.plan(given) for given in ("trip.yaml", Path("trip.yaml"), through(0, 1, 2), spec)]
    assert plans[1:] == plans[:-1]
    digests = {packet_digest(wayframe.run(given).video) for given in ("trip.yaml", through(0, 1, 2), spec)}
    assert len(digests) == 1


def test_pictures_alone_are_a_trip(trip: Path) -> None:
    plan = wayframe.plan(["0.png", trip / "1.png", "2.png"])
    assert len(plan.keyframes) == 3
    assert plan == wayframe.plan({"keyframes": [{"image": f"{number}.png"} for number in range(3)]})


@pytest.mark.parametrize("given", [None, 7, [1, 2], [["0.png"]], []])
def test_what_is_no_trip_is_an_error_that_says_what_was_expected(trip: Path, given: object) -> None:
    assert trip.is_dir()
    with pytest.raises(SpecError, match=r"spec: expected a file, pictures, a mapping or a loaded spec|keyframes"):
        wayframe.plan(given)


def test_pictures_are_relative_to_the_spec_file(trip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (trip / "elsewhere").mkdir()
    monkeypatch.chdir(trip / "elsewhere")
    assert wayframe.plan("../trip.yaml").frames == 9


def test_a_plan_has_every_step_and_cannot_be_changed(trip: Path) -> None:
    assert trip.is_dir()
    spec = {"keyframes": [{"image": "0.png"}, {"image": "1.png"}], "preset": "lightning_baseline_2_2_2"}
    plan = wayframe.plan(spec)
    assert [step.guidance for step in plan.segments[0].steps] == [3, 3, 1, 1, 1, 1]
    assert plan.size == (64, 48)
    name = "frames"
    with pytest.raises(FrozenInstanceError):
        setattr(plan, name, 1)


def test_planning_makes_no_run(trip: Path) -> None:
    wayframe.plan("trip.yaml", home=trip / "other")
    assert not (trip / "other").exists()
    assert not (trip / "home").exists()


def test_out_is_replaced_only_by_force(trip: Path) -> None:
    (trip / "trip.mp4").write_bytes(b"mine")
    with pytest.raises(StoreError, match="exists"):
        wayframe.run("trip.yaml", out="trip.mp4")
    assert wayframe.run("trip.yaml", out="trip.mp4", force=True).video.stat().st_size > 100


def test_a_listener_hears_everything_and_a_cancelled_run_goes_on(trip: Path) -> None:
    watch = Watch(until=lambda event: type(event).__name__ == "SegmentPublished")
    with pytest.raises(CancelledError):
        wayframe.run("trip.yaml", listen=watch.listen, cancelled=watch.cancelled, home=trip / "home")
    assert isinstance(watch.events[0], RunStarted)
    assert isinstance(watch.ending(), RunFinished)
    again = Watch()
    result = wayframe.run("trip.yaml", listen=again.listen)
    assert again.published() == [1]
    assert result.record["attempts"] == 2


def test_options_are_those_of_the_engine_and_win_over_the_home_folders(trip: Path) -> None:
    with pytest.raises(SpecError, match=r"^option dtype: engine null has no options \(got 'float32'\)"):
        wayframe.run("trip.yaml", options={"dtype": "float32"})
    with pytest.raises(SpecError, match="option dtype"):
        wayframe.plan("trip.yaml", options={"dtype": "float32"})
    (trip / "home" / "options.toml").write_text("[null]\nspeed = 9\n")
    with pytest.raises(SpecError, match=r"^option speed: .* \(got '9'\)"):
        wayframe.plan("trip.yaml")


def test_what_happens_on_a_difference_is_one_of_two_things(trip: Path) -> None:
    assert trip.is_dir()
    assert wayframe.run("trip.yaml", on_difference="record").record["status"] == "completed"
    word = "ask"
    with pytest.raises(SpecError, match=r"^on_difference: expected stop or record \(got 'ask'\)$"):
        wayframe.run("trip.yaml", on_difference=word)


def test_wrong_input_is_an_error_with_its_field(trip: Path) -> None:
    assert trip.is_dir()
    with pytest.raises(SpecError) as caught:
        wayframe.run({"keyframes": [{"image": "0.png"}], "fps": 0})
    assert caught.value.field == "fps"
    with pytest.raises(SpecError, match="keyframes: is required"):
        wayframe.plan({})
    with pytest.raises(SpecError, match="neither a spec nor a picture"):
        wayframe.load("trip.mp4")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, wayframe; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "av", "cv2", "PIL", "pydantic", "yaml", "rich", "typer"} & set(loaded) == set()


def test_help_loads_no_heavy_module() -> None:
    code = (
        "import sys\nfrom wayframe.cli.app import app\nfrom wayframe.cli.lazily import offered\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "assert 'wayframe.cli.make' not in sys.modules\n"
        "offered()\n"  # nor do the modules of the commands
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split()
    assert {"numpy", "av", "cv2", "PIL", "pydantic", "yaml"} & set(loaded) == set()


def test_two_videos_and_a_spec_are_compared(trip: Path) -> None:
    wayframe.run("trip.yaml", out="one.mp4")
    wayframe.run({**through(0, 1, 2), "seed": 5}, out="two.mp4")
    same, other = wayframe.compare("one.mp4", "trip.yaml"), wayframe.compare("one.mp4", trip / "two.mp4")
    assert same.verdict == "identical"
    assert (other.verdict, other.causes[0].topic) == ("same recipe, other inputs", "seed")
    with pytest.raises(StoreError):
        wayframe.compare("one.mp4", "20200101000000000")
