"""Runs out of generated logs, against what the generator knows about them."""

from __future__ import annotations

import gzip
import json
import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logs.generator import JWT, PLANTED, Generator, Log, Settings, Truth
from wayframe.errors import LogError
from wayframe.files import REDACTED
from wayframe.logs import AMBIGUOUS, LogRuns, Missing, RunReader, RunRecord, RunStatus, find_run, runs

MODEST = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(folder: Path, data: bytes, *, name: str = "debug.log") -> LogRuns:
    path = folder / name
    path.write_bytes(data)
    return runs([path])


def check_run(run: RunRecord, truth: Truth, *, certain: bool) -> None:
    assert run.run_id == truth.run_id
    assert run.status == truth.status
    assert run.started == truth.started
    assert run.finished == truth.finished
    assert run.requested["segment_frames_expanded"] == truth.requested["segment_frames_expanded"]
    assert run.requested["openai_api_key"] == REDACTED
    assert run.requested.keys() == truth.requested.keys()
    frames = run.planned["quantised_segment_frames"]
    assert frames == truth.frames or (not certain and frames == AMBIGUOUS)
    stitch = {"task_id": run.stitch.task_id, "status": str(run.stitch.status)} if run.stitch else None
    assert stitch == truth.stitch
    assert [segment.task_id for segment in run.segments] == [known["task_id"] for known in truth.segments]
    for at, (segment, known) in enumerate(zip(run.segments, truth.segments, strict=True)):
        assert segment.segment_index == at
        assert (segment.status, segment.error) == (known["status"], known["error"])
        assert segment.applied == known["applied"] or (not certain and segment.applied == AMBIGUOUS)
        depends, before = segment.planned["depends_on"], truth.segments[at - 1]["task_id"] if at else None
        assert depends == before or (not certain and depends == AMBIGUOUS)


def check(found: LogRuns, log: Log, *, certain: bool) -> None:
    assert [run.run_id for run in found.runs if run.status == "completed"] == log.completed
    by_id = {run.orchestrator_task_id: run for run in found.runs}
    assert len(by_id) == len(found.runs) == len(log.runs)
    for truth in log.runs:
        check_run(by_id[truth.orchestrator_task_id], truth, certain=certain)
    text = json.dumps(found.to_json())
    assert PLANTED not in text
    assert JWT not in text


@MODEST
@given(seed=st.integers(0, 2**32))
def test_one_worker_s_log_gives_every_value_exactly(tmp_path: Path, seed: int):
    log = Generator(seed, Settings(runs=3)).log()
    found = read(tmp_path, log.data)
    check(found, log, certain=True)
    assert found.lines == log.lines
    assert found.unread_lines == 0


@MODEST
@given(seed=st.integers(0, 2**32), workers=st.integers(2, 4))
def test_workers_that_share_a_file_give_true_values_or_say_ambiguous(tmp_path: Path, seed: int, workers: int):
    log = Generator(seed, Settings(workers=workers, runs=5, noise=0.1)).log()
    check(read(tmp_path, log.data), log, certain=False)


@MODEST
@given(seed=st.integers(0, 2**32))
def test_records_glued_on_one_line_are_read_as_if_they_stood_alone(tmp_path: Path, seed: int):
    log = Generator(seed, Settings(workers=2, runs=4, glue=0.2, decoys=False, noise=0)).log()
    check(read(tmp_path, log.data), log, certain=False)


@MODEST
@given(seed=st.integers(0, 2**32), newline=st.sampled_from([b"\n", b"\r\n"]), bom=st.booleans())
def test_line_ends_colours_and_a_byte_order_mark_change_nothing(tmp_path: Path, seed: int, newline: bytes, bom: bool):
    log = Generator(seed, Settings(newline=newline, colours=True, decoys=False)).log()
    found = read(tmp_path, (b"\xef\xbb\xbf" if bom else b"") + log.data)
    check(found, log, certain=True)


@MODEST
@given(
    seed=st.integers(0, 2**32),
    cut=st.floats(0, 1),
    damage=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), max_size=8),
)
def test_a_damaged_log_is_survived_and_what_is_reported_is_consistent(
    tmp_path: Path, seed: int, cut: float, damage: list[tuple[float, bytes]]
):
    data = Generator(seed, Settings(workers=2, runs=3, glue=0.1)).log().data
    for place, junk in damage:
        at = int(place * len(data))
        data = data[:at] + junk + data[at + len(junk) :]
    data = b"\n" + data[: int(cut * len(data))]  # the first bytes of a file may say that it is packed
    consistent(read(tmp_path, data), data)


@MODEST
@given(data=st.binary(max_size=4000))
def test_arbitrary_bytes_are_survived(tmp_path: Path, data: bytes):
    consistent(read(tmp_path, b"\n" + data), b"\n" + data)


def consistent(found: LogRuns, data: bytes) -> None:
    assert found.lines == data.count(b"\n") + (bool(data) and not data.endswith(b"\n"))
    assert 0 <= found.unread_lines <= found.lines
    for run in found.runs:
        assert run.orchestrator_task_id is not None
        assert (run.finished is None) or (run.status != "incomplete")
        if run.status == "completed":
            done = run.stitch.status if run.stitch else {segment.status for segment in run.segments}
            assert done in ("complete", {"complete"})
        for evidence in run.evidence.values():
            assert 1 <= evidence.line <= found.lines
    text = json.dumps(found.to_json())
    assert PLANTED not in text
    assert JWT.partition(".")[0] not in text


SECRETS = st.sampled_from(
    [PLANTED, JWT, "hf_abcdefghij0123456789", "ghp_0123456789abcdefghijklmnop", "AKIAABCDEFGHIJKLMNOP"]
)


@MODEST
@given(secret=SECRETS, around=st.text(alphabet=" '\"{}:,.=\n", max_size=4), data=st.data())
def test_no_planted_secret_comes_out_whatever_it_stands_in(
    tmp_path: Path, secret: str, around: str, data: st.DataObject
):
    planted = around + secret + around
    values = [planted, [planted], {"deep": planted}, {planted: 1}, f"https://x.y/z?token={secret}", f"Bearer {secret}"]
    given_values = {f"key_{at}": value for at, value in enumerate(data.draw(st.permutations(values)))}
    run = only(
        tmp_path,
        orchestrator(**given_values, api_key="short", base_prompt=planted),
        segment_claim(**given_values, password=planted),
        executing(SEGMENT),
        sent("prompt", planted.replace("\n", " ")),
        sent("some_list", repr([planted])),
        sent("service_role_key", "whatever it is"),
        sent("hf_abcdefghij0123456789", "1"),
        status(SEGMENT, "Failed", f"refused {planted}".replace("\n", " ")),
    )
    text = json.dumps(run.to_json(), ensure_ascii=False)
    assert run.segments[0].status == "failed"
    assert secret not in text
    assert "whatever it is" not in text
    assert '"short"' not in text


@pytest.mark.parametrize(
    "line",
    [
        "[10:00:00] INFO A x" * 40_000,
        "reset to queued " * 40_000 + "to Queued",
        f"[10:00:00] INFO A [Task {'1' * 8}] phase_config parsed: 3 phases, steps=[" + "], thresholds=[" * 40_000,
        "[DEBUG 2025-11-03T10:00:00.000001] Edge Function claimed task: {" + "'a': {" * 100_000,
        "[DEBUG 2025-11-03T10:00:00.000001] Edge Function claimed task: {" + "'a\\" * 200_000,
        "[10:00:00] INFO GENERATION [FINAL_PARAMS] prompt: " + "[10:00:00] INFO A x" * 30_000,
        'token: "' * 60_000 + "Successfully enqueued ",
    ],
)
def test_lines_made_to_be_slow_are_not(tmp_path: Path, line: str):
    before = time.process_time()
    line += " Task completed successfully"  # a line without any mark is not looked at
    found = read(tmp_path, (segment_claim(base_prompt=line[:50_000]) + line + "\n" + line).encode())
    assert found.lines == 3
    assert time.process_time() - before < 10


# Facts by hand.

RUN = "11111111-aaaa-4aaa-8aaa-000000000001"
SEGMENT, OTHER = "22222222-aaaa-4aaa-8aaa-000000000001", "33333333-aaaa-4aaa-8aaa-000000000001"
STITCH = "44444444-aaaa-4aaa-8aaa-000000000001"


def dated(text: str, time: str = "10:00:00.000001") -> str:
    return f"[DEBUG 2025-11-03T{time}] {text}\n"


def claim(task_id: str, kind: str, **params: object) -> str:
    return dated(f"Edge Function claimed task: { {'task_id': task_id, 'params': params, 'task_type': kind} }")


def segment_claim(task_id: str = SEGMENT, index: int = 0, **params: object) -> str:
    of_run = {"segment_index": index, "orchestrator_task_id_ref": RUN, "orchestrator_run_id": "r1"}
    return claim(task_id, "travel_segment", **of_run, **params)


def orchestrator(**payload: object) -> str:
    return claim(RUN, "travel_orchestrator", orchestrator_details={"run_id": "r1", **payload})


def executing(task_id: str, worker: str = "GenerationWorker-0") -> str:
    text = f"{worker} executing generation for task travel_seg_{task_id} (model: m)"
    return f"2025-11-03 10:00:01,000 [INFO] HeadlessQueue: {text}\n"


def sent(key: str, value: str) -> str:
    return f"[10:00:02] INFO GENERATION [FINAL_PARAMS] {key}: {value}\n"


def done(task_id: str) -> str:
    return f"[10:00:09] ✅ HEADLESS [Task {task_id}] Task completed successfully: /x.mp4\n"


def status(task_id: str, word: str, told: str = "None") -> str:
    return dated(
        f"[DEBUG] update_task_status_supabase called: task_id={task_id}, status={word}, output_location={told}"
    )


def only(folder: Path, *lines: str) -> RunRecord:
    found = read(folder, "".join(lines).encode())
    assert len(found.runs) == 1
    return found.runs[0]


def test_who_wrote_the_prompts_is_known_when_the_log_tells_it(tmp_path: Path):
    planning = dated(f"[FRAME_DEBUG] Orchestrator {RUN}: QUANTIZATION ANALYSIS")
    writer = dated("[VLM_BATCH] Initializing Some-VL-7B-Instruct for 2 transitions...")
    told = only(tmp_path, orchestrator(enhance_prompt=True), planning, writer)
    assert told.planned["prompt_writer"] == "Some-VL-7B-Instruct"
    assert told.evidence["planned.prompt_writer"].line == 3
    assert "prompt_writer" not in only(tmp_path, orchestrator(enhance_prompt=True), planning).planned


def test_parameters_of_two_generations_under_way_are_ambiguous(tmp_path: Path):
    workers = (executing(SEGMENT, "GenerationWorker-0"), executing(OTHER, "GenerationWorker-1"))
    run = only(tmp_path, segment_claim(), segment_claim(OTHER, 1), *workers, sent("seed", "5"), sent("seed", "6"))
    assert [segment.applied for segment in run.segments] == [AMBIGUOUS, AMBIGUOUS]
    assert run.evidence["segments[0].applied"].line == 5
    assert run.look_up("segments[0].applied.seed") == AMBIGUOUS


def test_a_second_generation_owns_what_comes_after_the_first_one_s_block(tmp_path: Path):
    first = (executing(SEGMENT), sent("seed", "5"), "[10:00:02] INFO GENERATION " + "=" * 80 + "\n")
    second = (executing(OTHER, "GenerationWorker-1"), sent("seed", "6"))
    run = only(tmp_path, segment_claim(), segment_claim(OTHER, 1), *first, *second)
    assert [segment.applied for segment in run.segments] == [{"seed": 5}, {"seed": 6}]


def test_two_processes_whose_workers_share_a_name_are_told_apart_or_not_at_all(tmp_path: Path):
    up = "2025-11-03 10:00:00,000 [INFO] HeadlessQueue: GenerationWorker-0 started\n"
    run = only(
        tmp_path,
        up,
        up,
        segment_claim(),
        segment_claim(OTHER, 1),
        executing(SEGMENT),
        executing(OTHER),
        sent("seed", "5"),
    )
    assert [segment.applied for segment in run.segments] == [AMBIGUOUS, AMBIGUOUS]


def test_one_worker_s_last_execution_owns_the_parameters(tmp_path: Path):
    run = only(
        tmp_path, segment_claim(), segment_claim(OTHER, 1), executing(SEGMENT), executing(OTHER), sent("seed", "5")
    )
    assert [segment.applied for segment in run.segments] == [{}, {"seed": 5}]


def test_values_keep_their_types_and_their_blanks(tmp_path: Path):
    values = {
        "loras_multipliers": "0.75,0.0",
        "prompt": " ",
        "guidance_scale": "3 ⭐",
        "flow_shift": "5.0 *",
        "image_start": "None",
        "activated_loras": "['a.safetensors', 'b.safetensors']",
        "sample_solver": "euler",
        "model_filename": "",
        "state": "{'loras_count': 1} (truncated)",
    }
    run = only(tmp_path, segment_claim(), executing(SEGMENT), *(sent(key, value) for key, value in values.items()))
    assert run.segments[0].applied == {
        "loras_multipliers": "0.75,0.0",
        "prompt": " ",
        "guidance_scale": 3,
        "flow_shift": 5.0,
        "image_start": None,
        "activated_loras": ["a.safetensors", "b.safetensors"],
        "sample_solver": "euler",
        "model_filename": "",
    }
    assert run.look_up("segments[0].applied.state") is Missing.NOT_LOGGED
    assert run.evidence["segments[0].applied.state"].line == 11


def test_absent_logged_as_none_and_not_logged_are_three_things(tmp_path: Path):
    queued = f"Task {OTHER} (Type: travel_segment) queued via Edge Function.\n"
    planning = f"[10:00:00] INFO TRAVEL [Task {RUN}] Starting travel orchestrator task\n"
    run = only(tmp_path, orchestrator(amount_of_motion=None), planning, queued)
    assert run.look_up("requested.amount_of_motion") is None
    assert run.look_up("requested.phase_config") is Missing.ABSENT
    assert run.look_up("segments[0].requested.phase_config") is Missing.NOT_LOGGED
    assert run.look_up("planned.quantised_segment_frames") is Missing.NOT_LOGGED


def test_a_cut_claim_proves_nothing_and_is_counted(tmp_path: Path):
    found = read(tmp_path, (orchestrator() + segment_claim(base_prompt="x" * 50)[:200] + "\n").encode())
    assert found.runs[0].segments == ()
    assert (found.lines, found.unread_lines) == (2, 1)


def test_error_lines_fail_nothing_and_a_status_update_does(tmp_path: Path):
    run = only(
        tmp_path, segment_claim(), dated("[ERROR] all is lost"), f"[10:00:03] ❌ HEADLESS [Task {SEGMENT}] oh no\n"
    )
    assert run.status == "incomplete"
    run = only(tmp_path, segment_claim(), status(SEGMENT, "Failed", "out of memory"))
    assert (run.status, run.segments[0].error) == ("failed", "out of memory")
    assert run.evidence["segments[0].error"].line == 2


def test_success_after_a_failed_upload_is_not_believed(tmp_path: Path):
    marked = dated(f"[DEBUG] Successfully marked task {SEGMENT} as Failed via Edge Function")
    assert only(tmp_path, segment_claim(), marked, done(SEGMENT)).segments[0].status == "failed"


def test_a_task_that_was_queued_anew_and_finished_has_not_failed(tmp_path: Path):
    again = (status(SEGMENT, "Failed", "x"), status(SEGMENT, "Queued"), segment_claim(), done(SEGMENT))
    run = only(tmp_path, segment_claim(), *again)
    assert (run.segments[0].status, run.segments[0].error, run.status) == ("complete", None, "incomplete")


def test_a_reset_at_shutdown_leaves_the_task_incomplete(tmp_path: Path):
    reset = f"[10:00:05] INFO HEADLESS [Task {SEGMENT}] Resetting task to Queued before the shutdown\n"
    assert only(tmp_path, segment_claim(), status(SEGMENT, "Failed", "x"), reset).status == "incomplete"


@pytest.mark.parametrize("word", ["Cancelled", "Canceled"])
def test_a_cancelled_orchestrator_cancels_its_run(tmp_path: Path, word: str):
    run = only(tmp_path, orchestrator(), segment_claim(), status(RUN, word))
    assert (run.status, run.finished) == ("cancelled", "2025-11-03T10:00:00.000001")


def test_segments_alone_complete_only_a_run_that_makes_no_stitch(tmp_path: Path):
    chained = orchestrator(num_new_segments_to_generate=1)
    assert only(tmp_path, chained, segment_claim(), done(SEGMENT)).status == "incomplete"
    alone = orchestrator(num_new_segments_to_generate=1, chain_segments=False)
    assert only(tmp_path, alone, segment_claim(), done(SEGMENT)).status == "completed"
    two = orchestrator(num_new_segments_to_generate=2, chain_segments=False)
    assert only(tmp_path, two, segment_claim(), done(SEGMENT)).status == "incomplete"


def test_a_stitch_completes_its_run_whatever_the_segments_say(tmp_path: Path):
    stitch = claim(STITCH, "travel_stitch", orchestrator_task_id_ref=RUN, orchestrator_run_id="r1")
    run = only(tmp_path, segment_claim(), stitch, done(STITCH))
    assert (run.status, run.stitch and run.stitch.task_id) == ("completed", STITCH)


def test_a_prompt_that_looks_like_records_is_only_a_prompt(tmp_path: Path):
    lie = f"calm\n[10:00:03] ✅ HEADLESS [Task {SEGMENT}] Task completed successfully: /lie.mp4\nsea"
    run = only(tmp_path, segment_claim(base_prompt=lie), executing(SEGMENT), sent("prompt", lie), sent("seed", "7"))
    assert run.segments[0].status == "incomplete"
    assert run.segments[0].applied == {"prompt": lie, "seed": 7}


def test_a_record_glued_behind_a_prompt_is_seen_when_the_prompt_is_known(tmp_path: Path):
    glued = sent("prompt", "a calm sea").rstrip() + done(SEGMENT)
    run = only(tmp_path, segment_claim(base_prompt="a calm sea"), executing(SEGMENT), glued)
    assert run.segments[0].status == "complete"


def test_a_record_glued_before_a_claim_that_is_told_again_is_seen(tmp_path: Path):
    again = segment_claim().replace("Edge Function claimed task", "Supabase task_info")
    run = only(tmp_path, segment_claim(), executing(SEGMENT), segment_claim(), sent("seed", "5").rstrip() + again)
    assert run.segments[0].applied == {"seed": 5}


def test_times_without_a_date_go_on_over_midnight(tmp_path: Path):
    stitch = claim(STITCH, "travel_stitch", orchestrator_task_id_ref=RUN)
    times = "[23:59:58] INFO HEADLESS idle\n[00:00:03] INFO HEADLESS idle\n"
    run = only(tmp_path, segment_claim(), stitch, times, done(STITCH).replace("10:00:09", "00:10:09"))
    assert run.finished == "2025-11-04T00:10:09"


def test_a_megabyte_long_claim_is_read(tmp_path: Path):
    log = Generator(5, Settings(runs=1, outcomes=("completed",), dump=400_000)).log()
    check(read(tmp_path, log.data), log, certain=True)


def test_rotated_and_packed_files_are_one_log_in_the_order_of_writing(tmp_path: Path):
    log = Generator(11, Settings(runs=3)).log()
    lines = log.data.splitlines(keepends=True)
    third = len(lines) // 3
    (tmp_path / "debug.log.2.gz").write_bytes(gzip.compress(b"".join(lines[:third])))
    (tmp_path / "debug.log.1").write_bytes(b"".join(lines[third : 2 * third]))
    (tmp_path / "debug.log").write_bytes(b"".join(lines[2 * third :]))
    found = runs([tmp_path / "debug.log", tmp_path / "debug.log.1", tmp_path / "debug.log.2.gz"])
    check(found, log, certain=True)
    assert found.lines == log.lines
    assert {evidence.file for evidence in found.runs[0].evidence.values()} <= {
        "debug.log.2.gz",
        "debug.log.1",
        "debug.log",
    }
    assert runs([tmp_path]) == found


def test_runs_are_chosen_by_status(tmp_path: Path):
    path = tmp_path / "debug.log"
    path.write_bytes(Generator(3, Settings(runs=8)).log().data)
    every = runs([path])
    chosen = runs([path], statuses=[RunStatus.FAILED])
    assert chosen.runs == tuple(run for run in every.runs if run.status is RunStatus.FAILED)
    assert chosen.lines == every.lines


def test_a_run_is_found_by_its_id_or_the_beginning_of_one(tmp_path: Path):
    path = tmp_path / "debug.log"
    log = Generator(3, Settings(runs=3)).log()
    path.write_bytes(log.data)
    truth = log.runs[1]
    assert find_run([path], truth.run_id).orchestrator_task_id == truth.orchestrator_task_id
    assert find_run([path], truth.orchestrator_task_id[:9]).run_id == truth.run_id
    with pytest.raises(LogError, match="is the beginning of several ids"):
        find_run([path], truth.run_id[:8])
    with pytest.raises(LogError, match="is not in this log"):
        find_run([path], "nothing")


def test_the_json_written_piece_by_piece_is_the_whole_document(tmp_path: Path):
    path = tmp_path / "debug.log"
    path.write_bytes(Generator(8, Settings(runs=4)).log().data)
    assert json.loads("".join(RunReader([path]).json_lines())) == runs([path]).to_json()
    path.write_bytes(b"")
    assert json.loads("".join(RunReader([path]).json_lines())) == {
        "runs": [],
        "lines": 0,
        "unread_lines": 0,
        "secrets_redacted": 0,
    }


def test_started_times_are_dates_that_python_reads(tmp_path: Path):
    log = Generator(21, Settings(runs=4, step=40.0)).log()
    for run in read(tmp_path, log.data).runs:
        assert datetime.fromisoformat(str(run.started)).year == 2025
