"""Commands that speak upstream's language: import, export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayframe.cli.options import HomeOption, JsonOption, KeyframesOption, LikeOption, StrictOption
from wayframe.core.payload_like import Like

if TYPE_CHECKING:
    from wayframe.workflow.exchange import Export


class Target(StrEnum):
    """What an export is made for."""

    PAYLOAD = "payload"
    WANGP = "wangp"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("import")(import_)
    app.command()(export)


def import_(
    payload: Annotated[
        Path, typer.Argument(metavar="PAYLOAD", help="An upstream payload (.json).", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The spec to write (.yaml, .json).", show_default="PAYLOAD.yaml")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the spec if it exists.")] = False,
    like: LikeOption = Like.PLAIN,
    strict: StrictOption = False,
    json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Make a spec of an upstream payload, and say what was repaired, overruled or left out."""
    from wayframe.files import redact, write_atomic
    from wayframe.store.home import open_home
    from wayframe.workflow.exchange import import_file, spec_text
    from wayframe.workflow.sources import Reading

    target = out or payload.with_suffix(".yaml")
    if target.exists() and not force:
        raise typer.BadParameter(f"{target} exists; use another name, or --force", param_hint="--out")
    imported = import_file(payload, reading=Reading(like=like, strict=strict, home=open_home(home, make=False)))
    write_atomic(target, spec_text(imported, name=payload.name, suffix=target.suffix.lower()))
    if json:
        import json as codec

        from wayframe.core.documents import findings_json

        said = {
            "spec": str(target),
            "findings": findings_json(imported.findings),
            "origins": {**imported.origins, **imported.lora_origins},
        }
        typer.echo(codec.dumps(redact(said), indent=2, ensure_ascii=False))
        return
    from wayframe.cli.views import print_findings

    print_findings(imported.findings)
    typer.echo(f"{target}\nnext: wayframe plan {target}")


def export(
    what: Annotated[
        str, typer.Argument(help="A spec, or a run's id, folder or `last`.", metavar="SPEC|RUN", show_default=False)
    ],
    to: Annotated[
        Target | None,
        typer.Option("--to", help="An upstream payload, or WanGP settings for each segment.", show_default=False),
    ] = None,
    script: Annotated[
        bool, typer.Option("--script", help="A program that makes one segment with diffusers alone.")
    ] = False,
    segment: Annotated[
        int | None, typer.Option("--segment", help="With --script: which one, from 0.", min=0, show_default="0")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write it here: a file, or a folder of settings.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    like: LikeOption = Like.PLAIN,
    keyframes: KeyframesOption = None,
    home: HomeOption = None,
) -> None:
    """Write a spec or a run as an upstream payload, as settings of WanGP, or a segment of it as a program."""
    if script is (to is not None) or (segment is not None and not script):
        ways = "--to payload, --to wangp, or --script with --segment"
        raise typer.BadParameter(f"give one of: {ways}", param_hint="--to/--script")
    export_ = _export(what, like=like, keyframes=keyframes, home=home)
    if to is None:
        texts = [_script(export_, segment=segment or 0, home=home)]
    else:
        texts = _settings(export_, to=to, apart=out is not None and not out.suffix)
    if out is None:
        typer.echo(texts[0], nl=False)
        return
    names = (
        [out] if to is not Target.WANGP or out.suffix else [out / f"segment_{i:03d}.json" for i in range(len(texts))]
    )
    existing = next((file for file in names if file.exists()), None)
    if existing is not None and not force:
        raise typer.BadParameter(f"{existing} exists; use another name, or --force", param_hint="--out")
    from wayframe.files import write_atomic

    for file, text in zip(names, texts, strict=True):
        write_atomic(file, text)
        typer.echo(str(file))


def _settings(export_: Export, *, to: Target, apart: bool) -> list[str]:
    """The JSON of an export: one text, or one for each segment where settings are wanted `apart`."""
    import json

    data: dict[str, Any] | list[dict[str, Any]] = export_.payload() if to is Target.PAYLOAD else export_.wangp()
    parts: list[Any] = data if apart and isinstance(data, list) else [data]
    return [json.dumps(part, indent=2, ensure_ascii=False) + "\n" for part in parts]


def _script(export_: Export, *, segment: int, home: Path | None) -> str:
    from wayframe.store.home import open_home
    from wayframe.workflow.script import exported_script

    return exported_script(export_, segment=segment, home=open_home(home, make=False))


def _export(what: str, *, like: Like, keyframes: Path | None, home: Path | None) -> Export:
    from wayframe.store.home import open_home
    from wayframe.store.runs import find_run
    from wayframe.store.specs import SUFFIXES
    from wayframe.workflow.exchange import export_of_record, export_of_spec
    from wayframe.workflow.sources import Reading

    place = open_home(home, make=False)
    if Path(what).suffix.lower() in SUFFIXES and not Path(what).is_dir():
        reading = Reading(like=like, home=place)
        return export_of_spec(Path(what), reading=reading, home=place, pictures=keyframes)
    return export_of_record(find_run(place, what).read(), home=place)
