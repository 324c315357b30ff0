"""wayframe: keyframes in, one continuous video out, with a record of every step.

import wayframe

result = wayframe.run("trip.yaml", out="trip.mp4")
print(result.video, result.record["outcome"]["frames"])

plan = wayframe.plan({"keyframes": [{"image": "a.jpg"}, {"image": "b.jpg"}]})
print([step.guidance for step in plan.segments[0].steps])
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from wayframe.core.comparison import Comparison
    from wayframe.core.events import RunEvent
    from wayframe.core.plan import Plan
    from wayframe.core.spec import TravelSpec
    from wayframe.workflow.run import RunResult
    from wayframe.workflow.sources import SpecSource

__version__ = "0.1.0"
__all__ = ["__version__", "compare", "load", "plan", "run"]

Spec: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Mapping[str, Any] | TravelSpec"


def load(path: str | os.PathLike[str]) -> TravelSpec:
    """The checked spec of a YAML, TOML or JSON file; raises `errors.SpecError`."""
    return _source(path).spec


def plan(spec: Spec, *, home: str | os.PathLike[str] | None = None, options: Mapping[str, str] | None = None) -> Plan:
    """Every step that a run of `spec` would do. Touches no model.

    `spec` is a file, a sequence of pictures, a mapping or a loaded spec; an upstream payload is read plainly. Pictures
    are relative to the file's folder, else to the current one; those that are addresses are not fetched, but taken from
    the home folder where a run or `wayframe plan` fetched them. `options` are those of the engine
    (``{"dtype": "float32"}``); they win over the home folder's `options.toml`.
    Raises `errors.InputError`.
    """
    from wayframe.store.home import open_home
    from wayframe.workflow.sources import trip_of_spec

    place = open_home(Path(home) if home else None, make=False)
    return trip_of_spec(_source(spec), home=place, options=options).plan


def run(
    spec: Spec,
    *,
    out: str | os.PathLike[str] | None = None,
    force: bool = False,
    home: str | os.PathLike[str] | None = None,
    listen: Callable[[RunEvent], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    options: Mapping[str, str] | None = None,
    on_difference: Literal["stop", "record"] = "stop",
) -> RunResult:
    """Render `spec` and give back the run: its folder, its record and the video (at `out`, where that is given).

    `listen` gets every event; once `cancelled()` is true the run stops with `errors.CancelledError`, and the same call
    goes on later, with other `options` of the engine, too, as long as they do not decide pixels. Keyframes that are
    https addresses of public hosts and LoRAs that are addresses are fetched first. A step that was not applied as it
    was planned stops the run with `errors.EngineError`, unless `on_difference` is ``"record"``. Raises
    `errors.WayframeError`.
    """
    from wayframe.errors import SpecError
    from wayframe.store.home import open_home
    from wayframe.workflow.fetched import PictureTerms, fetched_trip
    from wayframe.workflow.lora_files import Fetch
    from wayframe.workflow.render import OnDifference
    from wayframe.workflow.run import RunOptions, run_trip
    from wayframe.workflow.sources import trip_to_run

    if on_difference not in tuple(OnDifference):
        raise SpecError("on_difference", f"expected {' or '.join(OnDifference)}", on_difference)
    place = open_home(Path(home) if home else None)
    manner = RunOptions(
        out=Path(out) if out else None,
        force=force,
        listen=listen or (lambda _event: None),
        cancelled=cancelled or (lambda: False),
        on_difference=OnDifference(on_difference),
    )
    terms = PictureTerms(cancelled=manner.cancelled)
    make = partial(fetched_trip, _source(spec), home=place, terms=terms, options=options)
    trip = trip_to_run(make, home=place, fetch=Fetch(listen=manner.listen, cancelled=manner.cancelled))
    return run_trip(trip, home=place, options=manner)


def compare(
    a: str | os.PathLike[str], b: str | os.PathLike[str], *, home: str | os.PathLike[str] | None = None
) -> Comparison:
    """What differs between two subjects, what it means, and the causes by rank.

    Each is what `wayframe compare` takes: a run id (or ``last``), a run folder, a spec, plan or payload file, a video
    of ours, or ``FILE.log#RUN``. Raises `errors.InputError` or `errors.StoreError`.
    """
    from wayframe.core.comparison import compare as compared
    from wayframe.store.home import open_home
    from wayframe.workflow.compare import named_subjects

    place = open_home(Path(home) if home else None)
    first, second = named_subjects([os.fspath(a), os.fspath(b)], home=place, defaults=None).subjects
    return compared(first, second)


def _source(spec: Spec) -> SpecSource:
    from wayframe.core.payload import is_payload
    from wayframe.core.spec import TravelSpec, parse_spec
    from wayframe.errors import SpecError
    from wayframe.workflow.sources import Reading, SpecSource, payload_source, spec_source

    if isinstance(spec, TravelSpec):
        return SpecSource(spec=spec, base=Path.cwd())
    if is_payload(spec):
        return payload_source(spec, base=Path.cwd(), words={}, reading=Reading())
    if isinstance(spec, Mapping):
        return SpecSource(spec=parse_spec(spec), base=Path.cwd())
    if isinstance(spec, str | os.PathLike):
        return spec_source([Path(spec)], words={})
    if isinstance(spec, Sequence) and all(isinstance(item, str | os.PathLike) for item in spec):
        return spec_source([Path(item) for item in spec], words={})
    raise SpecError("spec", "expected a file, pictures, a mapping or a loaded spec", spec)
