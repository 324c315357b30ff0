"""LoRAs brought to this disk from a path, the Hub and plain addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import Fault, FileServer, Hub, Repo, hub_at_hand, serving, tensor_file
from wayframe.download import Terms
from wayframe.errors import SpecError, StoreError
from wayframe.store import hub as hub_module
from wayframe.store.digests import DigestCache
from wayframe.store.home import Home, open_home
from wayframe.store.hub import HubFile, parse_link
from wayframe.store.loras import LARGEST, LoraShelf

FIELD, DATA = "loras[0].file", tensor_file(values=50_000)
SHA = hashlib.sha256(DATA).hexdigest()
REPO, NAME = "maker/styles", "deep/style v2.safetensors"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_at_hand(monkeypatch, tmp_path / "hf") as running:
        running.repos[REPO] = Repo(files={NAME: DATA, "old.bin": b"pickle"})
        yield running


@pytest.fixture
def server() -> Iterator[FileServer]:
    running = FileServer(files={"/a.safetensors": DATA, "/api/download/7": DATA, "/page.safetensors": b"<html>log in"})
    with serving(running):
        yield running


def shelf(home: Home, **words: object) -> LoraShelf:
    return LoraShelf(home=home, base=home.root, terms=Terms(**{"limit": LARGEST, "pause": lambda _s: None, **words}))


def test_a_local_file_is_named_by_its_bytes(home: Home) -> None:
    (home.root / "a.safetensors").write_bytes(DATA)
    copy = LoraShelf(home=home, base=home.root).locate("a.safetensors", field=FIELD)
    assert (copy.path, copy.digest) == (home.root / "a.safetensors", f"sha256:{SHA}")
    assert copy.as_record() == {"sha256": SHA}


@pytest.mark.parametrize("name", ["a.pt", "a.bin", "a.ckpt", "A.PTH"])
@pytest.mark.parametrize("place", ["", "https://example.com/x/"])
def test_a_pickle_is_refused_by_its_name_with_the_reason(home: Home, name: str, place: str) -> None:
    with pytest.raises(SpecError, match=r"loras\[0\]\.file: is a pickle \(\.\w+\), which may run any code"):
        shelf(home).locate(f"{place}{name}", field=FIELD)


def test_a_file_that_is_cut_off_is_refused(home: Home) -> None:
    (home.root / "a.safetensors").write_bytes(DATA[:-10])
    with pytest.raises(SpecError, match="has 49990 bytes of data, 50000 are announced"):
        shelf(home).locate("a.safetensors", field=FIELD)


@pytest.mark.parametrize("verb", ["resolve", "blob"])
def test_a_link_of_the_hub_comes_through_its_cache_once(home: Home, hub: Hub, verb: str) -> None:
    address = hub.link(REPO, "deep/style%20v2.safetensors", verb=verb) + "?download=true"
    copy = shelf(home).locate(address, field=FIELD)
    assert copy.path.read_bytes() == DATA
    assert (copy.sha256, copy.commit) == (SHA, hub.repos[REPO].commit)
    assert "snapshots" in copy.path.parts
    before = len(hub.asked) + len(hub.cdn.asked)
    assert shelf(home).locate(address, field=FIELD) == copy
    assert len(hub.asked) + len(hub.cdn.asked) == before
    assert copy.as_record()["commit"] == hub.repos[REPO].commit


def test_a_plan_names_a_fetched_lora_by_its_bytes_and_asks_nobody(home: Home, hub: Hub) -> None:
    address = hub.link(REPO, NAME)
    assert DigestCache(home).lora(address, base=home.root, field=FIELD) == f"url:{address}"
    assert hub.asked == []
    shelf(home).locate(address, field=FIELD)
    before = len(hub.asked)
    assert DigestCache(home).lora(address, base=home.root, field=FIELD) == f"sha256:{SHA}"
    assert len(hub.asked) == before


def test_a_large_file_of_the_hub_goes_on_where_it_was_cut(home: Home, hub: Hub) -> None:
    path = hub.blob_path(REPO, NAME)
    hub.cdn.faults[path] = [Fault(cut=20_000)]
    assert shelf(home).locate(hub.link(REPO, NAME), field=FIELD).sha256 == SHA
    assert [asked.headers.get("range") for asked in hub.cdn.gets(path)] == [None, "bytes=20000-"]


def test_a_signed_address_that_expired_is_asked_for_anew(home: Home, hub: Hub) -> None:
    path = hub.blob_path(REPO, NAME)
    hub.cdn.faults[path] = [Fault(cut=20_000), Fault(status=403)]
    assert shelf(home).locate(hub.link(REPO, NAME), field=FIELD).sha256 == SHA
    assert len(hub.cdn.gets(path)) == 3


def test_a_file_with_another_digest_than_the_hub_says_is_refused(home: Home, hub: Hub) -> None:
    path = hub.blob_path(REPO, NAME)
    hub.cdn.files[path] = DATA[:-1] + b"!"
    with pytest.raises(StoreError, match=r"has the digest .*, expected"):
        shelf(home).locate(hub.link(REPO, NAME), field=FIELD)


def test_a_hub_that_is_busy_is_asked_again(home: Home, hub: Hub) -> None:
    hub.failing = [503, 500]
    assert shelf(home).locate(hub.link(REPO, NAME), field=FIELD).sha256 == SHA


@pytest.mark.parametrize(
    ("path", "revision", "says"),
    [
        ("gone.safetensors", "main", "maker/styles has no such file"),
        (NAME, "v9", "maker/styles has no such branch, tag or commit"),
    ],
)
def test_what_the_hub_does_not_have_is_named(home: Home, hub: Hub, path: str, revision: str, says: str) -> None:
    with pytest.raises(StoreError, match=says):
        shelf(home).locate(hub.link(REPO, path, revision=revision), field=FIELD)


def test_a_gated_repository_says_where_its_terms_are_and_opens_for_a_token(
    home: Home, hub: Hub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.repos[REPO].gated, hub.reader = True, "hf_readerreaderreader"
    with pytest.raises(StoreError) as raised:
        shelf(home).locate(hub.link(REPO, NAME), field=FIELD)
    assert str(raised.value) == (
        f"maker/styles is gated; accept its terms at {hub.url}/maker/styles, then log in with `hf auth login`, "
        "or set HF_TOKEN"
    )
    monkeypatch.setenv("HF_TOKEN", "hf_readerreaderreader")
    assert shelf(home).locate(hub.link(REPO, NAME), field=FIELD).sha256 == SHA
    assert any("hf_reader" in asked.headers.get("authorization", "") for asked in hub.asked)
    assert all("authorization" not in asked.headers for asked in hub.cdn.asked)
    assert "hf_reader" not in "".join(capfd.readouterr())


def test_a_hub_that_cannot_be_reached_is_an_error_worth_a_retry(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_at_hand(monkeypatch, tmp_path / "hf") as gone:
        address = gone.link(REPO, NAME)
    with pytest.raises(StoreError, match=r"maker/styles could not be fetched from http://127\.0\.0\.1") as raised:
        shelf(home).locate(address, field=FIELD)
    assert raised.value.retryable


def test_a_link_of_the_hub_comes_plainly_where_huggingface_hub_is_missing(
    home: Home, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "is_installed", lambda: False)
    copy = shelf(home).locate(hub.link(REPO, NAME, verb="blob"), field=FIELD)
    assert copy.path.is_relative_to(home.loras)
    assert (copy.sha256, copy.commit) == (SHA, hub.repos[REPO].commit)


def test_a_plain_address_is_kept_in_the_home_folder_with_its_etag(home: Home, server: FileServer) -> None:
    address = f"http://me:secret99@127.0.0.1:{server.port}/a.safetensors?token=hf_abcdefghijkl&v=2"
    copy = shelf(home).locate(address, field=FIELD)
    assert copy.path.is_relative_to(home.loras)
    assert copy.path.name == "a.safetensors"
    assert copy.etag == f'"{hashlib.md5(DATA, usedforsecurity=False).hexdigest()}"'
    assert shelf(home).locate(address, field=FIELD) == copy
    assert len(server.asked) == 1
    told = str(copy.as_record()) + "".join(path.read_text() for path in home.loras.rglob("*.json"))
    assert "secret99" not in told
    assert "hf_abc" not in told
    assert DigestCache(home).lora(address, base=home.root, field=FIELD) == f"sha256:{SHA}"


def test_a_link_signed_anew_means_the_same_file_and_another_parameter_another(home: Home, server: FileServer) -> None:
    address = f"{server.url}/a.safetensors"
    first = shelf(home).locate(f"{address}?X-Amz-Signature=aaaaaaaa&v=2", field=FIELD)
    assert shelf(home).locate(f"{address}?X-Amz-Signature=bbbbbbbb&v=2", field=FIELD).path == first.path
    assert shelf(home).locate(f"{address}?X-Amz-Signature=aaaaaaaa&v=3", field=FIELD).path != first.path


def test_an_address_whose_name_tells_nothing_is_judged_by_its_content(home: Home, server: FileServer) -> None:
    assert shelf(home).locate(f"{server.url}/api/download/7", field=FIELD).sha256 == SHA
    with pytest.raises(SpecError, match=r"loras\[0\]\.file: the address gives no LoRA: it is not a \.safetensors file"):
        shelf(home).locate(f"{server.url}/page.safetensors", field=FIELD)
    assert list(home.loras.rglob("page*.safetensors")) == []


@pytest.mark.parametrize("path", ["/%00%2e%2e%5c.safetensors", f"/{'n' * 300}.safetensors", "/"])
def test_no_name_in_an_address_breaks_the_place(home: Home, server: FileServer, path: str) -> None:
    server.files[path] = DATA
    copy = shelf(home).locate(f"{server.url}{path}", field=FIELD)
    assert copy.path.parent.parent == home.loras
    assert copy.path.name.endswith(".safetensors")


def test_without_terms_nothing_is_fetched(home: Home, server: FileServer) -> None:
    with pytest.raises(SpecError, match="is not on this disk and is not fetched now"):
        LoraShelf(home=home, base=home.root).locate(f"{server.url}/a.safetensors", field=FIELD)
    assert server.asked == []


def test_links_of_the_hub_are_read_as_it_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    file = HubFile(repo="a/b", revision="main", path="c/d.safetensors")
    for host in ("https://huggingface.co", "https://hf.co", "https://mirror.example"):
        assert parse_link(f"{host}/a/b/resolve/main/c/d.safetensors?download=true") == file
    assert parse_link("https://huggingface.co/a/b/resolve/refs%2Fpr%2F1/c.safetensors") == HubFile(
        repo="a/b", revision="refs/pr/1", path="c.safetensors"
    )
    assert parse_link("https://huggingface.co/a/b/blob/refs/pr/1/c.safetensors") == HubFile(
        repo="a/b", revision="refs/pr/1", path="c.safetensors"
    )
    for other in (
        *(
            "https://huggingface.co.evil.example/a/b/resolve/main/c",
            "https://huggingface.co/datasets/a/b/resolve/main/c",
        ),
        *(
            "https://example.com/a/b/resolve/main/c",
            "https://huggingface.co/a/b",
            "ftp://huggingface.co/a/b/resolve/m/c",
        ),
    ):
        assert parse_link(other) is None
    assert HubFile(repo="a/b", revision="0" * 40, path="c").commit == "0" * 40
    assert file.commit is None
