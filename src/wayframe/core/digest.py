"""Canonical JSON and the digests made from it."""

from __future__ import annotations

import hashlib
import json


def canonical_json(value: object) -> str:
    """`value` (plain JSON data) as the one text that stands for it: sorted keys, no spaces, no NaN.

    Numbers are written as `repr` does (shortest form that reads back exactly), as RFC 8785 asks for finite doubles in
    the common range; 3 and 3.0 are different values here.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_digest(value: object) -> str:
    """The sha256 of the canonical JSON of `value`, as 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
