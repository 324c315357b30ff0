"""Pages in Debian's Chromium, driven by Playwright; what the console complains of is kept."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

from web.browser import PATIENCE

CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
MILLISECONDS, LONGEST = PATIENCE * 1000, 5 * PATIENCE
"""How long one wait may take, and a window in seconds: scripts that never rest would be waited for without end."""
WIDE, PHONE, NARROW = (1440, 900), (390, 844), (360, 740)


@dataclass(kw_only=True)
class Window:
    """A page of the site at `address`, and what its console complained of."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a path, and wait until it has loaded."""
        self.page.goto(self.address + path)
        return self.page

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return wider

    def violations(self) -> list[str]:
        """What axe-core finds serious or critical, with everything that folds opened."""
        self.page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        self.page.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run()")["violations"]
        grave = (item for item in found if item["impact"] in ("serious", "critical"))
        return [f"{item['id']}: {node['html']}" for item in grave for node in item["nodes"]]


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A browser without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def window(browser: Chromium, address: str, *, size: tuple[int, int] = WIDE, dark: bool = False) -> Iterator[Window]:
    """A window of its own, which forgets everything when it is closed."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", locale="en-GB"
    )
    context.set_default_timeout(MILLISECONDS)
    expect.set_options(timeout=MILLISECONDS)
    with limited(browser):
        made = Window(page=context.new_page(), address=address.rstrip("/"))
        made.page.on("console", lambda message: made.complaints.extend(_complaint(message)))
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        yield made
        context.close()


@contextmanager
def limited(browser: Chromium) -> Iterator[None]:
    """End the browser when the block takes too long: not every call of Playwright has a time limit."""
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    process = next(int(item["id"]) for item in found if item["type"] == "browser")
    timer = threading.Timer(LONGEST, os.kill, (process, signal.SIGKILL))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _complaint(message: ConsoleMessage) -> list[str]:
    return [f"{message.type}: {message.text}"] if message.type in ("error", "warning") else []
