"""Commands that render between videos, or within one: join, regenerate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayframe.cli.make import carry_out
from wayframe.cli.options import EngineOptions, HomeOption, bridge_flags
from wayframe.cli.places import StoreOption, Where
from wayframe.cli.trips import (
    Difference,
    DifferenceOption,
    EventsOption,
    ForceOption,
    Manner,
    OutOption,
    QuietOption,
    RunThereOption,
)

if TYPE_CHECKING:
    from wayframe.workflow.sources import SpecSource

ContextOption = Annotated[
    int | None, typer.Option("--context", help="Frames of each side that are kept, 6 unless said.", show_default=False)
]
KeepOption = Annotated[
    Path | None,
    typer.Option("--keep-bridges", metavar="FOLDER", help="Copy the rendered bridges there.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(join)
    app.command()(regenerate)


@bridge_flags
def join(
    *,
    words: dict[str, Any],
    clips: Annotated[list[Path], typer.Argument(metavar="VIDEO", help="Two or more videos, in order.")],
    context: ContextOption = None,
    gap: Annotated[
        int | None, typer.Option("--gap", help="Frames rendered between two videos.", show_default=False)
    ] = None,
    replace: Annotated[
        int | None,
        typer.Option("--replace", help="Frames of each side that the gap takes out.", show_default=False),
    ] = None,
    keep_bridges: KeepOption = None,
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
    """Join videos: what lies between two of them is rendered, from frames of both."""
    from wayframe.workflow.join import Numbers, join_source

    manner = Manner(out=out, force=force, show=_show(quiet, json=json_events), on_difference=on_difference)
    source = join_source(clips, numbers=Numbers(context=context, gap=gap, replace=replace), words=words)
    where = Where(database=database, store=store, home=home)
    _make(source, where=where, options=option, manner=manner, keep=keep_bridges)


@bridge_flags
def regenerate(
    *,
    words: dict[str, Any],
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video; one of ours says how it was made.")],
    frames: Annotated[
        str, typer.Option("--frames", metavar="START:STOP", help="The frames to render anew, without the last one.")
    ],
    context: ContextOption = None,
    keep_bridges: KeepOption = None,
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
    """Render a span of a video anew, from the frames on both sides of it; flags take the place of its own words."""
    from wayframe.workflow.join import regenerate_source

    manner = Manner(out=out, force=force, show=_show(quiet, json=json_events), on_difference=on_difference)
    source = regenerate_source(video, frames=frames, context=context, words=words)
    where = Where(database=database, store=store, home=home)
    _make(source, where=where, options=option, manner=manner, keep=keep_bridges)


def _show(quiet: bool, *, json: bool) -> str:
    return "quiet" if quiet else "json" if json else "text"


def _make(source: SpecSource, *, where: Where, options: list[str] | None, manner: Manner, keep: Path | None) -> None:
    from wayframe.store.artifacts import ArtifactStore
    from wayframe.store.home import open_home
    from wayframe.workflow.engine_options import parse_options
    from wayframe.workflow.join import keep_bridges
    from wayframe.workflow.sources import trip_of_spec

    place = open_home(where.home)
    make = partial(trip_of_spec, source, home=place, options=parse_options(options or []))

    def finished(record: Mapping[str, Any], store: ArtifactStore) -> None:
        kept = keep_bridges(record, store=store, folder=keep) if keep else ()
        for path in kept if manner.show == "text" else ():
            typer.echo(f"bridge {path}")

    if where.database is not None:
        from wayframe.cli.queue import run_there

        run_there(make, where=where, manner=manner, finished=finished)
    else:
        finished(carry_out(make, home=where.home, manner=manner).record, ArtifactStore(place))
