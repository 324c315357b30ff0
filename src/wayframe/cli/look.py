"""Commands that look and change nothing: plan, lint, show, runs, schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayframe.cli.database import DatabaseOption
from wayframe.cli.named import named_record
from wayframe.cli.options import (
    AllowPrivateOption,
    EngineOptions,
    HomeOption,
    JsonOption,
    KeyframesOption,
    LikeOption,
    OfflineOption,
    Sources,
    StrictOption,
    spec_flags,
)
from wayframe.cli.places import StoreOption, Where
from wayframe.core.payload_like import Like

if TYPE_CHECKING:
    from wayframe.store.home import Home
    from wayframe.store.query import RunRow
    from wayframe.workflow.sources import SpecSource
    from wayframe.workflow.trip import Trip


class Level(StrEnum):
    """The levels of a record."""

    REQUESTED = "requested"
    RESOLVED = "resolved"
    PLANNED = "planned"
    APPLIED = "applied"
    OUTCOME = "outcome"
    ENVIRONMENT = "environment"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (plan, lint, show, runs, schema):
        app.command()(command)


@spec_flags
def plan(
    *,
    words: dict[str, Any],
    sources: Sources,
    json: JsonOption = False,
    origins: Annotated[bool, typer.Option("--origins", help="Show where each value comes from.")] = False,
    like: LikeOption = Like.PLAIN,
    strict: StrictOption = False,
    keyframes: KeyframesOption = None,
    offline: OfflineOption = False,
    allow_private: AllowPrivateOption = False,
    option: EngineOptions = None,
    write_prompts: Annotated[
        bool, typer.Option("--write-prompts", help="Have a vision model write the prompts that the spec asks it for.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="With --write-prompts: the spec with the prompts in it, to edit.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace --out if it exists.")] = False,
    home: HomeOption = None,
) -> None:
    """Show every step that a run would do; touches no model, unless prompts are to be written."""
    given = _Given(
        sources=sources,
        words=words,
        keyframes=keyframes,
        options=option or [],
        offline=offline,
        allow_private=allow_private,
    )
    if out is not None and not write_prompts:
        raise typer.BadParameter("is for --write-prompts", param_hint="--out")
    if write_prompts:
        from wayframe.cli.prompts import Copy, written_trip

        source, make = _maker(given, home=home, like=like, strict=strict)
        trip = written_trip(make, spec=source, copy=Copy(out=out, force=force), home=home, quiet=json)
    else:
        trip = _trip(given, home=home, like=like, strict=strict)
    if json:
        planned = trip.planned()
        _print_json({**planned, "origins": trip.resolved["origins"]} if origins and trip.resolved else planned)
        return
    from wayframe.cli import views
    from wayframe.engines.registry import names

    views.print_plan(trip.plan)
    if origins and trip.resolved:
        views.print_origins(trip.resolved["origins"], trip.resolved["values"])
    views.print_engine_note(trip.plan, here=names())


@spec_flags
def lint(
    *,
    words: dict[str, Any],
    sources: Sources,
    json: JsonOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when there is a warning or worse.")] = False,
    like: LikeOption = Like.PLAIN,
    keyframes: KeyframesOption = None,
    option: EngineOptions = None,
    home: HomeOption = None,
) -> None:
    """Say what is allowed, but probably not meant."""
    from wayframe.core.documents import findings_json
    from wayframe.core.findings import Severity

    given = _Given(sources=sources, words=words, keyframes=keyframes, options=option or [])
    trip = _trip(given, home=home, like=like)
    found = trip.plan.findings
    if json:
        _print_json(findings_json(found))
    else:
        from wayframe.cli import views
        from wayframe.engines.registry import names

        views.print_findings(found)
        views.print_engine_note(trip.plan, here=names())
        typer.echo(f"{len(found)} finding{'' if len(found) == 1 else 's'}")
    if strict and any(item.severity is not Severity.INFO for item in found):
        raise typer.Exit(1)


def show(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|VIDEO", help="A run's id (or its beginning, or `last`), its folder, or a video of ours."
        ),
    ],
    level: Annotated[Level | None, typer.Option("--level", help="Print one level as JSON.", show_default=False)] = None,
    json: JsonOption = False,
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Show a run, a running one too, or what a video carries."""
    record = named_record(what, where=Where(database=database, store=store, home=home))
    if "logged" in record and level is None and not json:
        from wayframe.cli.log_views import print_logged

        print_logged(record["logged"])
        return
    if level is not None:
        name = {"requested": "spec", "planned": "plan"}.get(level.value, level.value)
        record = record.get("logged", record)
        if level.value not in record and name not in record:
            raise typer.BadParameter(f"{what} holds no level {level.value}")
        _print_json(record.get(level.value, record.get(name)))
        return
    if json:
        _print_json(record)
        return
    from wayframe.cli import views
    from wayframe.core.documents import parse_plan

    if "run_id" in record:
        views.print_record(record)
    views.print_plan(parse_plan(record.get("planned") or record["plan"]))


def runs(
    json: JsonOption = False,
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            help="Only runs for which this is true, such as: num_phases == 2 and status == 'failed'",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 20,
    home: HomeOption = None,
) -> None:
    """List the runs of the home folder, imported ones too, newest first."""
    from wayframe.core.wording import counted
    from wayframe.store.home import open_home

    place = open_home(home, make=False)
    found, left_out = _listed(place, where=where, limit=limit)
    if left_out:
        typer.echo(f"{counted(left_out, 'record')} left out: damaged, or of another version", err=True)
    if json:
        _print_json([record for record, _ in found])
    elif found:
        from wayframe.cli import views

        views.print_runs([row for _, row in found])
    elif not place.root.is_dir():
        typer.echo(f"no runs yet: there is no home folder {place.root}; try: wayframe demo")
    else:
        typer.echo(f"no such runs in {place.runs}" if where else f"no runs yet in {place.runs}; try: wayframe demo")


def _listed(home: Home, *, where: str | None, limit: int) -> tuple[list[tuple[dict[str, Any], RunRow]], int]:
    """Records with their rows, newest first, and how many records on the way cannot be read.

    Records may be large: without a condition no more are read than are shown.
    """
    from wayframe.errors import StoreError
    from wayframe.store.query import matching, row_of
    from wayframe.store.runs import list_runs

    found: list[tuple[dict[str, Any], RunRow]] = []
    left_out = 0
    for folder in list_runs(home):
        if where is None and len(found) == limit:
            break
        try:
            record = folder.read()
            found.append((record, row_of(record)))
        except StoreError:
            left_out += 1
    if where is not None:
        ids = set(matching([row for _, row in found], where=where))
        found = [(record, row) for record, row in found if row.run_id in ids][:limit]
    return found, left_out


def schema(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it here.", show_default=False)] = None,
) -> None:
    """Print the JSON schema of specs, for editors."""
    from wayframe.core.spec import spec_schema

    if out is None:
        _print_json(spec_schema())
        return
    import json

    from wayframe.files import write_atomic

    write_atomic(out, json.dumps(spec_schema(), indent=2) + "\n")
    typer.echo(f"{out}: put `# yaml-language-server: $schema={out}` on the first line of a spec")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What a trip is made of."""

    sources: list[Path]
    words: dict[str, Any]
    keyframes: Path | None
    options: list[str]
    offline: bool = True
    allow_private: bool = False


def _trip(given: _Given, *, home: Path | None, like: Like, strict: bool = False) -> Trip:
    return _maker(given, home=home, like=like, strict=strict)[1]()


def _maker(given: _Given, *, home: Path | None, like: Like, strict: bool) -> tuple[SpecSource, Callable[[], Trip]]:
    """What the user named as a spec, and what makes a trip of it."""
    from wayframe.store.home import open_home
    from wayframe.workflow import sources as read
    from wayframe.workflow.engine_options import parse_options
    from wayframe.workflow.fetched import PictureTerms, fetched_trip

    place = open_home(home, make=False)
    reading = read.Reading(like=like, strict=strict, home=place)
    source = read.spec_source(given.sources, words=given.words, reading=reading)
    options = parse_options(given.options)
    terms = PictureTerms(offline=given.offline, allow_private=given.allow_private, needed=False, attempts=2)
    make = partial(fetched_trip, source, home=place, terms=terms, pictures=given.keyframes, options=options)
    return source, make


def _print_json(data: object) -> None:
    import json

    from wayframe.files import redact

    typer.echo(json.dumps(redact(data), indent=2, ensure_ascii=False))
