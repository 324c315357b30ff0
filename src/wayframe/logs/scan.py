"""One fast pass over the bytes of a log: counts lines, follows the time, and decodes only lines that matter."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from wayframe.logs.lines import Clock, clean
from wayframe.logs.sources import Block, blocks

_CLAIM_MARKS = (b"claimed task: {", b"task_info: {")
MARKS = (
    b"queued via Edge Function",
    b"created with actual DB ID:",
    b"Task completed successfully",
    b"update_task_status_supabase called:",
    b"Edge function SUCCESS",
    b"as Failed via Edge Function",
    b"[FINAL_PARAMS]",
    b"GENERATION =====",
    b" executing generation ",
    b"generation completed for",
    b"generation failed for",
    b"GenerationWorker-",
    b"Starting travel orchestrator task",
    b"QUANTIZATION ANALYSIS",
    b"uantized_frame_overlap: [",
    b"Quantized segment_frames: [",
    b"Expected final length:",
    b"]   - New ",
    b"keeping original allocation",
    b"phase_config parsed:",
    b"timesteps for phase_config:",
    b"[ORCHESTRATOR_PHASE_CONFIG]",
    b"[VLM_BATCH] Initializing",
    b"depends_on (",
    b"create-task payload={",
    b": Successfully enqueued",
    b"[LIGHTNING_LORA]",
    b"shutting down gracefully",
    b" to Queued",
    b" to queued",
)
"""What every line that can tell something about a run holds. Each is searched for by itself: at memory speed."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was counted so far, over all files."""

    lines: int = 0
    unread_lines: int = 0
    """Lines that could not be read whole: no UTF-8, NULs, too long, cut off, a claim that does not parse."""
    last_unread: tuple[str, int] = ("", 0)

    def unread(self, *, file: str, line: int) -> None:
        """Count a line that could not be read, once."""
        if self.last_unread != (file, line):
            self.unread_lines += 1
            self.last_unread = (file, line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A line that holds one of the marks, cleaned."""

    line: int
    text: str
    block: bytes
    """The bytes around it; from `end` on, the lines in which the value of a multi-line record goes on."""
    end: int
    ended: bool
    """False when the file stops in this line."""
    sound: bool
    """False when the line had bytes that are no text; it is counted as unread already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentLines:
    """Lines of engine parameters that follow each other, all written the plain way: most of what matters in a log."""

    line: int
    time: str
    pairs: tuple[tuple[str, str], ...]
    """Key and value of each line."""
    block: bytes
    start: int
    end: int

    def one_by_one(self) -> Iterator[Candidate]:
        """The same lines, each by itself."""
        at = self.start
        for line in range(self.line, self.line + len(self.pairs)):
            stop = self.block.index(b"\n", at)
            text = clean(self.block[at:stop])
            yield Candidate(line=line, text=text, block=self.block, end=stop + 1, ended=True, sound=True)
            at = stop + 1


@dataclass(slots=True, kw_only=True)
class _Position:
    line: int = 1
    at: int = 0
    claim: bytes = b""
    """The literal of the last line that told a claim."""

    def repeats_claim(self, line: bytes) -> bool:
        """Whether a line tells the claim of the line before once more: the log says every claim twice."""
        brace = line.find(b"{")
        before = line[:brace]
        if before.endswith(_TOLD):
            self.claim = line[brace:]
        alone = before.startswith(b"[DEBUG ") and before.count(b"] ") == 1
        return alone and before.endswith(_TOLD_AGAIN) and line[brace:] == self.claim


_TOLD, _TOLD_AGAIN = b"] Edge Function claimed task: ", b"] Supabase task_info: "


Found: TypeAlias = "Generator[Candidate | SentLines, None, int]"
"""Gives lines, and returns the number of the line after the last."""

_SENT_LINES = re.compile(rb"(?:\[\d\d:\d\d:\d\d\] INFO GENERATION \[FINAL_PARAMS\] \w+: [^\n]*\n)+")
_SENT_PAIR = re.compile(r"(?m)^\[(\d\d:\d\d:\d\d)\] INFO GENERATION \[FINAL_PARAMS\] (\w+): ([^\n]*)$", re.ASCII)
_NOT_PLAIN = (b"\r", b"\x1b", b"\0", b"[DEBUG ", b"(Type: ", b": Successfully enqueued ")


def candidates(path: Path, *, tally: Tally, clock: Clock) -> Iterator[Candidate | SentLines]:
    """The lines of a file that may matter, in order; `clock` stands at each line's place when it is given out."""
    line, first = 1, True
    for block in blocks(path):
        data = block.data
        if first and data:
            clock.begin(data, name=path.name)
            first = False
        broken = _unreadable(data, first_line=line)
        tally.unread_lines += len(broken) + block.too_long
        after = yield from _in_block(block, first_line=line, broken=broken, clock=clock)
        tally.lines += after - line + (not block.ended)
        line = after


def _in_block(block: Block, *, first_line: int, broken: frozenset[int], clock: Clock) -> Found:
    data, here = block.data, _Position(line=first_line)
    for at in _marked(data):
        if at < here.at:
            continue
        start = data.rfind(b"\n", 0, at) + 1
        here.line += data.count(b"\n", here.at, start)
        clock.reach(data, end=start)
        sent = _sent_lines(data, start, line=here.line)
        if sent is not None:
            yield sent
            here.at, here.line = sent.end, here.line + len(sent.pairs)
            continue
        stop = data.find(b"\n", at)
        end = stop if stop >= 0 else len(data)
        raw = data[start:end]
        if not here.repeats_claim(raw):
            yield Candidate(
                line=here.line,
                text=clean(raw),
                block=data,
                end=end + 1,
                ended=block.ended or stop >= 0,
                sound=here.line not in broken,
            )
        here.at, here.line = end + 1, here.line + (stop >= 0)
    clock.leave(data)
    return here.line + data.count(b"\n", here.at)


def _sent_lines(data: bytes, start: int, *, line: int) -> SentLines | None:
    match = _SENT_LINES.match(data, start)
    raw = match[0] if match else b""
    if not raw or any(part in raw for part in _NOT_PLAIN) or raw.count(b"[FINAL_PARAMS]") > raw.count(b"\n"):
        return None
    try:
        found = _SENT_PAIR.findall(raw.decode())
    except UnicodeDecodeError:
        return None
    if len(found) != raw.count(b"\n") or len(_TIMES.findall(raw)) != len(found):
        return None  # a second head in one of the lines
    pairs = tuple((key, value) for _, key, value in found)
    return SentLines(line=line, time=found[0][0], pairs=pairs, block=data, start=start, end=start + len(raw))


_TIMES = re.compile(rb"\d\d:\d\d:\d\d[\],]")


def _marked(data: bytes) -> Sequence[int]:
    """Where marks stand. The lines of claims are long and examined as a whole: nothing else is searched for in them."""
    claims = sorted(at for mark in _CLAIM_MARKS for at in _all(mark, data, (0, len(data))))
    found, start = list(claims), 0
    for at in (*claims, len(data)):
        if at >= start:
            found += [place for mark in MARKS for place in _all(mark, data, (start, at))]
            start = data.find(b"\n", at) + 1 or len(data)
    found.sort()
    return found


def _all(mark: bytes, data: bytes, span: tuple[int, int]) -> Iterator[int]:
    start, end = span
    at = data.find(mark, start, end)
    while at >= 0:
        yield at
        at = data.find(mark, at + len(mark), end)


def _unreadable(data: bytes, *, first_line: int) -> frozenset[int]:
    try:
        data.decode()
    except UnicodeDecodeError:
        pass
    else:
        if b"\0" not in data:
            return frozenset()
    return frozenset(number for number, line in enumerate(data.split(b"\n"), first_line) if not is_text(line))


def is_text(line: bytes) -> bool:
    """Whether a line can be read whole: it is UTF-8, and holds no NUL."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in line
