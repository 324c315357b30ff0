"""The commands over weights: models list, pull, where, check."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.terminal import Terminal
from hub import COMMIT, Fault, Hub, Repo, hub_at_hand, tensor_file, tiny_model
from wayframe.download import Terms
from wayframe.errors import PromptError
from wayframe.prompts.base import WriterSetup
from wayframe.prompts.qwen_writer import QwenWriter
from wayframe.store.home import open_home
from wayframe.store.loras import LARGEST, LoraShelf

if TYPE_CHECKING:
    from prompts.tiny_qwen import TinyQwen

REPO = "maker/tiny"
TOML = f"""
name = "tiny"
title = "Tiny"
kind = "i2v"
experts = 1
steps = 4
guidance = 1.0
flow_shift = 5.0
source = "{REPO}"
license = "apache-2.0"
size_gb = 0.1
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_at_hand(monkeypatch, tmp_path / "hf") as running:
        running.repos[REPO] = Repo(files=tiny_model())
        yield running


@pytest.fixture
def tiny(wayframe: Terminal, hub: Hub) -> Terminal:
    """The program with a model of its own in the catalogue."""
    assert hub.port
    (wayframe.home / "models").mkdir(parents=True)
    (wayframe.home / "models" / "tiny.toml").write_text(TOML)
    return wayframe


def row(printed: str, name: str) -> list[str]:
    return next(line.split() for line in printed.splitlines() if line.startswith(f"{name} "))


def test_the_list_tells_size_licence_and_what_is_here(tiny: Terminal) -> None:
    assert row(tiny("models", "list").out, "tiny") == [
        "tiny",
        "i2v",
        "1",
        "0.1",
        "GB",
        "apache-2.0",
        "not",
        "here",
        REPO,
    ]
    assert tiny("models", "pull", "tiny").code == 0
    words = row(tiny("models", "list").out, "tiny")
    assert words[6] == "here"
    assert words[7].endswith(COMMIT)
    [entry] = [item for item in tiny("models", "list", "--json").json() if item["name"] == "tiny"]
    assert (entry["state"], entry["identity"]) == ("here", f"{REPO}@{COMMIT}")


def test_a_pull_says_what_comes_and_prints_the_folder(tiny: Terminal) -> None:
    printed = tiny("models", "pull", "tiny")
    assert printed.err.splitlines() == [
        f"{REPO} at {COMMIT[:12]}: 13 files, 0.0 GiB, 0.0 GiB of it to come",
        "licence: apache-2.0",
    ]
    assert printed.out.strip() == tiny("models", "where", "tiny").out.strip()
    assert Path(printed.out.strip(), "model_index.json").is_file()
    told = tiny("models", "where", "tiny", "--json").json()
    assert (told["model"], told["identity"]) == ("tiny", f"{REPO}@{COMMIT}")


def test_a_dry_run_fetches_no_weights(tiny: Terminal, hub: Hub) -> None:
    told = tiny("models", "pull", "tiny", "--dry-run", "--json").json()
    assert (told["license"], told["folder"], told["files"]) == ("apache-2.0", None, 13)
    assert told["missing_bytes"] > 20_000
    assert hub.cdn.asked == []


def test_what_was_not_pulled_is_an_error_with_the_command(tiny: Terminal) -> None:
    assert tiny.fails("models", "where", "tiny") == "error: the weights of tiny are not here; wayframe models pull tiny"
    assert tiny.fails("models", "check", "tiny") == "error: nothing of tiny is here; wayframe models pull tiny"
    assert "did you mean tiny?" in tiny.fails("models", "where", "tini")


def test_a_check_is_good_until_a_byte_is_flipped_and_a_pull_mends_it(tiny: Terminal) -> None:
    folder = Path(tiny("models", "pull", "tiny").out.strip())
    printed = tiny("models", "check", "tiny")
    assert (printed.code, printed.out) == (0, "ok   tiny: 13 files have the digest that the Hub gave\n")
    shard = folder / "transformer" / "model-00001-of-00002.safetensors"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.resolve().write_bytes(data)
    printed = tiny("models", "check", "tiny")
    assert printed.code == 1
    assert printed.out.startswith("fail transformer/model-00001-of-00002.safetensors is damaged: its digest is ")
    assert printed.out.endswith(f"remove {shard.resolve()}, then: wayframe models pull tiny\n")
    told = tiny("models", "check", "tiny", "--json")
    assert (told.code, len(told.json()["faults"]), len(told.json()["files"])) == (1, 1, 13)
    shard.resolve().unlink()
    assert tiny("models", "pull", "tiny").code == 0
    assert tiny("models", "check", "tiny").code == 0


def test_a_model_in_a_folder_cannot_be_pulled(tiny: Terminal) -> None:
    path = tiny.home / "models" / "tiny.toml"
    path.write_text(TOML.replace(REPO, "./own"))
    line = tiny.fails("models", "pull", "tiny")
    assert line == "error: tiny does not come from the Hub: its weights are in the folder ./own"


def test_a_vision_model_is_pulled_by_its_name_on_the_hub_and_found_by_its_writer(
    wayframe: Terminal, hub: Hub, tiny_qwen: TinyQwen
) -> None:
    name, made = "maker/seeing", tiny_qwen.folder("qwen2_5_vl")
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    more = {"pytorch_model.bin": b"pickle", "consolidated.safetensors": b"twice", "onnx/model.onnx": b"elsewhere"}
    hub.repos[name] = Repo(files={**files, **more})
    with pytest.raises(PromptError, match=f"is not on this disk; wayframe models pull {name}$"):
        _ = QwenWriter(WriterSetup(model=name)).identity
    assert wayframe.fails("models", "check", name) == f"error: nothing of {name} is here; wayframe models pull {name}"
    folder = Path(wayframe("models", "pull", name).out.strip())
    assert {path.name for path in folder.iterdir()} == set(files)
    assert QwenWriter(WriterSetup(model=name)).identity == f"qwen/1 {name}@{COMMIT}"
    assert f"{len(files)} files have the digest that the Hub gave" in wayframe("models", "check", name).out
    weights = (folder / "model.safetensors").resolve()
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "fail model.safetensors has " in wayframe("models", "check", name).out


def test_a_repository_in_no_known_form_is_not_pulled(wayframe: Terminal, hub: Hub) -> None:
    hub.repos["maker/other"] = Repo(files={"weights.bin": b"pickle"})
    line = wayframe.fails("models", "pull", "maker/other")
    assert line == "error: maker/other is no model in transformers format: it has no config.json"
    hub.repos["maker/bare"] = Repo(files={"config.json": b"{}", "tokenizer.json": b"{}"})
    line = wayframe.fails("models", "pull", "maker/bare")
    assert line == "error: maker/bare has no weights (model*.safetensors)"


def test_a_token_opens_a_gated_model_and_is_shown_nowhere(
    tiny: Terminal, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"hf_{'reader' * 3}"
    hub.repos[REPO].gated, hub.reader = True, secret
    assert "maker/tiny is gated; accept its terms at " in tiny.fails("models", "pull", "tiny")
    monkeypatch.setenv("HF_TOKEN", secret)
    printed = tiny("models", "pull", "tiny")
    assert printed.code == 0
    assert secret not in printed.out + printed.err
    assert all("authorization" not in asked.headers for asked in hub.cdn.asked)
    assert not any(secret.encode() in path.read_bytes() for path in tiny.home.rglob("*") if path.is_file())


@pytest.mark.faults
def test_it_works_by_the_environment_alone_and_goes_on_after_a_kill(tiny: Terminal, hub: Hub) -> None:
    """The program in its own process, as a user starts it; the first one is killed in the middle of a file."""
    blob, hold = hub.blob_path(REPO, "vae/diffusion_pytorch_model.safetensors"), threading.Event()
    hub.cdn.faults[blob] = [Fault(cut=3000, hold=hold)]
    command = [sys.executable, "-m", "wayframe", "models", "pull", "tiny"]
    environment = {**os.environ, "WAYFRAME_HOME": str(tiny.home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        while not any(path.stat().st_size == 3000 for path in Path(os.environ["HF_HOME"]).rglob("*.part")):
            assert first.poll() is None
            time.sleep(0.02)
        first.kill()
    hold.set()
    assert row(tiny("models", "list").out, "tiny")[6:8] == ["in", "part"]
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert second.returncode == 0, second.stderr
    assert hub.cdn.gets(blob)[-1].headers["range"] == "bytes=3000-"
    assert tiny("models", "check", "tiny").code == 0


def test_an_error_of_the_other_host_shows_no_signature(tiny: Terminal, hub: Hub) -> None:
    hub.cdn.faults[hub.blob_path(REPO, "vae/diffusion_pytorch_model.safetensors")] = [Fault(status=404)]
    printed = tiny("models", "pull", "tiny")
    assert printed.code == 1
    assert "has no such file (HTTP 404)" in printed.err
    assert "deadbeef" not in printed.err


def test_a_plan_calls_a_lora_unpinned_until_its_bytes_are_here(tiny: Terminal, hub: Hub) -> None:
    hub.repos[REPO].files["style.safetensors"] = tensor_file(values=500)
    link = hub.link(REPO, "style.safetensors")
    spec = {
        "keyframes": [{"image": "0.png"}, {"image": "1.png"}],
        "steps": 4,
        "loras": [{"file": link, "multiplier": 1.0}],
    }
    (tiny.folder / "trip.json").write_text(json.dumps(spec))
    before = tiny("plan", "trip.json", "--json").json()
    assert [lora["digest"] for lora in before["loras"].values()] == [f"url:{link}"]
    assert "lora-unpinned" in {item["code"] for item in before["findings"]}
    assert hub.asked == []
    LoraShelf(home=open_home(tiny.home), base=tiny.folder, terms=Terms(limit=LARGEST)).locate(link, field="loras[0]")
    after = tiny("plan", "trip.json", "--json").json()
    digest = hashlib.sha256(hub.repos[REPO].files["style.safetensors"]).hexdigest()
    assert [lora["digest"] for lora in after["loras"].values()] == [f"sha256:{digest}"]
    assert "lora-unpinned" not in {item["code"] for item in after["findings"]}
