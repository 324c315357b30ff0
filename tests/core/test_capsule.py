"""What a video carries about itself."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.subjects import Data
from wayframe.core.capsule import CAPSULE_SCHEMA, seal, unseal
from wayframe.errors import SpecError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def packed(content: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(content).encode())).decode()


@given(plan=st.dictionaries(st.text(), JSON, max_size=4), resolved=st.none() | st.dictionaries(st.text(), JSON))
def test_what_is_sealed_comes_out_again(plan: Data, resolved: Data | None) -> None:
    carried = unseal(seal(spec=None, resolved=resolved, plan=plan), source="a.mp4")
    assert carried == {"schema": CAPSULE_SCHEMA, "spec": None, "resolved": resolved, "plan": plan}


def test_equal_content_gives_equal_text() -> None:
    one = seal(spec={"a": 1, "b": 2}, resolved=None, plan={"x": 1.5, "y": "é"})
    assert one == seal(spec={"b": 2, "a": 1}, resolved=None, plan={"y": "é", "x": 1.5})
    assert one.isascii()


def test_folders_stay_at_home_and_addresses_do_not() -> None:
    spec = {
        "keyframes": [{"image": "/home/me/trip/1.png"}, {"image": "C:\\trip\\2.png"}, {"image": "http://x/a/3.png"}],
        "loras": [{"file": "../loras/x.safetensors"}, {"url": "loras/y.safetensors"}],
        "prompt": "a/b",
    }
    carried = unseal(seal(spec=spec, resolved=None, plan={}), source="a.mp4")["spec"]
    assert [keyframe["image"] for keyframe in carried["keyframes"]] == ["1.png", "2.png", "http://x/a/3.png"]
    assert carried["loras"] == [{"file": "x.safetensors"}, {"url": "y.safetensors"}]
    assert carried["prompt"] == "a/b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%%%",
        "é",
        base64.b64encode(b"no zlib").decode(),
        base64.b64encode(zlib.compress(b"no json")).decode(),
        base64.b64encode(zlib.compress(b'{"a": ' * 100_000)).decode(),
        base64.b64encode(zlib.compress(b'"\xff"')).decode(),
        packed([]),
        packed("text"),
        packed({"schema": CAPSULE_SCHEMA}),
        seal(spec=None, resolved=None, plan={"a": list(range(99))})[:40],
    ],
)
def test_damaged_text_is_refused_by_the_videos_name(text: str) -> None:
    with pytest.raises(SpecError, match=r"^a\.mp4: carries a damaged plan$"):
        unseal(text, source="a.mp4")


def test_another_version_is_refused_by_its_name() -> None:
    with pytest.raises(SpecError, match=r"another version, expected wayframe\.video/1 \(got 'wayframe\.video/9'\)"):
        unseal(packed({"schema": "wayframe.video/9"}), source="a.mp4")
