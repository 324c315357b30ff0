"""Every record of a log, also while it is being written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logs.generator import JWT, PLANTED, Generator, Settings
from wayframe.errors import LogError
from wayframe.logs import follow, records


def texts(path: Path) -> list[str]:
    return [record.text for record in records([path])]


def test_a_record_goes_on_until_the_next_head(tmp_path: Path):
    path = tmp_path / "debug.log"
    path.write_text('2026-02-03 run\n[10:00:00] DEBUG A Params: {\n  "a": 1\n}\nplain print\n[10:00:01] INFO B done\n')
    found = list(records([path]))
    assert [(record.line, record.text) for record in found] == [
        (1, "2026-02-03 run"),
        (2, 'Params: {\n  "a": 1\n}'),
        (5, "plain print"),
        (6, "done"),
    ]
    assert [record.time for record in found] == [None, "2026-02-03T10:00:00", None, "2026-02-03T10:00:01"]


def test_no_secret_is_in_any_record(tmp_path: Path):
    path = tmp_path / "debug.log"
    path.write_bytes(Generator(9, Settings(runs=3, noise=0.5)).log().data)
    text = "\n".join(texts(path))
    assert "FINAL_PARAMS" in text
    assert PLANTED not in text
    assert JWT not in text


def test_our_own_events_are_records_too(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"time": "2026-02-03T10:00:00", "event": "step", "api_key": "anything"}\nnot json\n')
    first, second = records([path])
    assert (first.time, first.component) == ("2026-02-03T10:00:00", "step")
    assert "anything" not in first.text
    assert second.text == "not json"


def test_inside_a_message_of_ours_there_is_no_record(tmp_path: Path):
    path = tmp_path / "debug.log"
    told = "segment 0 failed: bad prompt [05:06:14] ERROR RUN run 1 failed"
    path.write_text(
        f"[13:27:44] ERROR SEGMENT [Task a] {told}\n    [00:00:00] ERROR FAKE x\n[13:27:45] INFO RUN run 1 failed\n"
    )
    first, second = records([path])
    assert first.text == f"{told}\n    [00:00:00] ERROR FAKE x"
    assert second.text == "run 1 failed"


def script(*steps: Callable[[], object]) -> Callable[[], bool]:
    """A wait that lets something happen to the file each time, and then ends."""
    waiting: Iterator[Callable[[], object]] = iter(steps)

    def wait() -> bool:
        step = next(waiting, None)
        if step is not None:
            step()
        return step is not None

    return wait


def append(path: Path, text: str) -> Callable[[], object]:
    def write() -> None:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)

    return write


def line(number: int) -> str:
    return f"[10:00:{number:02d}] INFO A record {number}\n"


def followed(path: Path, *steps: Callable[[], object], last: int = 10) -> list[str]:
    return [record.text.removeprefix("record ") for record in follow(path, wait=script(*steps), last=last)]


def test_new_records_come_as_they_are_written(tmp_path: Path):
    path = tmp_path / "debug.log"
    path.write_text(line(1) + line(2) + line(3))
    half, rest = line(5)[:20], line(5)[20:]
    steps = (append(path, line(4) + half), lambda: None, append(path, rest))
    assert followed(path, *steps, last=2) == ["2", "3", "4", "5"]


def test_of_a_long_file_only_the_end_is_read_and_its_lines_keep_their_numbers(tmp_path: Path):
    path = tmp_path / "debug.log"
    path.write_text("".join(f"[10:00:00] INFO A record {number}\n" for number in range(1, 20_001)))
    found = list(follow(path, wait=script(append(path, line(7))), last=1))
    assert [(record.line, record.text) for record in found] == [(20_000, "record 20000"), (20_001, "record 7")]


def test_a_file_that_was_emptied_is_read_from_its_start(tmp_path: Path):
    path = tmp_path / "debug.log"
    path.write_text(line(1) + line(2))
    assert followed(path, lambda: path.write_text(line(3))) == ["1", "2", "3"]


def test_a_rotated_file_is_read_to_its_end_and_then_the_new_one(tmp_path: Path):
    path = tmp_path / "debug.log"
    path.write_text(line(1))

    def rotate() -> None:
        append(path, line(2))()
        path.rename(tmp_path / "debug.log.1")
        path.write_text(line(3))

    assert followed(path, rotate, append(path, line(4))) == ["1", "2", "3", "4"]


def test_a_file_that_is_gone_for_a_while_is_waited_for(tmp_path: Path):
    path = tmp_path / "debug.log"
    path.write_text(line(1))
    steps = (lambda: path.rename(tmp_path / "debug.log.1"), lambda: path.write_text(line(2)))
    assert followed(path, *steps) == ["1", "2"]


def test_what_cannot_be_followed_is_refused(tmp_path: Path):
    with pytest.raises(LogError, match="cannot be followed"):
        followed(tmp_path / "nothing.log")
    packed = tmp_path / "debug.log.gz"
    packed.write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(LogError, match="is compressed"):
        followed(packed)
