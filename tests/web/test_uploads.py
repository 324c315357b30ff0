from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image

from wayframe.web.settings import Limits, Settings
from web.browser import Browser
from workflow.queue.stage import Stage


def uploads(stage: Stage) -> Path:
    return stage.ground.home.root / "uploads"


def png(width: int, height: int, *, rows: bytes | None = None) -> bytes:
    """A PNG of one grey, whatever its head says of its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress((b"\0" + b"\x80" * width) * height if rows is None else rows, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_picture_is_named_by_its_bytes_and_taken_once(stage: Stage, browser: Browser) -> None:
    data = (stage.ground.folder / "0.png").read_bytes()
    first = browser.post("/uploads", params={"name": "dawn.png"}, content=data)
    digest = hashlib.sha256(data).hexdigest()
    assert first.status_code == 201
    assert first.headers["location"] == f"/api/v1/uploads/{digest}"
    assert first.json() == {
        "id": digest,
        "name": "dawn.png",
        "width": 64,
        "height": 48,
        "format": "PNG",
        "bytes": len(data),
        "thumbnail": f"/api/v1/uploads/{digest}/thumbnail.jpg",
        "findings": [],
    }
    assert browser.post("/uploads", params={"name": "again.png"}, content=data).status_code == 200
    assert browser.get(f"/uploads/{digest}").json()["name"] == "dawn.png"
    assert sorted(path.suffix for path in uploads(stage).iterdir()) == [".jpg", ".json", ".png"]
    thumbnail = browser.get(f"/uploads/{digest}/thumbnail.jpg")
    assert Image.open(io.BytesIO(thumbnail.content), formats=["JPEG"]).size == (64, 48)


def test_a_turned_picture_is_told_upright(browser: Browser) -> None:
    data, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(data, format="JPEG", exif=exif)
    told = browser.post("/uploads", params={"name": "turned.jpg"}, content=data.getvalue()).json()
    assert (told["width"], told["height"]) == (20, 40)
    assert [(item["code"], "incoming" in item["message"]) for item in told["findings"]] == [("image-turned", False)]


HOSTILE = {
    "a decompression bomb": png(60_000, 60_000, rows=b"\0" * 10_000),
    "a picture with more pixels than its data": png(5000, 5000, rows=b"\0" * 100),
    "a truncated picture": png(300, 300)[:-30],
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>',
    "a page": b"<!doctype html><script>alert(1)</script>",
    "nothing": b"",
    "a zip": b"PK\x03\x04" + b"\0" * 100,
    "a playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) (r) file\n",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_whole_picture_is_refused_and_leaves_nothing(stage: Stage, browser: Browser, what: str) -> None:
    answer = browser.post("/uploads", params={"name": "x.png"}, content=HOSTILE[what])
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert str(stage.ground.home.root) not in answer.text
    assert list(uploads(stage).iterdir()) == []


def test_a_picture_that_is_also_a_page_is_given_out_as_pixels_only(browser: Browser) -> None:
    script = b"<script>alert(1)</script>"
    told = browser.post("/uploads", content=png(16, 16) + script).json()
    thumbnail = browser.get(f"/uploads/{told['id']}/thumbnail.jpg")
    assert script not in thumbnail.content
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert thumbnail.headers["x-content-type-options"] == "nosniff"
    assert browser.get(f"/uploads/{told['id']}.png").status_code in (404, 422)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\dawn.png", "dawn.png"),
        ("<script>alert(1)</script>.png", "script_.png"),
        ('a"b\x00c\n.png', "a_b_c_.png"),
        ("", "picture"),
        ("/", "picture"),
    ],
)
def test_names_are_shown_without_folders_and_signs_that_mean_something(
    stage: Stage, browser: Browser, given: str, shown: str
) -> None:
    told = browser.post("/uploads", params={"name": given}, content=png(16, 16)).json()
    assert told["name"] == shown
    assert all(path.name.startswith(told["id"]) for path in uploads(stage).iterdir())


def test_a_picture_above_the_limit_is_refused_before_and_while_it_comes(stage: Stage) -> None:
    limits = Limits(upload=20_000)
    with Browser.of(stage.place, Settings(limits=limits)) as browser:
        told = browser.post("/uploads", content=b"x" * 20_001)
        assert told.status_code == 413

        untold = browser.post("/uploads", content=iter([b"x" * 4096] * 6))
        assert (untold.status_code, untold.json()["status"]) == (413, 413)
        assert list(uploads(stage).glob("*")) == []


@pytest.mark.parametrize(
    "limits", [Limits(uploads_count=1), Limits(uploads_bytes=10), Limits(free=2**62)], ids=["count", "bytes", "disk"]
)
def test_a_full_server_takes_no_more(stage: Stage, limits: Limits) -> None:
    with Browser.of(stage.place, Settings(limits=limits)) as browser:
        answers = [browser.post("/uploads", content=png(16 + number, 16)).status_code for number in range(2)]
        assert answers[-1] == 507


def test_a_picture_that_takes_too_long_is_given_up(stage: Stage) -> None:
    with Browser.of(stage.place, Settings(limits=Limits(decoding=0.01))) as browser:
        answer = browser.post("/uploads", content=png(2000, 2000))
        assert (answer.status_code, "within the limits" in answer.json()["detail"]) == (422, True)


def test_a_child_gets_no_more_memory_than_is_allowed(stage: Stage) -> None:
    with Browser.of(stage.place, Settings(limits=Limits(memory=2**30, pixels=10**9))) as browser:
        assert browser.post("/uploads", content=png(16, 16)).status_code == 201
        answer = browser.post("/uploads", content=png(13_000, 13_000))
        assert answer.status_code == 422


def test_an_id_that_leads_elsewhere_is_no_upload(stage: Stage, browser: Browser) -> None:
    upload = browser.send(stage.ground.folder / "0.png")
    for path in uploads(stage).glob(f"{upload}*"):
        shutil.copy(path, stage.ground.home.root / f"planted{path.name[64:]}")
    spec = {"engine": "null", "keyframes": [{"image": "../planted"}, {"image": upload}], "resolution": "64x48"}
    answer = browser.post("/plan", json={"spec": spec})
    assert (answer.status_code, answer.json()["field"]) == (422, "keyframes[0].image")


def test_what_broken_off_requests_left_and_what_is_old_is_removed(stage: Stage, browser: Browser) -> None:
    kept = browser.send(stage.ground.folder / "0.png")
    old = browser.send(stage.ground.folder / "1.png")
    left = uploads(stage) / "incoming-dead"
    left.write_bytes(b"half")
    long_ago = time.time() - 31 * 86400
    for path in [left, *uploads(stage).glob(f"{old}*")]:
        os.utime(path, (long_ago, long_ago))
    assert browser.site.uploads.sweep() == 4
    assert browser.get(f"/uploads/{kept}").status_code == 200
    assert browser.get(f"/uploads/{old}").status_code == 404


def test_an_upload_that_is_not_there_is_said(browser: Browser) -> None:
    assert browser.get(f"/uploads/{'0' * 64}").status_code == 404
    assert browser.get("/uploads/..%2f..%2fwayframe.db").status_code in (404, 422)
