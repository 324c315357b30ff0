"""Commands over debug logs, upstream's and our own: logs runs, show, tail, import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wayframe.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from wayframe.logs import LogRecord

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE", help="A log; of a rotated one all its files. Plain, .gz or .zst.", show_default=False
    ),
]
SECONDS_BETWEEN_LOOKS = 0.25


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Read debug logs, upstream's and our own.", no_args_is_help=True)
    group.command("runs")(runs)
    group.command("show")(show)
    group.command("tail")(tail)
    group.command("import")(import_runs)
    app.add_typer(group, name="logs")


def runs(
    files: Files,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status", help="completed, failed, cancelled or incomplete; may be given again.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the runs of a log."""
    from wayframe.logs import RunReader, RunStatus

    known = [each.value for each in RunStatus]
    wrong = next((name for name in status or () if name not in known), None)
    if wrong is not None:
        from wayframe.files import redact_text

        raise typer.BadParameter(f"{redact_text(wrong)!r} is none of {', '.join(known)}", param_hint="--status")
    reader = RunReader(files, statuses=[RunStatus(name) for name in status] if status else None)
    if json:
        for piece in reader.json_lines():
            typer.echo(piece, nl=False)
        return
    from wayframe.cli import log_views

    log_views.print_runs(reader)
    typer.echo(f"{reader.lines} lines, {reader.unread_lines} unread, {reader.secrets_redacted} secrets kept back")


def show(
    files: Files,
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="The id of a run in it, or its beginning.", show_default=False)
    ],
    json: JsonOption = False,
) -> None:
    """Show one run of a log: what was requested, planned and sent, with line numbers."""
    from wayframe.logs import find_run

    found = find_run(files, run).to_json()
    if json:
        import json as codec

        typer.echo(codec.dumps(found, indent=2, ensure_ascii=False))
        return
    from wayframe.cli import log_views

    log_views.print_logged(found)


def tail(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A log that is being written.", show_default=False)],
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="Begin with so many records.")] = 10,
    once: Annotated[bool, typer.Option("--once", help="Show what is there, and stop.")] = False,
) -> None:
    """Follow a log, without its secrets."""
    import time

    from wayframe.logs import follow

    def wait() -> bool:
        if once:
            return False
        time.sleep(SECONDS_BETWEEN_LOOKS)
        return True

    for record in follow(file, wait=wait, last=last):
        typer.echo(_line(record))


def _line(record: LogRecord) -> str:
    task = f" [{record.task_id}]" if record.task_id else ""
    head = " ".join(part for part in (record.time, record.level, record.component) if part)
    return f"{head}{task} {record.text}".strip()


def import_runs(files: Files, home: HomeOption = None) -> None:
    """Make run folders of the runs of a log, so that they can be listed, queried and compared like ours."""
    from wayframe.store.home import open_home
    from wayframe.workflow.log_import import import_log

    place = open_home(home)
    found = list(import_log(files, home=place))
    for entry in found:
        became = "imported" if entry.new else "was imported before" if not entry.own else "is a run of this home"
        typer.echo(f"{entry.folder.run_id} {became}")
    typer.echo(f"{sum(entry.new for entry in found)} of {len(found)} runs are new in {place.runs}")
