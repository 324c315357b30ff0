from __future__ import annotations

import json
import shutil

import pytest

from wayframe.errors import CancelledError
from wayframe.store.runs import RECORD, RunFolder
from wayframe.web.index import FILE, RunIndex
from web.browser import Browser
from workflow.queue.stage import Stage
from workflow.rides import Watch, through


def imitate(stage: Stage, *, count: int, like: str) -> list[str]:
    """Copies of a run's record under other ids, the newest first."""
    source = stage.ground.home.runs / like
    record = json.loads((source / RECORD).read_text())
    ids = [f"2020010100000{number:04d}" for number in range(count)]
    for name in ids:
        (stage.ground.home.runs / name).mkdir()
        (stage.ground.home.runs / name / RECORD).write_text(json.dumps({**record, "run_id": name}))
    return ids[::-1]


def test_plain_and_queued_runs_stand_in_one_list_newest_first(stage: Stage, browser: Browser) -> None:
    first = stage.ground.run(through(0, 1)).folder.run_id
    second = stage.submit(stage.ground.trip(through(1, 2, prompts=("dawn",)))).run_id
    third = stage.ground.run(through(2, 3)).folder.run_id
    page = browser.get("/runs").json()
    assert [(item["id"], item["source"], item["state"]) for item in page["items"]] == [
        (third, "home", "completed"),
        (second, "queue", "queued"),
        (first, "home", "completed"),
    ]
    assert page["next"] is None
    assert page["items"][1]["title"] == "dawn"
    assert page["items"][0]["title"] == "2.png to 3.png"


def test_pages_join_without_a_gap_and_without_a_run_twice_while_runs_come_and_go(
    stage: Stage, browser: Browser
) -> None:
    like = stage.ground.run(through(0, 1)).folder.run_id
    ids = [like, *imitate(stage, count=7, like=like)]
    page = browser.get("/runs", params={"limit": 3}).json()
    seen = [item["id"] for item in page["items"]]
    shutil.rmtree(stage.ground.home.runs / seen[-1])  # the cursor's own run is gone
    stage.ground.run(through(1, 2))
    while page["next"]:
        page = browser.get("/runs", params={"limit": 3, "before": page["next"]}).json()
        seen += [item["id"] for item in page["items"]]
    assert seen == ids


def test_states_and_expressions_filter_the_list(stage: Stage, browser: Browser) -> None:
    done = stage.ground.run(through(0, 1, seed=4)).folder.run_id
    queued = stage.submit(stage.ground.trip(through(1, 2, seed=5))).run_id
    assert browser.ids(state=["queued", "failed"]) == [queued]
    assert browser.ids(where="seed = 4 and status = 'completed'") == [done]
    assert browser.ids(where="status = 'queued'") == [queued]
    assert browser.ids(where="seed between 4 and 5", state="completed") == [done]


@pytest.mark.parametrize(
    "query",
    [{"where": "seed ="}, {"where": "load_extension('x')"}, {"state": "lost"}, {"limit": 0}, {"before": "x"}, {"a": 1}],
)
def test_a_question_that_cannot_be_answered_is_a_problem_that_names_it(browser: Browser, query: dict[str, str]) -> None:
    answer = browser.get("/runs", params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert next(iter(query)) in answer.json()["field"]


def test_a_list_that_did_not_change_is_not_sent_again(stage: Stage, browser: Browser) -> None:
    stage.ground.run(through(0, 1))
    tag = browser.get("/runs").headers["etag"]
    again = browser.get("/runs", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    stage.ground.run(through(1, 2))
    browser.site.library.stale()
    assert browser.get("/runs", headers={"If-None-Match": tag}).status_code == 200


def test_a_run_marked_running_whose_process_is_gone_is_incomplete(stage: Stage, browser: Browser) -> None:
    watch = Watch(until=lambda _event: bool(watch.published()))
    with pytest.raises(CancelledError):
        stage.ground.run(through(0, 1, 2), listen=watch.listen, cancelled=watch.cancelled)
    folder = RunFolder(path=next(stage.ground.home.runs.iterdir()))
    record = {**folder.read(), "status": "running"}
    folder.write(record)
    assert browser.get("/runs").json()["items"][0]["state"] == "incomplete"
    with folder.hold():
        assert browser.get(f"/runs/{folder.run_id}").json()["run"]["state"] == "running"


def test_a_damaged_record_hides_one_run_and_no_other(stage: Stage, browser: Browser) -> None:
    good = stage.ground.run(through(0, 1)).folder.run_id
    bad = stage.ground.home.runs / "20200101000000000"
    bad.mkdir()
    (bad / RECORD).write_text('{"schema": "wayframe.run/1", "status"')
    assert browser.ids() == [good]
    assert browser.get(f"/runs/{bad.name}").status_code == 404


def test_what_was_read_is_kept_over_a_restart_and_a_damaged_index_is_made_anew(stage: Stage) -> None:
    like = stage.ground.run(through(0, 1)).folder.run_id
    imitate(stage, count=5, like=like)
    assert len(RunIndex(stage.place).known(budget=60).order) == 6
    again = RunIndex(stage.place).known(budget=0)
    assert (len(again.order), again.unread) == (6, 0)
    kept = stage.ground.home.root / "cache" / FILE
    for path in kept.parent.glob(f"{FILE}*"):
        path.write_bytes(b"no database")
    assert len(RunIndex(stage.place).known(budget=60).order) == 6


def test_runs_that_could_not_be_read_in_time_are_counted_and_the_newest_come_first(stage: Stage) -> None:
    like = stage.ground.run(through(0, 1)).folder.run_id
    imitate(stage, count=4, like=like)
    ticks = iter(range(1000))
    index = RunIndex(stage.place, monotonic=lambda: float(next(ticks)))
    known = index.known(budget=3)
    assert known.unread > 0
    assert known.order[0][1] == like
    while known.unread:
        known = index.known(budget=3)
    assert len(known.order) == 5


def test_however_slow_a_look_was_a_run_made_after_it_is_there_a_second_later(stage: Stage) -> None:
    """The first look after a start reads everything, and may take long."""
    stage.ground.run(through(0, 1))
    now = [0.0]

    def slow() -> float:
        now[0] += 4
        return now[0]

    asked = [slow]
    index = RunIndex(stage.place, monotonic=lambda: asked[0]())
    assert len(index.known(budget=60).order) == 1
    stage.ground.run(through(1, 2))
    asked[0] = lambda: now[0] + 0.5
    assert len(index.known(budget=60).order) == 1
    asked[0] = lambda: now[0] + 1
    assert len(index.known(budget=60).order) == 2


def test_a_submitted_run_is_told_before_it_has_a_folder(stage: Stage, browser: Browser) -> None:
    row = stage.submit(stage.ground.trip(through(0, 1, 2)))
    found = browser.get(f"/runs/{row.run_id}").json()
    assert found["run"]["segments"] == 2
    assert [item["id"] for item in found["revisions"]] == [row.run_id]
    record = browser.get(f"/runs/{row.run_id}/record").json()
    assert [task["state"] for task in record["tasks"]] == ["queued"] * 4
    assert browser.get(f"/runs/{row.run_id}/log").json() == {"lines": [], "next": 0}
    assert browser.get(f"/runs/{row.run_id}/metrics").status_code == 404


def test_the_log_is_read_in_pieces(stage: Stage, browser: Browser) -> None:
    run = stage.ground.run(through(0, 1)).folder
    whole = browser.get(f"/runs/{run.run_id}/log").json()
    assert whole["lines"] == (run.path / "debug.log").read_text().splitlines()
    rest = browser.get(f"/runs/{run.run_id}/log", params={"after": whole["next"] - 2}).json()
    assert rest == {"lines": whole["lines"][-2:], "next": whole["next"]}


def test_the_measurements_of_a_finished_run_are_those_of_its_record(stage: Stage, browser: Browser) -> None:
    result = stage.ground.run(through(0, 1, engine="preview"))
    metrics = browser.get(f"/runs/{result.folder.run_id}/metrics").json()
    assert metrics == json.loads(json.dumps(result.record["outcome"]["metrics"]))


def test_ids_are_whole_ids(stage: Stage, browser: Browser) -> None:
    run = stage.ground.run(through(0, 1)).folder.run_id
    for name in (run[:-1], "last", "nothing"):
        assert browser.get(f"/runs/{name}").status_code == 404


def test_a_home_without_runs_is_an_empty_list(browser: Browser) -> None:
    assert browser.get("/runs").json() == {"items": [], "next": None, "unread": 0}
