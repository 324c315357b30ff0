"""Attacks on the page, from a browser that was led astray and from whoever reaches the port."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from wayframe.web.pages import router as pages
from wayframe.web.settings import Limits, Settings
from web.browser import API, ORIGIN, TOKEN, Browser
from workflow.queue.stage import Stage
from workflow.rides import through

TRAVERSALS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%5c..%5cwayframe.db",
    "%252e%252e%252fetc%252fpasswd",
    "/etc/passwd",
    "file:///etc/passwd",
    "a%00.mp4",
    "x" * 5000,
]
SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def guarded(stage: Stage) -> Iterator[Browser]:
    """The page of a server with a token."""
    with Browser.of(stage.place, Settings(token=TOKEN, limits=Limits(logins=3))) as made:
        yield made


def routes(browser: Browser) -> list[tuple[str, str]]:
    """Method and path of everything that the API offers."""
    paths: dict[str, dict[str, Any]] = browser.get("/openapi.json").json()["paths"]
    return [(method, path) for path, operations in paths.items() for method in operations]


def test_no_parameter_of_any_route_leads_out_of_its_place(stage: Stage, browser: Browser) -> None:
    stage.ground.run(through(0, 1))
    tried = 0
    for method, path in routes(browser):
        for name in re.findall(r"{(\w+)}", path):
            filled = re.sub(rf"{{(?!{name}}})\w+}}", "0", path)
            for evil in TRAVERSALS:
                answer = browser.client.request(method, filled.replace(f"{{{name}}}", evil), json={})
                assert answer.status_code in (404, 405, 422, 307), (method, path, evil, answer.text)
                assert b"root:" not in answer.content
                tried += 1
    assert tried > 200


def test_files_beside_the_static_ones_are_not_given(browser: Browser) -> None:
    for evil in TRAVERSALS:
        assert browser.client.get(f"/static/{evil}").status_code in (404, 405)
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fsecurity.py"):
        assert browser.client.get(path).status_code == 404


def test_every_change_is_refused_from_another_site(browser: Browser) -> None:
    """By what any browser of the last years sends along, whatever page it was that made it send the request."""
    changes = [(method, path) for method, path in routes(browser) if method not in ("get", "head")]
    changes += [("post", "/login"), ("post", "/logout")]
    foreign: list[dict[str, str]] = [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://127.0.0.1.evil.example:8311"},
        {"Origin": "http://evil.example@127.0.0.1:8311"},
        {"Origin": "http://[::1"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
    ]
    assert len(changes) > 15
    for method, path in changes:
        for headers in foreign:
            answer = browser.client.request(method, path, headers=headers, json={})
            assert answer.status_code == 403, (method, path, headers)
            assert answer.json()["type"] == "urn:wayframe:problem:cross-site"


def test_changes_of_the_page_itself_and_of_scripts_go_through(browser: Browser) -> None:
    own = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
    assert browser.post("/queue/pause", headers=own).json()["paused"] is True
    assert browser.post("/queue/unpause").json()["paused"] is False


def test_another_site_reads_nothing_and_embeds_nothing_but_may_link_here(browser: Browser) -> None:
    site = {"Sec-Fetch-Site": "cross-site"}
    assert browser.get("/runs", headers={**site, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    frame = {**site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert browser.client.get("/", headers=frame).status_code == 403
    link = {**site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert browser.client.get("/", headers=link).status_code == 200
    assert "access-control-allow-origin" not in browser.get("/runs", headers={"Origin": "https://evil.example"}).headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8311", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::2]:8311"]
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(browser: Browser, host: str) -> None:
    assert browser.client.get("/", headers={"Host": host}).status_code == 421
    answer = browser.get("/runs", headers={"Host": host, "Origin": f"http://{host}"})
    assert (answer.status_code, answer.json()["type"]) == (421, "urn:wayframe:problem:host")


@pytest.mark.parametrize("host", ["localhost:8311", "127.0.0.1", "[::1]:8311", "page.example:443"])
def test_names_of_this_machine_and_those_that_are_allowed_go_through(stage: Stage, host: str) -> None:
    with Browser.of(stage.place, Settings(hosts=("page.example",))) as browser:
        assert browser.get("/runs", headers={"Host": host}).status_code == 200


def test_every_answer_carries_what_browsers_obey(browser: Browser) -> None:
    for path in ("/", "/nothing", "/static/theme.js", f"{API}/runs", f"{API}/runs?limit=x", "/login"):
        headers = browser.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"


def test_pages_hold_no_script_and_no_style_of_their_own(stage: Stage, browser: Browser) -> None:
    """The policy forbids them: what stood in a page would not run."""
    run = stage.ground.run(through(0, 1)).folder.run_id
    paths = [route.path.replace("{run_id}", run) for route in pages.routes if isinstance(route, APIRoute)]
    assert len(paths) > 5
    for path in paths:
        page = browser.client.get(path).text
        assert not re.search(r"<script(?![^>]*\ssrc=)", page), path
        assert not re.search(r"<[a-z][^>]*\s(?:on[a-z]+|style)\s*=", page), path


def test_script_in_names_and_prompts_is_text_in_pages_and_in_json(stage: Stage, browser: Browser) -> None:
    data = through(0, 1, prompts=(SCRIPT,))
    row = stage.submit(stage.ground.trip(data))
    plain = stage.ground.run(through(0, 1, prompts=(SCRIPT,), seed=2)).folder.run_id
    for path in ("/", f"/runs/{row.run_id}", f"/runs/{plain}", "/queue", f"/compare?runs={plain},{row.run_id}"):
        page = browser.client.get(path)
        assert page.status_code == 200, path
        assert SCRIPT not in page.text
        assert "<img src=x" not in page.text
    assert SCRIPT in [item["title"] for item in browser.get("/runs").json()["items"]]
    answer = browser.get("/runs", params={"where": f"prompt = '{SCRIPT.partition(chr(39))[0]}'"})
    assert answer.headers["content-type"] == "application/json"
    wrong = browser.client.get(f"/runs/{SCRIPT}", headers={"Accept": "text/html"})
    assert wrong.status_code == 404
    assert "<script>alert" not in wrong.text


def test_nothing_is_given_to_whoever_does_not_know_the_token(stage: Stage, guarded: Browser) -> None:
    run = stage.ground.run(through(0, 1)).folder.run_id
    known = {"Authorization": f"Bearer {TOKEN}"}
    schema = guarded.get("/openapi.json", headers=known).json()["paths"]
    for path, operations in schema.items():
        for method in operations:
            filled = re.sub(r"{\w+}", "0", path.replace("{run_id}", run))
            answer = guarded.client.request(method, filled)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert guarded.get(f"/runs/{run}/events").status_code == 401
    assert guarded.get("/openapi.json").status_code == 401
    assert guarded.client.get("/docs").status_code == 303
    for path in ("/", f"/runs/{run}", "/compose", "/queue"):
        answer = guarded.client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path.replace('/', '%2F')}") or (
            answer.status_code,
            answer.headers["location"],
        ) == (303, f"/login?next={path}")
    assert guarded.client.get("/login").status_code == 200
    assert guarded.get("/runs", headers=known).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer \xff", TOKEN],
)
def test_no_other_word_is_taken_for_the_token(guarded: Browser, header: str) -> None:
    answer = guarded.get("/runs", headers=[(b"Authorization", header.encode("latin-1"))])
    assert answer.status_code == 401
    assert TOKEN not in answer.text


def test_a_token_in_the_address_is_not_taken(guarded: Browser) -> None:
    """Addresses are kept in histories and logs."""
    for name in ("token", "access_token", "key"):
        assert guarded.client.get(f"/healthz?{name}={TOKEN}").status_code == 200
        assert guarded.get("/runs", params={name: TOKEN}).status_code == 401


def test_a_login_gives_a_cookie_that_scripts_and_other_sites_do_not_get(guarded: Browser) -> None:
    wrong = guarded.client.post("/login", data={"token": "wrong", "next": "/queue"})
    assert wrong.status_code == 403
    right = guarded.client.post("/login", data={"token": TOKEN, "next": "/queue"})
    assert (right.status_code, right.headers["location"]) == (303, "/queue")
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in right.headers["set-cookie"]
    assert guarded.get("/runs").status_code == 200  # the client keeps cookies
    guarded.client.post("/logout")
    assert guarded.get("/runs").status_code == 401


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nX: y", "runs"],
)
def test_a_login_leads_nowhere_else(guarded: Browser, target: str) -> None:
    answer = guarded.client.post("/login", data={"token": TOKEN, "next": target})
    assert answer.headers["location"] == "/"
    shown = guarded.client.get("/login", params={"next": target})
    assert "evil.example" not in shown.text


def test_guessing_ends_after_a_few_tries_even_with_the_right_token(guarded: Browser) -> None:
    answers = [guarded.get("/runs", headers={"Authorization": f"Bearer guess-{n}"}) for n in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    assert answers[-1].headers["retry-after"] == "60"
    assert guarded.get("/runs", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 429
    assert guarded.client.post("/login", data={"token": TOKEN}).status_code == 429


def test_no_secret_of_the_server_is_ever_in_an_answer(stage: Stage, guarded: Browser) -> None:
    known = {"Authorization": f"Bearer {TOKEN}"}
    secret = "hf_abcdefghijklmnopqrstuv"
    row = stage.submit(stage.ground.trip(through(0, 1)))
    for path in ("/runs", f"/runs/{row.run_id}", f"/runs/{row.run_id}/record", "/queue", "/catalogue", "/openapi.json"):
        text = guarded.get(path, headers=known).text
        assert TOKEN not in text
        assert str(stage.ground.home.root) not in text
    echoed = guarded.get("/runs", params={"where": f"prompt = '{secret}' and"}, headers=known)
    assert (echoed.status_code, secret in echoed.text) == (422, False)
    spec = through("0" * 64, "1" * 64, prompt=f"token={secret}")
    for path in ("/plan", "/runs"):
        answer = guarded.post(path, json={"spec": spec}, headers=known)
        assert (answer.status_code, secret in answer.text) == (422, False)


@pytest.mark.parametrize(
    "image",
    [
        "http://127.0.0.1:8311/api/v1/queue/pause",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "/etc/passwd",
        "../wayframe.db",
        "0.png",
    ],
)
def test_a_keyframe_is_an_upload_and_nothing_else(browser: Browser, image: str) -> None:
    spec = {"engine": "null", "keyframes": [{"image": image}, {"image": image}], "resolution": "64x48"}
    for path in ("/plan", "/runs"):
        answer = browser.post(path, json={"spec": spec})
        assert (answer.status_code, answer.json()["field"]) == (422, "keyframes[0].image")


LORAS = {
    "a file": {"loras": [{"file": "/etc/passwd"}]},
    "a file above": {"loras": [{"file": "../secret.safetensors"}]},
    "this machine": {"loras": [{"file": "http://127.0.0.1:8311/x.safetensors"}]},
    "this machine over TLS": {"loras": [{"file": "https://localhost/x.safetensors"}]},
    "a host that looks allowed": {"loras": [{"file": "https://huggingface.co.evil.example/x.safetensors"}]},
    "an allowed user of another host": {"loras": [{"file": "https://huggingface.co@evil.example/x.safetensors"}]},
    "another port": {"loras": [{"file": "https://huggingface.co:8443/x.safetensors"}]},
    "a file URL": {"loras": [{"file": "file:///etc/passwd"}]},
    "in a phase": {"phases": [{"steps": 2, "loras": [{"file": "https://10.0.0.1/x.safetensors"}]}]},
    "in a phase_config": {
        "phase_config": {"steps_per_phase": [2], "phases": [{"loras": [{"url": "https://10.0.0.1/x.safetensors"}]}]}
    },
    "of a keyframe": {"loras": [{"file": "https://[::1]/x.safetensors"}]},
    "a model that enlarges": {"after": {"upscale": {"file": "/etc/passwd"}}},
    "a model that interpolates": {"after": {"fps": 32, "rife": "/etc/passwd"}},
    "a folder as a model of depth": {"guides": [{"video": "a.mp4", "kind": "depth", "model": "/etc"}]},
    "a writer of prompts": {"prompts": {"write": "all", "writer": "openai", "base_url": "http://127.0.0.1:8311/v1"}},
    "a folder as a writer's model": {"prompts": {"write": "all", "model": "../../etc"}},
}


@pytest.mark.parametrize("what", LORAS)
def test_nothing_in_a_spec_makes_the_server_read_or_fetch_what_it_must_not(
    stage: Stage, browser: Browser, what: str
) -> None:
    ids = [browser.send(stage.ground.folder / f"{number}.png") for number in (0, 1)]
    spec: dict[str, Any] = {"engine": "null", "keyframes": [{"image": name} for name in ids], "resolution": "64x48"}
    target = spec["keyframes"][0] if what == "of a keyframe" else spec
    target |= LORAS[what]
    for path in ("/plan", "/runs"):
        answer = browser.post(path, json={"spec": spec})
        assert answer.status_code == 422, answer.text
        assert answer.json()["field"].startswith(
            ("loras", "phase", "prompts", "after", "guides[0].", "keyframes[0].loras")
        )


@pytest.mark.parametrize("option", ["root", "python", "weights", "device", "config"])
def test_options_that_name_files_or_programs_cannot_be_set(stage: Stage, browser: Browser, option: str) -> None:
    ids = [browser.send(stage.ground.folder / f"{number}.png") for number in (0, 1)]
    spec = {"engine": "null", "keyframes": [{"image": name} for name in ids], "resolution": "64x48"}
    answer = browser.post("/plan", json={"spec": spec, "options": {option: "/tmp/evil"}})
    assert (answer.status_code, answer.json()["field"]) == (422, f"options.{option}")


def nested(depth: int) -> str:
    pictures = '"keyframes": [{"image": "a"}, {"image": "b"}]'
    return f'{{"spec": {{{pictures}, "carried": ' + '{"a": ' * depth + "1" + "}" * depth + "}}"


COSTLY = {
    nested(30): "is nested more than 24 levels deep",
    nested(100_000): "",
    '{"spec": {"carried": {"a": NaN}, "keyframes": []}}': "not finite",
    '{"spec": {"seed": 1e400, "keyframes": []}}': "not finite",
    '{"spec": {"seed": ' + "9" * 100 + "}}": "a number that is too large",
    '{"spec": {"seed": ' + "9" * 5000 + "}}": "",
    '{"spec": {"prompt": "\\ud800", "keyframes": [{"image": "a"}]}}': "no text",
    '{"spec": {"steps": 1000000000, "keyframes": [{"image": "a"}, {"image": "b"}]}}': "steps: at most 1000",
    '{"spec": {"phases": [{"steps": 999}, {"steps": 999}], "keyframes": [{"image": "a"}]}}': "steps: at most 1000",
    '{"spec": {"steps": 900, "keyframes": [' + ",".join(['{"image": "a"}'] * 200) + "]}}": "100000 of all segments",
    '{"spec": {"keyframes": [' + ",".join(['{"image": "a"}'] * 1001) + "]}}": "keyframes: at most 1000",
    '{"spec"': "",
    "[]": "",
    '"x"': "",
}


@pytest.mark.parametrize("body", COSTLY, ids=range(len(COSTLY)))
def test_json_that_would_cost_too_much_is_refused_at_once(browser: Browser, body: str) -> None:
    answer = browser.post("/plan", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert COSTLY[body] in answer.json()["detail"]


def test_a_form_of_another_site_is_no_json(browser: Browser) -> None:
    body = json.dumps({"spec": through(0, 1)})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert browser.post("/plan", content=body, headers={"Content-Type": kind}).status_code == 422


def test_a_length_that_is_none_or_too_large_is_refused_before_the_body(browser: Browser) -> None:
    for said in ("-1", "1e3", "9" * 30, str(2**40)):
        answer = browser.post("/plan", content=b"{}", headers={"Content-Length": said})
        assert answer.status_code == 413
        assert answer.headers["connection"] == "close"


def test_there_is_no_other_door(browser: Browser) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/metrics", "/.git/config", "/static/"):
        assert browser.client.get(path).status_code == 404
    for method in ("TRACE", "CONNECT", "PUT", "PATCH"):
        assert browser.client.request(method, f"{API}/runs").status_code in (403, 404, 405)
