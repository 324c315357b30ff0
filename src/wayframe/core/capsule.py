"""The text that a video carries: spec, resolved and plan, without ids, times or paths.

Format: base64 of zlib (RFC 1950) of canonical JSON ``{"schema", "spec", "resolved", "plan"}``.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any

from wayframe.core.digest import canonical_json
from wayframe.errors import SpecError

CAPSULE_KEY = "wayframe"
CAPSULE_SCHEMA = "wayframe.video/1"
LARGEST = 256 * 1024 * 1024


def seal(*, spec: Mapping[str, Any] | None, resolved: Mapping[str, Any] | None, plan: Mapping[str, Any]) -> str:
    """The text for a video's metadata; equal content gives equal text."""
    content = {"schema": CAPSULE_SCHEMA, "spec": _without_folders(spec), "resolved": resolved, "plan": plan}
    return base64.b64encode(zlib.compress(canonical_json(content).encode(), 9)).decode()


def unseal(text: str, *, source: str) -> dict[str, Any]:
    """The content again; `SpecError` naming `source` when the text is damaged or of another version."""
    try:
        inflater = zlib.decompressobj()
        data = inflater.decompress(base64.b64decode(text, validate=True), LARGEST)
        content = json.loads(data)
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        raise SpecError(source, "carries a damaged plan") from error
    if isinstance(content, dict) and content.get("schema") != CAPSULE_SCHEMA:
        raise SpecError(source, f"carries a plan of another version, expected {CAPSULE_SCHEMA}", content.get("schema"))
    if not isinstance(content, dict) or "plan" not in content:
        raise SpecError(source, "carries a damaged plan")
    return content


def _without_folders(value: Any, *, name: str = "") -> Any:
    """The spec with the folders of images and LoRAs left out."""
    if isinstance(value, Mapping):
        return {key: _without_folders(item, name=key) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item, name=name) for item in value]
    if name in ("image", "video", "file", "url") and isinstance(value, str) and "://" not in value:
        return value.replace("\\", "/").rsplit("/", 1)[-1]
    return value
