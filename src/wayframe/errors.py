"""Every error that wayframe raises on purpose.

    WayframeError
    ├── InputError          what the user gave: names the field, the value, what was expected, what to do
    │   ├── SpecError       a spec, plan or flag
    │   ├── CatalogueError  a model or preset file
    │   ├── PayloadError    an upstream payload
    │   ├── ImageError      a keyframe file
    │   └── LogError        a debug log
    ├── MediaError          a video that cannot be read, written or joined
    ├── EngineError         an engine that failed or is not there
    ├── PromptError         a prompt that could not be written
    ├── StoreError          the home folder, an artifact or a record
    │   ├── StoreMissingError      an object that the store does not have
    │   ├── StoreDamagedError      an object whose bytes are not those that were put there
    │   └── StoreUnavailableError  a store that does not answer, or not in time
    └── CancelledError        the user stopped the work

`retryable` says whether the same call may succeed later without a change by the user.
"""

from __future__ import annotations

from reprlib import Repr


class WayframeError(Exception):
    """Base of all errors that are told to the user in one line."""

    retryable = False


class InputError(WayframeError):
    """Input that was refused.

    Reads as ``field: problem (got value); fix``; the parts stay available as attributes.
    """

    def __init__(self, field: str, problem: str, value: object = None, *, fix: str = "") -> None:
        self.field, self.problem, self.value, self.fix = field, problem, value, fix
        got = "" if value is None else f" (got {_shown(value)})"
        super().__init__(f"{field}: {problem}{got}" + (f"; {fix}" if fix else ""))


class SpecError(InputError):
    """A spec, a plan or a flag that cannot be used as it stands."""


class CatalogueError(InputError):
    """A model or preset file that does not say what it must."""


class PayloadError(InputError):
    """An upstream payload that lacks a key or contradicts itself."""


class ImageError(InputError):
    """A keyframe file that cannot be used; the field is the file's name."""


class LogError(InputError):
    """A debug log, or a run asked for in it, that cannot be used."""


class MediaError(WayframeError):
    """A video file that cannot be read, written or joined."""


class EngineError(WayframeError):
    """An engine that failed or is not available."""


class PromptError(WayframeError):
    """A prompt that a vision model was to write and did not."""


class StoreError(WayframeError):
    """The home folder, an artifact or a record is not usable."""


class StoreMissingError(StoreError):
    """An object that the store does not have."""


class StoreDamagedError(StoreError):
    """An object whose bytes are not those that were put there."""


class StoreUnavailableError(StoreError):
    """A store that does not answer, or not in time; the same call may succeed later."""

    retryable = True


class CancelledError(WayframeError):
    """The work was stopped by the user; what was finished is kept."""


_SHOWN = 120
_PARTS = Repr()  # looks at a few parts only: a value of many levels may be larger than the memory when written out
_PARTS.maxlevel, _PARTS.maxstring, _PARTS.maxother, _PARTS.maxlong = 4, 2 * _SHOWN, 2 * _SHOWN, 2 * _SHOWN
_PARTS.maxlist = _PARTS.maxtuple = _PARTS.maxdict = 30


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else _PARTS.repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
