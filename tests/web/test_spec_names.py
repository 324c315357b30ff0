"""No field of a spec names a file or a place of the server that a client may not reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from wayframe.core.spec import TravelSpec
from web.browser import Browser
from workflow.queue.stage import Stage

CHECKED = {"audio.file", "base_url", "clips.video", "continue_from", "file", "guides.model", "guides.video", "image"}
CHECKED |= {"prompts.model", "rife", "upscale.file", "url"}
"""Fields whose text is held against what a client may name: uploads, allowed hosts, names in a folder."""
WORDS = {"at", "bundles", "end", "engine", "fps", "frames", "language", "loop", "matte", "model", "multiplier"}
WORDS |= {"negative_prompt", "preset", "prompt", "resolution", "start", "text_after", "text_before", "until"}
"""Fields that name nothing outside of the spec and the catalogue."""
SECRET = "/etc/passwd"
ATTACKS: dict[str, dict[str, Any]] = {
    "continue_from": {"continue_from": SECRET},
    "guides[0].video": {"guides": [{"video": SECRET}]},
    "guides[0].model": {"guides": [{"video": "a.mp4", "kind": "depth", "model": "../../etc"}]},
    "after.rife": {"after": {"fps": 32, "rife": "/etc/passwd.pkl"}},
    "after.upscale.file": {"after": {"upscale": {"file": "/etc/passwd.safetensors"}}},
    "after.audio.file": {"after": {"audio": {"file": SECRET}}},
    "lead.loras[0].file": {"lead": {"loras": [{"file": "/etc/passwd.safetensors"}]}},
    "trail.loras[0].file": {"trail": {"loras": [{"file": "../x.safetensors"}]}},
}


def texts(schema: Mapping[str, Any], node: Mapping[str, Any], *, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The fields of a schema that take any text: their names, with those of the field above them."""
    if "$ref" in node:
        yield from texts(schema, schema["$defs"][node["$ref"].rpartition("/")[2]], path=path)
    for choice in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
        yield from texts(schema, choice, path=path)
    if node.get("type") == "string" and not node.keys() & {"enum", "const"}:
        yield ".".join(path[-2:])
    for name, part in node.get("properties", {}).items():
        yield from texts(schema, part, path=(*path, name))
    for part in (node.get("items"), node.get("additionalProperties")):
        if isinstance(part, Mapping):
            yield from texts(schema, part, path=path)


def test_every_field_that_takes_a_text_is_known_here() -> None:
    """A new one that names a file must be checked before a client may send it."""
    schema = TravelSpec.model_json_schema()
    found = set(texts(schema, schema))
    known = {name for name in found if name in CHECKED or name.rpartition(".")[2] in CHECKED | WORDS}
    assert found - known == set()
    assert {name for name in CHECKED if not any(name in (text, text.rpartition(".")[2]) for text in found)} == set()


@pytest.mark.parametrize("field", ATTACKS)
def test_a_name_of_a_file_of_the_server_is_refused_by_its_field(stage: Stage, browser: Browser, field: str) -> None:
    ids = [browser.send(stage.ground.folder / f"{number}.png") for number in (0, 1)]
    spec = {"engine": "null", "keyframes": [{"image": name} for name in ids], "resolution": "64x48", **ATTACKS[field]}
    for path in ("/plan", "/runs"):
        answer = browser.post(path, json={"spec": spec})
        assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_clips_of_a_join_are_uploads_too(browser: Browser) -> None:
    for clips in ([SECRET, SECRET], [{"video": "../../wayframe.db"}, {"video": SECRET}]):
        for path in ("/plan", "/runs"):
            answer = browser.post(path, json={"spec": {"join": {"clips": clips}, "engine": "null"}})
            assert (answer.status_code, answer.json()["field"]) == (422, "join.clips[0].video")
