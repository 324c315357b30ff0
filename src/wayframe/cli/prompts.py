"""Prompts that a vision model writes: written before a run, and shown beside what the model saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayframe.cli.named import named_record
from wayframe.cli.options import HomeOption, JsonOption
from wayframe.cli.places import Where

if TYPE_CHECKING:
    from wayframe.core.prompting import SegmentPrompt
    from wayframe.workflow.sources import SpecSource
    from wayframe.workflow.trip import Trip


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(prompts)


def prompts(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|VIDEO", help="A run's id (or its beginning, or `last`), its folder, or a video of ours."
        ),
    ],
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write a page with the pictures that the model saw.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace --html if it exists.")] = False,
    forget: Annotated[
        list[int] | None,
        typer.Option(
            "--forget",
            metavar="SEGMENT",
            help="Remove what was written for a segment: the next run asks anew. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show the prompt of each segment of a run or a video, where it comes from, and what its writer saw."""
    from wayframe.files import redact, write_atomic
    from wayframe.store.home import open_home
    from wayframe.workflow.prompt_views import forget_prompts, prompts_of_run

    if html is not None and html.exists() and not force:
        raise typer.BadParameter(f"{html} exists; use another name, or --force", param_hint="--html")
    place = open_home(home, make=False)
    record = named_record(what, where=Where(database=None, store=None, home=home))
    if forget:
        forget_prompts(record, segments=forget, home=place)
    found = prompts_of_run(record, home=place)
    if html is not None:
        from wayframe.report.prompts import prompts_page

        write_atomic(html, prompts_page(found, title=f"Prompts of {_title(record, what=what)}"))
    if json:
        import json as codec

        typer.echo(codec.dumps(redact([one.to_json() for one in found]), indent=2, ensure_ascii=False))
        return
    _print(found)
    if html is not None:
        typer.echo(str(html))


def _title(record: Mapping[str, Any], *, what: str) -> str:
    return f"run {record['run_id']}" if "run_id" in record else Path(what).name


def _print(found: tuple[SegmentPrompt, ...]) -> None:
    from rich.text import Text

    from wayframe.cli.views import out

    console = out()
    for one in found:
        console.print(Text(f"segment {one.segment}  {one.origin}", style="bold"), soft_wrap=True)
        console.print(Text(f"  {one.prompt or '(empty)'}"), soft_wrap=True)
        if one.picture:
            console.print(Text(f"  {one.picture}", style="dim"), soft_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Where the spec with its written prompts goes, None for nowhere."""

    out: Path | None
    force: bool

    def check(self, spec: SpecSource) -> None:
        """Raise `typer.BadParameter` for a name that cannot be used, before anything is asked for."""
        if self.out is None:
            return
        if self.out.exists() and not self.force:
            raise typer.BadParameter(f"{self.out} exists; use another name, or --force", param_hint="--out")
        if self.out.absolute().parent.resolve() != spec.base.resolve():
            what = f"must be in {spec.base}: the spec names its pictures from there"
            raise typer.BadParameter(what, param_hint="--out")

    def write(self, spec: SpecSource, trip: Trip) -> None:
        """Write the spec with the prompts in it."""
        if self.out is None:
            return
        from wayframe.files import write_atomic
        from wayframe.workflow.exchange import filled_spec, spec_file

        said = filled_spec(spec.spec, trip.prompts) if trip.prompts else spec.spec
        head = ["Edit the prompts: those that stand here are not written again."]
        write_atomic(self.out, spec_file(said, head=head, suffix=self.out.suffix.lower()))


def written_trip(make: Callable[[], Trip], *, spec: SpecSource, copy: Copy, home: Path | None, quiet: bool) -> Trip:
    """The trip that `make` makes after its prompts were written, and the spec with them where it is wanted."""
    from wayframe.cli.interrupt import interruptible
    from wayframe.cli.live import fetching
    from wayframe.store.home import open_home
    from wayframe.workflow.lora_files import Fetch
    from wayframe.workflow.sources import with_prompts

    copy.check(spec)
    place = open_home(home)
    with interruptible() as cancelled, fetching("quiet" if quiet else "text") as listen:
        trip = with_prompts(make(), make=make, home=place, ask=Fetch(listen=listen, cancelled=cancelled))
    copy.write(spec, trip)
    return trip
