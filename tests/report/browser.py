"""Headless Chromium, spoken to through a pipe: opens pages, runs scripts in them, keeps what they complain of."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-dev-shm-usage", "--no-first-run", "--autoplay-policy=no-user-gesture-required"),
)
HELP = """
const answers = {};
const until = async (holds) => { while (!holds()) { await new Promise((done) => setTimeout(done, 10)); } };
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
"""


@dataclass(kw_only=True)
class Browser:
    """A browser; messages are JSON that ends with a NUL (Chrome DevTools Protocol)."""

    to: int
    back: int
    waiting: bytes = b""
    number: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, *, session: str | None = None, **parameters: object) -> dict[str, Any]:
        """Send a command and give its result; what happened meanwhile is kept in `events`."""
        self.number += 1
        message: dict[str, object] = {"id": self.number, "method": method, "params": parameters}
        os.write(self.to, json.dumps({**message, **({"sessionId": session} if session else {})}).encode() + b"\0")
        while True:
            found = self.receive()
            if found.get("id") == self.number:
                assert "error" not in found, found
                result: dict[str, Any] = found["result"]
                return result

    def receive(self) -> dict[str, Any]:
        """The next message; an event is kept."""
        while b"\0" not in self.waiting:
            data = os.read(self.back, 1 << 16)
            assert data, "the browser is gone"
            self.waiting += data
        text, _, self.waiting = self.waiting.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message

    def ask(self, page: Path, script: str, *, width: int = 1200, dark: bool = False) -> Answers:
        """Open a page, run a script that fills `answers`, and give them back."""
        self.events.clear()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable", session=session)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", session=session, **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", session=session, features=[scheme])
        self.call("Page.navigate", session=session, url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.receive()
        body = f"(async () => {{ {HELP} {script}; return JSON.stringify(answers); }})()"
        found = self.call("Runtime.evaluate", session=session, expression=body, awaitPromise=True)
        self.call("Target.closeTarget", targetId=target)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return Answers(answers=json.loads(found["result"]["value"]), complaints=list(self.complaints()))

    def complaints(self) -> Iterator[str]:
        """Errors of scripts, of the console, and of what was not allowed or not found."""
        for event in self.events:
            if event["method"] == "Runtime.exceptionThrown":
                yield str(event["params"]["exceptionDetails"])
            if event["method"] == "Runtime.consoleAPICalled" and event["params"]["type"] in {"error", "warning"}:
                yield str(event["params"]["args"])
            if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] in {"error", "warning"}:
                yield str(event["params"]["entry"]["text"])


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a script answered, and all complaints of the page."""

    answers: dict[str, Any]
    complaints: list[str]


@contextmanager
def opened(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, which ends with the block."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"]
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "-", *command],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    browser = Browser(to=ours_out, back=ours_in)
    try:
        yield browser
        browser.call("Browser.close")
    finally:
        os.close(ours_out)
        os.close(ours_in)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
