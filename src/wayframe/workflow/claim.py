"""Which run a plan is carried out in: an interrupted one goes on, else there is a new one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from wayframe.errors import StoreError
from wayframe.store.home import Home
from wayframe.store.runs import INCOMPLETE, RunFolder, list_runs, new_run, sweep_runs

CONTINUED = (INCOMPLETE, "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run that this process holds; `earlier` is its record when it was interrupted, None when it is new."""

    folder: RunFolder
    earlier: dict[str, Any] | None


@contextmanager
def claimed(home: Home, *, plan_digest: str) -> Iterator[Claim]:
    """Hold the newest run of this plan when it was interrupted, else a new one.

    Of several processes that find the same interrupted run, one goes on with it and the others make runs of their own.
    """
    sweep_runs(home)
    with ExitStack() as stack:
        found = _newest(home, plan_digest=plan_digest)
        earlier = _taken_up(found, stack) if found else None
        if found is None or earlier is None:
            found = stack.enter_context(new_run(home, plan_digest=plan_digest))
        yield Claim(folder=found, earlier=earlier)


def _newest(home: Home, *, plan_digest: str) -> RunFolder | None:
    """The newest run of a plan, when it was interrupted; of other runs no record is read."""
    for folder in list_runs(home):
        if folder.plan_digest() == plan_digest:
            with suppress(StoreError):  # a damaged record tells nothing: look further
                return folder if folder.read()["status"] in CONTINUED else None
    return None


def _taken_up(folder: RunFolder, stack: ExitStack) -> dict[str, Any] | None:
    """The record of an interrupted run, which is now held; None when another process was faster."""
    with ExitStack() as attempt:
        try:
            attempt.enter_context(folder.hold())
        except StoreError:
            return None
        record = folder.read_held()  # it may have been finished between the first look and now
        if record["status"] not in CONTINUED:
            return None
        stack.push(attempt.pop_all())
        return record
