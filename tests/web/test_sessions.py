from __future__ import annotations

import hmac

import pytest

from wayframe.errors import SpecError
from wayframe.web.sessions import SESSION_SECONDS, Doorkeeper, Guesses
from wayframe.web.settings import Settings, is_loopback
from web.browser import TOKEN


def test_a_session_holds_until_its_time_and_only_for_its_token() -> None:
    clock = [1000.0]
    keeper = Doorkeeper(token=TOKEN, now=lambda: clock[0])
    cookie = keeper.session()
    assert keeper.admits(cookie)
    assert Doorkeeper(token=TOKEN, now=lambda: clock[0]).admits(cookie)  # after a restart
    assert not Doorkeeper(token=TOKEN + "2", now=lambda: clock[0]).admits(cookie)
    clock[0] += SESSION_SECONDS + 1
    assert not keeper.admits(cookie)


def test_nothing_in_a_session_can_be_changed() -> None:
    keeper = Doorkeeper(token=TOKEN)
    cookie = keeper.session()
    until, nonce, signature = cookie.split(".")
    later = f"{int(until) + 10}.{nonce}.{signature}"
    flipped = signature[:-1] + ("0" if signature[-1] != "0" else "1")
    for forged in (later, f"{until}.{nonce}.{flipped}", f"{until}.{nonce}.", "", "..", "a.b.ü\udc80", until):
        assert not keeper.admits(forged)


def test_without_a_token_no_session_is_admitted_and_no_word_is_the_token() -> None:
    keeper = Doorkeeper(token=None)
    assert not keeper.admits(keeper.session())
    assert not keeper.knows("")


def test_a_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every comparison of a secret goes through hmac.compare_digest, over digests of one length."""
    seen: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        seen.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    keeper = Doorkeeper(token=TOKEN)
    assert [keeper.knows(word) for word in (TOKEN, "x", TOKEN[:-1], "x" * 10_000)] == [True, False, False, False]
    assert seen == [(32, 32)] * 4
    assert keeper.admits(keeper.session())
    assert len(seen) == 5


def test_guesses_are_forgotten_after_a_minute() -> None:
    clock = [0.0]
    guesses = Guesses(limit=3, now=lambda: clock[0])
    for _ in range(3):
        assert not guesses.too_many("a")
        guesses.wrong("a")
    assert guesses.too_many("a")
    assert not guesses.too_many("b")
    clock[0] = 61.0
    assert not guesses.too_many("a")


def test_many_clients_together_guess_no_more_than_ten_times_as_often() -> None:
    guesses = Guesses(limit=3, now=lambda: 0.0)
    for number in range(30):
        guesses.wrong(f"client {number}")
    assert guesses.too_many("another")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.example.org"])
def test_a_server_that_others_can_reach_needs_a_token(host: str) -> None:
    with pytest.raises(SpecError, match="there is no token"):
        Settings(host=host).check()
    Settings(host=host, token=TOKEN).check()


def test_a_short_token_is_refused() -> None:
    with pytest.raises(SpecError, match="16 characters"):
        Settings(token="short").check()


@pytest.mark.parametrize(
    ("host", "is_it"),
    [("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False)],
)
def test_loopback_is_this_machine_only(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_it
