"""Ctrl-C at any moment asks for a stop, and the second one stops at once."""

from __future__ import annotations

import io
import signal
import sys

import pytest

from wayframe.cli.interrupt import interruptible
from wayframe.errors import CancelledError


class Interrupted(io.RawIOBase):
    """A terminal at which the user presses Ctrl-C while a line is written to it."""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:
        signal.raise_signal(signal.SIGINT)
        return len(data)


def test_an_interrupt_amid_a_line_asks_for_a_stop(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    terminal = io.TextIOWrapper(io.BufferedWriter(Interrupted()), line_buffering=True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with interruptible() as asked:
        assert not asked()
        sys.stderr.write("prompt of segment 0\n")
        assert asked()
        assert "stopping; finished segments are kept" in capfd.readouterr().err
        with pytest.raises(CancelledError):
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_as_before_afterwards():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
