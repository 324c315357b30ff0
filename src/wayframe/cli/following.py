"""A queued run on the terminal: as `wayframe run` shows its own, from wherever it is rendered."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wayframe.cli.trips import Manner
    from wayframe.workflow.out import Out
    from wayframe.workflow.queue.place import Place
    from wayframe.workflow.queue.rows import RunRow
    from wayframe.workflow.run import RunResult

SECONDS_BETWEEN_REASONS = 5.0
FIRST_REASON = 1.5
"""A run that begins at once is worth no word about its waiting."""


class Follower:
    """Shows runs of a place in one manner, and brings their videos."""

    def __init__(self, place: Place, *, manner: Manner) -> None:
        self._place, self._manner = place, manner
        self._now = datetime.now(UTC)

    def follow(self, row: RunRow) -> RunResult:
        """Show what happens to a run until it ends; then fetch its files, and copy the video where it is wanted.

        Gives what came of it.

        Raises `EngineError` with the reason when the run failed, and `CancelledError` when it was cancelled, or when
        the user stops to look.
        """
        from wayframe.errors import CancelledError
        from wayframe.workflow.out import Out

        out = None
        if self._manner.out is not None:
            planned = self._planned(row)
            out = Out(path=self._manner.out, plan=planned, force=self._manner.force)
            out.check()
        try:
            ended = self._shown(row)
        except CancelledError as error:
            back = f"run {row.run_id} goes on without this terminal; wayframe follow {row.run_id} comes back to it"
            raise CancelledError(back) from error
        return self._tell(ended, out=out)

    def _planned(self, row: RunRow) -> dict[str, object]:
        from wayframe.core.documents import plan_json
        from wayframe.workflow.queue.request import get_request

        return plan_json(get_request(self._place, row.run_id).plan)

    def _shown(self, row: RunRow) -> RunRow:
        from wayframe.cli.live import display
        from wayframe.workflow.queue.follow import Following, present_attempt
        from wayframe.workflow.queue.request import get_request

        plan = get_request(self._place, row.run_id).plan
        after = 0 if self._manner.show == "json" else present_attempt(self._place, row)
        with display(self._manner.show, plan=plan, now=lambda: self._now) as listen:
            following = Following(self._place, row.run_id, after=after, idle=self._reasons())
            for told, event in following.events():
                self._now = datetime.fromtimestamp(told.time / 1000, tz=UTC)
                listen(event)
        return following.row

    def _reasons(self) -> Callable[[RunRow], None]:
        """What says, once for each reason, why a run waits."""
        if self._manner.show != "text":
            return lambda _row: None
        from wayframe.workflow.queue.overview import Scene
        from wayframe.workflow.queue.rows import OPEN

        due, said = time.monotonic() + FIRST_REASON, ""

        def idle(row: RunRow) -> None:
            nonlocal due, said
            if time.monotonic() < due or row.state not in OPEN:
                return
            due = time.monotonic() + SECONDS_BETWEEN_REASONS
            reason = Scene.of(self._place).waits(row) or ""
            if reason and reason != said:
                sys.stderr.write(f"run {row.run_id} waits: {reason}\n")
            said = reason

        return idle

    def _tell(self, row: RunRow, *, out: Out | None) -> RunResult:
        from wayframe.errors import CancelledError, EngineError
        from wayframe.workflow.queue.finishing import Finishing
        from wayframe.workflow.queue.rows import QueueState
        from wayframe.workflow.run import RunResult

        if row.state is QueueState.CANCELLED:
            raise CancelledError(f"run {row.run_id} was cancelled; wayframe resume {row.run_id} goes on with it")
        folder = Finishing.of(self._place, row.run_id).fetch()
        if row.state is QueueState.FAILED:
            raise EngineError(f"run {row.run_id} failed: {row.error}; wayframe retry {row.run_id} tries it again")
        record = folder.read()
        made = folder.path / record["outcome"]["after"]["file"] if "after" in record["outcome"] else folder.video
        if out is not None:
            out.deliver(made)
        result = RunResult(folder=folder, record=record, video=out.path if out else made)
        if self._manner.show == "text":
            from wayframe.cli.views import print_result

            print_result(result)
        return result
