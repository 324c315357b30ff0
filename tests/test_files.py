"""Secrets are taken out of text and data, and nothing else is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayframe.files import REDACTED, Redactor, is_secret_name, redact, redact_text, secret_values

KEY = "sk-invented-0123456789"
JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.c2ln"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"key {KEY}, thanks", f"key {REDACTED}, thanks"),
        (f"_{KEY}", f"_{REDACTED}"),
        (f"'line\\n{KEY}'", f"'line\\n{REDACTED}'"),
        (f"\\u706f{KEY}", f"\\u706f{REDACTED}"),
        ("{'openai_api_key': 'anything'}", f"{{'openai_api_key': '{REDACTED}'}}"),
        ('{\\"api_key\\": \\"abc\\"}', f'{{\\"api_key\\": \\"{REDACTED}\\"}}'),
        ('"access_token": "cut off here', f'"access_token": "{REDACTED}"'),
        ("password=hunter22 next", f"password={REDACTED} next"),
        ("Authorization: Bearer abcdefghijk1", f"Authorization: Bearer {REDACTED}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: Basic {REDACTED}"),
        ("https://a:b@c/d?token=xyz&x=1", f"https://{REDACTED}@c/d?token={REDACTED}&x=1"),
        ("postgresql://u:p4ss@h/db", f"postgresql://{REDACTED}@h/db"),
        (f"jwt {JWT}.", f"jwt {REDACTED}."),
        ("hf_abcdefgh1234", REDACTED),
    ],
)
def test_what_looks_like_a_secret_is_taken_out_of_text(text: str, clean: str):
    assert redact_text(text) == clean
    assert redact_text(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "a secret: the cavern of wonders",
        "max_tokens: 500, tokenizer: fast",
        "Using auth token: SERVICE_KEY",
        "task-management on a disk-drive",
        "https://example.com/a?width=768&height=576",
        "keyframe: a key to the door",
    ],
)
def test_ordinary_text_is_left_as_it_is(text: str):
    assert redact_text(text) == text


def test_values_of_secret_names_go_whatever_they_are():
    data = {
        "password": 12345,
        "credentials": {"user": "me", "parts": ["x"]},
        "use_token": True,
        "token": None,
        "tokens": 7,
    }
    assert redact(data) == {
        "password": REDACTED,
        "credentials": {"user": REDACTED, "parts": [REDACTED]},
        "use_token": True,
        "token": None,
        "tokens": 7,
    }


def test_secrets_in_keys_and_deep_inside_go_too():
    assert redact({KEY: [{"note": f"use {KEY}"}]}) == {REDACTED: [{"note": f"use {REDACTED}"}]}


def test_a_redactor_counts_what_it_took_out():
    redactor = Redactor()
    redactor.value({"api_key": KEY, "other": f"{KEY} and {JWT}", "url": "https://a:b@c/"})
    redactor.text("nothing here")
    assert redactor.count == 4


@pytest.mark.parametrize("name", ["openai_api_key", "accessToken", "DB_PASSWORD", "x-api-key", "service_role_key"])
def test_names_of_secrets_are_known(name: str):
    assert is_secret_name(name)


@given(
    before=st.text(max_size=30).filter(lambda text: not text or not text[-1].isalnum() or not text.isascii()),
    after=st.text(max_size=30),
    secret=st.sampled_from([KEY, JWT, "hf_abcdefgh12345678", "sbp_0123456789abcdef"]),
)
@settings(deadline=None, max_examples=60)
def test_a_secret_is_found_in_any_surroundings(before: str, after: str, secret: str):
    if not (before[-1:].isascii() and before[-1:].isalnum()):
        assert secret not in redact_text(before + secret + after)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 400_000 + "://@",
        "token" * 80_000,
        'token: "' * 50_000,
        "eyJ-" * 100_000,
        "api_key: " * 40_000,
        "\\" * 400_000 + "key",
    ],
)
def test_long_lines_made_to_be_slow_are_not(text: str):
    before = time.process_time()
    redact_text(text)
    assert time.process_time() - before < 5


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("'Cookie': 'a=bcdefgh; x=1'", "'Cookie': '[redacted]'"),
        ("{'credentials': {'user': 'u', 'pass': 'p4ssw0rd'}}", "{'credentials': [redacted]}"),
        ("'tokens': ['abc', 'def']", "'tokens': [redacted]"),
        ("OPENAI_KEY='abcdefgh1'", "OPENAI_KEY='[redacted]'"),
        ("max_tokens: 5, 'tokens': 7", "max_tokens: 5, 'tokens': 7"),
    ],
)
def test_other_names_of_secrets_are_known_in_text(text: str, clean: str):
    assert redact_text(text) == clean


def test_several_secrets_under_one_name_go_but_a_count_stays():
    data = {"tokens": ["a", "b"], "api_keys": {"x": "y"}, "max_tokens": 5, "content_key": "kept"}
    assert redact(data) == {
        "tokens": ["[redacted]", "[redacted]"],
        "api_keys": {"x": "[redacted]"},
        "max_tokens": 5,
        "content_key": "kept",
    }


def test_a_secret_of_no_known_form_is_hidden_where_a_text_repeats_it():
    data = {"openai_api_key": "correct horse", "nested": [{"note": "use correct horse here"}], "password": "short"}
    known = secret_values(data)
    assert known == {"correct horse"}
    redactor = Redactor(known)
    assert redactor.value(data["nested"]) == [{"note": "use [redacted] here"}]
    assert redactor.count == 1


@pytest.mark.parametrize("address", ["https://[/a.png?sig=abcd", "https://me:word@[::/a.png"])
def test_an_address_whose_host_cannot_be_read_keeps_no_secret(address: str):
    assert redact_text(f"(got '{address}')") == "(got 'https://[redacted]')"


def test_what_was_redacted_of_an_address_stays_and_the_rest_is_looked_at_again():
    assert redact_text("https://[redacted]@a.org/b?sig=c&x=1") == "https://[redacted]@a.org/b?sig=[redacted]&x=1"
    assert redact_text("see https://[redacted]@a.org/b.png?x=1") == "see https://[redacted]@a.org/b.png?x=1"
