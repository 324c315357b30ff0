"""Which prompt a segment has in the end, and where it comes from."""

from __future__ import annotations

import pytest

from core.trips import CATALOGUE, Data, resolved, stills
from wayframe.core.documents import resolved_json
from wayframe.core.prompting import WrittenPrompt, wanted, wish
from wayframe.core.resolve import resolve
from wayframe.core.spec import parse_spec
from wayframe.errors import SpecError

BY = {"text": "the light turns", "writer": "openai", "model": "a/b", "key": "k" * 64}


def spec(*prompts: str | None, **said: object) -> Data:
    data = stills(len(prompts) + 1, **said)
    for keyframe, prompt in zip(data["keyframes"], prompts, strict=False):
        keyframe |= {} if prompt is None else {"prompt": prompt}
    return data


@pytest.mark.parametrize(("write", "expected"), [("off", ()), ("missing", (0, 2)), ("all", (0, 1, 2)), (None, ())])
def test_a_model_writes_for_the_segments_that_are_asked_for(write: str | None, expected: tuple[int, ...]):
    said = {} if write is None else {"prompts": {"write": write}}
    assert wanted(parse_spec(spec(None, "own", " ", **said))) == expected


def test_a_lone_keyframe_has_a_segment_too():
    assert wanted(parse_spec(stills(1, prompts={"write": "missing"}))) == (0,)


def test_the_writer_goes_by_the_segments_own_prompt_else_by_that_of_the_trip():
    one = parse_spec(spec("own", None, " ", prompt="base", prompts={"write": "all"}))
    assert [wish(one, index) for index in range(3)] == ["own", "base", "base"]
    assert wish(parse_spec(spec(None)), 0) == ""


@pytest.mark.parametrize(
    ("own", "base", "write", "is_written", "expected", "origin"),
    [
        ("own", "base", "off", False, "own", "spec"),
        (None, "base", "off", False, "base", "spec"),
        (None, None, "off", False, "", "default"),
        ("", "base", "off", False, "", "spec"),
        (None, "base", "missing", True, "the light turns", "written:openai/a/b"),
        (None, "base", "missing", False, "base", "spec"),
        ("", "base", "missing", False, "base", "spec"),
        ("own", "base", "all", True, "the light turns", "written:openai/a/b"),
        ("own", "base", "all", False, "own", "spec"),
    ],
)
def test_the_order_of_precedence(
    own: str | None, base: str | None, write: str, is_written: bool, expected: str, origin: str
):
    said = {} if base is None else {"prompt": base}
    one = parse_spec(spec(own, prompts={"write": write}, **said))
    written = {0: WrittenPrompt(**BY)} if is_written else {}
    got = resolve(one, catalogue=CATALOGUE, first_size=(64, 48), written=written)
    assert (got.segments[0].prompt, got.origins["segments[0].prompt"]) == (expected, origin)
    values = resolved_json(got)["values"]["segments"][0]
    assert values.get("written") == ("k" * 64 if is_written else None)


def test_texts_stand_around_every_prompt_and_a_keyframes_own_win():
    data = spec("one", None, "three", prompt="base", text_before="old film,", text_after=" at dusk ")
    data["keyframes"][2] |= {"text_before": "", "text_after": "at noon"}
    assert [segment.prompt for segment in resolved(data).segments] == [
        "old film, one at dusk",
        "old film, base at dusk",
        "three at noon",
    ]


def test_a_prompt_without_texts_around_it_stays_as_it_is():
    assert resolved(spec("  as it is ")).segments[0].prompt == "  as it is "


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"write": "some"}, r"prompts.write: expected 'off', 'missing' or 'all' \(got 'some'\)"),
        ({"writer": "gpt"}, "prompts.writer: expected 'openai' or 'qwen'"),
        ({"wrtie": "all"}, r"prompts.wrtie: unknown key; did you mean write\?"),
        ({"base_url": "http://x/v1"}, "prompts.base_url: writer qwen has none; say writer: openai"),
        ({"budget": 3}, "prompts.budget: writer qwen makes no requests; say writer: openai, or leave it out"),
        ({"writer": "openai", "base_url": "ftp://x"}, "prompts.base_url: expected an address such as"),
        ({"writer": "openai", "base_url": "http://me:secret@x/v1"}, "prompts.base_url: .*without user, key or query"),
        ({"writer": "openai", "base_url": "http://x/v1?key=1"}, "prompts.base_url: .*without user, key or query"),
        ({"max_words": 2}, "prompts.max_words: must be 5 or more"),
        ({"budget": -1}, "prompts.budget: must be 0 or more"),
        ({"on_failure": "go on"}, "prompts.on_failure: expected 'stop' or 'base-prompt'"),
        ({"api_key": "sk-1234567890"}, "prompts.api_key: unknown key"),
    ],
)
def test_a_wrong_block_is_an_error_that_names_the_field(block: Data, message: str):
    with pytest.raises(SpecError, match=message):
        parse_spec(stills(2, prompts=block))
