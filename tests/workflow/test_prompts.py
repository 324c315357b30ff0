"""Prompts that a model writes on the way from a spec to a run, asked for at a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from prompt_endpoint import GOOD, KEY, Data, Endpoint, files_that_hold, paint
from wayframe.core.events import PromptWritten, RunEvent
from wayframe.core.spec import parse_spec
from wayframe.errors import CancelledError, ImageError, PromptError
from wayframe.store.home import Home, open_home
from wayframe.store.prompts import PromptStore
from wayframe.workflow.lora_files import Fetch
from wayframe.workflow.queue.supplies import trip_to_submit
from wayframe.workflow.run import RunOptions, RunResult, run_trip
from wayframe.workflow.sources import SpecSource, trip_of_spec, trip_to_run
from wayframe.workflow.trip import Trip

FAILS: Data = {"kind": "status", "status": 400, "message": "no pictures today"}


@dataclass(kw_only=True)
class Site:
    """A folder with pictures of one colour each, a home folder, and an endpoint that is asked."""

    folder: Path
    home: Home
    endpoint: Endpoint
    events: list[RunEvent] = field(default_factory=list)

    def data(self, *colours: str, prompts: Data | None = None, **said: object) -> Data:
        keyframes = [{"image": f"{name}.png"} for name in colours or ("red", "green", "blue")]
        block = {"write": "missing", "writer": "openai", "model": "tiny", "base_url": self.endpoint.url}
        common = {"engine": "null", "segment_frames": 5, "resolution": "64x48"}
        return {"keyframes": keyframes, **common, "prompts": {**block, **(prompts or {})}, **said}

    def maker(self, data: Data, *, home: Home | None = None) -> Callable[[], Trip]:
        return partial(trip_of_spec, SpecSource(spec=parse_spec(data), base=self.folder), home=home or self.home)

    def trip(self, data: Data, *, cancelled: Callable[[], bool] = lambda: False, home: Home | None = None) -> Trip:
        fetch = Fetch(listen=self.events.append, cancelled=cancelled)
        return trip_to_run(self.maker(data, home=home), home=home or self.home, fetch=fetch)

    def run(self, data: Data) -> RunResult:
        return run_trip(self.trip(data), home=self.home, options=RunOptions())

    @property
    def kept(self) -> list[Path]:
        return sorted(self.home.prompts.rglob("*.json"))

    def asked(self) -> int:
        return len(self.endpoint.seen)


@pytest.fixture
def site(tmp_path: Path, endpoint: Endpoint) -> Site:
    paint(tmp_path / "pictures", "red", "green", "blue", "yellow")
    home = open_home(tmp_path / "home")
    (home.root / "options.toml").write_text("[openai]\npause = 0\nattempts = 2\n")
    return Site(folder=tmp_path / "pictures", home=home, endpoint=endpoint)


def prompts(trip: Trip) -> list[str]:
    return [segment.prompt for segment in trip.plan.segments]


def found(trip: Trip, code: str) -> list[Data]:
    return [dict(one.evidence) for one in trip.plan.findings if one.code == code]


def glide(a: str, b: str) -> str:
    return f"The view glides from {a} to {b} while the camera moves slowly forward."


def test_a_plan_asks_nobody_and_says_what_is_missing(site: Site):
    trip = site.maker(site.data(prompt="a quiet morning"))()
    assert prompts(trip) == ["a quiet morning"] * 2
    assert found(trip, "prompt-unwritten") == [{"segments": [0, 1]}]
    assert site.asked() == 0
    assert site.kept == []


def test_a_run_has_its_prompts_written_first_and_each_pair_is_shown(site: Site):
    data = site.data(prompt="a quiet morning", text_after="35mm film")
    result = site.run(data)
    segments = result.record["planned"]["segments"]
    assert [one["prompt"] for one in segments] == [
        f"{glide('red', 'green')} 35mm film",
        f"{glide('green', 'blue')} 35mm film",
    ]
    origins = result.record["resolved"]["origins"]
    assert [origins[f"segments[{index}].prompt"] for index in (0, 1)] == ["written:openai/tiny"] * 2
    assert {tuple(seen["colours"]) for seen in site.endpoint.seen} == {("red", "green"), ("green", "blue")}
    for seen in site.endpoint.seen:
        assert set(seen["labels"]) == {"START", "END"}
        assert "asks for: a quiet morning" in seen["question"]
        assert seen["size"][1] > 2 * 500
    assert {event.text for event in site.events if isinstance(event, PromptWritten)} == {
        glide("red", "green"),
        glide("green", "blue"),
    }
    assert not [one for one in result.record["findings"] if one["code"].startswith("prompt")]


def test_a_lone_keyframe_is_shown_alone(site: Site):
    trip = site.trip(site.data("yellow"))
    assert prompts(trip) == [glide("yellow", "yellow")]
    (seen,) = site.endpoint.seen
    assert seen["labels"] == {}
    assert seen["size"] == [768, 576]
    assert "first frame of a continuous shot" in seen["question"]


def test_nothing_is_asked_for_twice(site: Site):
    site.run(site.data())
    assert site.asked() == 2
    site.run(site.data())
    site.run(site.data(seed=5))
    site.run(site.data(text_before="old film"))
    site.trip(site.data(resolution="128x96"))
    assert site.asked() == 2
    assert prompts(site.maker(site.data())()) == [glide("red", "green"), glide("green", "blue")]


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": {"model": "other"}},
        {"prompts": {"max_words": 61}},
        {"prompts": {"language": "English"}},
        {"prompt": "a storm"},
        {"resolution": "48x64"},
        {"fit": "contain"},
    ],
    ids=str,
)
def test_whatever_would_change_the_answer_is_asked_for_anew(site: Site, change: Data):
    site.trip(site.data())
    site.trip(site.data(**change))
    assert site.asked() == 4


def test_one_changed_picture_asks_for_its_segments_only(site: Site):
    site.trip(site.data("red", "green", "blue"))
    site.trip(site.data("red", "green", "yellow"))
    assert [seen["colours"] for seen in site.endpoint.seen[2:]] == [["green", "yellow"]]


def test_a_changed_instruction_asks_anew(site: Site):
    site.trip(site.data())
    site.home.instructions.mkdir()
    own = 'name = "pair"\nversion = 2\nsystem = ""\nquestion = "Which colours in {max_words} words?"\n'
    (site.home.instructions / "pair.toml").write_text(own)
    site.trip(site.data())
    assert [seen["question"] for seen in site.endpoint.seen[2:]] == ["Which colours in 60 words?"] * 2
    assert site.endpoint.seen[3]["system"] is None


def test_segments_that_show_the_same_are_asked_for_once(site: Site):
    trip = site.trip(site.data("red", "green", "red", "green"))
    assert site.asked() == 2
    assert prompts(trip) == [glide("red", "green"), glide("green", "red"), glide("red", "green")]


def test_prompts_of_the_users_own_stay_and_are_not_asked_for(site: Site):
    data = site.data()
    data["keyframes"][0]["prompt"] = "edited by hand"
    assert prompts(site.trip(data)) == ["edited by hand", glide("green", "blue")]
    assert site.asked() == 1


def test_all_asks_for_those_too_and_goes_by_them(site: Site):
    data = site.data(prompts={"write": "all"})
    data["keyframes"][0]["prompt"] = "she turns"
    assert prompts(site.trip(data)) == [glide("red", "green"), glide("green", "blue")]
    assert sum("asks for: she turns" in seen["question"] for seen in site.endpoint.seen) == 1


def test_a_failure_stops_before_anything_begins_and_keeps_what_was_written(site: Site):
    site.endpoint.script(GOOD, FAILS)
    (site.home.root / "options.toml").write_text("[openai]\npause = 0\nconcurrency = 1\n")
    with pytest.raises(PromptError) as caught:
        site.run(site.data())
    assert str(caught.value).startswith(f"1 prompt could not be written: segment 1: {site.endpoint.host} answered 400")
    assert "on_failure: base-prompt" in str(caught.value)
    assert list(site.home.runs.iterdir()) == []
    assert len(site.kept) == 1
    site.endpoint.script()
    site.run(site.data())
    assert [seen["colours"] for seen in site.endpoint.seen] == [["green", "blue"]]


def test_base_prompt_goes_on_with_a_finding(site: Site):
    (site.home.root / "options.toml").write_text("[openai]\npause = 0\nconcurrency = 1\n")
    site.endpoint.script(FAILS)
    result = site.run(site.data(prompt="a quiet morning", prompts={"on_failure": "base-prompt"}))
    assert [one["prompt"] for one in result.record["planned"]["segments"]] == [
        "a quiet morning",
        glide("green", "blue"),
    ]
    (finding,) = [one for one in result.record["findings"] if one["code"].startswith("prompt")]
    assert (finding["code"], finding["evidence"]["segments"]) == ("prompt-failed", [0])
    assert "no pictures today" in finding["evidence"]["reason"]
    assert result.record["resolved"]["origins"]["segments[0].prompt"] == "spec"


def test_a_run_does_not_begin_without_a_prompt_that_is_a_condition(site: Site):
    trip = site.maker(site.data())()
    with pytest.raises(PromptError, match="segments 0, 1: no prompt is written yet"):
        run_trip(trip, home=site.home, options=RunOptions())
    assert list(site.home.runs.iterdir()) == []


def test_a_budget_that_does_not_reach_is_refused_before_anything_is_spent(site: Site):
    with pytest.raises(PromptError, match="2 prompts to write and a budget of 1 requests"):
        site.trip(site.data(prompts={"budget": 1}))
    assert site.asked() == 0


def test_a_budget_ends_the_asking_and_base_prompts_stand_in(site: Site):
    trip = site.trip(site.data(prompts={"budget": 1, "on_failure": "base-prompt"}))
    assert site.asked() == 1
    (failed,) = found(trip, "prompt-failed")
    assert failed["reason"] == "the budget of 1 requests is spent"


def test_stopping_in_the_middle_keeps_what_was_written(site: Site):
    (site.home.root / "options.toml").write_text("[openai]\nconcurrency = 1\n")
    site.endpoint.script(GOOD, {"kind": "held"})
    with pytest.raises(CancelledError):
        site.trip(site.data(), cancelled=lambda: bool(site.events) and site.asked() > 1)
    assert len(site.kept) == 1
    site.endpoint.script()
    site.trip(site.data())
    assert site.asked() == 1


RUN = """
import sys
from pathlib import Path
import wayframe
wayframe.run(sys.argv[1], home=sys.argv[2])
"""


def test_two_runs_at_once_ask_once(site: Site):
    """Both begin while nothing is written: the first one holds its turn until its answers are let go."""
    spec = site.folder / "trip.json"
    spec.write_text(json.dumps(site.data()))
    site.endpoint.script({"kind": "held"}, {"kind": "held"})
    command = [sys.executable, "-c", RUN, str(spec), str(site.home.root)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    site.endpoint.await_requests(2)
    site.endpoint.release()
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert site.asked() == 2
    assert len(list(site.home.runs.iterdir())) >= 1


def test_waiting_for_another_process_can_be_stopped(site: Site):
    with PromptStore(site.home).turn(cancelled=lambda: False), pytest.raises(CancelledError, match="another process"):
        site.trip(site.data(), cancelled=lambda: True)
    assert site.asked() == 0


def test_a_picture_that_changed_since_it_was_planned_is_not_shown(site: Site):
    changed = iter([False, True])

    def make() -> Trip:
        trip = site.maker(site.data())()
        if not next(changed):
            paint(site.folder, "yellow")
            (site.folder / "yellow.png").replace(site.folder / "red.png")
        return trip

    with pytest.raises(ImageError, match=r"red\.png: was changed since the plan was made"):
        trip_to_run(make, home=site.home, fetch=Fetch())
    assert site.asked() == 0


def test_a_damaged_prompt_counts_as_none_and_is_written_again(site: Site):
    site.trip(site.data())
    whole = site.kept[0].read_text()
    for damage in (whole[:-20], whole.replace("The view", "A view"), "[]", '{"text": 1}'):
        site.kept[0].write_text(damage)
        assert found(site.maker(site.data())(), "prompt-unwritten") != []
    site.trip(site.data())
    assert site.asked() == 3
    assert found(site.maker(site.data())(), "prompt-unwritten") == []


def test_a_key_is_nowhere_in_the_home_folder(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    keys = tmp_path / "keys"
    keys.write_text(f"{site.endpoint.host} {KEY}\n")
    monkeypatch.setenv("WAYFRAME_PROMPTS_KEY_FILE", str(keys))
    site.endpoint.script(GOOD, {"kind": "text", "text": f"The key {KEY} is written on a wall."})
    result = site.run(site.data())
    assert {seen["headers"]["authorization"] for seen in site.endpoint.seen} == {f"Bearer {KEY}"}
    assert (result.folder.path / "debug.log").is_file()
    assert files_that_hold(KEY, site.home.root) == []
    assert files_that_hold(glide("red", "green")[:20], site.home.root) != []
    assert KEY not in str(site.events)
    site.endpoint.script({**FAILS, "message": f"the key {KEY} is odd"})
    with pytest.raises(PromptError) as caught:
        site.trip(site.data("yellow", "red"))
    assert KEY not in str(caught.value)
    assert "the key [redacted] is odd" in str(caught.value)


def test_a_model_that_is_not_here_is_told_and_stops_the_run(site: Site, tmp_path: Path):
    data = site.data(prompts={"writer": "qwen", "model": str(tmp_path / "none"), "base_url": None})
    trip = site.maker(data)()
    assert found(trip, "prompt-unwritten") == [{"segments": [0, 1]}]
    with pytest.raises(PromptError, match="2 prompts could not be written: segments 0, 1: "):
        site.trip(data)
    trip = site.trip({**data, "prompts": {**data["prompts"], "on_failure": "base-prompt"}})
    assert found(trip, "prompt-failed")[0]["segments"] == [0, 1]


def test_another_home_asks_for_itself(site: Site, tmp_path: Path):
    site.trip(site.data())
    site.trip(site.data(), home=open_home(tmp_path / "elsewhere"))
    assert site.asked() == 4


def test_a_run_that_is_queued_has_its_prompts_written_first(site: Site) -> None:
    fetch = Fetch(listen=site.events.append)
    trip = trip_to_submit(site.maker(site.data()), home=site.home, fetch=fetch)
    assert prompts(trip) == [glide("red", "green"), glide("green", "blue")]
    assert site.asked() == 2
    again = trip_to_submit(site.maker(site.data()), home=site.home, fetch=fetch)
    assert prompts(again) == prompts(trip)
    assert site.asked() == 2
