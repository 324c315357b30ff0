"""Canonical JSON and the digests of it."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayframe.core.digest import canonical_json, content_digest

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def test_canonical_json_sorts_keys_and_has_no_spaces():
    assert (
        canonical_json({"b": [1, 2.5, None], "a": {"d": True, "c": "é"}}) == '{"a":{"c":"é","d":true},"b":[1,2.5,null]}'
    )


def test_digest_is_the_sha256_of_the_canonical_text():
    assert content_digest({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()
    assert content_digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_numbers_keep_their_kind_and_their_last_bit():
    assert canonical_json([3, 3.0, 0.1, 917.4817575573454]) == "[3,3.0,0.1,917.4817575573454]"
    assert content_digest(3) != content_digest(3.0)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_a_number_in_json_is_refused(number: float):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"weight": number})


@given(value=values)
def test_canonical_json_reads_back_to_the_same_value(value: object):
    assert json.loads(canonical_json(value)) == value


@given(value=st.dictionaries(st.text(), scalars, min_size=2), order=st.randoms())
def test_order_of_keys_does_not_change_the_digest(value: dict[str, object], order: st.randoms):
    keys = list(value)
    order.shuffle(keys)
    assert content_digest({key: value[key] for key in keys}) == content_digest(value)
