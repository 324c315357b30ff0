"""The program as its user sees it, in this process: what it prints, and its exit code."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from wayframe.cli.app import main


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self):
        """What was printed, read as JSON."""
        return json.loads(self.out)


@dataclass(kw_only=True)
class Terminal:
    """Runs commands in a folder, with a home of its own."""

    folder: Path
    home: Path
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def __call__(self, *words: str | Path) -> Printed:
        self.patch.setattr(sys, "argv", ["wayframe", *map(str, words)])
        self.capture.readouterr()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            main()
            code: object = 0
        except SystemExit as end:
            code = end.code
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        out, err = self.capture.readouterr()
        return Printed(code=code if isinstance(code, int) else 0, out=out, err=err)

    def fails(self, *words: str | Path, code: int = 1) -> str:
        """The one line that a command which fails says."""
        printed = self(*words)
        assert printed.code == code, printed
        assert printed.out == ""
        line = printed.err.strip()
        assert "\n" not in line, printed.err
        return line
