"""A careful download, against a real server that goes wrong on purpose."""

from __future__ import annotations

import hashlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hub import Fault, FileServer, serving
from wayframe import download as module
from wayframe import hosts
from wayframe.download import MIB, Terms, download
from wayframe.errors import CancelledError, StoreError

DATA = bytes(index % 253 for index in range(300_000))
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    running = FileServer(files={"/a.bin": DATA})
    with serving(running):
        yield running


@pytest.fixture
def pauses() -> list[float]:
    return []


def terms(pauses: list[float], **words: object) -> Terms:
    return Terms(**{"limit": MIB, "pause": pauses.append, **words})


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_a_file_is_fetched_whole_with_its_digest_and_nothing_else_is_left(server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / "deep" / "a.bin"
    got = download(f"{server.url}/a.bin", target, Terms(limit=MIB, progress=lambda a, b: seen.append((a, b))))
    assert target.read_bytes() == DATA
    assert (got.size, got.sha256, got.path) == (300_000, SHA, target)
    assert got.etag == f'"{hashlib.md5(DATA, usedforsecurity=False).hexdigest()}"'
    assert seen[0] == (0, 300_000)
    assert seen[-1] == (300_000, 300_000)
    assert left(target.parent) == {"a.bin"}


def test_a_download_that_is_cut_goes_on_where_it_was_cut(
    server: FileServer, tmp_path: Path, pauses: list[float]
) -> None:
    server.faults["/a.bin"] = [Fault(cut=100_000)]
    got = download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses))
    assert got.sha256 == SHA
    first, second = server.gets("/a.bin")
    assert "range" not in first.headers
    assert second.headers["range"] == "bytes=100000-"
    assert second.headers["if-range"] == got.etag
    assert sum(pauses) > 0


def test_the_next_process_goes_on_with_what_is_there(server: FileServer, tmp_path: Path, pauses: list[float]) -> None:
    server.faults["/a.bin"] = [Fault(cut=100_000)]
    with pytest.raises(StoreError) as raised:
        download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses, attempts=1))
    assert raised.value.retryable
    assert left(tmp_path) == {"a.bin.part", "a.bin.part.json"}
    download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses))
    assert server.gets("/a.bin")[1].headers["range"] == "bytes=100000-"
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert left(tmp_path) == {"a.bin"}


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: FileServer, tmp_path: Path, pauses: list[float]) -> None:
    server.faults["/a.bin"] = [Fault(cut=100_000)]
    with pytest.raises(StoreError):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses, attempts=1))
    server.files["/a.bin"] = other = DATA[::-1]
    got = download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses))
    assert server.gets("/a.bin")[1].headers["range"] == "bytes=100000-"
    assert (tmp_path / "a.bin").read_bytes() == other
    assert got.sha256 == hashlib.sha256(other).hexdigest()


@pytest.mark.parametrize("etag", ['W/"weak"', ""])
def test_without_a_strong_etag_nothing_is_resumed(
    server: FileServer, tmp_path: Path, pauses: list[float], etag: str
) -> None:
    server.headers["/a.bin"] = {"ETag": etag}
    server.faults["/a.bin"] = [Fault(cut=100_000)]
    assert download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses)).sha256 == SHA
    assert all("range" not in asked.headers for asked in server.gets("/a.bin"))


def test_a_server_without_ranges_gives_the_whole_again(server: FileServer, tmp_path: Path, pauses: list[float]) -> None:
    server.ranges = False
    server.faults["/a.bin"] = [Fault(cut=100_000)]
    assert download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses)).sha256 == SHA
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_part_that_is_whole_already_needs_no_bytes(server: FileServer, tmp_path: Path, pauses: list[float]) -> None:
    (tmp_path / "a.bin.part").write_bytes(DATA)
    assert download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses, sha256=SHA)).sha256 == SHA
    assert left(tmp_path) == {"a.bin"}


def test_another_digest_than_expected_keeps_nothing(server: FileServer, tmp_path: Path, pauses: list[float]) -> None:
    with pytest.raises(StoreError, match=r"has the digest [0-9a-f]{12}\.\.\., expected 0{12}") as raised:
        download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses, sha256="0" * 64))
    assert not raised.value.retryable
    assert left(tmp_path) == set()


def test_a_foreign_part_under_a_known_digest_is_thrown_away(
    server: FileServer, tmp_path: Path, pauses: list[float]
) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    assert download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses, sha256=SHA)).sha256 == SHA
    assert [asked.headers.get("range") for asked in server.gets("/a.bin")] == ["bytes=1000-", None]


def test_a_target_that_has_the_digest_is_not_fetched(server: FileServer, tmp_path: Path, pauses: list[float]) -> None:
    (tmp_path / "a.bin").write_bytes(DATA)
    assert download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses, sha256=SHA)).size == 300_000
    assert server.asked == []


def test_a_file_over_the_limit_is_refused_by_its_announced_length(
    server: FileServer, tmp_path: Path, pauses: list[float]
) -> None:
    server.faults["/a.bin"] = [Fault(headers={"Content-Length": str(10**15)}, cut=0)]
    with pytest.raises(StoreError, match="is larger than 1 MiB, which is the most that is taken"):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses))
    assert left(tmp_path) == set()
    assert len(server.asked) == 1


def test_a_file_over_the_limit_is_refused_while_it_comes(
    server: FileServer, tmp_path: Path, pauses: list[float]
) -> None:
    server.faults["/a.bin"] = [Fault(headers={"Content-Length": "", "Connection": "close"}, cut=10**9)]
    with pytest.raises(StoreError, match=r"is larger than 0\.0953674 MiB"):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses, limit=100_000))
    assert left(tmp_path) == set()


def test_more_bytes_than_the_disk_has_are_refused_before_they_come(
    server: FileServer, tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1024))
    with pytest.raises(StoreError, match=r"no space in .* for a\.bin: 0\.0 GiB are needed, 0\.0 GiB are free"):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses))


def test_a_disk_that_takes_no_more_is_said_plainly_and_what_came_is_kept(
    server: FileServer, tmp_path: Path, pauses: list[float]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StoreError, match=r"no space left in .* for a\.bin: the 0 MiB that came are kept"):
            download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "a.bin.part").stat().st_size == 100_000
    assert download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses)).sha256 == SHA


def test_a_server_that_is_busy_is_asked_again_when_it_says(
    server: FileServer, tmp_path: Path, pauses: list[float]
) -> None:
    server.faults["/a.bin"] = [Fault(status=429, headers={"Retry-After": "7"}), Fault(status=503), Fault(status=500)]
    assert download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses)).sha256 == SHA
    assert sum(pauses[:14]) == 7
    assert len(server.gets("/a.bin")) == 4


def test_a_server_that_stays_broken_is_given_up(server: FileServer, tmp_path: Path, pauses: list[float]) -> None:
    server.faults["/a.bin"] = [Fault(status=500)] * 9
    with pytest.raises(StoreError, match="answers HTTP 500") as raised:
        download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses, attempts=3))
    assert raised.value.retryable
    assert len(server.asked) == 3


def test_a_wait_of_an_hour_is_not_waited(server: FileServer, tmp_path: Path, pauses: list[float]) -> None:
    server.faults["/a.bin"] = [Fault(status=429, headers={"Retry-After": "3600"})]
    with pytest.raises(StoreError, match=r"asks to come back in 3600 s \(HTTP 429\)"):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses))
    assert pauses == []


@pytest.mark.parametrize(
    ("status", "says"), [(404, "has no such file"), (403, "refuses access"), (401, "asks for a login")]
)
def test_a_refusal_is_final(server: FileServer, tmp_path: Path, pauses: list[float], status: int, says: str) -> None:
    server.faults["/a.bin"] = [Fault(status=status)]
    with pytest.raises(StoreError, match=rf"/a\.bin {says} \(HTTP {status}\)"):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses))
    assert len(server.asked) == 1


def test_nobody_listening_is_an_error_after_some_attempts(tmp_path: Path, pauses: list[float]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match="cannot be fetched") as raised:
            download(f"http://127.0.0.1:{port}/a.bin", tmp_path / "a.bin", terms(pauses, attempts=2))
    assert raised.value.retryable


def test_redirects_are_followed_but_not_for_ever(server: FileServer, tmp_path: Path, pauses: list[float]) -> None:
    server.redirects |= {"/one": "/two", "/two": f"{server.url}/a.bin", "/loop": "/loop"}
    assert download(f"{server.url}/one", tmp_path / "a.bin", terms(pauses)).sha256 == SHA
    with pytest.raises(StoreError, match="more than 10 redirects"):
        download(f"{server.url}/loop", tmp_path / "b.bin", terms(pauses))
    assert len(server.gets("/loop")) == 11


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/a", "file:///etc/passwd"])
def test_only_http_is_followed(server: FileServer, tmp_path: Path, pauses: list[float], place: str) -> None:
    server.redirects["/out"] = place
    with pytest.raises(StoreError, match="is no http or https address"):
        download(f"{server.url}/out", tmp_path / "a.bin", terms(pauses))
    with pytest.raises(StoreError, match="is no http or https address"):
        download("file:///etc/passwd", tmp_path / "a.bin", terms(pauses))


def test_a_secret_in_the_address_is_in_no_message(server: FileServer, tmp_path: Path, pauses: list[float]) -> None:
    server.redirects["/signed"] = "/gone.bin?X-Amz-Signature=feedfacefeedface"
    address = f"http://me:hunter22@127.0.0.1:{server.port}/signed?token=hf_abcdefghijkl"
    with pytest.raises(StoreError) as raised:
        download(address, tmp_path / "a.bin", terms(pauses))
    for secret in ("hunter22", "hf_abcdefghijkl", "feedface"):
        assert secret not in str(raised.value)
    assert "feedfacefeedface" in server.asked[-1].path


def test_a_log_of_requests_holds_no_signature(
    server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    download(f"{server.url}/a.bin?X-Amz-Signature=feedfacefeedface", tmp_path / "a.bin", Terms(limit=MIB))
    assert "HTTP Request: GET" in caplog.text
    assert "feedface" not in caplog.text


def test_progress_is_told_once_a_mib_and_at_the_end(server: FileServer, tmp_path: Path) -> None:
    server.files["/big.bin"] = bytes(5 * MIB)
    seen: list[int] = []
    download(
        f"{server.url}/big.bin", tmp_path / "b", Terms(limit=9 * MIB, progress=lambda done, _all: seen.append(done))
    )
    assert seen[0] == 0
    assert seen[-1] == 5 * MIB
    assert 5 <= len(seen) <= 8


@pytest.mark.parametrize("length", ["²", "9" * 5000, "-5", "many"])
def test_a_length_that_is_no_number_is_not_believed(
    server: FileServer, tmp_path: Path, pauses: list[float], length: str
) -> None:
    server.faults["/a.bin"] = [Fault(headers={"Retry-After": length}, status=503)]
    assert download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses)).sha256 == SHA


def test_cancelling_stops_between_chunks_and_keeps_what_came(
    server: FileServer, tmp_path: Path, pauses: list[float]
) -> None:
    watched = terms(pauses, cancelled=lambda: bool(server.asked))
    with pytest.raises(CancelledError, match=r"download of a\.bin was cancelled"):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", watched)
    kept = (tmp_path / "a.bin.part").stat().st_size
    assert 0 < kept < 300_000
    download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses))
    assert server.gets("/a.bin")[1].headers["range"] == f"bytes={kept}-"


def test_cancelling_stops_while_waiting_for_a_busy_server(
    server: FileServer, tmp_path: Path, pauses: list[float]
) -> None:
    server.faults["/a.bin"] = [Fault(status=503, headers={"Retry-After": "500"})]
    with pytest.raises(CancelledError):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", terms(pauses, cancelled=lambda: len(pauses) > 2))
    assert len(pauses) == 3


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "10.1.2.3", "169.254.169.254", "[::ffff:10.0.0.1]"]
)
def test_private_hosts_can_be_forbidden(server: FileServer, tmp_path: Path, pauses: list[float], host: str) -> None:
    with pytest.raises(StoreError, match="is in a private network, which is not allowed here"):
        download(f"http://{host}:{server.port}/a.bin", tmp_path / "a.bin", terms(pauses, allow_private=False))
    assert server.asked == []


def test_the_address_that_was_checked_is_the_one_that_is_asked(
    server: FileServer, tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that says 127.0.0.1 first, where it counts as public here, and 127.0.0.2 ever after."""
    real, said = socket.getaddrinfo, []

    def turncoat(host: str, *others: object, **words: object) -> list[Any]:
        if host != "files.example":
            return real(host, *others, **words)
        said.append(host)
        return real("127.0.0.1" if len(said) == 1 else "127.0.0.2", *others, **words)

    monkeypatch.setattr(socket, "getaddrinfo", turncoat)
    monkeypatch.setattr(hosts, "is_public", lambda address: address == "127.0.0.1")
    evil = FileServer(files={"/a.bin": b"evil"})
    address = f"http://files.example:{server.port}/a.bin"
    with serving(evil, host="127.0.0.2", port=server.port):
        assert download(address, tmp_path / "a.bin", terms(pauses, allow_private=False)).sha256 == SHA
        assert server.asked[0].headers["host"] == f"files.example:{server.port}"
        with pytest.raises(StoreError, match="private network"):
            download(address, tmp_path / "b.bin", terms(pauses, allow_private=False))
    assert evil.asked == []


def test_a_redirect_into_the_private_network_is_not_followed(
    server: FileServer, tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "is_public", lambda address: address == "127.0.0.1")
    server.redirects["/out"] = "http://127.0.0.2:1/admin"
    with pytest.raises(StoreError, match=r"the host 127\.0\.0\.2 is in a private network"):
        download(f"{server.url}/out", tmp_path / "a.bin", terms(pauses, allow_private=False))
