"""The command that compares: runs, logs, specs, plans, payloads, videos."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wayframe.cli.options import HomeOption
from wayframe.errors import CancelledError, WayframeError

if TYPE_CHECKING:
    from wayframe.core.diff import Filters
    from wayframe.core.dossier import Clip, Dossier

SAME, DIFFERENT, TROUBLE = 0, 1, 2
TEXT_WIDTH = 120


class Format(StrEnum):
    """What a report is written as."""

    TEXT = "text"
    MD = "md"
    HTML = "html"
    JSON = "json"


class FailOn(StrEnum):
    """Which differences make the exit code 1."""

    RECIPE = "recipe"
    ANY = "any"


SubjectsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="WHAT", help="Runs (id, folder, `last`), specs, plans, payloads, videos of ours, FILE.log#RUN."
    ),
]
LogOption = Annotated[
    list[Path] | None, typer.Option("--log", help="Take the last completed runs of this log.", show_default=False)
]
LastOption = Annotated[
    int | None, typer.Option("--last", min=2, help="With --log: how many runs; else 2.", show_default=False)
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", "-f", help="Default: by the name of --out, else text.", show_default=False),
]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Write it here.", show_default=False)]
AllOption = Annotated[bool, typer.Option("--all", help="Noise too: ids, times, paths.")]
IgnoreOption = Annotated[
    list[str] | None, typer.Option("--ignore", help="Leave out what matches (lora*, applied, *.seed).")
]
OnlyOption = Annotated[list[str] | None, typer.Option("--only", help="Leave out all that does not match.")]
DefaultsOption = Annotated[
    Path | None, typer.Option("--model-defaults", help="Folder of WanGP's model definitions.", show_default=False)
]
FailOnOption = Annotated[FailOn, typer.Option("--fail-on", help="Which differences give exit code 1.")]
RepeatOption = Annotated[
    str | None, typer.Option("--repeat", help="Render this run again: the noise floor.", show_default=False)
]
KeyframesOption = Annotated[
    Path | None, typer.Option("--keyframes", help="Folder of the pictures for --repeat.", show_default=False)
]
VideosOption = Annotated[bool, typer.Option("--videos/--no-videos", help="Look at the videos too.")]
EmbedOption = Annotated[
    bool | None,
    typer.Option("--embed/--no-embed", help="HTML with the videos inside; else small ones.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(compare)


def compare(
    subjects: SubjectsArgument = None,
    log: LogOption = None,
    last: LastOption = None,
    form: FormatOption = None,
    out: OutOption = None,
    everything: AllOption = False,
    ignore: IgnoreOption = None,
    only: OnlyOption = None,
    defaults: DefaultsOption = None,
    fail_on: FailOnOption = FailOn.ANY,
    repeat: RepeatOption = None,
    keyframes: KeyframesOption = None,
    videos: VideosOption = True,
    embed: EmbedOption = None,
    home: HomeOption = None,
) -> None:
    """Say what differs between runs and what it means, and what to try next.

    Exit code 0: the same; 1: different; 2: trouble, or nothing to compare.
    """
    if bool(subjects) == bool(log):
        raise typer.BadParameter("give two or more subjects, or --log FILE", param_hint="SUBJECTS")
    if subjects is not None and len(subjects) == 1:
        raise typer.BadParameter("one alone cannot be compared; give two or more", param_hint="SUBJECTS")
    from wayframe.core.diff import Filters
    from wayframe.store.home import open_home
    from wayframe.workflow.compare import CompareOptions, gather, last_completed, named_subjects

    chosen = form or _by_name(out)
    _check_use("--last", last, wanted=log, why="counts the runs of a log; give --log FILE")
    _check_use("--keyframes", keyframes, wanted=repeat, why="is where --repeat looks for pictures; give --repeat RUN")
    _check_use("--repeat", repeat, wanted=videos, why="is for the difference of videos; leave out --no-videos")
    _check_use("--embed", embed, wanted=chosen is Format.HTML, why="is for HTML; give --format html")
    _check_out(out, inputs=[*map(Path, subjects or []), *(log or [])])
    filters = Filters(everything=everything, ignore=tuple(ignore or ()), only=tuple(only or ()))
    with _trouble():
        place = open_home(home, make=False)
        if log:
            selection = last_completed(log, last=last or DEFAULT_LAST, defaults=defaults)
        else:
            selection = named_subjects(subjects or [], home=place, defaults=defaults)
        options = CompareOptions(
            filters=filters,
            arguments=_arguments(subjects=subjects, log=log, last=last, filters=filters, defaults=defaults),
            videos=videos,
            thumbnails=chosen is Format.HTML,
            repeat=repeat,
            keyframes=keyframes,
        )
        dossier = gather(selection, home=place, options=options)
        _give(dossier, form=chosen, out=out, embed=embed)
    raise typer.Exit(_code(dossier, fail_on))


@contextmanager
def _trouble() -> Iterator[None]:
    """Exit code 2 for our own errors: 1 says that runs differ."""
    try:
        yield
    except CancelledError:
        raise
    except (WayframeError, OSError) as error:
        from wayframe.files import redact_text

        sys.stderr.write(f"error: {redact_text(str(error))}\n")
        raise typer.Exit(TROUBLE) from error


SUFFIXES = {
    ".txt": Format.TEXT,
    ".md": Format.MD,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".json": Format.JSON,
}


def _by_name(out: Path | None) -> Format:
    if out is None:
        return Format.TEXT
    if out.suffix.lower() not in SUFFIXES:
        message = f"{out} does not say which format; let it end in {', '.join(SUFFIXES)}, or give --format"
        raise typer.BadParameter(message, param_hint="--out")
    return SUFFIXES[out.suffix.lower()]


def _check_out(out: Path | None, *, inputs: list[Path]) -> None:
    """A report takes the place of an older one, never of what it is about."""
    if out is not None and any(path.resolve() == out.resolve() for path in inputs):
        raise typer.BadParameter(f"{out} is one of those that are compared; choose another name", param_hint="--out")


def _check_use(option: str, value: object, *, wanted: object, why: str) -> None:
    """Refuse an option that would do nothing beside the others."""
    if value is not None and not wanted:
        raise typer.BadParameter(why, param_hint=option)


def _arguments(
    *, subjects: list[str] | None, log: list[Path] | None, last: int | None, filters: Filters, defaults: Path | None
) -> tuple[str, ...]:
    """The arguments that decide what is said, for the report to name them."""
    given = [*(subjects or []), *(part for path in log or [] for part in ("--log", str(path)))]
    given += ["--last", str(last)] if last and last > DEFAULT_LAST else []
    given += ["--model-defaults", str(defaults)] if defaults else []
    given += ["--all"] if filters.everything else []
    given += [part for pattern in filters.ignore for part in ("--ignore", pattern)]
    given += [part for pattern in filters.only for part in ("--only", pattern)]
    return tuple(given)


DEFAULT_LAST = 2


def _give(dossier: Dossier, *, form: Format, out: Path | None, embed: bool | None) -> None:
    from wayframe.files import write_atomic

    if form is Format.TEXT and out is None:
        from rich.console import Console

        from wayframe.report.text import print_report

        print_report(dossier, console=Console(highlight=False))
        return
    written = _written(dossier, form=form, out=out, embed=embed)
    if out is None:
        typer.echo(written, nl=False)
    else:
        write_atomic(out, written)
        typer.echo(str(out))


def _written(dossier: Dossier, *, form: Format, out: Path | None, embed: bool | None) -> str:
    if form is Format.JSON:
        from wayframe.report.as_json import comparison_json

        return comparison_json(dossier)
    if form is Format.TEXT:
        return _plain_text(dossier)
    from wayframe.report.build import build_document

    document = build_document(dossier)
    if form is Format.MD:
        from wayframe.report.markdown import markdown

        return markdown(document)
    from wayframe.report.html import Media, html

    beside = out.absolute().parent if out else Path.cwd()
    return html(document, media=Media(address=lambda clip: _address(clip, beside=beside, embed=embed)))


def _plain_text(dossier: Dossier) -> str:
    from io import StringIO

    from rich.console import Console

    from wayframe.report.text import print_report

    page = StringIO()
    print_report(dossier, console=Console(file=page, width=TEXT_WIDTH, no_color=True, highlight=False))
    return page.getvalue()


def _address(clip: Clip, *, beside: Path, embed: bool | None) -> str:
    """A small video, or any that is wanted inside, as data; another by its path from the report."""
    import os
    from urllib.parse import quote

    from wayframe.report.html import EMBEDDED_BELOW, data_address

    if embed or (embed is None and clip.size_bytes < EMBEDDED_BELOW):
        return data_address(Path(clip.path).read_bytes())
    return quote(Path(os.path.relpath(Path(clip.path).absolute(), beside)).as_posix())


def _code(dossier: Dossier, fail_on: FailOn) -> int:
    from wayframe.core.comparison import Verdict

    verdicts = {comparison.verdict for comparison in dossier.comparisons}
    if Verdict.NOT_COMPARABLE in verdicts:
        return TROUBLE
    if fail_on is FailOn.RECIPE:
        return DIFFERENT if Verdict.OTHER_RECIPE in verdicts else SAME
    return SAME if verdicts == {Verdict.IDENTICAL} else DIFFERENT
