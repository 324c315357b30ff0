"""Written prompts are kept whole or not at all, and one process of a home asks at a time."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from wayframe.errors import StoreError
from wayframe.store.home import Home
from wayframe.store.prompts import PromptStore

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> PromptStore:
    return PromptStore(Home(root=tmp_path))


def test_what_was_kept_is_found_again(store: PromptStore, tmp_path: Path):
    assert store.find(KEY) is None
    store.publish(KEY, text="Grüße", facts={"model": "m", "tokens_in": 5}, picture=b"jpeg")
    found = store.find(KEY)
    assert found is not None
    assert (found.text, found.facts["model"], found.facts["tokens_in"]) == ("Grüße", "m", 5)
    assert found.picture.read_bytes() == b"jpeg"
    assert found.picture == tmp_path / "prompts" / "ab" / f"{KEY}.jpg"


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"text": 5, "schema": "wayframe.prompt/1", "sha256": ""}', "\x00"])
def test_a_damaged_file_counts_as_none_and_is_replaced(store: PromptStore, tmp_path: Path, damage: str):
    store.publish(KEY, text="one", facts={}, picture=b"")
    (tmp_path / "prompts" / "ab" / f"{KEY}.json").write_text(damage)
    assert store.find(KEY) is None
    store.publish(KEY, text="two", facts={}, picture=b"")
    found = store.find(KEY)
    assert found is not None
    assert found.text == "two"


def test_a_file_of_another_version_counts_as_none(store: PromptStore, tmp_path: Path):
    store.publish(KEY, text="one", facts={}, picture=b"")
    path = tmp_path / "prompts" / "ab" / f"{KEY}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": "wayframe.prompt/2"}))
    assert store.find(KEY) is None


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path: Path):
    (tmp_path / "prompts").write_text("a file in its place")
    store = PromptStore(Home(root=tmp_path))
    with pytest.raises(StoreError, match="cannot be"):
        store.publish(KEY, text="one", facts={}, picture=b"")
    with pytest.raises(StoreError, match="cannot be"), store.turn(cancelled=lambda: False):
        pass


def test_turns_do_not_overlap(store: PromptStore):
    inside, most, gate = [0], [0], threading.Barrier(4)

    def work() -> None:
        gate.wait()
        for _ in range(5):
            with store.turn(cancelled=lambda: False):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
