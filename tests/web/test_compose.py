from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from core.golden_features import FEATURES
from media.clips import write_foreign
from wayframe.core.spec import parse_spec, spec_json

pytest.importorskip("playwright")
pytest.importorskip("axe_playwright_python")
if not (find_spec("fastapi") and find_spec("dbos")):
    pytest.skip("the extra `page` is not installed", allow_module_level=True)

from playwright.sync_api import Browser, Route, expect

from web.browser import Served
from web.browser_pages import CHROMIUM, chromium
from web.composer import PHONE, WIDE, Composer
from workflow.queue.stage import Stage
from workflow.rides import draw

if CHROMIUM is None:
    pytest.skip("Debian's Chromium is not installed", allow_module_level=True)

HUB = "https://huggingface.co/somebody/loras/resolve/0123456789abcdef0123456789abcdef01234567"
LIGHTNING = "lightning_baseline_2_2_2"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A queue of this module, and a process that renders."""
    stage = Stage.at(tmp_path_factory.mktemp("stage"), base=tmp_path_factory.getbasetemp(), shared=False)
    with stage.at_work():
        yield stage
    stage.client.close()


@pytest.fixture(scope="module")
def served(theatre: Stage) -> Iterator[Served]:
    with Served.at(theatre.ground.home.root, environment=theatre.environment) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def composer(browser: Browser, served: Served) -> Iterator[Composer]:
    """The empty page; whatever a test does, its console stays empty."""
    with Composer.of(browser, served.address) as made:
        yield made
        assert made.said == []


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return draw(tmp_path / "desktop", 4, width=320, height=240)


def test_three_dropped_pictures_become_a_run_of_which_a_segment_is_redone_and_compared(
    composer: Composer, pictures: list[Path]
) -> None:
    page = composer.page
    composer.compose(pictures[:3])
    composer.drag(page.locator("#stops .picture").nth(2), to=page.locator("#stops .stop").nth(0))
    assert composer.names() == ["2.png", "0.png", "1.png"]
    page.get_by_label("Frames of a segment").fill("9")
    page.locator("#stops textarea").first.fill("the tide comes in")
    composer.planned()
    expect(page.locator("#brief")).to_contain_text("17 frames")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*")
    expect(page.locator("#head .state")).to_have_text("completed")
    expect(page.locator("video")).to_be_visible()
    page.locator("a.piece[data-segment='1']").click()
    expect(page.locator("#segment-name")).to_have_text("Segment 1")
    page.get_by_text("Render this segment another way").click()
    page.locator("#redo-prompt").fill("the tide goes out")
    first = page.url.partition("?")[0]
    page.get_by_role("button", name="Redo segment 1").click()
    page.wait_for_url(lambda address: "/runs/" in address and not address.startswith(first))
    expect(page.locator("#head .state")).to_have_text("completed")
    page.get_by_role("link", name="Side by side").click()
    page.wait_for_url("**/compare?*")
    expect(page.locator("main")).to_contain_text("the tide goes out")


def test_pictures_that_are_dropped_on_others_go_between_them_and_in_the_order_of_their_names(
    composer: Composer, pictures: list[Path]
) -> None:
    composer.compose([pictures[2], pictures[0]])
    assert composer.names() == ["0.png", "2.png"]
    composer.drop([pictures[1]], onto="#stops .stop:nth-child(2)", down=0.1)
    composer.planned()
    assert composer.names() == ["0.png", "1.png", "2.png"]


def test_keys_move_remove_and_bring_back_a_picture(composer: Composer, pictures: list[Path]) -> None:
    composer.compose(pictures[:3])
    composer.page.locator("#stops .grip").first.focus()
    composer.page.keyboard.press("ArrowDown")
    assert composer.names() == ["1.png", "0.png", "2.png"]
    expect(composer.page.locator("#stops .grip").nth(1)).to_be_focused()
    expect(composer.page.locator("#said")).to_have_text("0.png is now picture 2")
    composer.page.keyboard.press("End")
    assert composer.names() == ["1.png", "2.png", "0.png"]
    composer.page.keyboard.press("Delete")
    assert composer.names() == ["1.png", "2.png"]
    composer.page.keyboard.press("Control+z")
    composer.page.keyboard.press("Control+z")
    assert composer.names() == ["1.png", "0.png", "2.png"]


def test_escape_leaves_a_dragged_picture_where_it_was(composer: Composer, pictures: list[Path]) -> None:
    composer.compose(pictures[:2])
    box = composer.page.locator("#stops .picture").nth(1).bounding_box()
    assert box is not None
    composer.page.mouse.move(box["x"] + 9, box["y"] + 9)
    composer.page.mouse.down()
    composer.page.mouse.move(box["x"] + 9, box["y"] - 300, steps=4)
    composer.page.keyboard.press("Escape")
    composer.page.mouse.up()
    assert composer.names() == ["0.png", "1.png"]


def test_a_picture_dragged_on_the_timeline_stands_on_the_grid_of_the_model(
    composer: Composer, pictures: list[Path]
) -> None:
    page = composer.page
    composer.compose(pictures[:3])
    page.get_by_label("Model", exact=True).select_option("wan2.2-vace-a14b")
    composer.planned()
    page.get_by_label("On a timeline").check()
    composer.planned()
    assert composer.places() == [0, 60, 120]
    page.get_by_label("Later pictures go along").uncheck()
    composer.drag(page.locator(".handle").nth(1), right=70)
    first, moved, last = composer.places()
    assert (first, last) == (0, 120)
    assert moved > 60
    assert moved % 4 == 0
    composer.planned()
    expect(page.locator(".track .planned.off")).to_have_count(0)
    assert composer.saved()["keyframes"][1]["at"] == moved


def test_arrow_keys_move_a_picture_by_a_step_of_the_grid_and_those_behind_it_along(
    composer: Composer, pictures: list[Path]
) -> None:
    page = composer.page
    composer.compose(pictures[:3])
    page.get_by_label("Model", exact=True).select_option("wan2.2-vace-a14b")
    composer.planned()
    page.get_by_label("On a timeline").check()
    page.get_by_role("slider", name="Picture 2").focus()
    page.keyboard.press("ArrowRight")
    assert composer.places() == [0, 64, 124]
    page.keyboard.press("Shift+ArrowLeft")
    assert composer.places() == [0, 48, 108]
    expect(page.get_by_role("slider", name="Picture 2")).to_have_attribute("aria-valuetext", "frame 48, 3.00 s")


def test_a_place_off_the_grid_is_shown_where_the_plan_puts_it(composer: Composer, pictures: list[Path]) -> None:
    page = composer.page
    composer.compose(pictures[:2])
    page.get_by_label("Model", exact=True).select_option("wan2.2-vace-a14b")
    page.get_by_label("On a timeline").check()
    page.locator("[data-words='at']").nth(1).fill("50")
    composer.planned()
    expect(page.locator(".track .planned.off title")).to_have_text("picture 2 is planned at frame 48, not 50")


def test_lengths_become_places_and_places_lengths(composer: Composer, pictures: list[Path]) -> None:
    page = composer.page
    composer.compose(pictures[:3])
    page.get_by_label("Frames of a segment").fill("9, 21")
    composer.planned()
    page.get_by_label("On a timeline").check()
    composer.planned()
    assert composer.places() == [0, 8, 28]
    page.get_by_label("By lengths").check()
    composer.planned()
    assert composer.saved()["segment_frames"] == [9, 21]


def test_a_loop_shows_and_keeps_its_lengths_on_the_timeline_and_off_it(
    composer: Composer, pictures: list[Path]
) -> None:
    page = composer.page
    composer.compose(pictures[:2])
    page.get_by_label("Return to the first picture").check()
    page.get_by_label("Frames of a segment").fill("9, 21")
    composer.planned()
    expect(page.get_by_text("Prompt from here back to picture 1, 21 frames")).to_be_visible()
    page.get_by_label("On a timeline").check()
    composer.planned()
    expect(page.locator(".track .length")).to_have_text(["9", "21"])
    expect(page.locator(".track .planned")).to_have_count(3)
    page.get_by_label("By lengths").check()
    composer.planned()
    assert composer.saved()["segment_frames"] == [9, 21]


def test_phases_begin_as_the_preset_has_them_and_a_changed_weight_is_drawn_and_judged(
    composer: Composer, pictures: list[Path]
) -> None:
    page = composer.page
    composer.compose(pictures[:2])
    page.get_by_label("Preset", exact=True).select_option(LIGHTNING)
    composer.planned()
    expect(page.get_by_label("Guidance of phase 1")).to_have_value("3")
    expect(page.get_by_label("Guidance of phase 1")).to_be_disabled()
    page.get_by_role("button", name="Change the phases").click()
    page.get_by_label("Weight of low_noise_model of phase 2").fill("0.5")
    composer.planned()
    expect(page.locator("#plan .findings > .critical").first).to_contain_text("low_noise_model is for the low expert")
    expect(page.locator("#charts .cell.c1 text")).to_have_text(["0", "0", "0.5", "0.5", "1", "1"])
    page.get_by_label("Steps of phase 1").fill("0")
    expect(page.get_by_label("Steps of phase 1")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Steps of phase 1").fill("2")
    page.get_by_role("button", name="Remove phase 3").click()
    composer.planned()
    saved = composer.saved()
    assert [phase["steps"] for phase in saved["phases"]] == [2, 2]
    assert [lora["multiplier"] for lora in saved["loras"]] == ["0.75;1.0", "0;0.5"]


def test_findings_and_refusals_come_as_one_types(composer: Composer, pictures: list[Path]) -> None:
    page = composer.page
    composer.compose(pictures[:2])
    page.get_by_label("Model", exact=True).select_option("wan2.2-vace-a14b")
    page.get_by_label("Frames of a segment").fill("60")
    expect(page.locator("#plan .findings")).to_contain_text("is not a length of the model")
    expect(page.locator("#plan .findings")).to_contain_text("use 57 or 61")
    expect(page.get_by_label("Frames of a segment")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#run")).to_be_disabled()
    page.get_by_label("Frames of a segment").fill("61")
    composer.planned()
    expect(page.locator("#brief")).to_contain_text("61 frames")


def test_an_answer_that_is_overtaken_is_not_shown(composer: Composer, pictures: list[Path]) -> None:
    page = composer.page
    composer.compose(pictures[:2])
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/api/v1/plan/check", hold_the_first)
    with page.expect_request("**/api/v1/plan/check"):
        page.get_by_label("Frames of a segment").fill("9")
    page.get_by_label("Frames of a segment").fill("21")
    composer.planned()
    held[0].abort()
    expect(page.locator("#brief")).to_contain_text("21 frames")
    composer.said.clear()  # the browser tells of the request that was broken off here


def test_a_run_that_is_still_being_made_ready_tells_how_far_it_is_and_is_asked_for_again(
    composer: Composer, pictures: list[Path]
) -> None:
    page = composer.page
    composer.compose(pictures[:2])
    asked: list[str | None] = []

    def answer_the_first(route: Route) -> None:
        asked.append(route.request.post_data)
        if len(asked) > 1:
            route.continue_()
        else:
            told = {"type": "urn:wayframe:problem:preparing", "detail": "LoRA style is being fetched: 1 MB; ask again"}
            route.fulfill(status=503, json=told)

    page.route("**/api/v1/runs", answer_the_first)
    page.locator("#run").click()
    expect(page.locator("#toast")).to_have_text("LoRA style is being fetched: 1 MB")
    expect(page.locator("#run")).to_be_disabled()
    page.wait_for_url("**/runs/*")
    expect(page.locator("#head .state")).to_have_text("completed")
    assert len(asked) == 2
    assert asked[0] == asked[1]
    composer.said.clear()  # the browser tells of the 503


def test_script_in_names_and_prompts_stays_text(composer: Composer, pictures: list[Path]) -> None:
    bad = pictures[0].with_name("<img src=x onerror=alert(1)>.png")
    pictures[0].rename(bad)
    composer.compose([bad, pictures[1]])
    text = "<script>document.title = 'taken'</script>"
    composer.page.locator("#stops textarea").first.fill(text)
    composer.planned()
    assert composer.names()[0] == bad.name
    assert composer.page.title().startswith("Compose")
    assert composer.saved()["keyframes"][0]["prompt"] == text


def test_what_is_no_picture_says_so_and_blocks_the_run(composer: Composer, pictures: list[Path]) -> None:
    broken = pictures[0].with_name("broken.png")
    broken.write_bytes(pictures[0].read_bytes()[:60])
    composer.drop([pictures[0], broken])
    expect(composer.page.locator("#stops .state-line.wrong")).to_have_count(1)
    expect(composer.page.locator("#brief")).to_have_text("A picture could not be sent.")
    expect(composer.page.locator("#run")).to_be_disabled()
    composer.page.get_by_role("button", name="Remove").nth(1).click()
    composer.planned()
    assert composer.names() == ["0.png"]
    composer.said.clear()  # the browser tells of the answer 422


def test_a_pasted_picture_is_added_and_the_draft_is_there_after_a_reload(
    composer: Composer, pictures: list[Path]
) -> None:
    composer.compose(pictures[:1])
    composer.paste([pictures[1]])
    composer.planned()
    composer.page.locator("#stops textarea").first.fill("a walk")
    composer.planned()
    composer.page.reload()
    composer.planned()
    assert composer.names() == ["0.png", "1.png"]
    expect(composer.page.locator("#stops textarea").first).to_have_value("a walk")


def test_a_trip_is_made_by_keyboard_alone(composer: Composer, pictures: list[Path]) -> None:
    page = composer.page
    page.get_by_role("button", name="Choose pictures").focus()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(pictures[:2])
    composer.planned()
    page.get_by_label("Frames of a segment").focus()
    page.keyboard.type("5")
    page.keyboard.press("Tab")
    composer.planned()
    page.locator("#run").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*")


RICH: dict[str, Any] = {
    "mode": "timeline",
    "keyframes": [
        {"image": "pictures/a.png", "prompt": "", "look": {"saturation": 0.9}, "bundles": ["motion"]},
        {"image": "b.png", "at": "3.2s", "hold": 4, "loras": [{"file": f"{HUB}/a.safetensors", "multiplier": 0.5}]},
        {"image": "https://example.org/c.png", "at": 96},
    ],
    "lead": {"prompt": "out of the fog"},
    "trail": {"frames": 33, "seed": 9},
    "overlap": [1, 1],
    "fps": "24000/1001",
    "resolution": "640x480",
    "seed": 7,
    "matte": "#FF0000",
    "model": "wan2.2-vace-a14b",
    "phase_config": {
        "phases": [
            {"phase": 1, "guidance_scale": 3, "loras": [{"url": f"{HUB}/b.safetensors", "multiplier": "1,0.5"}]},
            {"phase": 2, "guidance_scale": 1},
        ],
        "num_phases": 2,
        "steps_per_phase": [2, 4],
        "flow_shift": 5,
        "model_switch_phase": 1,
    },
    "prompts": {"write": "missing", "writer": "openai", "base_url": "http://localhost:8000/v1", "max_words": 40},
    "look": {"brightness": 0.02},
    "cfg_star": False,
    "carried": {"unknown": {"key": [1, 2.5, None]}},
}
EVERY_KIND: dict[str, dict[str, Any]] = {
    "rich": RICH,
    "demo": yaml.safe_load((ROOT / "src/wayframe/demo/trip.yaml").read_text()),
    **{
        path.stem: yaml.safe_load(path.read_text())
        for folder in ("docs/examples", "examples")
        for path in sorted((ROOT / folder).rglob("*.yaml"))
        if "keyframes:" in path.read_text()
    },
    **FEATURES,
}


def test_every_spec_that_is_opened_and_saved_again_is_the_same(
    composer: Composer, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    composer.page.evaluate("document.querySelectorAll('#compose details').forEach(part => { part.open = true })")
    for name, spec in EVERY_KIND.items():
        with subtests.test(name):
            path = tmp_path / f"{name}.yaml"
            path.write_text(yaml.safe_dump(spec))
            composer.open(path)
            assert spec_json(parse_spec(composer.saved())) == spec_json(parse_spec(spec))


def test_what_has_no_control_is_shown(composer: Composer, tmp_path: Path) -> None:
    path = tmp_path / "rich.yaml"
    path.write_text(yaml.safe_dump(RICH))
    composer.open(path)
    shown = composer.page.locator("#rest dt").all_inner_texts()
    assert sorted(shown) == ["carried", "prompts.base_url"]
    expect(composer.page.get_by_label("Most words")).to_have_value("40")
    expect(composer.page.locator("#stops .also").nth(0)).to_contain_text("bundles")
    expect(composer.page.locator("#f-look-brightness")).to_have_value("0.02")
    expect(composer.page.locator(".end .name")).to_have_text(["From nowhere to picture 1", "Away from picture 3"])
    expect(composer.page.locator("#brief")).to_contain_text("3 of 3 pictures are not here")


def test_what_comes_before_and_after_is_made_by_hand(composer: Composer, pictures: list[Path], tmp_path: Path) -> None:
    page = composer.page
    composer.compose(pictures[:2])
    page.get_by_text("Before the first picture, and after the last").click()
    page.get_by_label("A segment leads to the first picture").check()
    page.get_by_label("Before the first picture").get_by_label("Prompt", exact=True).fill("out of the fog")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Continue a video").click()
    chooser.value.set_files(write_foreign(tmp_path / "walk.mp4", 33))
    page.get_by_role("button", name="Add a segment after the last picture").click()
    page.get_by_label("After the last picture").get_by_label("Frames", exact=True).fill("33")
    page.get_by_text("The final file", exact=True).click()
    page.get_by_label("Enlarge by").fill("2")
    composer.planned()
    expect(page.locator("#brief")).to_contain_text("143 frames")
    saved = composer.saved()
    assert {name: saved[name] for name in ("lead", "trail", "continue_from", "after")} == {
        "lead": {"prompt": "out of the fog"},
        "trail": {"frames": 33},
        "continue_from": "walk.mp4",
        "after": {"upscale": {"factor": 2}},
    }
    page.get_by_label("On a timeline").check()
    composer.planned()
    page.get_by_role("button", name="Remove the lead").click()
    composer.planned()
    page.get_by_role("button", name="Remove: Continue a video").click()
    composer.planned()
    saved = composer.saved()
    assert {"lead", "continue_from"}.isdisjoint(saved)
    assert "at" not in saved["keyframes"][0]
    page.get_by_label("A segment leads to the first picture").check()
    composer.planned()
    assert composer.saved()["keyframes"][0]["at"] == 60


def test_one_segment_says_its_own_seed_and_phases_and_takes_them_back(composer: Composer, pictures: list[Path]) -> None:
    page = composer.page
    composer.compose(pictures[:3])
    page.get_by_label("Preset", exact=True).select_option(LIGHTNING)
    composer.planned()
    second = page.locator("#stops .stop").nth(1)
    second.get_by_text("More", exact=True).click()
    second.get_by_label("Seed").fill("9")
    second.get_by_text("Denoising and LoRAs").click()
    second.get_by_role("button", name="Change the phases").click()
    second.get_by_label("Guidance of phase 1").fill("2")
    composer.planned()
    expect(page.locator("#charts figcaption")).to_have_text(["Steps of segments 0", "Steps of segments 1"])
    own = composer.saved()["keyframes"][1]
    assert own["seed"] == 9
    assert [(phase["steps"], phase["guidance"]) for phase in own["phases"]] == [(2, 2), (2, 1), (2, 1)]
    assert [lora["multiplier"] for lora in own["loras"]] == ["0.75;1.0;0", "0;0;1.0"]
    second.get_by_role("button", name="As the trip has them").click()
    composer.planned()
    assert composer.saved()["keyframes"][1] == {"image": "1.png", "seed": 9}


def test_a_run_is_composed_again_with_its_pictures_and_its_options(composer: Composer, pictures: list[Path]) -> None:
    page = composer.page
    composer.compose(pictures[:3])
    page.get_by_label("Engine", exact=True).select_option("null")
    page.get_by_label("Frames of a segment").fill("9")
    page.locator("#f-seed").fill("41")
    composer.planned()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*")
    page.get_by_role("link", name="Compose again").click()
    composer.planned()
    assert composer.names() == ["0.png", "1.png", "2.png"]
    expect(page.locator("#f-seed")).to_have_value("41")
    page.locator("#stops textarea").first.fill("another way")
    composer.planned()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*")
    expect(page.locator("#head .state")).to_have_text("completed")


def test_a_place_beyond_all_bounds_is_refused_and_nothing_hangs(composer: Composer, pictures: list[Path]) -> None:
    page = composer.page
    composer.compose(pictures[:2])
    page.get_by_label("On a timeline").check()
    composer.planned()
    for text in ("1" + "0" * 300, "999999999", "999999999s"):
        page.locator("[data-words='at']").nth(1).fill(text)
        expect(page.locator("#run")).to_be_disabled()
        assert page.locator(".track .axis").count() < 40


def test_a_video_of_ours_restores_its_settings_and_names_the_pictures_that_are_missing(
    composer: Composer, theatre: Stage, tmp_path: Path
) -> None:
    desktop = draw(tmp_path / "other", 3, width=352, height=288)  # pictures that no other test sends
    Image.open(desktop[2]).rotate(180).save(desktop[2])
    said: dict[str, Any] = {
        "keyframes": [{"image": str(path), "prompt": f"to {path.stem}"} for path in desktop],
        "segment_frames": 9,
        "seed": 41,
        "engine": "null",
    }
    del said["keyframes"][-1]["prompt"]
    result = theatre.ground.run(said, out=tmp_path / "ours.mp4")
    assert result.video.exists()
    composer.compose(desktop[:2])
    composer.drop([tmp_path / "ours.mp4"])
    expect(composer.page.locator("#toast")).to_have_text("ours.mp4 is open, without 2.png: drop it here")
    assert composer.names() == ["0.png", "1.png", "2.png"]
    expect(composer.page.locator("#f-seed")).to_have_value("41")
    renamed = desktop[2].with_name("another name.png")
    desktop[2].rename(renamed)
    composer.drop([renamed])
    composer.planned()
    assert composer.names() == ["0.png", "1.png", "2.png"]
    expect(composer.page.locator("#brief")).to_contain_text("17 frames")
    expect(composer.page.locator("#plan dl")).to_contain_text("2, of which 2 are rendered already")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_serious_is_found_and_nothing_is_wider_than_the_window(
    browser: Browser, served: Served, pictures: list[Path], size: tuple[int, int], dark: bool
) -> None:
    with Composer.of(browser, served.address, size=size, dark=dark) as composer:
        page = composer.page
        assert composer.serious() == []
        composer.compose(pictures[:3])
        page.get_by_label("Preset", exact=True).select_option(LIGHTNING)
        page.get_by_label("On a timeline").check()
        page.get_by_role("button", name="Change the phases").click()
        composer.planned()
        page.evaluate("document.querySelectorAll('#compose details').forEach(part => { part.open = true })")
        assert composer.serious() == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert composer.said == []


def test_a_phone_orders_and_places_pictures_with_buttons_and_fields(
    browser: Browser, served: Served, pictures: list[Path]
) -> None:
    with Composer.of(browser, served.address, size=PHONE) as composer:
        page = composer.page
        composer.compose(pictures[:3])
        page.get_by_role("button", name="Later").first.tap()
        assert composer.names() == ["1.png", "0.png", "2.png"]
        page.get_by_label("On a timeline").check()
        composer.planned()
        page.locator("[data-words='at']").nth(2).fill("8s")
        composer.planned()
        assert composer.places() == [0, 60, 128]
