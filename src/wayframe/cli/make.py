"""Commands that make videos: run, demo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayframe.cli.options import EngineOptions, HomeOption, LikeOption, StrictOption, spec_flags
from wayframe.core.payload_like import Like

if TYPE_CHECKING:
    from wayframe.workflow.run import RunOptions
    from wayframe.workflow.trip import Trip


class Difference(StrEnum):
    """What happens when the engine does something else than was planned."""

    STOP = "stop"
    RECORD = "record"


OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Copy the video here.", show_default=False)]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace --out if it exists.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
DifferenceOption = Annotated[
    Difference,
    typer.Option("--on-difference", help="What a step that was not applied as planned does: it is a finding anyway."),
]
EventsOption = Annotated[
    bool, typer.Option("--json", help="Print events as JSON lines with UTC times, progress at most ten times a second.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(run)
    app.command()(demo)


@spec_flags
def run(
    *,
    words: dict[str, Any],
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="SOURCE", help="A spec (.yaml, .toml, .json), an upstream payload, or pictures.", show_default=False
        ),
    ] = None,
    plan: Annotated[Path | None, typer.Option("--plan", help="Run a plan as it is.", show_default=False)] = None,
    video: Annotated[
        Path | None, typer.Option("--from", help="Run what a video of ours carries.", show_default=False)
    ] = None,
    keyframes: Annotated[
        Path | None,
        typer.Option(
            "--keyframes", help="Folder of the pictures for --plan, --from, and for addresses.", show_default=False
        ),
    ] = None,
    like: LikeOption = Like.PLAIN,
    strict: StrictOption = False,
    option: EngineOptions = None,
    on_difference: DifferenceOption = Difference.STOP,
    out: OutOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
    json_events: EventsOption = False,
    home: HomeOption = None,
) -> None:
    """Render a video from a spec, from pictures, from a plan, or again from a video of ours."""
    from wayframe.store.home import open_home
    from wayframe.workflow import sources as read
    from wayframe.workflow.engine_options import parse_options

    given = [bool(sources), plan is not None, video is not None]
    if given.count(True) != 1:
        raise typer.BadParameter("give one of: a spec or pictures, --plan, --from", param_hint="SOURCES")
    if words and not sources:
        raise typer.BadParameter(f"a plan is run as it is; leave out {', '.join(words)}", param_hint="--plan/--from")
    place, options = open_home(home), parse_options(option or [])
    make: Callable[[], Trip]
    if plan is not None:
        make = partial(read.trip_of_plan, plan, keyframes=keyframes, home=place, options=options)
    elif video is not None:
        make = partial(read.trip_of_video, video, keyframes=keyframes, home=place, options=options)
    else:
        reading = read.Reading(like=like, strict=strict, home=place)
        source = read.spec_source(sources or [], words=words, reading=reading)
        make = partial(read.trip_of_spec, source, home=place, pictures=keyframes, options=options)
    manner = _Manner(
        out=out, force=force, show="quiet" if quiet else "json" if json_events else "text", on_difference=on_difference
    )
    _carry_out(make, home=home, manner=manner)


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
        manner = _Manner(out=out, force=force, show="quiet" if quiet else "json" if json_events else "text")
        _carry_out(partial(read.trip_of_spec, source, home=open_home(home)), home=home, manner=manner)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manner:
    """How a run is carried out and shown; `show` as in `live.display`."""

    out: Path | None
    force: bool
    show: str
    on_difference: Difference = Difference.STOP


def _carry_out(make: Callable[[], Trip], *, home: Path | None, manner: _Manner) -> None:
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
