"""Digests of large files, computed once and again when the file changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from wayframe.errors import SpecError
from wayframe.store import digests
from wayframe.store.digests import DigestCache
from wayframe.store.home import Home, open_home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose bytes are read."""
    names: list[str] = []

    def counted(path: Path) -> str:
        names.append(path.name)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(digests, "sha256_file", counted)
    return names


def test_a_file_is_read_once_even_by_the_next_process(home: Home, tmp_path: Path, read: list[str]) -> None:
    path = tmp_path / "style.safetensors"
    path.write_bytes(b"weights")
    first = DigestCache(home).sha256(path)
    assert first == hashlib.sha256(b"weights").hexdigest()
    assert DigestCache(home).sha256(path) == first
    assert read == ["style.safetensors"]


def test_a_file_of_another_time_or_size_is_read_again(home: Home, tmp_path: Path, read: list[str]) -> None:
    path, cache = tmp_path / "style.safetensors", DigestCache(home)
    path.write_bytes(b"weights")
    cache.sha256(path)
    status = path.stat()
    path.write_bytes(b"heavier weights")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert cache.sha256(path) == hashlib.sha256(b"heavier weights").hexdigest()
    path.write_bytes(b"HEAVIER WEIGHTS")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert cache.sha256(path) == hashlib.sha256(b"HEAVIER WEIGHTS").hexdigest()
    assert len(read) == 3


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_broken_memory_counts_as_none(home: Home, tmp_path: Path, read: list[str], text: str) -> None:
    (home.root / "digests.json").write_text(text)
    (tmp_path / "a.safetensors").write_bytes(b"a")
    DigestCache(home).sha256(tmp_path / "a.safetensors")
    assert read == ["a.safetensors"]


def test_a_lora_is_named_by_its_bytes_or_by_its_address_without_the_query(home: Home, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"a")
    cache = DigestCache(home)
    assert (
        cache.lora("a.safetensors", base=tmp_path, field="loras[1].file")
        == "sha256:" + hashlib.sha256(b"a").hexdigest()
    )
    assert cache.lora("https://example.com/a.safetensors?sig=1", base=tmp_path, field="loras[1].file") == (
        "url:https://example.com/a.safetensors"
    )
    assert cache.lora("https://me:secret@example.com:8443/a@b.safetensors", base=tmp_path, field="loras[1].file") == (
        "url:https://example.com:8443/a@b.safetensors"
    )


def test_only_safetensors_that_are_there_are_taken(home: Home, tmp_path: Path) -> None:
    for pickle in ("a.pt", "https://example.com/a.ckpt?sig=1"):
        with pytest.raises(SpecError, match=r"loras\[1\]\.file: is a pickle \(\.\w+\), which may run any code"):
            DigestCache(home).lora(pickle, base=tmp_path, field="loras[1].file")
    with pytest.raises(SpecError, match=r"loras\[1\]\.file: is not a \.safetensors file \(got 'a\.jpg'\)"):
        DigestCache(home).lora("a.jpg", base=tmp_path, field="loras[1].file")
    with pytest.raises(SpecError, match=r"loras\[1\]\.file: cannot be read: No such file or directory"):
        DigestCache(home).lora("gone.safetensors", base=tmp_path, field="loras[1].file")


def test_a_file_of_a_workers_folder_is_named_by_its_name(home: Home, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"a")
    cache = DigestCache(home)
    known = {
        file: cache.lora(file, base=tmp_path, field="loras[0].file", elsewhere=True)
        for file in ("a.safetensors", "b.safetensors", "style/b.safetensors")
    }
    assert known == {
        "a.safetensors": "sha256:" + hashlib.sha256(b"a").hexdigest(),
        "b.safetensors": "name:b.safetensors",
        "style/b.safetensors": "name:style/b.safetensors",
    }
    for wrong, problem in ((str(tmp_path / "b.safetensors"), "cannot be read"), ("b.pt", "is a pickle")):
        with pytest.raises(SpecError, match=problem):
            cache.lora(wrong, base=tmp_path, field="loras[0].file", elsewhere=True)


def test_a_home_folder_that_is_not_there_is_not_made_for_a_digest(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"a")
    nowhere = open_home(tmp_path / "nowhere", make=False)
    assert DigestCache(nowhere).sha256(tmp_path / "a.safetensors") == hashlib.sha256(b"a").hexdigest()
    assert not nowhere.root.exists()
