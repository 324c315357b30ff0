from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from wayframe.media.index import decode
from wayframe.web.settings import Limits, Settings
from web.browser import Browser
from workflow.queue.stage import Stage
from workflow.rides import HEIGHT, WIDTH, through


@pytest.fixture
def run(stage: Stage) -> str:
    return stage.ground.run(through(0, 1, 2, engine="preview")).folder.run_id


def size(jpeg: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(jpeg), formats=["JPEG"]).size


def test_files_come_whole_and_in_ranges(stage: Stage, browser: Browser, run: str) -> None:
    video = (stage.ground.home.runs / run / "travel.mp4").read_bytes()
    whole = browser.get(f"/runs/{run}/files/travel.mp4")
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, video, "video/mp4")
    part = browser.get(f"/runs/{run}/files/travel.mp4", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, video[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(video)}"
    end = browser.get(f"/runs/{run}/files/travel.mp4", headers={"Range": "bytes=-10"})
    assert end.content == video[-10:]
    beyond = browser.get(f"/runs/{run}/files/travel.mp4", headers={"Range": f"bytes={len(video)}-"})
    assert beyond.status_code == 416
    kept = browser.get(f"/runs/{run}/files/travel.mp4", headers={"If-None-Match": whole.headers["etag"]})
    assert kept.status_code == 304


def test_every_file_of_a_run_has_its_type_and_no_other_file_is_given(browser: Browser, run: str) -> None:
    types = {
        "contact-sheet.jpg": "image/jpeg",
        "run.json": "application/json",
        "events.jsonl": "application/x-ndjson",
        "debug.log": "text/plain; charset=utf-8",
    }
    for name, kind in types.items():
        answer = browser.get(f"/runs/{run}/files/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    for name in (".lock", "plan-digest", "travel.mp4.bak"):
        assert browser.get(f"/runs/{run}/files/{name}").status_code == 422
    saved = browser.get(f"/runs/{run}/files/travel.mp4", params={"download": True})
    assert saved.headers["content-disposition"] == f'attachment; filename="{run}-travel.mp4"'


def test_a_frame_is_the_frame_of_the_video(stage: Stage, browser: Browser, run: str) -> None:
    answer = browser.get(f"/runs/{run}/frames/6.jpg", params={"width": WIDTH})
    shown = Image.open(io.BytesIO(answer.content))
    frames = list(decode(stage.ground.home.runs / run / "travel.mp4"))
    assert shown.size == (WIDTH, HEIGHT)
    apart = [float(np.abs(frame.astype(int) - np.asarray(shown)).mean()) for frame in frames]
    assert min(range(len(frames)), key=apart.__getitem__) == 6
    small = browser.get(f"/runs/{run}/frames/6.jpg", params={"width": 32})
    assert size(small.content) == (32, 24)


def test_there_are_as_many_frames_as_the_plan_says(browser: Browser, run: str) -> None:
    assert browser.get(f"/runs/{run}/frames/8.jpg").status_code == 200
    beyond = browser.get(f"/runs/{run}/frames/9.jpg")
    assert (beyond.status_code, beyond.json()["detail"]) == (404, f"run {run} has frames 0 to 8")
    assert browser.get(f"/runs/{run}/frames/-1.jpg").status_code == 422
    assert browser.get(f"/runs/{run}/frames/1.jpg", params={"width": 10**6}).status_code == 422


@pytest.mark.usefixtures("run")
def test_segments_are_seen_before_the_video_is_there(stage: Stage, browser: Browser) -> None:
    waiting = stage.submit(stage.ground.trip(through(0, 1, 2, engine="preview", chaining="independent"))).run_id
    assert browser.get(f"/runs/{waiting}/files/travel.mp4").status_code == 404
    video = browser.get(f"/runs/{waiting}/segments/1/video.mp4", headers={"Range": "bytes=4-7"})
    assert (video.status_code, video.content) == (206, b"ftyp")
    assert size(browser.get(f"/runs/{waiting}/segments/1/frames/4.jpg").content) == (WIDTH, HEIGHT)
    assert browser.get(f"/runs/{waiting}/segments/1/frames/5.jpg").status_code == 404
    assert size(browser.get(f"/runs/{waiting}/frames/8.jpg").content) == (WIDTH, HEIGHT)
    other = stage.submit(stage.ground.trip(through(2, 3))).run_id
    missing = browser.get(f"/runs/{other}/segments/0/video.mp4")
    assert (missing.status_code, missing.json()["detail"]) == (404, "segment 0 is not rendered yet")
    assert browser.get(f"/runs/{other}/frames/0.jpg").json()["detail"] == "frame 0 is not rendered yet"
    assert browser.get(f"/runs/{other}/segments/7/video.mp4").status_code == 404


def test_keyframes_are_the_pictures_that_were_sent_or_frames_of_the_video(
    stage: Stage, browser: Browser, run: str
) -> None:
    of_video = browser.get(f"/runs/{run}/keyframes/1.jpg").content
    browser.send(stage.ground.folder / "1.png")
    sent = browser.get(f"/runs/{run}/keyframes/1.jpg").content
    assert size(of_video) == size(sent) == (WIDTH, HEIGHT)
    assert of_video != sent
    assert browser.get(f"/runs/{run}/keyframes/3.jpg").status_code == 404


def test_keyframes_of_a_submitted_run_are_seen_before_anything_is_rendered(stage: Stage, browser: Browser) -> None:
    """Its pictures lie in the store, whoever submitted it."""
    waiting = stage.submit(stage.ground.trip(through(2, 3))).run_id
    shown = browser.get(f"/runs/{waiting}/keyframes/1.jpg")
    pixels = np.asarray(Image.open(io.BytesIO(shown.content)).convert("RGB"), dtype=int)
    given = np.asarray(Image.open(stage.ground.folder / "3.png").convert("RGB"), dtype=int)
    assert pixels.shape == given.shape
    assert np.abs(pixels - given).mean() < 8
    assert f"/runs/{waiting}/keyframes/0.jpg" in browser.client.get("/").text
    assert f"/runs/{waiting}/keyframes/1.jpg" in browser.client.get(f"/runs/{waiting}").text


def test_curves_that_take_long_are_asked_for_again_until_they_are_there(stage: Stage, run: str) -> None:
    with Browser.of(stage.place, Settings(limits=Limits(preparing=0))) as browser:
        answers = (browser.get(f"/runs/{run}/curves") for _ in range(100_000))
        first = next(answers)
        assert (first.status_code, first.json()["type"]) == (503, "urn:wayframe:problem:preparing")
        assert first.json()["detail"] == "the video is being measured; ask again"
        curves = next(answer for answer in answers if answer.status_code != 503).json()
    assert len(curves["motion"]) == 9


def test_a_video_gets_the_time_that_its_frames_need(stage: Stage, run: str) -> None:
    """Each frame counts; a second for all of them is none for a trip of an hour."""
    with Browser.of(stage.place, Settings(limits=Limits(decoding=0.001))) as browser:
        assert browser.get(f"/runs/{run}/frames/0.jpg").status_code == 422
        assert browser.get(f"/runs/{run}/curves").status_code == 200


def test_a_final_file_is_given_beside_the_video(stage: Stage, browser: Browser) -> None:
    made = stage.ground.run(through(0, 1, engine="preview", after={"upscale": {"factor": 2}})).folder
    answer = browser.get(f"/runs/{made.run_id}/files/final.mp4")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert answer.content == made.final(".mp4").read_bytes()
    assert browser.get(f"/runs/{made.run_id}/files/final.mov").status_code == 404
    assert "final.mp4" in browser.client.get(f"/runs/{made.run_id}").text


def test_a_video_that_cannot_be_decoded_is_a_problem_and_hurts_nobody(stage: Stage, browser: Browser, run: str) -> None:
    video = stage.ground.home.runs / run / "travel.mp4"
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])
    assert browser.get(f"/runs/{run}/frames/1.jpg").status_code == 422
    video.write_bytes(whole)
    assert browser.get(f"/runs/{run}/frames/1.jpg").status_code == 200


def test_a_link_in_the_place_of_a_file_is_not_followed(stage: Stage, browser: Browser, run: str) -> None:
    log = stage.ground.home.runs / run / "debug.log"
    log.unlink()
    log.symlink_to("/etc/passwd")
    assert browser.get(f"/runs/{run}/files/debug.log").status_code == 404
    assert browser.get(f"/runs/{run}/log").json()["lines"] == []
