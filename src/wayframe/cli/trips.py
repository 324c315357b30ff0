"""What commands that make a video are given: what to make, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayframe.core.payload_like import Like

if TYPE_CHECKING:
    from wayframe.workflow.trip import Trip


class Difference(StrEnum):
    """What happens when the engine does something else than was planned."""

    STOP = "stop"
    RECORD = "record"


SourcesOption = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="SOURCE", help="A spec (.yaml, .toml, .json), an upstream payload, or pictures.", show_default=False
    ),
]
PlanOption = Annotated[Path | None, typer.Option("--plan", help="Run a plan as it is.", show_default=False)]
VideoOption = Annotated[
    Path | None, typer.Option("--from", help="Run what a video of ours carries.", show_default=False)
]
PicturesOption = Annotated[
    Path | None,
    typer.Option(
        "--keyframes", help="Folder of the pictures for --plan, --from, and for addresses.", show_default=False
    ),
]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Copy the video here.", show_default=False)]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace --out if it exists.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
DifferenceOption = Annotated[
    Difference,
    typer.Option("--on-difference", help="What a step that was not applied as planned does: it is a finding anyway."),
]
RunThereOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="Have the workers of this database render it, and follow; Ctrl-C leaves the run alone.",
        show_default=False,
    ),
]
EventsOption = Annotated[
    bool, typer.Option("--json", help="Print events as JSON lines with UTC times, progress at most ten times a second.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a run is carried out and shown; `show` as in `live.display`."""

    out: Path | None
    force: bool
    show: str
    on_difference: Difference = Difference.STOP


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a video is made of: a spec or pictures with flags in place of its words, or a plan, or a video of ours."""

    sources: list[Path]
    words: dict[str, Any]
    plan: Path | None
    video: Path | None
    keyframes: Path | None
    like: Like
    strict: bool
    options: list[str]
    offline: bool = False
    allow_private: bool = False

    def maker(self, home: Path | None) -> Callable[[], Trip]:
        """What makes the trip, after the words were checked. Raises `typer.BadParameter` for a wrong mixture."""
        from wayframe.store.home import open_home
        from wayframe.workflow import sources as read
        from wayframe.workflow.engine_options import parse_options
        from wayframe.workflow.fetched import PictureTerms, fetched_trip

        given = [bool(self.sources), self.plan is not None, self.video is not None]
        if given.count(True) != 1:
            raise typer.BadParameter("give one of: a spec or pictures, --plan, --from", param_hint="SOURCES")
        if self.words and not self.sources:
            what = f"a plan is run as it is; leave out {', '.join(self.words)}"
            raise typer.BadParameter(what, param_hint="--plan/--from")
        place, options = open_home(home), parse_options(self.options)
        if self.plan is not None:
            return partial(read.trip_of_plan, self.plan, keyframes=self.keyframes, home=place, options=options)
        if self.video is not None:
            return partial(read.trip_of_video, self.video, keyframes=self.keyframes, home=place, options=options)
        reading = read.Reading(like=self.like, strict=self.strict, home=place)
        source = read.spec_source(self.sources, words=self.words, reading=reading)
        terms = PictureTerms(offline=self.offline, allow_private=self.allow_private)
        return partial(fetched_trip, source, home=place, terms=terms, pictures=self.keyframes, options=options)
