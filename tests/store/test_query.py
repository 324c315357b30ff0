"""Expressions over runs."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trips import PREVIEW, T2V, planned, stills
from wayframe.core.documents import plan_json
from wayframe.errors import SpecError
from wayframe.store.query import COLUMNS, LONGEST, RunRow, matching, row_of

Data = dict[str, Any]
ROW = RunRow(
    run_id="20251007044548003",
    status="failed",
    imported=False,
    created="2025-10-07T04:45:48+00:00",
    finished=None,
    error="CUDA out of memory",
    engine="wan",
    model="wan2.2-t2v-a14b",
    mode="batch",
    chaining="chained",
    resolution="768x576",
    segments=2,
    frames=116,
    seed=789,
    steps=6,
    num_phases=3,
    guidance="3 1",
    loras="high low",
    prompt="it's a lake",
)
NUMBERS = {"imported", "segments", "frames", "seed", "steps", "num_phases"}


def true(where: str, row: RunRow = ROW) -> bool:
    return matching([row], where=where) == [row.run_id]


def refused(where: str) -> str:
    with pytest.raises(SpecError) as caught:
        matching([ROW], where=where)
    text = str(caught.value)
    assert text.startswith("--where: ")
    assert "\n" not in text
    return text


# What is asked


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_can_be_asked_for(column: str) -> None:
    value = getattr(ROW, column)
    if value is None:
        assert true(f"{column} is null")
        assert not true(f"{column} == 'x'")
        return
    shown = str(int(value)) if column in NUMBERS else "'{}'".format(value.replace("'", "''"))
    assert true(f"{column} == {shown}")
    assert not true(f"{column} != {shown}")
    assert not true(f"{column} == {shown}", replace(ROW, **{column: None}))


def test_the_columns_are_those_of_a_row() -> None:
    assert [field.name for field in fields(RunRow)] == list(COLUMNS)


@pytest.mark.parametrize(
    "where",
    [
        "num_phases == 3 and status == 'failed'",
        "num_phases in (2, 3) or 0",
        "not (status = 'completed')",
        "prompt like '%LAKE'",
        "prompt glob '*lake'",
        "steps between 5 and 7",
        "lower(model) like 'wan%' and length(prompt) > 3",
        "coalesce(finished, 'never') == 'never'",
        "seed % 2 == 1 and max(segments, 9) == 9",
        "case when segments > 1 then 1 else 0 end",
        "created >= '2025-10-07' and created < '2025-10-08'",
        "status == 'failed' -- and a comment",
        "segments ==\n2",
        "run_id in (select run_id from runs where seed = 789)",
    ],
)
def test_an_expression_may_use_operators_and_simple_functions(where: str) -> None:
    assert true(where)


def test_runs_come_in_the_order_in_which_they_were_given() -> None:
    rows = [replace(ROW, run_id=name, seed=seed) for name, seed in (("c", 1), ("a", 2), ("b", 3), ("a2", 1))]
    assert matching(rows, where="seed != 2") == ["c", "b", "a2"]
    assert matching(rows, where="seed") == ["c", "a", "b", "a2"]
    assert matching([], where="1") == matching(rows, where="null") == []


# What is refused

FORBIDDEN = "--where: only columns, comparisons and simple functions may be used"


@pytest.mark.parametrize(
    "where",
    [
        "(select count(*) from runs) > 0",
        "1 in (select 1 from sqlite_master)",
        "exists(select 1 from pragma_table_info('runs'))",
        "exists(with recursive x(n) as (select 1 union all select n + 1 from x) select n from x)",
        "load_extension('x')",
        "randomblob(1000000000)",
        "zeroblob(1000000000)",
        "printf('%1000000s', 1)",
        "replace(prompt, 'a', prompt)",
        "date('now') > created",
        "status match 'x'",
    ],
)
def test_what_is_not_a_plain_question_is_refused(where: str) -> None:
    assert refused(where).startswith(FORBIDDEN)


@pytest.mark.parametrize(
    "where",
    [
        "",
        "num_phases ==",
        "attach 'x' as y",
        "pragma user_version",
        "1; drop table runs",
        "1); drop table runs; --",
        "1 /* open",
        "'open",
        "1) group by (status",
        "0) union all select prompt as place from runs where (1",
        "1)) or ((1",
        "1 limit 1",
        "1 order by 1",
        "max(seed)",
        "?",
        "a\0b",
        "\ud800",
        "readfile('/etc/passwd')",
        "1" + " + 1" * 1000,
        "(" * 1000 + "1" + ")" * 1000,
    ],
)
def test_what_is_no_expression_says_so_in_one_line(where: str) -> None:
    assert refused(where).startswith("--where: is not an expression: ")


def test_an_expression_of_any_length_is_not_read() -> None:
    assert refused("1" + " " * LONGEST) == f"--where: is longer than {LONGEST} characters"


@pytest.mark.parametrize(
    ("where", "column"), [("statu == 1", "status"), ("num_phase > 1", "num_phases"), ("lora like 'x'", "loras")]
)
def test_a_column_that_is_not_there_names_the_nearest(where: str, column: str) -> None:
    wrong = where.split()[0]
    assert refused(where) == (
        f"--where: there is no column {wrong} (got {where!r}); did you mean {column}? "
        f"(text stands in single quotes: '{wrong}')"
    )


def test_a_column_like_no_other_lists_them_all() -> None:
    assert f"columns are {', '.join(COLUMNS)}" in refused("xyzzy == 1")


def test_endless_work_is_stopped() -> None:
    rows = [replace(ROW, run_id=str(number)) for number in range(60)]
    begun = time.process_time()
    with pytest.raises(SpecError, match="takes too long"):
        matching(rows, where="exists(select 1 from runs a, runs b, runs c, runs d, runs e where a.seed + e.seed = 0)")
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("pattern", ["like '" + "%a" * 1500 + "b'", "glob '" + "*a" * 1500 + "b'"])
def test_huge_patterns_are_no_trouble(pattern: str) -> None:
    begun = time.process_time()
    assert not true(f"prompt {pattern}", replace(ROW, prompt="a" * 5000))
    assert time.process_time() - begun < 2


@given(
    where=st.text(max_size=40)
    | st.lists(st.sampled_from(["(", ")", "1", "or", "seed", "'", "--", "/*", ";"])).map(" ".join)
)
def test_no_text_does_more_than_choose_runs_or_be_refused(where: str) -> None:
    with suppress(SpecError):
        assert matching([ROW], where=where) in ([], [ROW.run_id])


# Rows


def own(data: Data, **said: object) -> RunRow:
    plan = plan_json(planned(data, **({"engine": PREVIEW} if "model" not in data else {})).plan)
    record = {"run_id": "1", "status": "completed", "created": "c", "finished": "f", "error": None, "planned": plan}
    return row_of({**record, **said})


def test_a_run_of_ours_is_read_from_its_plan() -> None:
    row = own(stills(3, model=T2V, preset="lightning_baseline_2_2_2", prompt="a lake", seed=2**40))
    assert row == RunRow(
        run_id="1",
        status="completed",
        imported=False,
        created="c",
        finished="f",
        error=None,
        engine="wan",
        model=T2V,
        mode="batch",
        chaining="independent",
        resolution="768x576",
        segments=2,
        frames=121,
        seed=2**40,
        steps=6,
        num_phases=3,
        guidance="3 1",
        loras="high_noise_model low_noise_model",
        prompt="a lake",
    )


def test_a_run_that_denoises_nothing_has_no_phases() -> None:
    row = own(stills(2))
    assert (row.steps, row.num_phases, row.guidance, row.loras, row.model) == (0, 0, "", "", None)


LOGGED: Data = {
    "requested": {"model_name": "m", "steps": 8, "seed_base": 5, "phase_config": {"num_phases": 2}},
    "planned": {"expected_frames": 116},
    "segments": [
        {"error": None, "requested": {"base_prompt": ""}, "applied": {}},
        {"error": "short of memory", "requested": {"base_prompt": "a lake"}, "applied": {}},
    ],
}


def logged(**changes: object) -> RunRow:
    return row_of(
        {"run_id": "1", "status": "failed", "created": None, "finished": None, "logged": {**LOGGED, **changes}}
    )


def test_a_run_of_a_log_is_read_from_what_was_sent_else_requested() -> None:
    row = logged()
    assert (row.imported, row.engine, row.model, row.chaining) == (True, "wangp", "m", "chained")
    assert (row.segments, row.frames, row.seed, row.steps, row.num_phases) == (2, 116, 5, 8, 2)
    assert (row.error, row.prompt, row.guidance, row.loras) == ("short of memory", "a lake", "", "")
    sent = {"guidance_phases": 3, "guidance_scale": 3.5, "guidance2_scale": 1, "num_inference_steps": 6}
    sent |= {"guidance3_scale": 1, "activated_loras": ["x.safetensors", "y.safetensors"]}
    row = logged(segments=[{**LOGGED["segments"][0], "applied": sent}])
    assert (row.steps, row.num_phases, row.guidance, row.loras) == (6, 3, "3.5 1 1", "x.safetensors y.safetensors")


def test_independent_segments_of_a_log_are_known_by_either_key() -> None:
    assert logged(requested={"chain_segments": False}).chaining == "independent"
    assert logged(requested={"independent_segments": True}).chaining == "independent"
    assert logged(requested={}).chaining == "chained"


@pytest.mark.parametrize(
    "changes",
    [
        {"segments": []},
        {"requested": {"seed_base": 2**64, "steps": [6], "model_name": ["m"], "phase_config": "none"}},
        {"requested": {"seed_base": "5", "parsed_resolution_wh": {"w": 1}, "generation_mode": None}},
        {"segments": [{"error": None, "requested": {"base_prompt": ["x"]}, "applied": "ambiguous"}]},
        {
            "segments": [
                {
                    "error": None,
                    "requested": {},
                    "applied": {"guidance_phases": "3", "guidance_scale": "3", "activated_loras": "x"},
                }
            ]
        },
        {"planned": {"expected_frames": [1]}},
    ],
)
def test_a_log_that_holds_odd_values_can_still_be_asked(changes: Data) -> None:
    assert matching([logged(**changes)], where="imported and seed is null or 1") == ["1"]
