"""Commands around a first start: new, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wayframe.cli.options import HomeOption, JsonOption


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(new)
    app.command()(doctor)


def new(
    pictures: Annotated[
        list[Path],
        typer.Argument(metavar="PICTURE", help="A folder of pictures, or pictures in their order.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The spec to write.")] = Path("trip.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the spec if it exists.")] = False,
) -> None:
    """Write a commented spec for a folder of pictures."""
    from wayframe.files import write_atomic
    from wayframe.workflow.template import spec_template

    if out.suffix.lower() not in (".yaml", ".yml"):
        raise typer.BadParameter(f"{out}: the spec is written as YAML; let its name end in .yaml", param_hint="--out")
    if out.exists() and not force:
        raise typer.BadParameter(f"{out} exists; use another name, or --force", param_hint="--out")
    write_atomic(out, spec_template(pictures, beside=out))
    typer.echo(f"{out}\nnext: wayframe plan {out}, then wayframe run {out}")


def doctor(json: JsonOption = False, home: HomeOption = None) -> None:
    """Check versions, codecs, space and the home folder, and propose a model for this machine."""
    from wayframe.workflow.checkup import check_up

    checks = check_up(home)
    if json:
        import json as codec
        from dataclasses import asdict

        typer.echo(codec.dumps([asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            colour = typer.colors.GREEN if check.good else typer.colors.RED
            typer.secho("ok   " if check.good else "fail ", fg=colour, nl=False)
            typer.echo(f"{check.name:<12} {check.says}")
    if not all(check.good for check in checks):
        raise typer.Exit(1)
