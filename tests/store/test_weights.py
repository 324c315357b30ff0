"""Weights of models: pulled from a Hub for real, found, told apart and checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from hub import COMMIT, Fault, Hub, Repo, hub_at_hand, tensor_file, tiny_model
from wayframe.core.catalogue import Model
from wayframe.download import Terms
from wayframe.errors import CancelledError, StoreError
from wayframe.store import hub as hub_module
from wayframe.store import pull as pull_module
from wayframe.store.home import Home, open_home
from wayframe.store.model_folder import check_files, components, fingerprint, needed_files
from wayframe.store.pull import LARGEST, PullPlan, plan_pull, pull
from wayframe.store.weights import find_weights, hub_source, look_for, need_weights

if TYPE_CHECKING:
    from engines.wan.tiny import TinyKind, TinyModels

REPO = "maker/tiny"
SHARD = "transformer/model-00002-of-00002.safetensors"
SHARDS = "transformer/diffusion_pytorch_model.safetensors.index.json"
NEEDED = {
    *("LICENSE.txt", "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json"),
    *("text_encoder/model.safetensors", "tokenizer/spiece.model", "tokenizer/tokenizer.json"),
    *("transformer/config.json", "transformer/diffusion_pytorch_model.safetensors.index.json"),
    *("transformer/model-00001-of-00002.safetensors", SHARD),
    *("vae/config.json", "vae/diffusion_pytorch_model.safetensors"),
}


def a_model(source: str, *, revision: str = "") -> Model:
    words = {"name": "tiny", "title": "Tiny", "kind": "i2v", "experts": 1, "steps": 4, "guidance": 1, "flow_shift": 5}
    return Model.model_validate({**words, "source": source, "revision": revision})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_at_hand(monkeypatch, tmp_path / "hf") as running:
        running.repos[REPO] = Repo(files=tiny_model())
        yield running


def planned(home: Home) -> PullPlan:
    source = hub_source(a_model(REPO), home=home)
    assert source is not None
    return plan_pull(source)


def terms(**words: object) -> Terms:
    return Terms(**{"limit": LARGEST, "pause": lambda _s: None, **words})


def lay(folder: Path) -> Path:
    """A tiny model in a plain folder."""
    for name, data in tiny_model().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.usefixtures("hub")
def test_a_pull_brings_what_makes_the_model_and_nothing_else(home: Home) -> None:
    plan = planned(home)
    assert (plan.commit, plan.license, set(plan.files)) == (COMMIT, "apache-2.0", NEEDED)
    moved: list[tuple[int, int | None]] = []
    folder = pull(plan, terms(progress=lambda done, total: moved.append((done, total))))
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == NEEDED
    assert moved[-1] == (plan.size, plan.size)
    assert [done for done, _ in moved] == sorted(done for done, _ in moved)
    found = need_weights(a_model(REPO), home=home)
    assert (found.folder, found.identity, found.size) == (folder, f"{REPO}@{COMMIT}", plan.size)
    assert planned(home).missing == 0


def test_a_pull_that_was_interrupted_goes_on_and_is_told_from_a_whole_one(home: Home, hub: Hub) -> None:
    plan = planned(home)
    blob = hub.blob_path(REPO, SHARD)
    hub.cdn.faults[blob] = [Fault(cut=2000)]
    first = hub.blob_path(REPO, "transformer/model-00001-of-00002.safetensors")
    with pytest.raises(CancelledError):
        pull(plan, terms(cancelled=lambda: len(hub.cdn.gets(blob)) > 0))
    half = look_for(a_model(REPO), home=home)
    assert half is not None
    assert f"{SHARD} is missing" in half.faults
    assert find_weights(a_model(REPO), home=home) is None
    with pytest.raises(StoreError, match=r"the weights of tiny are not whole: .*; wayframe models pull tiny$"):
        need_weights(a_model(REPO), home=home)
    folder = pull(planned(home), terms())
    assert (folder / SHARD).read_bytes() == hub.repos[REPO].files[SHARD]
    assert len(hub.cdn.gets(first)) == 1
    assert hub.cdn.gets(blob)[-1].headers["range"].startswith("bytes=")
    assert all(check.fault is None and check.verified for check in check_files(folder))


@pytest.mark.usefixtures("hub")
def test_a_check_finds_a_flipped_byte_in_a_large_file_and_in_a_small_one(home: Home) -> None:
    folder = pull(planned(home), terms())
    for name in (SHARD, SHARDS):
        path = (folder / name).resolve()
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)
    wrong = {check.name: check.fault for check in check_files(folder) if check.fault}
    assert set(wrong) == {SHARD, SHARDS}
    assert (wrong[SHARD] or "").startswith("is damaged: its digest is ")


def test_a_newer_version_is_taken_once_it_is_whole(home: Home, hub: Hub) -> None:
    pull(planned(home), terms())
    hub.repos[REPO].commit = "f" * 40
    hub.repos[REPO].files[SHARD] = tensor_file(values=5000, mark=3)
    planned(home)
    assert need_weights(a_model(REPO), home=home).identity == f"{REPO}@{COMMIT}"
    pull(planned(home), terms())
    assert need_weights(a_model(REPO), home=home).identity == f"{REPO}@{'f' * 40}"


def test_a_disk_that_is_too_small_is_told_before_anything_comes(
    home: Home, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(home)
    monkeypatch.setattr(pull_module.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1024**3))
    with pytest.raises(StoreError, match=r"no space for maker/tiny: 0\.0 GiB are to come, 1\.0 GiB are free"):
        pull(plan, terms())
    assert hub.cdn.asked == []


def test_a_repository_that_is_no_diffusers_model_is_refused(home: Home, hub: Hub) -> None:
    del hub.repos[REPO].files["model_index.json"]
    with pytest.raises(StoreError, match=r"maker/tiny is no model in diffusers format: it has no model_index\.json"):
        planned(home)


def test_a_repository_that_is_not_there_is_named(home: Home, hub: Hub) -> None:
    del hub.repos[REPO]
    with pytest.raises(StoreError, match=r"maker/tiny is not on the Hub, or private; correct the name, or log in"):
        planned(home)


@pytest.mark.usefixtures("hub")
def test_a_revision_pins_the_model(home: Home) -> None:
    source = hub_source(a_model(REPO, revision=COMMIT), home=home)
    assert source is not None
    pull(plan_pull(source), terms())
    assert need_weights(a_model(REPO, revision=COMMIT), home=home).identity == f"{REPO}@{COMMIT}"
    with pytest.raises(StoreError, match="has no such branch, tag or commit"):
        plan_pull(hub_source(a_model(REPO, revision="v9"), home=home) or source)


def test_without_huggingface_hub_it_is_said_what_to_install(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "is_installed", lambda: False)
    assert find_weights(a_model(REPO), home=home) is None
    with pytest.raises(StoreError, match=r"the weights of tiny come from the Hub; pip install 'wayframe\[wan\]'"):
        need_weights(a_model(REPO), home=home)


@pytest.mark.parametrize("base", ["", "models", "elsewhere"])
def test_a_local_folder_is_found_absolute_or_beside_the_model_files(home: Home, tmp_path: Path, base: str) -> None:
    folder = lay(tmp_path / "tiny" if base == "elsewhere" else home.root / base / "own" / "tiny")
    source = str(folder) if base == "elsewhere" else "own/tiny"
    found = need_weights(a_model(source), home=home)
    assert found.folder == folder
    assert found.identity == fingerprint(folder)
    assert hub_source(a_model(source), home=home) is None


def test_a_word_that_is_no_folder_here_is_a_repository_unless_it_begins_with_a_dot(home: Home) -> None:
    assert hub_source(a_model("own/tiny"), home=home) is not None
    assert hub_source(a_model("./own/tiny"), home=home) is None
    with pytest.raises(StoreError, match=r"the weights of tiny are not here; its source is \./own/tiny"):
        need_weights(a_model("./own/tiny"), home=home)


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        (SHARD, "transformer/model-00002-of-00002.safetensors is missing"),
        ("vae/diffusion_pytorch_model.safetensors", r"vae has no weights \(\.safetensors\)"),
        ("text_encoder/config.json", "text_encoder/config.json is missing"),
        ("scheduler/scheduler_config.json", "scheduler/scheduler_config.json is missing"),
    ],
)
def test_what_is_missing_is_named(home: Home, tmp_path: Path, gone: str, says: str) -> None:
    folder = lay(tmp_path / "tiny")
    (folder / gone).unlink()
    with pytest.raises(StoreError, match=f"the weights of tiny are not whole: {says}"):
        need_weights(a_model(str(folder)), home=home)


def test_a_shard_that_is_cut_off_is_noticed_by_its_head(home: Home, tmp_path: Path) -> None:
    folder = lay(tmp_path / "tiny")
    os.truncate(folder / SHARD, 3000)
    found = look_for(a_model(str(folder)), home=home)
    assert found is not None
    assert any(fault.startswith(f"{SHARD} has ") for fault in found.faults)


def test_a_fingerprint_holds_no_place_and_changes_with_content_and_names(tmp_path: Path) -> None:
    one, two = lay(tmp_path / "one"), lay(tmp_path / "two")
    (two / "README.md").write_text("another page")
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one).startswith("folder:")
    (two / SHARD).write_bytes(tensor_file(values=5000, mark=3))
    assert fingerprint(one) != fingerprint(two)
    (one / "vae/config.json").rename(one / "vae/configs.json")
    assert len({fingerprint(one), fingerprint(two), fingerprint(lay(tmp_path / "three"))}) == 3


def test_a_fingerprint_reads_head_and_tail_of_large_files_only(tmp_path: Path) -> None:
    folder = lay(tmp_path / "tiny")
    large = folder / "vae/diffusion_pytorch_model.safetensors"
    large.write_bytes(tensor_file(values=20 * 1024**2))
    first = fingerprint(folder)
    for place, differs in ((10 * 1024**2, False), (large.stat().st_size - 10, True)):
        with large.open("r+b") as stream:
            stream.seek(place)
            stream.write(b"\xff\xff\xff")
        assert (fingerprint(folder) != first) is differs


def test_of_weights_that_are_there_twice_the_plain_ones_are_taken() -> None:
    names = ["vae/a.safetensors", "vae/a.fp16.safetensors", "vae/pytorch_model.bin", "vae/config.json", "x/y.json"]
    parts = components('{"vae": ["diffusers", "AutoencoderKLWan"], "x": [null, null]}')
    assert needed_files(names, parts=parts) == ("vae/a.safetensors", "vae/config.json")
    assert needed_files(names[1:2], parts=parts) == ("vae/a.fp16.safetensors",)


def test_a_plain_folder_is_checked_by_heads_and_lengths(tmp_path: Path) -> None:
    folder = lay(tmp_path / "tiny")
    os.truncate(folder / SHARD, 3000)
    checks = {check.name: check for check in check_files(folder)}
    assert set(checks) == NEEDED
    assert not any(check.verified for check in checks.values())
    assert [name for name, check in checks.items() if check.fault] == [SHARD]


@pytest.mark.usefixtures("hub")
def test_a_blob_is_named_by_its_digest(home: Home) -> None:
    folder = pull(planned(home), terms())
    blob = (folder / SHARD).resolve()
    assert blob.name == hashlib.sha256(blob.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["i2v22", "i2v21", "vace21"])
def test_a_model_that_diffusers_wrote_is_whole_and_can_be_published_and_pulled(
    home: Home, hub: Hub, tiny: TinyModels, kind: TinyKind
) -> None:
    own = need_weights(tiny.model(kind), home=home)
    files = {path.relative_to(own.folder).as_posix(): path for path in own.folder.rglob("*") if path.is_file()}
    hub.repos[REPO] = Repo(files={name: path.read_bytes() for name, path in files.items()})
    folder = pull(planned(home), terms())
    pulled = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert pulled == {name for name in files if name.endswith((".json", ".safetensors"))}
    assert all((folder / name).read_bytes() == files[name].read_bytes() for name in pulled)
    assert need_weights(a_model(REPO), home=home).size == own.size
    assert fingerprint(folder) == own.identity
