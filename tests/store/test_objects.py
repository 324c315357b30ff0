"""Addresses of stores, and an S3 that refuses, breaks off, lies, or repeats the secrets that it was sent."""

from __future__ import annotations

import hashlib
import re
import traceback
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest

from s3 import ACCESS_KEY, SECRET_KEY, Faults, faulty_proxy, new_bucket, s3_endpoint, s3_environment
from wayframe.errors import SpecError, StoreDamagedError, StoreError, StoreUnavailableError
from wayframe.store.artifacts import ArtifactStore
from wayframe.store.collect import Kind, collect
from wayframe.store.home import open_home
from wayframe.store.objects import SMALL, UPLOADS, ObjectStore, Patience, open_store

QUICK = Patience(retry=timedelta(seconds=20), backoff=timedelta(milliseconds=1))
KEY = "ab" + "0" * 62
LEAK = re.compile(rf"{ACCESS_KEY}|{re.escape(SECRET_KEY)}|127\.0\.0\.1|Signature=|AWS4")


@pytest.fixture
def behind(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Faults]]:
    """A bucket behind a proxy that makes faults, and the faults."""
    endpoint = s3_endpoint(tmp_path_factory.getbasetemp())
    with faulty_proxy(endpoint) as (address, faults):
        for name, value in s3_environment(address).items():
            monkeypatch.setenv(name, value)
        yield f"s3://{new_bucket(endpoint)}/p", faults


@pytest.fixture
def faults(behind: tuple[str, Faults]) -> Faults:
    return behind[1]


@pytest.fixture
def store(behind: tuple[str, Faults]) -> ObjectStore:
    return open_store(behind[0], patience=QUICK)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"frames")
    return tmp_path / "file"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_folder_is_named_by_a_path_or_an_address(tmp_path: Path, file: Path) -> None:
    open_store(tmp_path / "a b").put_new("a/b", file)
    for address in (str(tmp_path / "a b"), f"file://{tmp_path}/a%20b"):
        assert open_store(address).read("a/b") == b"frames"
        assert open_store(address).location == str(tmp_path / "a b")


@pytest.mark.parametrize("address", ["http://host/bucket", "s3://", "gs://bucket", "file://host/path"])
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(SpecError, match=rf"^store: is not a folder or s3://bucket/prefix \(got '{address}'\)$"):
        open_store(address)


@pytest.mark.parametrize("address", ["s3://key:geheim@bucket/x", "s3://bucket/x?X-Amz-Signature=geheim"])
def test_an_address_with_credentials_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(SpecError, match=r"^store: must not hold credentials; set AWS_ACCESS_KEY_ID") as caught:
        open_store(address)
    assert "geheim" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_told(file: Path) -> None:
    with pytest.raises(StoreError, match=r"^store .*/file/below cannot be used: Not a directory$"):
        open_store(file / "below")


@pytest.mark.parametrize("endpoint", ["http://10.1.2.3:9000", "http://minio.example:9000", "HTTP://minio.example"])
def test_an_endpoint_without_tls_needs_to_be_allowed(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(
        SpecError, match=r"^AWS_ENDPOINT_URL: has no TLS \(got 'http://[a-z0-9.]+'\); use https, or set"
    ):
        open_store("s3://bucket")
    assert open_store("s3://bucket/x/", allow_http=True).location == "s3://bucket/x"
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert open_store("s3://bucket").location == "s3://bucket"


@pytest.mark.parametrize(
    "endpoint", ["http://localhost:9000", "http://127.0.0.1:9000", "http://[::1]:9000", "https://s3.example"]
)
def test_this_machine_needs_no_tls(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    open_store("s3://bucket")


@pytest.mark.usefixtures("behind")
def test_a_bucket_that_is_not_there_is_no_missing_object(file: Path) -> None:
    nowhere = open_store("s3://no-such-bucket", patience=QUICK)
    for call in (nowhere.check, lambda: nowhere.read("a"), lambda: nowhere.put_new("a", file)):
        with pytest.raises(StoreError, match=r"in s3://no-such-bucket failed: there is no such bucket$") as caught:
            call()
        assert type(caught.value) is StoreError


@pytest.mark.parametrize("status", [500, 502, 503, 429])
@pytest.mark.parametrize("size", [6, SMALL + 1])
def test_a_store_that_is_out_of_order_for_a_while_is_waited_for(
    store: ObjectStore, faults: Faults, tmp_path: Path, status: int, size: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    faults.status.extend([status] * 3)
    assert store.put_new("a/b", path, sha256=sha(path.read_bytes()))
    assert not faults.status
    faults.status.extend([status] * 3)
    store.fetch("a/b", tmp_path / "back", sha256=sha(path.read_bytes()))
    assert not faults.status
    assert [item.key for item in store.list("a")] == ["a/b"]


def test_a_store_that_stays_out_of_order_is_an_error_that_may_be_tried_again(
    behind: tuple[str, Faults], file: Path
) -> None:
    address, faults = behind
    faults.status.extend([503] * 10_000)
    store = open_store(address, patience=Patience(retry=timedelta(seconds=0), backoff=timedelta(milliseconds=1)))
    for call in (lambda: store.put_new("a/b", file), lambda: store.read("a/b"), lambda: list(store.list("a"))):
        with pytest.raises(StoreUnavailableError, match=r"out of order or too busy \(503 SlowDown\)$") as caught:
            call()
        assert caught.value.retryable


REFUSED = [
    (403, "SignatureDoesNotMatch", r"access was refused \(403 SignatureDoesNotMatch\); check AWS_ACCESS_KEY_ID"),
    (403, "QuotaExceeded", r"the store is full \(403 QuotaExceeded\)$"),
    (507, "XMinioStorageFull", r"the store is full \(507 XMinioStorageFull\)$"),
    (400, "EntityTooLarge", r"the store refused \(400 EntityTooLarge\)$"),
]


@pytest.mark.parametrize(("status", "code", "told"), REFUSED)
def test_what_a_store_refuses_is_told_without_secrets(
    behind: tuple[str, Faults], file: Path, status: int, code: str, told: str
) -> None:
    address, faults = behind
    faults.body = (
        f"<Error><Code>{code}</Code><AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId>"
        f"<StringToSign>AWS4-HMAC-SHA256 {SECRET_KEY}</StringToSign></Error>"
    ).encode()
    faults.status.extend([status] * 10_000)
    store = open_store(address, patience=Patience(retry=timedelta(seconds=0), backoff=timedelta(milliseconds=1)))
    with pytest.raises(StoreError, match=told) as caught:
        store.put_new("a/b", file)
    assert str(caught.value).startswith("storing a/b in s3://bucket-")
    shown = "".join(traceback.format_exception(caught.value))
    assert not LEAK.search(str(caught.value))
    assert not LEAK.search(shown)


def test_a_store_that_is_not_there_is_told_without_its_address(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    for name, value in s3_environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    store = open_store("s3://bucket", patience=Patience(retry=timedelta(0), backoff=timedelta(milliseconds=1)))
    with pytest.raises(StoreUnavailableError, match=r"^storing a/b in s3://bucket failed: the store cannot be reached"):
        store.put_new("a/b", file)


def test_a_write_whose_answer_is_lost_is_found_done(store: ObjectStore, faults: Faults, file: Path) -> None:
    faults.only, faults.drop = ("PUT", "a/b"), 1
    assert store.put_new("a/b", file) is False
    assert store.read("a/b") == b"frames"


def test_an_artifact_whose_last_answer_is_lost_is_published(store: ObjectStore, faults: Faults, tmp_path: Path) -> None:
    own = ArtifactStore(open_home(tmp_path / "one"), remote=store)
    faults.only, faults.drop = ("PUT", "artifact.json"), 1
    with own.staging() as folder:
        (folder / "0.mp4").write_bytes(b"frames")
        assert own.publish(folder / "0.mp4", key=KEY, facts={}).video.read_bytes() == b"frames"
    assert ArtifactStore(open_home(tmp_path / "two"), remote=store).find(KEY) is not None


def test_a_download_that_breaks_off_is_taken_up_again(store: ObjectStore, faults: Faults, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    (tmp_path / "file").write_bytes(content)
    store.put_new("a/b", tmp_path / "file")
    faults.only, faults.cut_after, faults.drop = ("GET", "a/b"), 1_000_000, 2
    store.fetch("a/b", tmp_path / "back", sha256=sha(content))
    assert (tmp_path / "back").read_bytes() == content
    assert faults.drop == 0


def test_a_download_with_a_wrong_bit_is_refused(store: ObjectStore, faults: Faults, file: Path) -> None:
    store.put_new("a/b", file)
    faults.only, faults.flip = ("GET", "a/b"), True
    with pytest.raises(StoreDamagedError, match=r"^a/b in s3://.* has other bytes than expected"):
        store.fetch("a/b", file.with_name("back"), sha256=sha(b"frames"))
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_an_artifact_is_not_lost_while_its_store_is_out_of_order(behind: tuple[str, Faults], tmp_path: Path) -> None:
    address, faults = behind
    hasty = open_store(address, patience=Patience(retry=timedelta(0), backoff=timedelta(milliseconds=1)))
    own = ArtifactStore(open_home(tmp_path / "one"), remote=hasty)
    other = ArtifactStore(open_home(tmp_path / "two"), remote=hasty)
    faults.status.extend([503] * 10_000)
    faults.only = ("PUT", "artifact.json")
    with own.staging() as folder:
        (folder / "0.mp4").write_bytes(b"frames")
        with pytest.raises(StoreUnavailableError):
            own.publish(folder / "0.mp4", key=KEY, facts={})
    assert other.find(KEY) is None
    faults.status.clear()
    assert own.find(KEY) is not None
    assert other.find(KEY) is not None


def test_the_half_files_of_a_killed_writer_are_collected(tmp_path: Path, file: Path) -> None:
    store = open_store(tmp_path / "store")
    store.put_new(f"blobs/aa/{sha(b'frames')}", file)
    for half in (f"blobs/aa/{sha(b'frames')}#1", f"{UPLOADS}/0123#12"):
        (tmp_path / "store" / half).parent.mkdir(exist_ok=True)
        (tmp_path / "store" / half).write_bytes(b"half")
    gone = collect(
        store,
        live_keys=(),
        live_blobs={sha(b"frames")},
        older_than=timedelta(seconds=-5),
        unused=lambda _item: nullcontext(True),
    )
    assert [(item.kind, item.name, item.size) for item in gone] == [
        (Kind.UPLOAD, f"{UPLOADS}/0123#12", 4),
        (Kind.UPLOAD, f"blobs/aa/{sha(b'frames')}#1", 4),
    ]
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == [sha(b"frames")]
