"""Which engines there are, and one of them by its name; an engine's module is imported when it is chosen.

A package adds an engine by an entry point in the group `wayframe.engines`: its name, and a class or function that
makes the engine when called with an `EngineSetup`.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from wayframe.engines.base import Engine, EngineSetup
from wayframe.errors import EngineError

GROUP = "wayframe.engines"
_BUILT_IN = (
    EntryPoint(name="preview", value="wayframe.engines.preview:PreviewEngine", group=GROUP),
    EntryPoint(name="null", value="wayframe.engines.null:NullEngine", group=GROUP),
    EntryPoint(name="wangp", value="wayframe.engines.wangp.engine:WangpEngine", group=GROUP),
    EntryPoint(name="wan", value="wayframe.engines.wan.engine:WanEngine", group=GROUP),
)


def names() -> tuple[str, ...]:
    """The names of all engines that are here, sorted."""
    return tuple(sorted(_available()))


def load_engine(name: str, setup: EngineSetup | None = None) -> Engine:
    """Make the engine `name`; EngineError when there is none of that name, or when it cannot be imported.

    Raises `SpecError` for an option that the engine does not know. Making it is cheap: models are loaded when the first
    job is rendered.
    """
    entry = _available().get(name)
    if entry is None:
        raise EngineError(f"there is no engine {name!r}; here are {', '.join(names())}; choose one: --engine preview")
    try:
        make = entry.load()
    except (ImportError, AttributeError) as exc:
        raise EngineError(f"engine {name!r} cannot be loaded ({exc}); repair it or choose --engine preview") from exc
    engine: Engine = make(setup or EngineSetup())
    return engine


def _available() -> dict[str, EntryPoint]:
    """By name; our own engines cannot be replaced, so that a record's engine name always means the same."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    return found | {entry.name: entry for entry in _BUILT_IN}
