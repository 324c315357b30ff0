"""Heads, glued records, and dates that lines inherit."""

from __future__ import annotations

from wayframe.logs.lines import Clock, Piece, clean, pieces

TASK = "22222222-aaaa-4aaa-8aaa-000000000001"


def test_the_four_heads_are_taken_apart():
    (debug,) = pieces("[DEBUG 2025-10-07T05:06:14.601786] text")
    assert (debug.day, debug.time, debug.text) == ("2025-10-07", "05:06:14.601786", "text")
    (timed,) = pieces(f"[05:06:14] ✅ HEADLESS [Task {TASK}] it is done")
    assert (timed.day, timed.time, timed.level) == (None, "05:06:14", "✅")
    assert (timed.component, timed.task, timed.text) == ("HEADLESS", TASK, "it is done")
    (logged,) = pieces("2025-10-07 05:06:14,601 [INFO] httpx: GET")
    assert (logged.day, logged.time, logged.level) == ("2025-10-07", "05:06:14,601", "INFO")
    assert (logged.component, logged.text) == ("httpx", "GET")
    (untimed,) = pieces(f"Task {TASK} (Type: travel_stitch) queued via Edge Function.")
    assert untimed.time is None


def test_marks_of_all_levels_are_levels():
    for mark in ("INFO", "DEBUG", "✅", "⚠️", "❌", "🔴 CRITICAL", "⏳", "📊"):
        assert pieces(f"[05:06:14] {mark} QUEUE text")[0].level == mark


def test_two_records_on_one_line_are_two():
    found = pieces(
        "[DEBUG 2025-10-07T05:06:14.601786] one[05:06:15] INFO HEADLESS two2025-10-07 05:06:16,000 [INFO] httpx: three"
    )
    assert [piece.text for piece in found] == ["one", "two", "three"]


def test_a_record_after_a_progress_bar_begins_at_the_carriage_return():
    assert [piece.text for piece in pieces("⏳ 10%\r⏳ 20%\r[05:06:15] INFO HEADLESS go")][-1] == "go"


def test_a_head_inside_quotes_is_no_record():
    inside = "[05:06:15] INFO HEADLESS two"
    for line in (
        f"[DEBUG 2025-10-07T05:06:14.601786] claimed: {{'prompt': 'the dog\\'s {inside}', 'a': 1}}",
        f'  "prompt": "{inside}",',
        f'[05:06:14] DEBUG GENERATION parameters - prompt: "it\'s {inside}", resolution: 1',
    ):
        assert len(pieces(line)) == 1


def test_an_apostrophe_opens_no_quote():
    assert len(pieces("[05:06:14] INFO TRAVEL the dog's bone[05:06:15] INFO HEADLESS two")) == 2


def test_free_text_has_no_end_that_can_be_seen():
    assert len(pieces("[05:06:14] INFO GENERATION [FINAL_PARAMS] prompt: a cat [05:06:15] INFO HEADLESS two")) == 1


def test_a_type_of_prompt_is_no_free_text():
    found = pieces("[05:06:14] INFO GENERATION [FINAL_PARAMS] image_prompt_type: SE[05:06:15] INFO HEADLESS two")
    assert [piece.text for piece in found] == ["[FINAL_PARAMS] image_prompt_type: SE", "two"]


def test_a_line_of_nothing_but_heads_is_read_in_one_pass():
    assert len(pieces("[05:06:15] INFO A x" * 20_000)) == 20_000


def test_cleaning_takes_line_ends_nulls_and_colours():
    assert clean(b"\x1b[1;36m[05:06:15]\x1b[0m a\0b \xff\r\n") == "[05:06:15] ab \ufffd"


def stamped(clock: Clock, time: str, day: str | None = None) -> str | None:
    return clock.stamp(Piece(text="", whole="", time=time, day=day))


def test_a_time_gets_the_date_of_the_lines_before_it():
    clock = Clock()
    assert stamped(clock, "10:00:00") is None
    assert stamped(clock, "23:59:58,601", "2025-10-07") == "2025-10-07T23:59:58.601"
    assert stamped(clock, "23:59:59") == "2025-10-07T23:59:59"
    assert stamped(clock, "00:00:01") == "2025-10-08T00:00:01"
    assert stamped(clock, "23:59:59") == "2025-10-07T23:59:59"  # another process, a little late
    assert stamped(clock, "00:00:02") == "2025-10-08T00:00:02"


def test_the_first_lines_get_the_date_of_the_first_dated_line_after_them():
    clock = Clock()
    clock.begin(b"[23:59:59] INFO A x\n[DEBUG 2025-10-08T00:00:01.000001] y\n", name="any.log")
    assert stamped(clock, "23:59:59") == "2025-10-07T23:59:59"
    clock = Clock()
    clock.begin(b"[10:00:00] INFO A x\n", name="debug_20251005_181017.log")
    assert stamped(clock, "18:10:17") == "2025-10-05T18:10:17"


def test_a_log_of_times_only_may_begin_with_its_date():
    clock = Clock()
    clock.begin(b"wayframe 1.0, run started 2026-02-03\n[10:00:00] INFO A x\n", name="debug.log")
    assert stamped(clock, "10:00:00") == "2026-02-03T10:00:00"


def test_dates_that_do_not_exist_are_ignored():
    clock = Clock()
    stamped(clock, "10:00:00", "2025-10-07")
    assert stamped(clock, "10:00:01", "2025-99-99") == "2025-10-07T10:00:01"
