"""Real servers on this machine: one for files with planted faults, and one that answers as the Hugging Face Hub does.

The Hub's answers follow what huggingface_hub asks: HEAD and GET of ``resolve`` links with ETag, X-Repo-Commit,
X-Linked-Etag and X-Linked-Size, large files behind a redirect to another host with a signed address, the tree and the
card of a repository, and errors by X-Error-Code.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _http

COMMIT = "c0ffee" * 6 + "c0de"
SIGNATURE = "X-Amz-Signature=deadbeefdeadbeef"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One answer that goes wrong: cut after so many bytes of the body, or another status, or other headers.

    With `hold` the connection stays open after the cut until that is set.
    """

    cut: int | None = None
    hold: threading.Event | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(kw_only=True)
class FileServer:
    """Serves `files` by path, with ETag and ranges; `faults` of a path are used up one a request, GET only."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    token: str | None = None
    ranges: bool = True
    port: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def gets(self, path: str) -> list[Asked]:
        """The GET requests for a path."""
        return [asked for asked in self.asked if asked.method == "GET" and urlsplit(asked.path).path == path]

    def answer(self, ask: _Ask) -> None:
        """Answer one request."""
        path = ask.route
        fault = self.faults[path].pop(0) if ask.method == "GET" and self.faults.get(path) else Fault()
        if path in self.redirects:
            ask.send(302, headers={"Location": self.redirects[path]})
        elif fault.status is not None:
            ask.send(fault.status, headers=fault.headers, body=fault.body or b"no")
        elif path not in self.files:
            ask.send(404)
        else:
            self._file(ask, data=self.files[path], fault=fault)

    def _file(self, ask: _Ask, *, data: bytes, fault: Fault) -> None:
        etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes", **self.headers.get(ask.route, {}), **fault.headers}
        wanted = ask.headers.get("range", "")
        same = ask.headers.get("if-range", headers["ETag"]) == headers["ETag"]
        status, part = 200, data
        if wanted.startswith("bytes=") and same and self.ranges:
            start = int(wanted[6:].split("-")[0])
            if start >= len(data):
                ask.send(416, headers={**headers, "Content-Range": f"bytes */{len(data)}"})
                return
            status, part = 206, data[start:]
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        ask.send(status, headers=headers, body=part if fault.body is None else fault.body, cut=fault.cut)
        if fault.hold is not None:
            fault.hold.wait()


@dataclass(kw_only=True)
class Repo:
    """A model repository: its files, those of them that are large (LFS), and who may read it."""

    files: dict[str, bytes]
    commit: str = COMMIT
    license: str = "apache-2.0"
    gated: bool = False

    def is_large(self, name: str) -> bool:
        """Whether a file is kept apart, under its sha256."""
        return name.endswith(".safetensors")

    def etag(self, name: str) -> str:
        """sha256 of a large file, git's hash of a small one."""
        data = self.files[name]
        if self.is_large(name):
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

    def tree(self) -> list[dict[str, object]]:
        """The listing of all files, as ``/api/models/ID/tree/REVISION`` gives it."""
        entries: list[dict[str, object]] = []
        for name, data in self.files.items():
            entry: dict[str, object] = {"type": "file", "path": name, "size": len(data), "oid": self.etag(name)[:40]}
            if self.is_large(name):
                entry["lfs"] = {"oid": self.etag(name), "size": len(data), "pointerSize": 134}
            entries.append(entry)
        return entries


@dataclass(kw_only=True)
class Hub:
    """The Hub, and `cdn`, the other host that large files lie on. A `token` of `readers` opens gated repositories."""

    repos: dict[str, Repo] = field(default_factory=dict)
    cdn: FileServer = field(default_factory=FileServer)
    asked: list[Asked] = field(default_factory=list)
    reader: str = ""
    failing: list[int] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it is: the value of HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    def link(self, repo: str, path: str, *, revision: str = "main", verb: str = "resolve") -> str:
        """The address of a file."""
        return f"{self.url}/{repo}/{verb}/{revision}/{path}"

    def blob_path(self, repo: str, name: str) -> str:
        """The path of a large file on the other host."""
        return f"/blobs/{self.repos[repo].etag(name)}"

    def answer(self, ask: _Ask) -> None:
        """Answer one request."""
        words = [unquote(word) for word in ask.route.strip("/").split("/")]
        if self.failing:
            ask.send(self.failing.pop(0))
            return
        if words[:2] == ["api", "models"]:
            repo_id, rest = "/".join(words[2:4]), words[4:]
        else:
            repo_id, rest = "/".join(words[:2]), words[2:]
        repo = self.repos.get(repo_id)
        if repo is None:
            ask.send(401, headers={"X-Error-Code": "RepoNotFound"})
        elif len(rest) > 1 and rest[1] not in ("main", repo.commit):
            ask.send(404, headers={"X-Error-Code": "RevisionNotFound"})
        elif words[0] == "api":
            self._about(ask, repo_id=repo_id, repo=repo, wanted=rest[0] if rest else "revision")
        elif repo.gated and ask.headers.get("authorization") != f"Bearer {self.reader}":
            ask.send(401, headers={"X-Error-Code": "GatedRepo", "X-Repo-Commit": repo.commit})
        else:
            self._file(ask, repo=repo, name="/".join(rest[2:]))

    def _about(self, ask: _Ask, *, repo_id: str, repo: Repo, wanted: str) -> None:
        if wanted == "tree":
            ask.send_json(repo.tree())
            return
        siblings = [{"rfilename": name} for name in repo.files]
        card = {"license": repo.license} if repo.license else {}
        about = {"id": repo_id, "modelId": repo_id, "sha": repo.commit, "siblings": siblings, "tags": []}
        ask.send_json({**about, "cardData": card, "private": False, "gated": repo.gated, "downloads": 0})

    def _file(self, ask: _Ask, *, repo: Repo, name: str) -> None:
        commit = {"X-Repo-Commit": repo.commit}
        if name not in repo.files:
            ask.send(404, headers={**commit, "X-Error-Code": "EntryNotFound"})
            return
        data, etag = repo.files[name], repo.etag(name)
        if not repo.is_large(name):
            ask.send(200, headers={**commit, "ETag": f'"{etag}"'}, body=data)
            return
        self.cdn.files.setdefault(f"/blobs/{etag}", data)
        place = f"{self.cdn.url}/blobs/{etag}?{SIGNATURE}&X-Amz-Date=today"
        linked = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data))}
        ask.send(302, headers={**commit, **linked, "ETag": f'"{etag[:32]}"', "Location": place})


@dataclass(kw_only=True)
class _Ask:
    """A request, and how it is answered."""

    handler: BaseHTTPRequestHandler

    @property
    def method(self) -> str:
        return self.handler.command

    @property
    def route(self) -> str:
        return urlsplit(self.handler.path).path

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.handler.headers.items()}

    def send_json(self, data: object) -> None:
        self.send(200, headers={"Content-Type": "application/json"}, body=json.dumps(data).encode())

    def send(
        self, status: int, *, headers: Mapping[str, str] | None = None, body: bytes = b"", cut: int | None = None
    ) -> None:
        """Send an answer; `cut` closes the connection after so many bytes."""
        self.handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            if value:
                self.handler.send_header(name, value)
        self.handler.end_headers()
        if self.method != "HEAD":
            with suppress(ConnectionError):
                self.handler.wfile.write(body if cut is None else body[:cut])
                self.handler.wfile.flush()
        if cut is not None:
            self.handler.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up; that is what some tests do."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(server: FileServer | Hub, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[None]:
    """Have a server run in threads."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            ask = _Ask(handler=self)
            server.asked.append(Asked(method=self.command, path=self.path, headers=ask.headers))
            server.answer(ask)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    with _Server((host, port), Handler) as running:
        server.port = running.server_address[1]
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            running.shutdown()
            thread.join()


def tensor_file(*, values: int = 64, mark: int = 0) -> bytes:
    """A .safetensors file with one tensor of bytes; `mark` makes its content another one."""
    head = json.dumps({"weight": {"dtype": "U8", "shape": [values], "data_offsets": [0, values]}}).encode()
    return len(head).to_bytes(8, "little") + head + bytes((mark + index) % 251 for index in range(values))


def tiny_model(*, values: int = 5000) -> dict[str, bytes]:
    """The files of a repository in diffusers format that is not worth loading: sharded, with what nobody needs."""
    index = {
        "_class_name": "WanImageToVideoPipeline",
        "boundary_ratio": 0.9,
        "image_encoder": [None, None],
        "scheduler": ["diffusers", "UniPCMultistepScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "WanTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLWan"],
    }
    shards = {f"model-0000{number}-of-00002.safetensors": number for number in (1, 2)}
    weight_map = {f"weight{number}": name for name, number in shards.items()}
    return {
        "model_index.json": json.dumps(index).encode(),
        "scheduler/scheduler_config.json": b"{}",
        "text_encoder/config.json": b"{}",
        "text_encoder/model.safetensors": tensor_file(values=values, mark=7),
        "tokenizer/tokenizer.json": b"{}",
        "tokenizer/spiece.model": b"pieces",
        "transformer/config.json": b"{}",
        "transformer/diffusion_pytorch_model.safetensors.index.json": json.dumps({"weight_map": weight_map}).encode(),
        **{f"transformer/{name}": tensor_file(values=values, mark=number) for name, number in shards.items()},
        "vae/config.json": b"{}",
        "vae/diffusion_pytorch_model.safetensors": tensor_file(values=values, mark=9),
        "vae/diffusion_pytorch_model.bin": b"pickle",
        "assets/teaser.mp4": b"not needed",
        "whole.safetensors": tensor_file(values=values, mark=11),
        "LICENSE.txt": b"Apache",
        "README.md": b"---\nlicense: apache-2.0\n---\n",
    }


@contextmanager
def hub_at_hand(patch: pytest.MonkeyPatch, folder: Path) -> Iterator[Hub]:
    """A Hub that this process asks instead of the real one, with a cache of its own and nobody logged in.

    huggingface_hub reads its environment when it is imported, which may be long ago.
    """
    hub = Hub()
    with serving(hub.cdn), serving(hub):
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder), "HF_HUB_CACHE": str(folder / "hub")}
        for name, value in {**environment, "HF_HUB_DISABLE_XET": "1"}.items():
            patch.setenv(name, value)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setattr(constants, "ENDPOINT", hub.url)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
        patch.setattr(constants, "HF_HOME", str(folder))
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        patch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setattr(_http, "_HUB_ORIGINS", frozenset({("http", "127.0.0.1", hub.port)}), raising=False)
        yield hub
