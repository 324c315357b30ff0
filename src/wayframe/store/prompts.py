"""Prompts that a model wrote, each a JSON file under its key with the picture that the model was shown beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wayframe.errors import CancelledError, StoreError
from wayframe.files import redact, write_atomic
from wayframe.store.home import Home

PROMPT_SCHEMA = "wayframe.prompt/1"
_TURN, _POLL = ".turn", 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPrompt:
    """A written prompt; `facts` says who wrote it and what it took, `picture` is the JPEG that the model was shown."""

    key: str
    text: str
    facts: Mapping[str, Any]
    picture: Path


class PromptStore:
    """The written prompts of a home folder. A key stands for everything that was asked, so nothing is asked twice."""

    def __init__(self, home: Home) -> None:
        self._root = home.prompts

    def find(self, key: str) -> StoredPrompt | None:
        """The prompt under a key; None when there is none, or when its file is damaged."""
        path = self._path(key)
        try:
            facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            text = facts["text"]
            whole = facts["schema"] == PROMPT_SCHEMA and facts["sha256"] == _digest(text)
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None
        except OSError as error:
            raise StoreError(f"the prompt {path} cannot be read: {error.strerror}") from error
        return StoredPrompt(key=key, text=text, facts=facts, picture=path.with_suffix(".jpg")) if whole else None

    def publish(self, key: str, *, text: str, facts: Mapping[str, Any], picture: bytes) -> None:
        """Keep a prompt under its key, the picture first, so that what is found is whole."""
        path = self._path(key)
        try:
            write_atomic(path.with_suffix(".jpg"), picture)
            kept = {"schema": PROMPT_SCHEMA, "key": key, "text": text, "sha256": _digest(text), **facts}
            write_atomic(path, json.dumps(redact(kept), indent=1, ensure_ascii=False))
        except OSError as error:
            raise StoreError(f"a prompt cannot be kept in {self._root}: {error.strerror}") from error

    def forget(self, key: str) -> None:
        """Remove the prompt under a key and its picture, so that it is asked for anew; again does nothing."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
            path.with_suffix(".jpg").unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"the prompt {path} cannot be removed: {error.strerror}") from error

    @contextmanager
    def turn(self, *, cancelled: Callable[[], bool]) -> Iterator[None]:
        """Held by the one process of this home that asks; the next one finds what it wrote.

        Raises `CancelledError` while it waits, once `cancelled()` is true, and `StoreError` for an unusable folder.
        """
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder {self._root} cannot be used: {error.strerror}") from error
        lock = FileLock(self._root / _TURN)
        while True:
            try:
                lock.acquire(timeout=_POLL)
                break
            except Timeout:
                if cancelled():
                    raise CancelledError("waiting for another process that writes prompts was cancelled") from None
        try:
            yield
        finally:
            lock.release()

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / f"{key}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
