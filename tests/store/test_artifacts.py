"""Artifacts: published once, checked whenever they are found, and cleared away when their maker died."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from wayframe.errors import StoreError
from wayframe.store.artifacts import Artifact, ArtifactStore
from wayframe.store.home import Home, open_home

KEY, OTHER = "ab" + "0" * 62, "cd" + "1" * 62


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


@pytest.fixture
def store(home: Home) -> ArtifactStore:
    return ArtifactStore(home)


def publish(store: ArtifactStore, content: bytes = b"frames", *, key: str = KEY, **facts: object) -> Artifact:
    with store.staging() as folder:
        video = folder / "0.mp4"
        video.write_bytes(content)
        return store.publish(video, key=key, facts=facts)


def making(home: Home) -> list[Path]:
    return [*home.artifacts.glob(".making-*"), *home.artifacts.glob(".damaged-*")]


def test_what_is_published_is_found_with_its_facts(store: ArtifactStore) -> None:
    assert store.find(KEY) is None
    publish(store, frames=5, engine="null/1")
    found = store.find(KEY)
    assert found is not None
    assert found.video.read_bytes() == b"frames"
    assert (found.facts["frames"], found.facts["engine"], found.facts["key"]) == (5, "null/1", KEY)
    assert store.find(OTHER) is None


def test_the_first_one_under_a_key_stays(store: ArtifactStore, home: Home) -> None:
    publish(store, b"first", frames=1)
    second = publish(store, b"second", frames=2)
    assert second.video.read_bytes() == b"first"
    assert second.facts["frames"] == 1
    assert making(home) == []


def test_of_many_that_publish_one_key_at_once_all_get_the_same_artifact(store: ArtifactStore, home: Home) -> None:
    together = Barrier(8)

    def one(number: int) -> bytes:
        with store.staging() as folder:
            video = folder / "0.mp4"
            video.write_bytes(b"made by %d" % number)
            together.wait()
            return store.publish(video, key=KEY, facts={}).video.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(one, range(8)))) == 1
    assert making(home) == []


@pytest.mark.parametrize(
    "damage", ["flip", "truncate", "empty", "no video", "no sidecar", "broken sidecar", "no facts"]
)
def test_a_damaged_artifact_is_not_found_and_can_be_published_again(
    store: ArtifactStore, home: Home, damage: str
) -> None:
    artifact = publish(store, bytes(range(200)))
    sidecar = artifact.video.parent / "artifact.json"
    data = bytearray(artifact.video.read_bytes())
    data[100] ^= 0x10
    {
        "flip": lambda: artifact.video.write_bytes(data),
        "truncate": lambda: artifact.video.write_bytes(data[:50]),
        "empty": lambda: artifact.video.write_bytes(b""),
        "no video": artifact.video.unlink,
        "no sidecar": sidecar.unlink,
        "broken sidecar": lambda: sidecar.write_text('{"sha256": "'),
        "no facts": lambda: sidecar.write_text("[]"),
    }[damage]()
    assert store.find(KEY) is None
    assert publish(store, b"again").video.read_bytes() == b"again"
    assert making(home) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE, errno.ESTALE])
@pytest.mark.parametrize("reader", ["read_text", "open"], ids=["sidecar", "video"])
def test_an_artifact_that_cannot_be_read_now_is_an_error_and_stays(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, number: int, reader: str
) -> None:
    artifact = publish(store)

    def fails(path: Path, *_arguments: object, **_named: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, reader, fails)
        with pytest.raises(StoreError, match=rf"artifact {KEY[:12]} cannot be read: {os.strerror(number)}: .*{KEY}"):
            store.find(KEY)
    found = store.find(KEY)
    assert found is not None
    assert found.video == artifact.video


def test_facts_go_to_disk_without_secrets(store: ArtifactStore) -> None:
    artifact = publish(store, url="https://example.com/a?token=abcd1234efgh", api_key="abcd1234")
    text = (artifact.video.parent / "artifact.json").read_text()
    assert "abcd1234" not in text
    assert json.loads(text)["api_key"] == "[redacted]"


def test_what_failed_in_the_making_leaves_nothing(store: ArtifactStore, home: Home) -> None:
    def half() -> None:
        with store.staging() as folder:
            (folder / "0.mp4").write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert making(home) == []
    assert store.find(KEY) is None


def test_a_sweep_leaves_a_living_maker_alone(store: ArtifactStore, home: Home) -> None:
    with store.staging() as folder:
        assert ArtifactStore(home).sweep() == 0
        assert folder.is_dir()
        (folder / "0.mp4").write_bytes(b"frames")
        store.publish(folder / "0.mp4", key=KEY, facts={})
    assert store.find(KEY) is not None


MAKER = """
import os, pathlib, sys
from wayframe.errors import StoreError
from wayframe.store.artifacts import ArtifactStore
from wayframe.store.home import open_home
with ArtifactStore(open_home(pathlib.Path(sys.argv[1]))).staging() as folder:
    (folder / "half.mp4").write_bytes(b"half")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_sweep_removes_what_a_killed_process_left_but_not_while_it_lives(store: ArtifactStore, home: Home) -> None:
    command = [sys.executable, "-c", MAKER, str(home.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        folder = Path(maker.stdout.readline().strip())
        assert store.sweep() == 0
        assert (folder / "half.mp4").exists()
        maker.kill()
    assert folder.exists()
    assert store.sweep() == 1
    assert not folder.exists()


def test_a_folder_that_names_the_process_of_somebody_else_is_swept_all_the_same(
    store: ArtifactStore, home: Home
) -> None:
    (home.artifacts / ".making-1-left").mkdir()
    (home.artifacts / ".damaged-left").mkdir()
    assert store.sweep() == 2
    assert making(home) == []
