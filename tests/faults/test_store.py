"""A store that is slow or silent, and processes that are killed in the middle of a transfer."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from faults.program import PATIENCE
from s3 import Faults, faulty_proxy, new_bucket, s3_endpoint, s3_environment
from wayframe.errors import StoreUnavailableError
from wayframe.store.artifacts import ArtifactStore
from wayframe.store.blobs import BlobStore
from wayframe.store.home import open_home
from wayframe.store.objects import Patience, open_store

pytestmark = pytest.mark.faults
SIZE = 40 * 2**20
KEY = "ab" + "0" * 62
HASTY = Patience(stall=timedelta(seconds=0.5), retry=timedelta(seconds=2), backoff=timedelta(milliseconds=10))


@pytest.fixture
def behind(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Faults]]:
    endpoint = s3_endpoint(tmp_path_factory.getbasetemp())
    with faulty_proxy(endpoint) as (address, faults):
        for name, value in s3_environment(address).items():
            monkeypatch.setenv(name, value)
        yield f"s3://{new_bucket(endpoint)}/p", faults


def test_a_slow_store_is_waited_for(behind: tuple[str, Faults], tmp_path: Path) -> None:
    address, faults = behind
    faults.delay = 0.2
    own = ArtifactStore(open_home(tmp_path / "one"), remote=open_store(address, patience=HASTY))
    with own.staging() as folder:
        (folder / "0.mp4").write_bytes(b"frames")
        own.publish(folder / "0.mp4", key=KEY, facts={})
    assert ArtifactStore(open_home(tmp_path / "two"), remote=open_store(address)).find(KEY) is not None


def test_a_store_that_falls_silent_is_given_up_in_time_and_nothing_is_lost(
    behind: tuple[str, Faults], tmp_path: Path
) -> None:
    address, faults = behind
    faults.delay = 1.5
    own = ArtifactStore(open_home(tmp_path / "one"), remote=open_store(address, patience=HASTY))
    begun = time.monotonic()
    with own.staging() as folder:
        (folder / "0.mp4").write_bytes(b"frames")
        with pytest.raises(StoreUnavailableError, match=r"the store answers too slowly or not at all$"):
            own.publish(folder / "0.mp4", key=KEY, facts={})
    assert time.monotonic() - begun < 10
    faults.delay = 0
    found = own.find(KEY)
    assert found is not None
    assert found.video.read_bytes() == b"frames"


TRANSFER = """
import pathlib, sys
from wayframe.store.blobs import BlobStore
from wayframe.store.home import open_home
from wayframe.store.objects import open_store
blobs = BlobStore(open_home(pathlib.Path(sys.argv[1])), objects=open_store(sys.argv[2]))
if sys.argv[3] == "put":
    blobs.put_blob(pathlib.Path(sys.argv[4]))
else:
    blobs.get_blob(sys.argv[3], pathlib.Path(sys.argv[4]))
"""


def kill_in_mid_transfer(faults: Faults, home: Path, *arguments: str, begun: tuple[str, str]) -> None:
    """Start a transfer and kill it at a request of that method and path, while the store keeps it waiting."""
    faults.delay, faults.only, faults.seen = 1.0, begun, []
    command = [sys.executable, "-c", TRANSFER, str(home), *arguments]
    with subprocess.Popen(command, env=dict(os.environ)) as program:
        until = time.monotonic() + PATIENCE
        while not any(method == begun[0] and begun[1] in path for method, path in faults.seen):
            assert program.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        program.kill()
    faults.delay = 0.0


@pytest.mark.parametrize(
    "begun", [("PUT", "partNumber=2"), ("POST", "uploadId"), ("PUT", "blobs/"), ("POST", "blobs/")]
)
def test_an_upload_that_is_killed_shows_nothing_and_can_be_done_again(
    behind: tuple[str, Faults], tmp_path: Path, begun: tuple[str, str]
) -> None:
    address, faults = behind
    path, store = tmp_path / "lora.safetensors", open_store(address)
    path.write_bytes(os.urandom(SIZE))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    kill_in_mid_transfer(faults, tmp_path / "one", address, "put", str(path), begun=begun)
    assert all(item.size == SIZE for item in store.list("blobs"))
    blobs = BlobStore(open_home(tmp_path / "two"), objects=store)
    assert blobs.put_blob(path) == digest
    assert blobs.get_blob(digest, tmp_path / "back").read_bytes() == path.read_bytes()


def test_a_download_that_is_killed_leaves_no_half_file_in_the_cache(behind: tuple[str, Faults], tmp_path: Path) -> None:
    address, faults = behind
    path, home = tmp_path / "lora.safetensors", open_home(tmp_path / "one")
    path.write_bytes(os.urandom(SIZE))
    blobs = BlobStore(home, objects=open_store(address))
    digest = blobs.put_blob(path)
    target = tmp_path / "back"
    kill_in_mid_transfer(faults, home.root, address, digest, str(target), begun=("GET", digest))
    assert not target.exists()
    assert blobs.get_blob(digest, target).read_bytes() == path.read_bytes()
    assert [item.name for item in home.blobs.rglob("*") if item.is_file() and item.suffix != ".lock"] == [digest]
