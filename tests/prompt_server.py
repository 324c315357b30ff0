"""An endpoint that speaks OpenAI's chat completions, in a process of its own: it looks at the pictures that it gets.

Started as ``python prompt_server.py FILE``, it writes its address into the file. `/_script` takes the list of what the
next answers are to be, `/_seen` tells what was asked, `/_release` lets answers go that are held back.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Data = dict[str, Any]
PATIENCE = 600.0
CERTAIN = 0.8
COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 220), "yellow": (230, 210, 50)}


class Desk:
    """What the server was asked and what it is to answer; used by several threads."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.script: deque[Data] = deque()
        self.reset()

    def reset(self) -> None:
        self.seen: list[Data] = []
        self.busy, self.busiest, self.released = 0, 0, False

    def next(self) -> Data:
        return self.script.popleft() if self.script else {"kind": "good"}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Talk)
        self.desk = Desk()


class Talk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # the client went away
            self.close_connection = True

    def do_GET(self) -> None:
        desk = self.server.desk
        with desk.lock:
            self.answer(200, {"seen": desk.seen, "busiest": desk.busiest, "busy": desk.busy})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        desk = self.server.desk
        if self.path == "/_script":
            with desk.lock:
                desk.script = deque(json.loads(body))
                desk.reset()
            self.answer(200, {})
        elif self.path == "/_release":
            with desk.lock:
                desk.released = True
                desk.lock.notify_all()
            self.answer(200, {})
        elif self.path == "/v1/chat/completions":
            self.complete(json.loads(body))
        else:
            self.answer(404, {"error": {"message": f"no {self.path} here"}})

    def complete(self, asked: Data) -> None:
        desk, entry = self.server.desk, looked_at(asked)
        entry |= {"headers": {name.lower(): value for name, value in self.headers.items()}}
        with desk.lock:
            step = desk.next()
            desk.seen.append(entry)
            desk.busy += 1
            desk.busiest = max(desk.busiest, desk.busy)
            desk.lock.notify_all()
            if step["kind"] == "held":
                desk.lock.wait_for(lambda: desk.released, timeout=PATIENCE)
            if step["kind"] == "meet":
                desk.lock.wait_for(lambda: desk.busiest >= step["count"], timeout=PATIENCE)
        try:
            self.play(step, entry)
        finally:
            with desk.lock:
                desk.busy -= 1

    def play(self, step: Data, entry: Data) -> None:
        kind = step["kind"]
        if kind == "status":
            error = {"error": {"message": step.get("message", "it went wrong"), "code": step.get("code")}}
            self.answer(step["status"], error, headers=step.get("headers", {}))
        elif kind == "garbage":
            self.send(200, b"<html>this is no JSON</html>")
        elif kind == "foreign":
            self.answer(200, {"answer": "in a form that nobody knows"})
        else:
            start, end = entry["colours"][0], entry["colours"][-1]
            text = step.get("text", f"The view glides from {start} to {end} while the camera moves slowly forward.")
            self.answer(
                200, completion(text, finish=step.get("finish", "stop"), refusal=step.get("refusal")), step=step
            )

    def answer(self, status: int, data: Data, *, headers: Data | None = None, step: Data | None = None) -> None:
        cut = bool(step) and step["kind"] == "cut"
        self.send(status, json.dumps(data).encode(), headers=headers, cut=cut)

    def send(self, status: int, body: bytes, *, headers: Data | None = None, cut: bool = False) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def completion(text: str, *, finish: str, refusal: str | None) -> Data:
    message = {"role": "assistant", "content": text, "refusal": refusal}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "tiny",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def looked_at(asked: Data) -> Data:
    """What a request says and shows."""
    system = [message["content"] for message in asked["messages"] if message["role"] == "system"]
    parts = next(message["content"] for message in asked["messages"] if message["role"] == "user")
    pictures = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    assert len(pictures) == 1
    assert pictures[0].startswith("data:image/jpeg;base64,")
    data = base64.b64decode(pictures[0].partition(",")[2], validate=True)
    picture = Image.open(io.BytesIO(data))
    assert picture.format == "JPEG"
    pixels = np.asarray(picture.convert("RGB"))
    labels = {label: place for label in ("START", "END") if (place := found(label, pixels)) is not None}
    return {
        "model": asked["model"],
        "temperature": asked.get("temperature"),
        "most_tokens": asked.get("max_tokens"),
        "system": system[0] if system else None,
        "question": next(part["text"] for part in parts if part["type"] == "text"),
        "size": list(picture.size),
        "labels": labels,
        "colours": [colour_at(pixels, place) for place in labels.values()] or [colour_at(pixels, None)],
    }


def found(label: str, pixels: NDArray[np.uint8]) -> list[int] | None:
    """Where a word stands in a picture, in white on dark: the place below its middle; None when it is not there."""
    letters = ImageFont.load_default(24)
    left, top, right, bottom = (round(side) for side in letters.getbbox(label))
    stamp = Image.new("L", (right - left + 4, bottom - top + 4), 24)
    ImageDraw.Draw(stamp).text((2 - left, 2 - top), label, 255, font=letters)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if any(side < needed for side, needed in zip(grey.shape, (stamp.height, stamp.width), strict=True)):
        return None
    _, best, _, place = cv2.minMaxLoc(cv2.matchTemplate(grey, np.asarray(stamp), cv2.TM_CCOEFF_NORMED))
    return [place[0] + stamp.width // 2, place[1] + stamp.height] if best > CERTAIN else None


def colour_at(pixels: NDArray[np.uint8], place: list[int] | None) -> str:
    """The colour that prevails below a label, or in the middle: the nearest of those that have a name."""
    height, width = pixels.shape[:2]
    x, y = (place[0], place[1] + 60) if place else (width // 2, height // 2)
    patch = pixels[max(y - 10, 0) : y + 10, max(x - 10, 0) : x + 10].reshape(-1, 3).mean(axis=0)
    return min(COLOURS, key=lambda name: float(np.abs(patch - np.array(COLOURS[name])).sum()))


def main() -> None:
    server = Server()
    told = Path(sys.argv[1])
    half = told.with_suffix(".half")
    half.write_text(f"http://127.0.0.1:{server.server_address[1]}")
    half.replace(told)
    threading.Thread(target=leave_with, args=(os.getppid(),), daemon=True).start()
    server.serve_forever()


def leave_with(parent: int) -> None:
    """End when the process that started this one is gone, however it ended."""
    while os.getppid() == parent:
        threading.Event().wait(1.0)
    os._exit(0)


if __name__ == "__main__":
    main()
