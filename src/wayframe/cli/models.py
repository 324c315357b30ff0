"""Commands over the weights of models: models list, pull, where, check."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayframe.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from rich.progress import Progress

    from wayframe.store.model_folder import FileCheck
    from wayframe.store.pull import PullPlan
    from wayframe.store.weights import Weights
    from wayframe.workflow.models import ModelRow

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A model of the catalogue.", show_default=False)]
AnyNameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A model of the catalogue, or ORG/NAME[@REVISION] of the Hub.", show_default=False
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched, and stop.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Weights of models: what is here, and how it gets here.", no_args_is_help=True)
    group.command("list")(list_models)
    group.command("pull")(pull)
    group.command("where")(where)
    group.command("check")(check)
    app.add_typer(group, name="models")


def list_models(json: JsonOption = False, home: HomeOption = None) -> None:
    """List the models of the catalogue: what they take, their licence, and whether their weights are here."""
    from wayframe.store.home import open_home
    from wayframe.workflow import models

    rows = models.list_models(open_home(home, make=False))
    if json:
        _print_json([row.as_json() for row in rows])
    else:
        _print_rows(rows)


def pull(
    name: AnyNameArgument, dry_run: DryRunOption = False, json: JsonOption = False, home: HomeOption = None
) -> None:
    """Fetch the weights of a model from the Hub into its cache; what an earlier pull began goes on."""
    from wayframe.download import Terms
    from wayframe.store import pull as pulling
    from wayframe.store.home import open_home
    from wayframe.workflow.models import model_pull

    plan = model_pull(name, home=open_home(home, make=False))
    if not json:
        typer.echo(_announced(plan), err=True)
    pulling.check_space(plan)
    folder = None
    if not dry_run:
        with _bar(hidden=json) as move:
            folder = pulling.pull(plan, Terms(limit=pulling.LARGEST, progress=move))
    if json:
        facts = {"repository": plan.source.repo, "commit": plan.commit, "license": plan.license}
        sizes = {"files": len(plan.files), "bytes": plan.size, "missing_bytes": plan.missing}
        _print_json({"model": name, **facts, **sizes, "folder": str(folder) if folder else None})
    elif folder:
        typer.echo(folder)


def where(name: NameArgument, json: JsonOption = False, home: HomeOption = None) -> None:
    """Print the folder of a model's weights; an error when they are not here, or not whole."""
    from wayframe.store.home import open_home
    from wayframe.store.weights import need_weights
    from wayframe.workflow.models import named_model

    place = open_home(home, make=False)
    found = need_weights(named_model(name, home=place), home=place)
    if json:
        facts = {"folder": str(found.folder), "identity": found.identity, "bytes": found.size}
        _print_json({"model": name, **facts})
    else:
        typer.echo(found.folder)


def check(name: AnyNameArgument, json: JsonOption = False, home: HomeOption = None) -> None:
    """Read all weights of a model and hold them against the digests that the Hub gave; exit code 1 for a fault."""
    found = _weights(name, home=home)
    checks, faults = [], list(found.faults)
    with _bar(hidden=json) as move:
        done = 0
        for item in _checks(found):
            done += item.size
            move(done, found.size)
            checks.append(item)
            faults += [f"{item.name} {item.fault}"] if item.fault else []
    faults = list(dict.fromkeys(faults))
    if json:
        _print_json({"model": name, "identity": found.identity, "faults": faults, "files": _as_json(checks)})
    else:
        _print_checks(name, checks=checks, faults=faults)
    if faults:
        raise typer.Exit(1)


def _weights(name: str, *, home: Any) -> Weights:
    from wayframe.store.home import open_home
    from wayframe.workflow.models import model_weights

    return model_weights(name, home=open_home(home, make=False))


def _checks(found: Weights) -> Iterator[FileCheck]:
    from wayframe.errors import StoreError
    from wayframe.store.model_folder import check_files

    try:
        yield from check_files(found.folder)
    except OSError as error:
        raise StoreError(f"{found.folder} cannot be read: {error.strerror}") from error


def _as_json(checks: list[FileCheck]) -> list[dict[str, Any]]:
    from dataclasses import asdict

    return [asdict(item) | {"place": str(item.place)} for item in checks]


def _print_checks(name: str, *, checks: list[FileCheck], faults: list[str]) -> None:
    for fault in faults:
        typer.secho("fail ", fg=typer.colors.RED, nl=False)
        typer.echo(fault)
    verified = sum(item.verified for item in checks)
    if not faults:
        typer.secho("ok   ", fg=typer.colors.GREEN, nl=False)
        rest = len(checks) - verified
        plain = f", {rest} read without one (no digest is known of a plain folder)" if rest else ""
        typer.echo(f"{name}: {verified} files have the digest that the Hub gave{plain}")
        return
    damaged = [str(item.place) for item in checks if item.fault]
    remove = f"remove {' '.join(damaged)}, then: " if damaged else ""
    typer.echo(f"{remove}wayframe models pull {name}")


def _print_rows(rows: list[ModelRow]) -> None:
    """A line for each; nothing is cut, for paths are there to be copied."""
    lines = [("model", "kind", "experts", "size", "licence", "weights", "where"), *map(_words, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (word.ljust(width) for word, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


def _words(row: ModelRow) -> tuple[str, ...]:
    size = f"{row.size_gb:.1f} GB" if row.size_gb is not None else "?"
    place = str(row.folder) if row.folder else row.source
    return (row.name, row.kind, str(row.experts), size, row.license or "?", row.state, place)


def _announced(plan: PullPlan) -> str:
    from wayframe.download import GIB

    sizes = f"{len(plan.files)} files, {plan.size / GIB:.1f} GiB, {plan.missing / GIB:.1f} GiB of it to come"
    return f"{plan.source.repo} at {plan.commit[:12]}: {sizes}\nlicence: {plan.license or 'not said on its page'}"


@contextmanager
def _bar(*, hidden: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on a terminal that is moved by bytes done and all; nothing elsewhere."""
    if hidden or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with _progress() as progress:
        task = progress.add_task("bytes", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(bar_width=36), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _print_json(data: object) -> None:
    import json

    from wayframe.files import redact

    typer.echo(json.dumps(redact(data), indent=2, ensure_ascii=False))
