"""The command that looks at a finished video: inspect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wayframe.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from wayframe.media.metrics import Metrics, Step
    from wayframe.workflow.inspect import Inspection

VERDICT_STYLES = {"even": "green", "slight": "yellow", "visible": "bold red"}
RANGES_SHOWN = 6
PERCENT = 100


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(inspect)


def inspect(
    what: Annotated[
        str,
        typer.Argument(
            metavar="VIDEO|RUN", help="A video, or a run's id (or its beginning, or `last`), or its folder."
        ),
    ],
    keyframes: Annotated[
        Path | None,
        typer.Option("--keyframes", help="Folder of the pictures, to measure fidelity.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Draw here; else beside the run, or VIDEO-metrics.png in this folder.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace --out if it exists.")] = False,
    json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Measure a video, and draw it as curves (PNG): joins, keyframes, motion, flicker, frozen frames."""
    from wayframe.media.plot import plot_metrics

    if out is not None:
        _check_out(out, force=force)
    found, usual = _inspection(what, keyframes=keyframes, home=home)
    target = out or (None if json else usual)
    if target is not None:
        title = found.video.stem if usual.parent == Path() else found.video.parent.name
        plot_metrics(found.video, metrics=found.metrics, target=target, keyframes=found.keyframes, title=title)
    if json:
        from json import dumps

        from wayframe.files import redact

        typer.echo(dumps(redact(found.to_json()), ensure_ascii=False))
        return
    _print_inspection(found, plot=target)


def _check_out(out: Path, *, force: bool) -> None:
    from wayframe.errors import StoreError

    if out.suffix.lower() != ".png":
        raise StoreError(f"--out {out} is no name for a PNG; let it end in .png")
    if out.exists() and not force:
        raise StoreError(f"--out {out} exists; use another name, or --force to replace it")


def _inspection(what: str, *, keyframes: Path | None, home: Path | None) -> tuple[Inspection, Path]:
    """What was found, and where its picture usually goes."""
    from wayframe.workflow.inspect import inspect_run, inspect_video

    path = Path(what)
    if path.is_file() or path.suffix.lower() == ".mp4":
        return inspect_video(path, keyframes=keyframes), Path(f"{path.stem}-metrics.png")
    from wayframe.store.home import open_home
    from wayframe.store.runs import find_run

    run = find_run(open_home(home, make=False), what)
    return inspect_run(run, keyframes=keyframes), run.path / "metrics.png"


def _print_inspection(found: Inspection, *, plot: Path | None) -> None:
    from rich.text import Text

    from wayframe.cli.views import out
    from wayframe.core.wording import counted

    console, metrics = out(), found.metrics
    width, height = metrics.size
    seconds, fps = float(metrics.frames / metrics.fps), float(metrics.fps)
    console.print(Text(str(found.video), style="bold"), soft_wrap=True)
    console.print(
        f"{counted(metrics.frames, 'frame')} {width}x{height} at {fps:g} fps, {seconds:.2f} s", soft_wrap=True
    )
    if found.note:
        console.print(Text(f"joins and keyframes are not known: {found.note}", style="yellow"), soft_wrap=True)
    _print_whole(console, metrics)
    if metrics.joins:
        console.print(_joins(metrics))
    if metrics.keyframes:
        console.print(_fidelity(found))
    if plot is not None:
        console.print(Text(f"\nplot {plot}", style="dim"), soft_wrap=True)


def _print_whole(console: Console, metrics: Metrics) -> None:
    from wayframe.core.wording import counted

    motion = metrics.motion
    high = f"{motion.high * PERCENT:.2f} % in the fastest twentieth"
    console.print(f"motion  {motion.median * PERCENT:.2f} % of the width a frame, {high}", soft_wrap=True)
    console.print(f"flicker {metrics.flicker:.2f} grey levels", soft_wrap=True)
    ranges = [_frames(first=part.start, last=part.stop - 1) for part in metrics.frozen[:RANGES_SHOWN]]
    more = len(metrics.frozen) - len(ranges)
    where = ", ".join(ranges) + (f" and {more} more" if more else "")
    frozen = f"{counted(metrics.frozen_frames, 'frame')}: {where}" if ranges else "none"
    console.print(f"frozen  {frozen}", soft_wrap=True)


def _frames(*, first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(
        box=None, pad_edge=False, header_style="dim", title=f"\n{title}", title_justify="left", title_style="bold"
    )
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _joins(metrics: Metrics) -> Table:
    from rich.text import Text

    table = _table("joins: the largest step inside / the usual one around", "join", "frames", "score", "")
    for name in ("change", "sharpness", "luma"):
        table.add_column(name, justify="right")
    for number, join in enumerate(metrics.joins):
        last = join.start + max(join.overlap, 1) - 1
        table.add_row(
            str(number),
            _frames(first=join.start, last=last),
            f"{join.score:.1f}",
            Text(join.verdict, style=VERDICT_STYLES[join.verdict]),
            *(_step(step) for step in (join.compensated, join.sharpness, join.luma)),
        )
    return table


def _step(step: Step) -> str:
    return f"{step.inside:.2f} / {step.around:.2f}"


def _fidelity(found: Inspection) -> Table:
    table = _table("keyframes", "keyframe", "frame", "PSNR", "SSIM")
    for keyframe in found.metrics.keyframes:
        number = found.keyframes.index(keyframe.at)
        table.add_row(str(number), str(keyframe.at), f"{keyframe.psnr:.1f} dB", f"{keyframe.ssim:.3f}")
    return table
