"""What every store must do: a local folder and an S3 bucket, read through the same tests."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from s3 import new_bucket, s3_endpoint, s3_environment
from wayframe.errors import StoreDamagedError, StoreError, StoreMissingError
from wayframe.store import objects as module
from wayframe.store.artifacts import Artifact, ArtifactStore
from wayframe.store.blobs import BlobStore
from wayframe.store.collect import Garbage, Kind, collect, find_garbage
from wayframe.store.home import Home, open_home
from wayframe.store.objects import UPLOADS, ObjectStore, open_store

KEY, OTHER = "ab" + "0" * 62, "cd" + "1" * 62
AT_ONCE = timedelta(seconds=-5)  # everything is older: S3 tells whole seconds
pytestmark = pytest.mark.parametrize("kind", ["folder", "bucket"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a store is, for this process and others, and a way to break what is in it."""

    address: str
    folder: Path

    def open(self) -> ObjectStore:
        return open_store(self.address)

    def home(self, name: str) -> Home:
        return open_home(self.folder / name)

    def file(self, content: bytes, name: str = "file") -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def keys(self) -> list[str]:
        found = self.open()
        return sorted(item.key for top in ("artifacts", "blobs", "a", UPLOADS) for item in found.list(top))


@pytest.fixture
def place(
    kind: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Place:
    (tmp_path / "work").mkdir()
    if kind == "folder":
        return Place(address=str(tmp_path / "store"), folder=tmp_path / "work")
    endpoint = s3_endpoint(tmp_path_factory.getbasetemp())
    for name, value in s3_environment(endpoint).items():
        monkeypatch.setenv(name, value)
    return Place(address=f"s3://{new_bucket(endpoint)}/some where/below", folder=tmp_path / "work")


@pytest.fixture
def store(place: Place) -> ObjectStore:
    return place.open()


def always(_item: Garbage) -> AbstractContextManager[bool]:
    """Nothing that was found is wanted again."""
    return nullcontext(enter_result=True)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def publish(store: ArtifactStore, content: bytes, *, key: str = KEY) -> Artifact:
    with store.staging() as folder:
        video = folder / "0.mp4"
        video.write_bytes(content)
        return store.publish(video, key=key, facts={"frames": 5})


def program(place: Place, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", source, place.address, str(place.folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class TestObjects:
    def test_what_is_put_is_read_listed_and_removed(self, store: ObjectStore, place: Place) -> None:
        assert store.put_new("a/b", place.file(b"one"))
        assert store.read("a/b") == b"one"
        listed = list(store.list("a"))
        assert [(item.key, item.size) for item in listed] == [("a/b", 3)]
        assert abs(listed[0].modified - store.now()) < timedelta(minutes=1)
        assert store.exists("a/b")
        store.delete("a/b")
        store.delete("a/b")
        assert not store.exists("a/b")
        assert place.keys() == []

    def test_a_store_that_can_be_listed_passes_its_check(self, store: ObjectStore) -> None:
        store.check()

    @pytest.mark.parametrize("size", [0, 10, module.SMALL + 1])
    def test_the_first_object_under_a_key_stays(self, store: ObjectStore, place: Place, size: int) -> None:
        first, second = place.file(b"1" * size, "first"), place.file(b"2" * size + b"!", "second")
        assert store.put_new("a/b", first)
        assert not store.put_new("a/b", second)
        store.fetch("a/b", place.folder / "back", sha256=sha(b"1" * size))
        assert (place.folder / "back").read_bytes() == b"1" * size
        store.replace("a/b", second)
        assert store.read("a/b", limit=2**30) == b"2" * size + b"!"
        assert place.keys() == ["a/b"]

    @pytest.mark.parametrize("size", [10, module.SMALL + 1])
    def test_of_writers_at_once_one_wins(self, store: ObjectStore, place: Place, size: int) -> None:
        together = Barrier(4)

        def put(number: int) -> bool:
            path = place.file(bytes([number]) * size, f"file{number}")
            together.wait()
            return store.put_new("a/b", path)

        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(put, range(4)))
        assert made.count(True) == 1
        assert store.read("a/b", limit=2**30) == bytes([made.index(True)]) * size
        assert place.keys() == ["a/b"]

    def test_a_file_that_changed_is_not_stored(self, store: ObjectStore, place: Place) -> None:
        for size in (10, module.SMALL + 1):
            with pytest.raises(StoreDamagedError, match=r"^file has other bytes than expected: sha256 "):
                store.put_new("a/b", place.file(b"2" * size), sha256=sha(b"1" * size))
        assert place.keys() == []

    def test_wrong_bytes_are_an_error_and_leave_what_was_there(self, store: ObjectStore, place: Place) -> None:
        store.put_new("a/b", place.file(b"wrong"))
        target = place.file(b"before", "target")
        with pytest.raises(StoreDamagedError, match=r"^a/b in .* has other bytes than expected: sha256 [0-9a-f]{12}"):
            store.fetch("a/b", target, sha256=sha(b"right"))
        assert target.read_bytes() == b"before"
        assert sorted(path.name for path in place.folder.iterdir()) == ["file", "target"]

    def test_what_is_not_there_is_missing(self, store: ObjectStore, place: Place) -> None:
        for call in (lambda: store.read("a/b"), lambda: store.fetch("a/b", place.folder / "x", sha256=sha(b""))):
            with pytest.raises(StoreMissingError, match=r"a/b in .* failed: it is not there"):
                call()
        assert list(place.folder.iterdir()) == []
        assert list(store.list("a")) == []

    def test_a_source_that_cannot_be_read_is_told_by_its_name(self, store: ObjectStore, place: Place) -> None:
        with pytest.raises(StoreError, match=r"^storing a/b in .* failed: No such file or directory: .*nowhere$"):
            store.put_new("a/b", place.folder / "nowhere")

    def test_a_large_object_is_not_read_into_memory(self, store: ObjectStore, place: Place) -> None:
        store.put_new("a/b", place.file(b"12345"))
        with pytest.raises(StoreError, match=r"^a/b in .* has 5 bytes, at most 4 were expected$"):
            store.read("a/b", limit=4)

    def test_an_object_that_is_too_large_is_refused(self, store: ObjectStore, place: Place) -> None:
        path = place.folder / "sparse"
        with path.open("wb") as stream:
            stream.truncate(module.LARGEST + 1)
        with pytest.raises(StoreError, match=r"sparse has 5368709121 bytes; an object may have at most 5368709120$"):
            store.put_new("a/b", path)

    @pytest.mark.parametrize(
        "name", ["a b", "ü é", "per%20cent", "pl+us", "qu?es=t&", "ha#sh", "😀", "q'u\"o*[x]<y>|:{}~^`$"]
    )
    def test_names_with_odd_characters_stay_what_they_are(self, store: ObjectStore, place: Place, name: str) -> None:
        key = f"a/{name}/{name}"
        assert store.put_new(key, place.file(name.encode()))
        assert not store.put_new(key, place.file(b"other"))
        assert store.read(key) == name.encode()
        assert [item.key for item in store.list("a")] == [key]
        store.delete(key)
        assert not store.exists(key)

    @pytest.mark.parametrize(
        "key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\\b", "a\nb", "a#1", "x" * 241, "x/" * 480 + "x"]
    )
    def test_names_that_lead_elsewhere_are_refused(self, store: ObjectStore, place: Place, key: str) -> None:
        calls: list[Callable[[], object]] = [
            lambda: store.put_new(key, place.file(b"")),
            lambda: store.read(key),
            lambda: store.fetch(key, place.folder / "x", sha256=sha(b"")),
            lambda: store.exists(key),
            lambda: store.delete(key),
            lambda: list(store.list(key)),
        ]
        for call in calls:
            with pytest.raises(StoreError, match=r"^an object cannot be named "):
                call()


class TestArtifacts:
    def test_what_one_machine_publishes_another_one_finds(self, store: ObjectStore, place: Place) -> None:
        ours = ArtifactStore(place.home("one"), remote=store, worker="gpu-1")
        theirs = ArtifactStore(place.home("two"), remote=store, worker="gpu-2")
        assert theirs.find(KEY) is None
        publish(ours, b"frames")
        found = theirs.find(KEY)
        assert found is not None
        assert found.video.read_bytes() == b"frames"
        assert found.video.is_relative_to(place.home("two").root)
        assert (found.facts["worker"], found.facts["frames"]) == ("gpu-1", 5)
        assert place.keys() == [f"artifacts/ab/{KEY}/{sha(b'frames')}.mp4", f"artifacts/ab/{KEY}/artifact.json"]

    def test_the_first_published_is_taken_by_all(self, store: ObjectStore, place: Place) -> None:
        publish(ArtifactStore(place.home("one"), remote=store), b"first")
        second = publish(ArtifactStore(place.home("two"), remote=store), b"second")
        assert second.video.read_bytes() == b"first"
        third = ArtifactStore(place.home("three"))
        publish(third, b"third, made without the store")
        found = ArtifactStore(place.home("three"), remote=store).find(KEY)
        assert found is not None
        assert found.video.read_bytes() == b"first"
        again = third.find(KEY)
        assert again is not None
        assert again.video.read_bytes() == b"first"

    def test_machines_that_publish_at_once_agree(self, place: Place) -> None:
        together = Barrier(4)

        def one(number: int) -> bytes:
            own = ArtifactStore(place.home(f"home{number}"), remote=place.open())
            together.wait()
            return publish(own, b"made by %d" % number).video.read_bytes()

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(one, range(4)))) == 1

    def test_what_was_made_without_the_store_is_shared_when_it_is_found(self, store: ObjectStore, place: Place) -> None:
        publish(ArtifactStore(place.home("one")), b"frames")
        assert place.keys() == []
        assert ArtifactStore(place.home("one"), remote=store).find(KEY) is not None
        assert ArtifactStore(place.home("two"), remote=store).find(KEY) is not None

    @pytest.mark.parametrize("damage", ["video", "no video", "sidecar", "sidecar of another"])
    def test_a_damaged_artifact_is_not_found_and_is_replaced_by_a_whole_one(
        self, store: ObjectStore, place: Place, damage: str
    ) -> None:
        publish(ArtifactStore(place.home("one"), remote=store), b"frames")
        video, sidecar = place.keys()
        {
            "video": lambda: store.replace(video, place.file(b"framez")),
            "no video": lambda: store.delete(video),
            "sidecar": lambda: store.replace(sidecar, place.file(b'{"sha256": "')),
            "sidecar of another": lambda: store.replace(sidecar, place.file(b'{"key": "x", "sha256": "y"}')),
        }[damage]()
        again = ArtifactStore(place.home("two"), remote=store)
        assert again.find(KEY) is None
        assert publish(again, b"frames").video.read_bytes() == b"frames"
        third = ArtifactStore(place.home("three"), remote=store).find(KEY)
        assert third is not None
        assert third.video.read_bytes() == b"frames"

    KILLED = """
import os, pathlib, signal, sys
from wayframe.store.artifacts import ArtifactStore
from wayframe.store.home import open_home
from wayframe.store.objects import ObjectStore, open_store
put = ObjectStore.put_new
def put_and_die(self, key, path, **named):
    if key.endswith("artifact.json"):
        os.kill(os.getpid(), signal.SIGKILL)
    return put(self, key, path, **named)
ObjectStore.put_new = put_and_die
own = ArtifactStore(open_home(pathlib.Path(sys.argv[2]) / "killed"), remote=open_store(sys.argv[1]))
with own.staging() as folder:
    (folder / "0.mp4").write_bytes(b"killed")
    own.publish(folder / "0.mp4", key=sys.argv[3], facts={})
"""

    def test_a_worker_killed_between_video_and_sidecar_has_published_nothing(
        self, store: ObjectStore, place: Place
    ) -> None:
        assert program(place, self.KILLED, KEY).returncode == -signal.SIGKILL
        assert place.keys() == [f"artifacts/ab/{KEY}/{sha(b'killed')}.mp4"]
        other = ArtifactStore(place.home("other"), remote=store)
        assert other.find(KEY) is None
        assert publish(other, b"other").video.read_bytes() == b"other"
        returned = ArtifactStore(place.home("killed"), remote=store).find(KEY)
        assert returned is not None
        assert returned.video.read_bytes() == b"other"


class TestBlobs:
    def test_a_file_comes_back_by_its_digest(self, store: ObjectStore, place: Place) -> None:
        content = os.urandom(module.SMALL + 5)
        digest = BlobStore(place.home("one"), objects=store).put_blob(place.file(content, "lora.safetensors"))
        assert digest == sha(content)
        assert place.keys() == [f"blobs/{digest[:2]}/{digest}"]
        target = place.folder / "here" / "lora.safetensors"
        assert BlobStore(place.home("two"), objects=store).get_blob(digest, target).read_bytes() == content

    def test_a_file_that_is_there_is_not_sent_again(self, store: ObjectStore, place: Place) -> None:
        blobs = BlobStore(place.home("one"), objects=store)
        digest = blobs.put_blob(place.file(b"picture"))
        before = store.stat(place.keys()[0])
        assert blobs.put_blob(place.file(b"picture", "copy")) == digest
        assert store.stat(place.keys()[0]) == before
        assert blobs.missing([OTHER, digest]) == [OTHER]

    def test_a_cached_file_needs_no_store(self, store: ObjectStore, place: Place) -> None:
        blobs = BlobStore(place.home("one"), objects=store)
        digest = blobs.put_blob(place.file(b"picture"))
        blobs.get_blob(digest, place.folder / "a.png")
        store.delete(place.keys()[0])
        assert blobs.get_blob(digest, place.folder / "b.png").read_bytes() == b"picture"

    def test_a_file_that_is_asked_for_again_leaves_nothing_beside_it(self, store: ObjectStore, place: Place) -> None:
        blobs = BlobStore(place.home("one"), objects=store)
        digest = blobs.put_blob(place.file(b"picture"))
        for _ in range(2):
            blobs.get_blob(digest, place.folder / "here" / "a.png")
        assert [path.name for path in (place.folder / "here").iterdir()] == ["a.png"]

    def test_a_cached_file_that_was_damaged_is_fetched_again(self, store: ObjectStore, place: Place) -> None:
        home = place.home("one")
        blobs = BlobStore(home, objects=store)
        digest = blobs.put_blob(place.file(b"picture"))
        blobs.get_blob(digest, place.folder / "a.png")
        cached = home.blobs / digest[:2] / digest
        cached.unlink()
        cached.write_bytes(b"pictura")
        assert blobs.get_blob(digest, place.folder / "b.png").read_bytes() == b"picture"

    def test_wrong_bytes_in_the_store_are_refused(self, store: ObjectStore, place: Place) -> None:
        blobs = BlobStore(place.home("one"), objects=store)
        digest = blobs.put_blob(place.file(b"picture"))
        store.replace(place.keys()[0], place.file(b"pictura"))
        with pytest.raises(StoreDamagedError, match=rf"{digest} in .* has other bytes than expected"):
            blobs.get_blob(digest, place.folder / "a.png")
        assert not (place.folder / "a.png").exists()

    @pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "name:x"])
    def test_a_blob_is_named_by_a_digest(self, store: ObjectStore, place: Place, digest: str) -> None:
        with pytest.raises(StoreError, match=r"^a blob is named by a sha256 of 64 hex digits, not by "):
            BlobStore(place.home("one"), objects=store).get_blob(digest, place.folder / "x")


class TestCollect:
    @pytest.fixture
    def full(self, store: ObjectStore, place: Place) -> ObjectStore:
        """Two artifacts, two blobs (`a` and `b`), a half artifact, and a half upload."""
        own = ArtifactStore(place.home("one"), remote=store)
        publish(own, b"used")
        publish(own, b"unused", key=OTHER)
        blobs = BlobStore(place.home("one"), objects=store)
        blobs.put_blob(place.file(b"a"))
        blobs.put_blob(place.file(b"b"))
        store.put_new(f"artifacts/ab/{KEY}/{sha(b'left')}.mp4", place.file(b"left"))
        store.put_new(f"{UPLOADS}/0123", place.file(b"half"))
        return store

    def test_only_what_nothing_refers_to_is_removed(self, full: ObjectStore, place: Place) -> None:
        live = {"live_keys": {KEY}, "live_blobs": {sha(b"a")}, "older_than": AT_ONCE}
        listed = find_garbage(full, **live)
        before = place.keys()
        assert [(item.kind, item.name) for item in listed] == [
            (Kind.ARTIFACT, OTHER),
            (Kind.BLOB, sha(b"b")),
            (Kind.STRAY, f"artifacts/ab/{KEY}/{sha(b'left')}.mp4"),
            (Kind.UPLOAD, f"{UPLOADS}/0123"),
        ]
        assert [item.size for item in listed[1:]] == [1, 4, 4]
        assert place.keys() == before
        assert collect(full, **live, unused=always) == listed
        assert place.keys() == [
            f"artifacts/ab/{KEY}/artifact.json",
            f"artifacts/ab/{KEY}/{sha(b'used')}.mp4",
            f"blobs/{sha(b'a')[:2]}/{sha(b'a')}",
        ]

    def test_what_is_young_stays(self, full: ObjectStore) -> None:
        assert find_garbage(full, live_keys=(), live_blobs=(), older_than=timedelta(hours=1)) == []

    def test_what_a_run_came_to_need_meanwhile_stays(self, full: ObjectStore, place: Place) -> None:
        before = place.keys()
        asked: list[Kind] = []

        def unused(item: Garbage) -> AbstractContextManager[bool]:
            asked.append(item.kind)
            return nullcontext(enter_result=False)

        assert collect(full, live_keys=(), live_blobs=(), older_than=AT_ONCE, unused=unused) == []
        assert sorted(asked) == [Kind.ARTIFACT, Kind.ARTIFACT, Kind.BLOB, Kind.BLOB, Kind.UPLOAD]
        assert place.keys() == before

    def test_an_artifact_never_has_a_sidecar_without_its_video(
        self, full: ObjectStore, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(_store: ObjectStore, key: str) -> None:
            removed.append(key)
            raise StoreError("cut off")

        removed: list[str] = []
        monkeypatch.setattr(ObjectStore, "delete", fails)
        monkeypatch.setattr(ObjectStore, "now", lambda store: store.stat(place.keys()[0]).modified)
        with pytest.raises(StoreError, match="cut off"):
            collect(
                full,
                live_keys={KEY},
                live_blobs=(),
                older_than=AT_ONCE,
                unused=always,
            )
        assert removed == [f"artifacts/cd/{OTHER}/artifact.json"]


FULL = """
import pathlib, resource, signal, sys
from wayframe.errors import StoreError
from wayframe.store.objects import open_store
store, folder = open_store(sys.argv[1]), pathlib.Path(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    if sys.argv[3] == "put":
        store.put_new("a/b", folder / "file")
    else:
        store.fetch("a/b", folder / "target", sha256=sys.argv[3])
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("size", [2000, module.SMALL + 1])
def test_a_disk_that_takes_no_more_says_so_and_leaves_nothing(place: Place, size: int) -> None:
    content = b"x" * size
    path = place.file(content)
    if place.address.startswith("s3:"):
        place.open().put_new("a/b", path)
        told = program(place, FULL, sha(content)).stdout
        assert told.startswith("fetching a/b in s3://")
        assert not (place.folder / "target").exists()
    else:
        told = program(place, FULL, "put").stdout
        assert told.startswith("storing a/b in ")
        assert place.keys() == []
    assert told.strip().endswith("failed: a file may not be so large")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert [item.name for item in place.folder.iterdir()] == ["file"]
