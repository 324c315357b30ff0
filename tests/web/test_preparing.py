"""Work that takes long: it is answered in time, and goes on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from prompt_endpoint import Endpoint
from wayframe.core.events import LoraFetching, PromptWritten
from wayframe.errors import CancelledError, SpecError
from wayframe.web.preparing import AT_ONCE, FORGOTTEN_SECONDS, Preparing, Work
from wayframe.web.problems import RefusalError
from wayframe.web.settings import Limits, Settings
from web.browser import PATIENCE, Browser
from web.test_specs import draft
from workflow.queue.stage import Stage
from workflow.rides import LIGHTNING


class Held:
    """Work that goes on until it is let go; `begun` counts how often it was begun."""

    def __init__(self) -> None:
        self.go, self.begun, self.works = threading.Event(), 0, list[Work[str]]()

    def __call__(self, work: Work[str]) -> str:
        self.begun += 1
        self.works.append(work)
        assert self.go.wait(PATIENCE)
        work.check()
        return "row"


@pytest.fixture
def held() -> Iterator[Held]:
    made = Held()
    yield made
    made.go.set()


def refused(call: Callable[[], object]) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        call()
    return caught.value


def test_what_is_over_in_time_is_answered_and_forgotten() -> None:
    preparing = Preparing[int](told="it is under way", patience=PATIENCE)
    numbers = iter((1, 2))
    assert [preparing.answer("a", lambda _work: next(numbers)) for _ in range(2)] == [1, 2]


def test_an_error_is_that_of_the_request_and_the_next_one_tries_again() -> None:
    preparing = Preparing[int](told="it is under way", patience=PATIENCE)

    def wrong(_work: Work[int]) -> int:
        raise SpecError("loras", "are none")

    with pytest.raises(SpecError, match="are none"):
        preparing.answer("a", wrong)
    assert preparing.answer("a", lambda _work: 1) == 1


def test_what_takes_longer_is_told_and_goes_on_for_the_same_draft_sent_again(held: Held) -> None:
    impatient = Preparing[str](told="it is under way", patience=0)
    first = refused(lambda: impatient.answer("a", held))
    assert (first.status, first.kind, first.headers["Retry-After"]) == (503, "preparing", "2")
    assert first.detail == "it is under way; ask again"
    (work,) = held.works
    work.listen(LoraFetching(lora="style", done=12_000_000, size=300_000_000))
    told = refused(lambda: impatient.answer("a", held)).detail
    assert told == "LoRA style is being fetched: 12 of 300 MB; ask again"
    work.listen(PromptWritten(segment=0, text="dawn", writer="qwen", done=1, total=3))
    assert "prompts are being written: 1 of 3" in refused(lambda: impatient.answer("a", held)).detail
    held.go.set()
    assert work.done.wait(PATIENCE)
    assert impatient.answer("a", held) == "row"
    assert held.begun == 1


def test_a_draft_that_is_sent_twice_at_once_is_one_run(held: Held) -> None:
    preparing = Preparing[str](told="it is under way", patience=PATIENCE)
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(preparing.answer, "a", held) for _ in range(2)]
        held.go.set()
        assert {answer.result() for answer in answers} == {"row"}


def test_what_nobody_asks_for_any_more_is_given_up_and_begun_anew(held: Held) -> None:
    now = [0.0]
    preparing = Preparing[str](told="it is under way", patience=0, now=lambda: now[0])
    refused(lambda: preparing.answer("a", held))
    (work,) = held.works
    now[0] = FORGOTTEN_SECONDS
    assert not work.cancelled()
    now[0] += 1
    assert work.cancelled()
    held.go.set()
    assert work.done.wait(PATIENCE)
    assert isinstance(work.error, CancelledError)
    held.go.clear()
    refused(lambda: preparing.answer("a", held))
    assert held.begun == 2


def test_only_so_many_are_made_ready_at_one_time_and_none_after_the_server_stops(held: Held) -> None:
    preparing = Preparing[str](told="it is under way", patience=0)
    for number in range(AT_ONCE):
        refused(lambda number=number: preparing.answer(str(number), held))
    assert refused(lambda: preparing.answer("more", held)).kind == "busy"
    preparing.close()
    assert all(work.cancelled() for work in held.works)


def test_a_submission_whose_prompts_take_long_is_answered_before_and_queued_when_it_is_sent_again(
    stage: Stage, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
    endpoint.script({"kind": "held"})
    with Browser.of(stage.place, Settings(limits=Limits(preparing=0))) as browser:
        body = draft(stage, browser, 0, 1)
        body["spec"]["prompts"] = {"write": "all", "writer": "openai", "model": "tiny"}
        first = browser.post("/runs", json=body)
        assert (first.status_code, first.json()["type"]) == (503, "urn:wayframe:problem:preparing")
        endpoint.await_requests(1)
        assert browser.post("/runs", json=body).status_code == 503
        assert browser.get("/runs").json()["items"] == []
        endpoint.release()
        answers = (browser.post("/runs", json=body) for _ in range(100_000))
        made = next(answer for answer in answers if answer.status_code != 503)
        assert made.status_code == 201, made.text
        record = browser.get(f"/runs/{made.json()['id']}/record").json()
        assert browser.ids() == [made.json()["id"]]
    assert record["planned"]["segments"][0]["prompt"]
    assert len(endpoint.seen) == 1


def test_a_lora_of_an_allowed_name_that_leads_to_this_machine_is_not_fetched(
    stage: Stage, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def rebound(host: str, *others: object, **words: object) -> object:
        return real("127.0.0.1" if host == "civitai.com" else host, *others, **words)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    loras = [{"file": "https://civitai.com/api/download/models/7", "for": "high"}]
    body = draft(stage, browser, 0, 1, **{**LIGHTNING, "engine": "wan", "loras": loras})
    answer = browser.post("/runs", json=body)
    assert answer.status_code == 409
    assert "civitai.com is in a private network" in answer.json()["detail"]


def test_only_hosts_that_the_server_was_told_of_may_be_in_its_own_network() -> None:
    settings = Settings(own_hosts=("models.example",))
    assert settings.is_own_host("https://a.models.example/x.safetensors")
    assert not settings.is_own_host("https://civitai.com/x.safetensors")
    assert not settings.is_own_host("https://models.example.evil.test/x.safetensors")
