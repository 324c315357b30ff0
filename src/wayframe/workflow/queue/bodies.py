"""Events of a run as plain JSON bodies, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from wayframe.core import events
from wayframe.core.events import RunEvent
from wayframe.errors import StoreError

KIND = "event"
_KINDS: Mapping[str, type] = {kind.__name__: kind for kind in get_args(events.RunEvent)}


def body_of(event: RunEvent) -> dict[str, Any]:
    """The event as JSON data: its kind under ``event``, and its fields."""
    return {KIND: type(event).__name__, **asdict(event)}


def event_of(body: Mapping[str, Any]) -> RunEvent:
    """The event of a body. Raises `StoreError` for one that is none of ours."""
    kind = _KINDS.get(str(body.get(KIND)))
    if kind is None:
        raise StoreError(f"an event of kind {body.get(KIND)!r} is unknown to this version")
    try:
        event: RunEvent = _adapter(kind).validate_python({name: value for name, value in body.items() if name != KIND})
    except ValidationError as error:
        raise StoreError(f"an event of kind {kind.__name__} cannot be read: {error.errors()[0]['msg']}") from error
    return event


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
