"""Files of the Hugging Face Hub and its cache, through huggingface_hub where that is installed.

huggingface_hub finds files, holds the user's token (``HF_TOKEN`` or its own file) and keeps the cache. Large files are
fetched by `wayframe.download` from the address that the Hub redirects to, straight into that cache: huggingface_hub 2
begins a file anew after an interruption and looks at its length only, while here it goes on where it was cut and is
held against its sha256. The token never leaves for that address: it is another host, and the address is signed.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from glob import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from wayframe.download import Downloaded, DownloadError, Terms, download
from wayframe.errors import StoreError
from wayframe.files import redact_text

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

_Answer = TypeVar("_Answer")
HUB = "https://huggingface.co"
HUB_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
INSTALL = "pip install 'wayframe[wan]'"
MAIN = "main"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FORBIDDEN = (401, 403)
_RENEWALS = 100
QUESTIONS = 4
_NO_FILES = {"datasets", "spaces", "api", "docs", "blog"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file of a model repository on the Hub: ``ORG/NAME``, a branch, tag or commit, and the path inside."""

    repo: str
    revision: str
    path: str

    @property
    def commit(self) -> str | None:
        """The commit, when the revision is one: then the content can never change."""
        return self.revision if _COMMIT.fullmatch(self.revision) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubCopy:
    """A file in the Hub's cache on this disk, and the commit that it belongs to."""

    path: Path
    commit: str | None


def is_installed() -> bool:
    """Whether huggingface_hub is here."""
    return find_spec("huggingface_hub") is not None


def cache_folder() -> Path | None:
    """The folder of the Hub's cache (``HF_HUB_CACHE``, else ``HF_HOME/hub``); None without huggingface_hub."""
    if not is_installed():
        return None
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def parse_link(address: str) -> HubFile | None:
    """The file that a ``resolve`` or ``blob`` link of the Hub (or of ``HF_ENDPOINT``) means; None for another address.

    ``https://huggingface.co/ORG/NAME/resolve/REVISION/PATH``; a query such as ``?download=true`` says nothing more.
    """
    parts = urlsplit(address)
    own = urlsplit(os.environ.get("HF_ENDPOINT", HUB)).netloc
    if parts.scheme not in ("http", "https") or (parts.netloc != own and parts.hostname not in HUB_HOSTS):
        return None
    words = parts.path.strip("/").split("/")
    match words:
        case [owner, name, "resolve" | "blob" | "raw", "refs", kind, branch, *path] if path and owner not in _NO_FILES:
            revision = f"refs/{kind}/{branch}"
        case [owner, name, "resolve" | "blob" | "raw", revision, *path] if path and owner not in _NO_FILES:
            pass
        case _:
            return None
    return HubFile(repo=f"{owner}/{name}", revision=unquote(revision), path=unquote("/".join(path)))


def cached(file: HubFile) -> HubCopy | None:
    """The file where the Hub's cache has it already; nobody is asked. Its commit is the one that the cache knows."""
    if not is_installed() or ".." in file.path.split("/"):
        return None
    from huggingface_hub import constants, try_to_load_from_cache

    found = try_to_load_from_cache(file.repo, file.path, revision=file.revision, cache_dir=constants.HF_HUB_CACHE)
    if not isinstance(found, str) or not Path(found).is_file():
        return None
    return HubCopy(path=Path(found), commit=commit_of(Path(found)))


def begun(file: HubFile) -> HubCopy | None:
    """The file in the newest version of its repository that the cache has anything of, whatever the branch says."""
    cache = cache_folder()
    if cache is None:
        return None
    from huggingface_hub.file_download import repo_folder_name

    snapshots = cache / repo_folder_name(repo_id=file.repo, repo_type="model") / "snapshots"
    found = [path for path in snapshots.glob(f"*/{escape(file.path)}") if path.is_file()]
    newest = max(found, key=lambda path: path.lstat().st_mtime, default=None)
    return HubCopy(path=newest, commit=commit_of(newest)) if newest else None


def commit_of(path: Path) -> str | None:
    """The commit of a file inside the Hub's cache, by its place ``snapshots/COMMIT/...``."""
    parts = path.parts
    places = [index for index, part in enumerate(parts[:-1]) if part == "snapshots"]
    return parts[places[-1] + 1] if places and _COMMIT.fullmatch(parts[places[-1] + 1]) else None


def fetch(file: HubFile, terms: Terms) -> HubCopy:
    """The file in the Hub's cache, fetched when it is not there in the version that the Hub has now.

    Raises `StoreError` that says what to do, `CancelledError`.
    """
    need_hub()
    from huggingface_hub import hf_hub_download

    with talking(file.repo):
        fetch_blob(file, terms)
        path = Path(hf_hub_download(file.repo, file.path, revision=file.revision))
    return HubCopy(path=path, commit=commit_of(path))


def fetch_blob(file: HubFile, terms: Terms) -> None:
    """Bring a large file (one with a sha256, that lies on another host) into the cache; leave others to the library."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import repo_folder_name

    def ask() -> HfFileMetadata:
        with talking(file.repo):
            return get_hf_file_metadata(address)

    address = hf_hub_url(file.repo, file.path, revision=file.revision)
    facts = patiently(ask, terms)
    if facts.etag is None or not _SHA256.fullmatch(facts.etag) or _origin(facts.location) == _origin(address):
        return
    name, cache = repo_folder_name(repo_id=file.repo, repo_type="model"), Path(constants.HF_HUB_CACHE)
    blob = cache / name / "blobs" / facts.etag
    if blob.exists():
        return
    own = replace(terms, sha256=facts.etag, lock=cache / ".locks" / name / f"{facts.etag}.lock")
    for _ in range(_RENEWALS):
        try:
            _counted_download(facts.location, blob, own)
        except _LinkExpiredError:
            facts = patiently(ask, terms)
        else:
            return


def patiently(ask: Callable[[], _Answer], terms: Terms) -> _Answer:
    """What `ask` gives, asked again after growing pauses while its error says that this may help."""
    attempts = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, StoreError) and error.retryable),
        stop=stop_after_attempt(QUESTIONS),
        wait=wait_exponential_jitter(initial=1.0, max=20.0),
        sleep=terms.pause,
        reraise=True,
    )
    return attempts(ask)


class _LinkExpiredError(StoreError):
    """A signed address that gave some of the file is refused now."""


def _counted_download(address: str, target: Path, terms: Terms) -> Downloaded:
    """Download; a refusal after something came is told apart: signed addresses live for an hour or so."""
    seen: list[int] = []

    def progress(done: int, total: int | None) -> None:
        seen[:] = [seen[0] if seen else done, done]
        terms.progress(done, total)

    try:
        return download(address, target, replace(terms, progress=progress))
    except DownloadError as error:
        if error.status in _FORBIDDEN and seen and seen[1] > seen[0]:
            raise _LinkExpiredError(str(error)) from error
        raise


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def need_hub() -> None:
    """Raise `StoreError` that says what to install when huggingface_hub is not here."""
    if not is_installed():
        raise StoreError(f"huggingface_hub is not installed; {INSTALL}")


@contextmanager
def talking(repo: str) -> Iterator[None]:
    """Have huggingface_hub say nothing itself, and translate what it raises about `repo`.

    Its own messages, and the warnings in its log, hold signed addresses.
    """
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{repo}"
    logged_in = "log in with `hf auth login`, or set HF_TOKEN"
    try:
        with _silenced():
            yield
    except errors.GatedRepoError as error:
        raise StoreError(f"{repo} is gated; accept its terms at {page}, then {logged_in}") from error
    except errors.RepositoryNotFoundError as error:
        raise StoreError(f"{repo} is not on the Hub, or private; correct the name, or {logged_in}") from error
    except errors.RevisionNotFoundError as error:
        raise StoreError(f"{repo} has no such branch, tag or commit; see {page}") from error
    except errors.RemoteEntryNotFoundError as error:
        raise StoreError(f"{repo} has no such file; see {page}/tree/{MAIN}") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise StoreError(f"{repo} is not here and the Hub cannot be asked ({_cause(error)})") from error
    except errors.HFValidationError as error:
        raise StoreError(f"{repo} is no name of a repository; it is ORG/NAME") from error
    except _library_errors() as error:
        why = f"{repo} could not be fetched from {redact_text(constants.ENDPOINT)}: {_cause(error)}"
        raise _UnreachableError(why) from error


@contextmanager
def _silenced() -> Iterator[None]:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    log, quiet = logging.getLogger("huggingface_hub"), are_progress_bars_disabled()
    before = log.level
    log.setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        yield
    finally:
        log.setLevel(before)
        if not quiet:
            enable_progress_bars()


class _UnreachableError(StoreError):
    """The Hub did not answer, or with an error of its own."""

    retryable = True


def _library_errors() -> tuple[type[Exception], ...]:
    """OSError, and the base error of whichever HTTP library huggingface_hub uses: 1.x has another one than 2.x."""
    from huggingface_hub.errors import HfHubHTTPError

    return tuple(kind for kind in HfHubHTTPError.__bases__ if issubclass(kind, Exception))


def _cause(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    root = error.__cause__ or error
    response = getattr(root, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    lines = redact_text(str(root)).strip().splitlines()
    return lines[0] if lines else type(root).__name__
