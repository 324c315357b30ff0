"""Commands that make videos: run, demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayframe.cli.options import HomeOption, LikeOption, StrictOption, spec_flags
from wayframe.core.payload_like import Like

if TYPE_CHECKING:
    from wayframe.workflow.run import RunOptions
    from wayframe.workflow.trip import Trip

OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Copy the video here.", show_default=False)]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace --out if it exists.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
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
    out: OutOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
    json_events: EventsOption = False,
    home: HomeOption = None,
) -> None:
    """Render a video from a spec, from pictures, from a plan, or again from a video of ours."""
    from wayframe.store.home import open_home
    from wayframe.workflow import sources as read

    given = [bool(sources), plan is not None, video is not None]
    if given.count(True) != 1:
        raise typer.BadParameter("give one of: a spec or pictures, --plan, --from", param_hint="SOURCES")
    if words and not sources:
        raise typer.BadParameter(f"a plan is run as it is; leave out {', '.join(words)}", param_hint="--plan/--from")
    place = open_home(home)
    if plan is not None:
        trip = read.trip_of_plan(plan, keyframes=keyframes)
    elif video is not None:
        trip = read.trip_of_video(video, keyframes=keyframes)
    else:
        reading = read.Reading(like=like, strict=strict, home=place)
        source = read.spec_source(sources or [], words=words, reading=reading)
        trip = read.trip_of_spec(source, home=place, pictures=keyframes)
    _carry_out(trip, home=home, out=out, force=force, show="quiet" if quiet else "json" if json_events else "text")


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
        trip = read.trip_of_spec(read.spec_source([folder / "trip.yaml"], words={}), home=open_home(home))
        _carry_out(trip, home=home, out=out, force=force, show="quiet" if quiet else "json" if json_events else "text")


def _carry_out(trip: Trip, *, home: Path | None, out: Path | None, force: bool, show: str) -> None:
    from wayframe.cli.interrupt import interruptible
    from wayframe.cli.live import display
    from wayframe.store.home import open_home
    from wayframe.workflow.run import RunOptions, run_trip

    with interruptible() as cancelled, display(show, plan=trip.plan) as listen:
        options: RunOptions = RunOptions(out=out, force=force, listen=listen, cancelled=cancelled)
        result = run_trip(trip, home=open_home(home), options=options)
    if show == "text":
        from wayframe.cli.views import print_result

        print_result(result)
