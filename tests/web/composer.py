"""The page that composes, in Debian's Chromium: files dropped for real, pointers moved, the console listened to."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from web.browser_pages import MILLISECONDS, limited

WIDE, PHONE = (1360, 900), (375, 780)
_DROP = """([files, selector, down]) => {
  const transfer = new DataTransfer();
  for (const { name, type, data } of files) {
    const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  const target = document.querySelector(selector);
  const box = target.getBoundingClientRect();
  const place = { clientX: box.left + box.width / 2, clientY: box.top + box.height * down };
  for (const name of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer: transfer, ...place }));
  }
}"""
_PASTE = """(files) => {
  const transfer = new DataTransfer();
  for (const { name, type, data } of files) {
    transfer.items.add(new File([Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0))], name, { type }));
  }
  document.body.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, clipboardData: transfer }));
}"""


@dataclass(frozen=True, kw_only=True)
class Composer:
    """The page, and what its console said."""

    page: Page
    said: list[str] = field(default_factory=list)

    @staticmethod
    @contextmanager
    def of(browser: Browser, address: str, *, size: tuple[int, int] = WIDE, dark: bool = False) -> Iterator[Composer]:
        width, height = size
        context = browser.new_context(
            base_url=address,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            has_touch=size == PHONE,
            accept_downloads=True,
        )
        context.set_default_timeout(MILLISECONDS)
        expect.set_options(timeout=MILLISECONDS)
        composer = Composer(page=context.new_page())
        composer.page.on("console", lambda message: composer.said.append(f"{message.type}: {message.text}"))
        composer.page.on("pageerror", lambda error: composer.said.append(f"error: {error}"))
        with limited(browser):
            composer.page.goto("/compose")
            yield composer
            context.close()

    def drop(self, paths: Sequence[Path], *, onto: str = "main", down: float = 0.5) -> None:
        """Drop files from the desktop: a DataTransfer with real files, on an element, so far down in it."""
        self.page.evaluate(_DROP, [[_file(path) for path in paths], onto, down])

    def paste(self, paths: Sequence[Path]) -> None:
        self.page.evaluate(_PASTE, [_file(path) for path in paths])

    def compose(self, pictures: Sequence[Path]) -> None:
        """Drop pictures, and wait for their plan."""
        self.drop(pictures)
        self.planned()

    def planned(self) -> None:
        """Wait until the plan of what is shown is there."""
        expect(self.page.locator("#plan")).to_have_attribute("aria-busy", "false")
        expect(self.page.locator("#run")).to_be_enabled()

    def names(self) -> list[str]:
        """The pictures in their order."""
        return self.page.locator("#stops .name").all_inner_texts()

    def brief(self) -> str:
        return self.page.locator("#brief").inner_text()

    def places(self) -> list[int]:
        """Where the pictures stand on the timeline, in frames."""
        return [int(handle.get_attribute("aria-valuenow") or -1) for handle in self.page.locator(".handle").all()]

    def drag(self, what: Locator, *, right: float = 0, to: Locator | None = None) -> None:
        """Press the pointer on something, move, and let go."""
        box = what.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        target = to.bounding_box() if to else None
        end = (x + right, y) if target is None else (target["x"] + target["width"] / 2, target["y"] + 5)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=8)
        self.page.mouse.up()

    def saved(self) -> Any:
        """The YAML that the page saves, as data."""
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Save YAML").click()
        return yaml.safe_load(Path(download.value.path()).read_text(encoding="utf-8"))

    def open(self, path: Path) -> None:
        """Open a spec or a video with the button."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Open…").click()
        chooser.value.set_files(path)
        expect(self.page.locator("#toast")).to_contain_text(f"{path.name} is open")

    def serious(self) -> list[str]:
        """What axe-core finds of impact serious or critical."""
        found = Axe().run(self.page, options={"resultTypes": ["violations"]}).response["violations"]
        grave = [item for item in found if item["impact"] in ("serious", "critical")]
        return [f"{item['id']}: {item['nodes'][0]['html']}" for item in grave]


def _file(path: Path) -> dict[str, str]:
    kind = mimetypes.guess_type(path.name)[0] or ""
    return {"name": path.name, "type": kind, "data": base64.b64encode(path.read_bytes()).decode()}
