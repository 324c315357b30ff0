"""The record that a word on the command line names: of a run, of its folder, or what a video carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wayframe.cli.places import Where, queued_record


def named_record(what: str, *, where: Where) -> dict[str, Any]:
    """The record of a run, or the capsule of a video (``spec``, ``resolved``, ``plan``) where `what` is an .mp4.

    Raises `StoreError` for what is neither, and `SpecError` for a video that carries nothing of ours.
    """
    from wayframe.errors import StoreError
    from wayframe.store.runs import RunFolder
    from wayframe.store.specs import SUFFIXES
    from wayframe.workflow.sources import capsule_of

    path = Path(what)
    if path.suffix.lower() == ".mp4":
        return capsule_of(path)
    if path.is_file():
        hint = f"; wayframe plan {what} shows a spec" if path.suffix.lower() in SUFFIXES else ""
        raise StoreError(f"{what} is neither a run nor a video of ours (.mp4){hint}")
    if path.is_dir():
        return RunFolder(path=path.absolute()).read()
    return _run_record(what, where=where)


def _run_record(what: str, *, where: Where) -> dict[str, Any]:
    """The record of a run by its id: from the home folder, or put together from what the queue knows of it."""
    from wayframe.errors import StoreError
    from wayframe.store.home import open_home
    from wayframe.store.runs import find_run

    place = open_home(where.home, make=False)
    queued = queued_record(what, where=where, home=place)
    if queued is not None:
        return queued
    if what != "last" and not what.isdigit() and not (place.runs / what).is_dir():
        raise StoreError(f"{what} is no id of a run, no folder and no file; wayframe runs lists the runs")
    return find_run(place, what).read()
