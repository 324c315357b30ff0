"""Keys of endpoints: from the environment or a file, each for its own host, never from a spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from wayframe.errors import PromptError

KEY_VARIABLE, URL_VARIABLE, FILE_VARIABLE = "OPENAI_API_KEY", "OPENAI_BASE_URL", "WAYFRAME_PROMPTS_KEY_FILE"
OPENAI_URL = "https://api.openai.com/v1"
_WORDS_OF_A_LINE = 2


def endpoint(base_url: str | None, *, environment: Mapping[str, str]) -> str:
    """The address that is asked: the spec's, else ``$OPENAI_BASE_URL``, else OpenAI's."""
    return (base_url or environment.get(URL_VARIABLE) or OPENAI_URL).rstrip("/")


def host_of(url: str) -> str:
    """The host of an address with its port, in lower case; a user and a password that stand before it are left out."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def key_of(url: str, *, environment: Mapping[str, str]) -> str:
    """The key for an endpoint, or "" when there is none for its host.

    A spec may come from anybody, so that its `base_url` must not decide who gets a key: ``$OPENAI_API_KEY`` goes to
    OpenAI and to the host of ``$OPENAI_BASE_URL`` only, and never in the clear where that says https. The file that
    ``$WAYFRAME_PROMPTS_KEY_FILE`` names has a line ``HOST KEY`` for each further host (``localhost:8000 secret``); a
    key alone stands in for ``$OPENAI_API_KEY``.
    Raises `PromptError` when the file cannot be read.
    """
    place, asked = urlsplit(url), host_of(url)
    own = [environment.get(URL_VARIABLE) or OPENAI_URL, OPENAI_URL]
    is_own = (place.scheme, asked) in [(urlsplit(one).scheme, host_of(one)) for one in own]
    for host, key in _lines(environment.get(FILE_VARIABLE, "")):
        if host in (asked, place.hostname) or (not host and is_own):
            return key
    return environment.get(KEY_VARIABLE, "").strip() if is_own else ""


def _lines(name: str) -> Iterator[tuple[str, str]]:
    """The hosts and keys of a key file; nothing when none is named."""
    if not name:
        return
    try:
        lines = Path(name).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise PromptError(f"{FILE_VARIABLE}: the file cannot be read: {why}; mend it, or unset the variable") from error
    for line in lines:
        words = line.split()
        if words and not words[0].startswith("#"):
            yield (words[0].lower(), words[1]) if len(words) == _WORDS_OF_A_LINE else ("", words[0])
