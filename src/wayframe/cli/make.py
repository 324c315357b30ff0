"""Commands that make videos: run, demo."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from wayframe.cli.options import (
    AllowPrivateOption,
    EngineOptions,
    HomeOption,
    LikeOption,
    OfflineOption,
    StrictOption,
    spec_flags,
)
from wayframe.cli.places import StoreOption, Where
from wayframe.cli.trips import (
    Difference,
    DifferenceOption,
    EventsOption,
    ForceOption,
    Given,
    Manner,
    OutOption,
    PicturesOption,
    PlanOption,
    QuietOption,
    RunThereOption,
    SourcesOption,
    VideoOption,
)
from wayframe.core.payload_like import Like

if TYPE_CHECKING:
    from wayframe.workflow.run import RunOptions, RunResult
    from wayframe.workflow.trip import Trip


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(run)
    app.command()(demo)


@spec_flags
def run(
    *,
    words: dict[str, Any],
    sources: SourcesOption = None,
    plan: PlanOption = None,
    video: VideoOption = None,
    keyframes: PicturesOption = None,
    like: LikeOption = Like.PLAIN,
    strict: StrictOption = False,
    offline: OfflineOption = False,
    allow_private: AllowPrivateOption = False,
    option: EngineOptions = None,
    on_difference: DifferenceOption = Difference.STOP,
    out: OutOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
    json_events: EventsOption = False,
    database: RunThereOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Render a video from a spec, from pictures, from a plan, or again from a video of ours."""
    given = Given(
        sources=sources or [],
        words=words,
        plan=plan,
        video=video,
        keyframes=keyframes,
        like=like,
        strict=strict,
        options=option or [],
        offline=offline,
        allow_private=allow_private,
    )
    manner = Manner(
        out=out, force=force, show="quiet" if quiet else "json" if json_events else "text", on_difference=on_difference
    )
    if database is None:
        carry_out(given.maker(home), home=home, manner=manner)
        return
    from wayframe.cli.queue import run_there

    run_there(given.maker(home), where=Where(database=database, store=store, home=home), manner=manner)


def demo(
    out: OutOption = Path("travel.mp4"),
    force: ForceOption = False,
    quiet: QuietOption = False,
    json_events: EventsOption = False,
    home: HomeOption = None,
) -> None:
    """Render the demo trip: one valley, three places, three hours of the day."""
    from importlib import resources

    from wayframe.store.home import open_home
    from wayframe.workflow import sources as read

    with resources.as_file(resources.files("wayframe.demo")) as folder:
        source = read.spec_source([folder / "trip.yaml"], words={})
        manner = Manner(out=out, force=force, show="quiet" if quiet else "json" if json_events else "text")
        carry_out(partial(read.trip_of_spec, source, home=open_home(home)), home=home, manner=manner)


def carry_out(make: Callable[[], Trip], *, home: Path | None, manner: Manner) -> RunResult:
    """Make a trip and run it, shown in a manner; gives what came of it."""
    from wayframe.cli.interrupt import interruptible
    from wayframe.cli.live import display, fetching
    from wayframe.store.home import open_home
    from wayframe.workflow.lora_files import Fetch
    from wayframe.workflow.render import OnDifference
    from wayframe.workflow.run import RunOptions, run_trip
    from wayframe.workflow.sources import trip_to_run

    place = open_home(home)
    with interruptible() as cancelled:
        with fetching(manner.show) as listen:
            trip = trip_to_run(make, home=place, fetch=Fetch(listen=listen, cancelled=cancelled))
        with display(manner.show, plan=trip.plan) as listen:
            options: RunOptions = RunOptions(
                out=manner.out,
                force=manner.force,
                listen=listen,
                cancelled=cancelled,
                on_difference=OnDifference(manner.on_difference.value),
            )
            result = run_trip(trip, home=place, options=options)
    if manner.show == "text":
        from wayframe.cli.views import print_result

        print_result(result)
    return result
