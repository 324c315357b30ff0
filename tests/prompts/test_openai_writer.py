"""The writer `openai` against a real server that looks at its pictures, and answers well, late, wrongly or never."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from prompt_endpoint import GOOD, KEY, Data, Endpoint
from prompt_server import COLOURS
from wayframe.errors import CancelledError, PromptError, SpecError
from wayframe.prompts.base import PromptFailure, PromptRequest, Result, WriterSetup, Written
from wayframe.prompts.keys import key_of
from wayframe.prompts.openai_writer import OpenAIWriter
from wayframe.prompts.pictures import framed

QUICK = {"pause": "0", "attempts": "3"}
FAILS: Data = {"kind": "status", "status": 500, "message": "out of memory"}


def tile(name: str) -> np.ndarray:
    return np.full((432, 768, 3), COLOURS[name], np.uint8)


def requests(count: int = 1, *, max_words: int = 60) -> list[PromptRequest]:
    picture = framed(first=tile("red"), last=tile("blue"))
    return [
        PromptRequest(
            segment=index,
            pictures=(picture,),
            system="You write.",
            question=f"What moves? {index}",
            max_words=max_words,
        )
        for index in range(count)
    ]


def writer(endpoint: Endpoint, *, budget: int | None = None, environment: Data | None = None, **options: str):
    setup = WriterSetup(model="tiny-vl", base_url=endpoint.url, budget=budget, options={**QUICK, **options})
    return OpenAIWriter(setup, environment=environment or {})


def results(endpoint: Endpoint, count: int = 1, **said: object) -> dict[int, Result]:
    return dict(writer(endpoint, **said).write(requests(count)))


def only(endpoint: Endpoint, **said: object) -> Result:
    return results(endpoint, **said)[0]


def test_the_server_sees_both_keyframes_with_their_labels_and_its_answer_comes_back(endpoint: Endpoint):
    got = only(endpoint)
    assert isinstance(got, Written)
    assert got.text == "The view glides from red to blue while the camera moves slowly forward."
    assert (got.tries, got.tokens_in, got.tokens_out) == (1, 100, 20)
    (seen,) = endpoint.seen
    assert (seen["model"], seen["system"], seen["question"]) == ("tiny-vl", "You write.", "What moves? 0")
    assert seen["colours"] == ["red", "blue"]
    assert set(seen["labels"]) == {"START", "END"}
    assert seen["labels"]["START"][1] < seen["labels"]["END"][1]
    assert seen["temperature"] == 0
    assert seen["most_tokens"] > 200


def test_nothing_that_tells_of_this_machine_is_sent_along(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Private: custom-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    only(endpoint)
    headers = endpoint.seen[0]["headers"]
    assert [name for name in headers if name.startswith(("x-", "openai-"))] == ["x-stainless-raw-response"]
    assert "secret" not in str(headers)
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("bad", "tries"),
    [
        ([FAILS], 2),
        ([FAILS, FAILS], 3),
        ([{"kind": "status", "status": 429, "headers": {"Retry-After": "0"}}], 2),
        ([{"kind": "cut"}], 2),
        ([{"kind": "status", "status": 408}], 2),
    ],
)
def test_what_may_pass_is_asked_again(endpoint: Endpoint, bad: Sequence[Data], tries: int):
    endpoint.script(*bad)
    got = only(endpoint)
    assert isinstance(got, Written)
    assert got.tries == 1
    assert len(endpoint.seen) == tries


def test_a_server_that_asks_for_a_pause_gets_it_in_place_of_our_own(endpoint: Endpoint):
    """Our own pause would be an hour: the test would not come to its end."""
    endpoint.script(
        {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}}, FAILS | {"headers": {"retry-after-ms": "1"}}
    )
    assert isinstance(only(endpoint, pause="3600", longest_pause="3600"), Written)
    assert len(endpoint.seen) == 3


def test_a_server_that_asks_for_too_long_a_pause_is_not_waited_for(endpoint: Endpoint):
    endpoint.script({"kind": "status", "status": 429, "headers": {"Retry-After": "3600"}, "message": "slow down"})
    got = only(endpoint)
    assert isinstance(got, PromptFailure)
    assert "answered 429" in got.reason
    assert len(endpoint.seen) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (FAILS, "answered 500"),
        ({"kind": "cut"}, "broke off"),
        ({"kind": "garbage"}, "not what the protocol says"),
        ({"kind": "foreign"}, "not what the protocol says"),
        ({"kind": "status", "status": 400, "message": "the picture is too large"}, "the picture is too large"),
    ],
)
def test_what_does_not_pass_is_a_failure_of_its_segment_alone(endpoint: Endpoint, answer: Data, reason: str):
    endpoint.script(*[answer] * 3)
    got = only(endpoint)
    assert isinstance(got, PromptFailure)
    assert reason in got.reason
    assert not got.hopeless


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"kind": "status", "status": 401, "message": "no"}, "wants another key (401): set a line"),
        ({"kind": "status", "status": 403, "message": "no"}, "answered 403"),
        ({"kind": "status", "status": 404, "message": "no such model"}, "knows no model tiny-vl"),
        ({"kind": "status", "status": 429, "code": "insufficient_quota", "message": "pay"}, "pay"),
    ],
)
def test_what_is_hopeless_is_asked_once_for_all_segments(endpoint: Endpoint, answer: Data, reason: str):
    endpoint.script(*[answer] * 9)
    got = results(endpoint, 6, concurrency="1")
    assert len(endpoint.seen) == 1
    assert [reason in one.reason and one.hopeless for one in got.values()] == [True] * 6


def test_a_server_that_is_not_there_is_hopeless_after_a_few_attempts():
    setup = WriterSetup(model="m", base_url="http://127.0.0.1:9/v1", options={**QUICK, "concurrency": "1"})
    got = dict(OpenAIWriter(setup, environment={}).write(requests(2)))
    assert {one.reason for one in got.values()} == {"127.0.0.1:9 cannot be reached"}
    assert (got[0].tries, got[1].tries) == (3, 0)


def test_a_server_that_does_not_answer_is_given_up(endpoint: Endpoint):
    endpoint.script({"kind": "held"}, {"kind": "held"})
    got = only(endpoint, timeout="0.05", attempts="2")
    assert got == PromptFailure(reason=f"{endpoint.host} did not answer in time", tries=2)


def test_no_more_requests_are_under_way_than_allowed(endpoint: Endpoint):
    endpoint.script(*[{"kind": "meet", "count": 3}] * 12)
    assert len(results(endpoint, 12, concurrency="3")) == 12
    assert endpoint.state()["busiest"] == 3


def test_the_budget_counts_every_request_and_ends_the_writing(endpoint: Endpoint):
    endpoint.script(FAILS, GOOD)
    got = results(endpoint, 5, concurrency="1", budget=3)
    assert len(endpoint.seen) == 3
    assert [type(one) for one in got.values()] == [Written, Written, *[PromptFailure] * 3]
    assert {one.reason for one in got.values() if isinstance(one, PromptFailure)} == {
        "the budget of 3 requests is spent"
    }


def test_a_budget_is_that_of_the_writer_and_not_of_each_call(endpoint: Endpoint):
    one = writer(endpoint, budget=2)
    assert [
        type(result) for _, result in [*one.write(requests(1)), *one.write(requests(1)), *one.write(requests(1))]
    ] == [
        Written,
        Written,
        PromptFailure,
    ]
    assert len(endpoint.seen) == 2


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"kind": "text", "text": "I'm sorry, I can't help with that."}, "a refusal"),
        ({"kind": "text", "text": "A boat turns", "finish": "length"}, "cut off"),
        ({"kind": "text", "text": ""}, "empty"),
        ({"kind": "text", "text": "word " * 200}, "200 words"),
        ({"kind": "text", "text": "A boat turns slowly.", "refusal": "No."}, "a refusal"),
        ({"kind": "text", "text": "A boat turns slowly.", "finish": "content_filter"}, "a refusal"),
    ],
)
def test_nonsense_is_asked_for_once_more_with_the_reason_and_then_it_is_a_failure(
    endpoint: Endpoint, bad: Data, reason: str
):
    endpoint.script(bad, GOOD)
    got = only(endpoint)
    assert isinstance(got, Written)
    assert (got.tries, got.tokens_in, got.tokens_out) == (2, 200, 40)
    first, again = endpoint.seen
    assert again["question"].startswith(first["question"])
    assert reason in again["question"]
    endpoint.script(bad, bad)
    got = only(endpoint)
    assert isinstance(got, PromptFailure)
    assert reason in got.reason
    assert len(endpoint.seen) == 2


def test_a_model_that_refuses_a_temperature_is_asked_without_one_from_then_on(endpoint: Endpoint):
    message = "Unsupported value: 'temperature' does not support 0 with this model."
    endpoint.script({"kind": "status", "status": 400, "message": message})
    assert {
        type(one) for one in results(endpoint, 3, concurrency="1", pause="3600", longest_pause="3600").values()
    } == {Written}
    assert [one["temperature"] for one in endpoint.seen] == [0, None, None, None]


def test_cancelling_cuts_what_is_under_way_and_keeps_what_came_before(endpoint: Endpoint):
    endpoint.script(GOOD, {"kind": "held"})
    stop = threading.Event()
    written = writer(endpoint, concurrency="1").write(requests(3), cancelled=stop.is_set)
    assert isinstance(next(written)[1], Written)
    endpoint.await_requests(2)
    stop.set()
    with pytest.raises(CancelledError):
        next(written)
    assert len(endpoint.seen) == 2


def test_a_caller_that_stops_early_leaves_no_thread(endpoint: Endpoint):
    endpoint.script(GOOD, {"kind": "held"})
    written = writer(endpoint, concurrency="1").write(requests(2))
    next(written)
    written.close()
    assert "wayframe-prompts" not in {thread.name for thread in threading.enumerate()}


def key_file(folder: Path, text: str) -> Data:
    (folder / "keys").write_text(text)
    return {"WAYFRAME_PROMPTS_KEY_FILE": str(folder / "keys")}


def sent_keys(endpoint: Endpoint) -> Iterator[str | None]:
    return (seen["headers"].get("authorization") for seen in endpoint.seen)


def test_a_key_goes_to_its_own_host_only(endpoint: Endpoint, tmp_path: Path):
    own, other = f"{endpoint.host} {KEY}", f"elsewhere.example {KEY}"
    cases: list[tuple[Data, str | None]] = [
        ({"OPENAI_API_KEY": KEY}, None),
        ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": endpoint.url}, f"Bearer {KEY}"),
        (key_file(tmp_path / "", f"# a comment\n{other}\n{own}\n"), f"Bearer {KEY}"),
    ]
    for environment, expected in cases:
        endpoint.script()
        only(endpoint, environment=environment)
        assert list(sent_keys(endpoint)) == [expected]
    endpoint.script()
    only(endpoint, environment=key_file(tmp_path, other))
    assert list(sent_keys(endpoint)) == [None]
    endpoint.script()
    only(endpoint, environment=key_file(tmp_path, KEY))
    assert list(sent_keys(endpoint)) == [None]


@pytest.mark.parametrize(
    ("asked", "said", "goes"),
    [
        ("https://api.openai.com/v1", None, True),
        ("http://api.openai.com/v1", None, False),
        ("http://box.example/v1", "https://box.example/v1", False),
        ("https://BOX.example/other", "https://me:word@box.example/v1", True),
        ("https://api.openai.com.evil.example/v1", None, False),
        ("https://box.example:8443/v1", "https://box.example/v1", False),
    ],
)
def test_a_key_is_for_a_scheme_a_host_and_a_port(asked: str, said: str | None, goes: bool):
    environment = {"OPENAI_API_KEY": KEY} | ({"OPENAI_BASE_URL": said} if said else {})
    assert key_of(asked, environment=environment) == (KEY if goes else "")


def test_a_password_in_an_address_of_the_environment_is_not_told():
    environment = {"OPENAI_BASE_URL": "http://me:correct-horse@127.0.0.1:9/v1"}
    writer = OpenAIWriter(WriterSetup(options={"attempts": "1"}), environment=environment)
    [(_, failure)] = writer.write(requests(1))
    assert isinstance(failure, PromptFailure)
    assert failure.reason == "127.0.0.1:9 cannot be reached"


def test_a_key_file_that_cannot_be_read_is_an_error_without_its_content(endpoint: Endpoint, tmp_path: Path):
    with pytest.raises(PromptError, match="WAYFRAME_PROMPTS_KEY_FILE: the file cannot be read: No such file"):
        only(endpoint, environment={"WAYFRAME_PROMPTS_KEY_FILE": str(tmp_path / "none")})


def test_openai_without_a_key_is_not_asked():
    got = dict(OpenAIWriter(WriterSetup(), environment={}).write(requests(2)))
    assert [one.reason[:20] for one in got.values()] == ["there is no key: set"] * 2


def test_a_key_that_a_server_repeats_is_hidden(endpoint: Endpoint, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": endpoint.url}
    endpoint.script({"kind": "status", "status": 400, "message": f"the key {KEY} is odd"})
    got = only(endpoint, environment=environment)
    assert "the key [redacted] is odd" in got.reason
    endpoint.script(*[{"kind": "text", "text": f"The camera shows {KEY} on a wall."}] * 2)
    got = only(endpoint, environment=environment)
    assert isinstance(got, PromptFailure)
    assert "looks like a secret" in got.reason
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "red"}, "option colour: writer openai knows timeout, concurrency, attempts, pause"),
        ({"timeout": "soon"}, "option timeout"),
        ({"concurrency": "0"}, "option concurrency"),
    ],
)
def test_options_that_cannot_be_used_are_named(options: dict[str, str], message: str):
    with pytest.raises(SpecError, match=message):
        OpenAIWriter(WriterSetup(options=options), environment={})
