"""Commands that render between videos, or within one: join, regenerate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    from wayframe.workflow.fetched import PictureTerms
    from wayframe.workflow.sources import SpecSource

ContextOption = Annotated[
    int | None, typer.Option("--context", help="Frames of each side that are kept, 6 unless said.", show_default=False)
]
KeepOption = Annotated[
    Path | None,
    typer.Option("--keep-bridges", metavar="FOLDER", help="Copy the rendered bridges there.", show_default=False),
]
PrivateOption = Annotated[
    bool,
    typer.Option("--allow-private", help="Fetch videos also from hosts of a private network, and by plain http."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(join)
    app.command()(regenerate)


@bridge_flags
def join(
    *,
    words: dict[str, Any],
    clips: Annotated[list[str], typer.Argument(metavar="VIDEO", help="Two or more files or https addresses.")],
    context: ContextOption = None,
    gap: Annotated[
        int | None, typer.Option("--gap", help="Frames rendered between two videos.", show_default=False)
    ] = None,
    replace: Annotated[
        int | None,
        typer.Option("--replace", help="Frames of each side that the gap takes out.", show_default=False),
    ] = None,
    keep_bridges: KeepOption = None,
    allow_private: PrivateOption = False,
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
    from wayframe.workflow.fetched import PictureTerms
    from wayframe.workflow.join import Numbers, join_source

    manner = Manner(out=out, force=force, show=_show(quiet, json=json_events), on_difference=on_difference)
    source = join_source(clips, numbers=Numbers(context=context, gap=gap, replace=replace), words=words)
    where, terms = Where(database=database, store=store, home=home), PictureTerms(allow_private=allow_private)
    _make(source, where=where, options=option, manner=manner, making=_Making(keep=keep_bridges, terms=terms))


@bridge_flags
def regenerate(
    *,
    words: dict[str, Any],
    video: Annotated[
        str, typer.Argument(metavar="VIDEO", help="A file or https address; a video of ours says how it was made.")
    ],
    frames: Annotated[
        str, typer.Option("--frames", metavar="START:STOP", help="The frames to render anew, without the last one.")
    ],
    context: ContextOption = None,
    keep_bridges: KeepOption = None,
    allow_private: PrivateOption = False,
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
    from wayframe.store.home import open_home
    from wayframe.workflow.fetched import PictureTerms, fetch_clip
    from wayframe.workflow.join import regenerate_source
    from wayframe.workflow.pictures import is_address

    manner = Manner(out=out, force=force, show=_show(quiet, json=json_events), on_difference=on_difference)
    where, terms = Where(database=database, store=store, home=home), PictureTerms(allow_private=allow_private)
    place = open_home(home)
    file = fetch_clip(video, field="video", home=place, terms=terms) if is_address(video) else Path(video)
    source = regenerate_source(file, frames=frames, context=context, words=words)
    _make(source, where=where, options=option, manner=manner, making=_Making(keep=keep_bridges, terms=terms))


def _show(quiet: bool, *, json: bool) -> str:
    return "quiet" if quiet else "json" if json else "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """Where bridges are copied to, and how videos are fetched."""

    keep: Path | None
    terms: PictureTerms


def _make(source: SpecSource, *, where: Where, options: list[str] | None, manner: Manner, making: _Making) -> None:
    from wayframe.store.artifacts import ArtifactStore
    from wayframe.store.home import open_home
    from wayframe.workflow.engine_options import parse_options
    from wayframe.workflow.fetched import fetched_trip
    from wayframe.workflow.join import keep_bridges

    place, keep = open_home(where.home), making.keep
    make = partial(fetched_trip, source, home=place, terms=making.terms, options=parse_options(options or []))

    def finished(record: Mapping[str, Any], store: ArtifactStore) -> None:
        kept = keep_bridges(record, store=store, folder=keep) if keep else ()
        for path in kept if manner.show == "text" else ():
            typer.echo(f"bridge {path}")

    if where.database is not None:
        from wayframe.cli.queue import run_there

        run_there(make, where=where, manner=manner, finished=finished)
    else:
        finished(carry_out(make, home=where.home, manner=manner).record, ArtifactStore(place))
