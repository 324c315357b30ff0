from __future__ import annotations

from typing import Any

from web.browser import Browser
from workflow.queue.stage import Stage
from workflow.rides import LIGHTNING, through


def checked(stage: Stage, browser: Browser, spec: dict[str, Any]) -> dict[str, Any]:
    ids = [browser.send(stage.ground.folder / keyframe["image"]) for keyframe in spec["keyframes"]]
    answer = browser.post("/plan/check", json={"spec": spec, "keyframes": ids})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_draft_without_a_fault_is_planned_with_a_chart_of_its_steps(stage: Stage, browser: Browser) -> None:
    bare = {name: value for name, value in LIGHTNING.items() if name != "loras"}
    found = checked(stage, browser, through(0, 1, **bare))
    assert found["refused"] is None
    assert found["planned"]["frames"] == 5
    (drawn,) = found["planned"]["charts"]
    experts = [cell["text"] for cell in drawn["cells"] if cell["kind"].startswith("expert")]
    assert experts == ["high", "high", "high", "high", "low", "low"]


def test_what_is_wrong_with_a_draft_is_the_answer_with_its_field(stage: Stage, browser: Browser) -> None:
    found = checked(stage, browser, through(0, 1, **LIGHTNING | {"loras": []}, segment_frames=6))
    assert found["planned"] is None
    assert found["refused"]["field"] == "segment_frames[0]"
    assert found["refused"]["status"] == 422
    assert "use 5 or 9" in found["refused"]["fix"]


def test_what_is_no_draft_at_all_is_an_error(browser: Browser) -> None:
    assert browser.post("/plan/check", json={"keyframes": []}).status_code == 422
