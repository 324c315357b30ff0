"""Which engines are found, and what is said of those that are not."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from wayframe.engines import registry
from wayframe.engines.null import NullEngine
from wayframe.engines.registry import GROUP, load_engine, names
from wayframe.errors import EngineError


def installed(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda *, group: entries if group == GROUP else ())


def test_preview_and_null_are_always_here() -> None:
    assert {"preview", "null"} <= set(names())
    assert list(names()) == sorted(names())


@pytest.mark.parametrize("name", ["wann", "wangpp", "", "Preview"])
def test_an_unknown_engine_is_named_with_those_that_are_here(name: str) -> None:
    with pytest.raises(EngineError) as caught:
        load_engine(name)
    message = str(caught.value)
    assert repr(name) in message
    assert all(known in message for known in names())
    assert "--engine preview" in message
    assert "\n" not in message


def test_a_package_adds_an_engine_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, EntryPoint(name="mine", value="wayframe.engines.null:NullEngine", group=GROUP))
    assert "mine" in names()
    assert isinstance(load_engine("mine"), NullEngine)


def test_an_engine_that_cannot_be_imported_keeps_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, EntryPoint(name="mine", value="a_package_that_is_not_here:Engine", group=GROUP))
    with pytest.raises(EngineError, match=r"'mine' cannot be loaded.*a_package_that_is_not_here") as caught:
        load_engine("mine")
    assert isinstance(caught.value.__cause__, ImportError)


def test_our_own_engines_cannot_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, EntryPoint(name="preview", value="wayframe.engines.null:NullEngine", group=GROUP))
    assert load_engine("preview").name == "preview"
