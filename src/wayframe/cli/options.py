"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from wayframe.core.payload_like import Like

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Where runs and artifacts live.", envvar="WAYFRAME_HOME", show_default=False),
]
PANEL = "In place of the spec's own words"
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Sources = Annotated[
    list[Path],
    typer.Argument(
        metavar="SOURCE",
        help="A spec (.yaml, .toml, .json), an upstream payload, or two or more pictures.",
        show_default=False,
    ),
]
LikeOption = Annotated[Like, typer.Option("--like", help="By whose habits an upstream payload is read.")]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Refuse an upstream payload that asks for what is not done here.")
]
KeyframesOption = Annotated[
    Path | None,
    typer.Option("--keyframes", help="Folder of the pictures that are addresses in the spec.", show_default=False),
]

OfflineOption = Annotated[
    bool,
    typer.Option("--offline", help="Fetch no keyframes: those that are addresses are taken as far as they are here."),
]
AllowPrivateOption = Annotated[
    bool,
    typer.Option("--allow-private", help="Fetch keyframes also from hosts of a private network, and by plain http."),
]
EngineOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="An option of the engine, such as dtype=float32; may be given more than once.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flag:
    """A flag that takes the place of a spec's own word."""

    word: str
    kind: type
    help: str


FLAGS: dict[str, _Flag] = {
    "frames": _Flag(word="segment_frames", kind=int, help="Frames of each segment."),
    "prompt": _Flag(word="prompt", kind=str, help="What happens."),
    "prompts": _Flag(word="prompts.write", kind=str, help="What a vision model writes: off, missing or all."),
    "engine": _Flag(word="engine", kind=str, help="What renders: preview, null, ..."),
    "model": _Flag(word="model", kind=str, help="A model of the catalogue."),
    "preset": _Flag(word="preset", kind=str, help="A preset of the catalogue."),
    "seed": _Flag(word="seed", kind=int, help="Seed of the noise."),
    "steps": _Flag(word="steps", kind=int, help="Denoising steps."),
    "fps": _Flag(word="fps", kind=str, help="Frames a second: 16 or 24000/1001."),
    "resolution": _Flag(word="resolution", kind=str, help="WIDTHxHEIGHT."),
    "overlap": _Flag(word="overlap", kind=int, help="Frames that neighbours share."),
    "chaining": _Flag(word="chaining", kind=str, help="independent or chained."),
    "motion": _Flag(word="amount_of_motion", kind=float, help="Camera motion, 0 to 1."),
}


SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="WORD=VALUE",
        help="Any word of a spec, its value as in YAML: prompts.writer=openai. May be given more than once.",
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
OF_A_TRIP = ("frames", "overlap", "chaining", "prompts")
"""Flags that mean nothing where videos are joined."""


def spec_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of `FLAGS`; it gets those that were used as `words`, named as in a spec."""
    return _flagged(command, flags=FLAGS)


def bridge_flags(command: Callable[..., None]) -> Callable[..., None]:
    """As `spec_flags`, with the flags that say something of a bridge between videos."""
    return _flagged(command, flags={name: flag for name, flag in FLAGS.items() if name not in OF_A_TRIP})


def _flagged(command: Callable[..., None], *, flags: dict[str, _Flag]) -> Callable[..., None]:
    hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY)
        for name, parameter in signature(command).parameters.items()
        if name != "words"
    ]
    added = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                flag.kind | None, typer.Option(f"--{name}", help=flag.help, show_default=False, rich_help_panel=PANEL)
            ],
        )
        for name, flag in flags.items()
    ]
    added.append(Parameter("set_words", Parameter.KEYWORD_ONLY, default=None, annotation=SetOption))

    @wraps(command)
    def with_words(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in flags}
        words = {FLAGS[name].word: value for name, value in given.items() if value is not None}
        command(words={**words, **_set(arguments.pop("set_words") or [], beside=words)}, **arguments)

    parameters = [*own, *added]
    setattr(with_words, "__signature__", Signature(parameters))
    with_words.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_words


def _set(said: list[str], *, beside: dict[str, Any]) -> dict[str, Any]:
    if not said:
        return {}
    from wayframe.workflow.words import parse_words

    return parse_words(said, beside=beside)
