"""The command that makes a final file of a video: finish."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayframe.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from wayframe.core.after import AfterSpec
    from wayframe.store.home import Home
    from wayframe.workflow.final import Final


class Profile(StrEnum):
    """How the final file is encoded."""

    H264 = "h264"
    DRAFT = "draft"
    AV1 = "av1"
    PRORES = "prores"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(finish)


def finish(
    what: Annotated[
        str,
        typer.Argument(
            metavar="VIDEO|RUN", help="A video, or a run's id (or its beginning, or `last`), or its folder."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The final file: .mp4, for prores .mov.")],
    trim: Annotated[
        str | None,
        typer.Option("--trim", metavar="FROM:TO", help="Keep frames 10:80, or times 0.5s:5s; either may be left out."),
    ] = None,
    upscale: Annotated[float | None, typer.Option("--upscale", help="Enlarge by this factor.")] = None,
    upscale_model: Annotated[
        Path | None, typer.Option("--upscale-model", help="Enlarge by this .safetensors model, not by Lanczos.")
    ] = None,
    fps: Annotated[str | None, typer.Option("--fps", help="Frames a second; those between are interpolated.")] = None,
    rife: Annotated[
        Path | None, typer.Option("--rife", help="Interpolate by this RIFE model, not by optical flow.")
    ] = None,
    audio: Annotated[Path | None, typer.Option("--audio", help="A sound track, cut to the video's length.")] = None,
    audio_start: Annotated[float | None, typer.Option("--audio-start", help="Begin there in it, in seconds.")] = None,
    fade_in: Annotated[float | None, typer.Option("--fade-in", help="Seconds of the sound's fade.")] = None,
    fade_out: Annotated[float | None, typer.Option("--fade-out", help="Seconds of the sound's fade.")] = None,
    gain: Annotated[float | None, typer.Option("--gain", help="Louder or softer, in dB.")] = None,
    profile: Annotated[Profile | None, typer.Option("--profile", help="How the final file is encoded.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace --out if it exists.")] = False,
    json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Make a final file of a video: trim, enlarge, interpolate, add sound, encode. The video stays as it is.

    The record of a run says which files were made of its video, and how.
    """
    from wayframe.cli.interrupt import interruptible
    from wayframe.cli.views_after import final_line
    from wayframe.store.home import open_home
    from wayframe.workflow.final import Final

    sound = {"file": audio, "start": audio_start, "fade_in": fade_in, "fade_out": fade_out, "gain": gain}
    said = _spec(
        {
            "trim": _range(trim),
            "upscale": _given({"factor": upscale, "file": upscale_model}),
            "fps": fps,
            "rife": str(rife) if rife else None,
            "audio": _given(sound),
            "profile": profile.value if profile else None,
        }
    )
    place = open_home(home)
    with interruptible() as cancelled:
        told = _finished(what, said, home=place, final=Final(out=out, force=force, cancelled=cancelled))
    if json:
        from json import dumps

        typer.echo(dumps(told))
        return
    typer.echo(final_line(told, name=str(out)))


def _finished(what: str, said: AfterSpec, *, home: Home, final: Final) -> dict[str, Any]:
    """What was made of a video, or of the video of a run."""
    from wayframe.store.runs import find_run
    from wayframe.workflow.final import finish_run, finish_video

    if Path(what).is_file():
        return finish_video(Path(what), said=said, base=Path(), home=home, final=final)
    return finish_run(find_run(home, what), said=said, base=Path(), home=home, final=final)


def _range(text: str | None) -> dict[str, Any] | None:
    from wayframe.errors import SpecError

    if text is None:
        return None
    start, colon, end = text.partition(":")
    if not colon:
        raise SpecError("--trim", "expected FROM:TO such as 10:80 or 0.5s:5s", text)
    places = {"start": start.strip(), "end": end.strip()}
    return {name: int(place) if place.isdecimal() else place for name, place in places.items() if place}


def _given(values: dict[str, Any]) -> dict[str, Any] | None:
    given = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
    return {name: value for name, value in given.items() if value is not None} or None


def _spec(data: dict[str, Any]) -> Any:
    from wayframe.core.after import parse_after

    return parse_after({name: value for name, value in data.items() if value is not None})
