"""Guides of kind depth: which model is meant, the video of depth as an artifact, and what an engine is given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.trips import Data
from hub import COMMIT, Repo, hub_at_hand, tensor_file
from media.clips import texture, write_video
from wayframe.core.guide_spec import DEPTH_MODEL, GuideSpec
from wayframe.download import GIB, Terms
from wayframe.errors import CancelledError, SpecError
from wayframe.media.index import decode, index
from wayframe.store.artifacts import ArtifactStore
from wayframe.store.pull import pull
from wayframe.workflow.bench import check_supplies
from wayframe.workflow.depth import DepthVideos, depth_keys, depth_models, found_depth
from wayframe.workflow.guides import guide_keys
from wayframe.workflow.models import model_pull, model_weights
from wayframe.workflow.sources import trip_of_video
from workflow.engines import Scripted, install
from workflow.rides import HEIGHT, WIDTH, Ground, through

tiny = pytest.importorskip("media.tiny_depth")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
PICTURES = [texture(look)[:64, :96] for look in range(20, 29)]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    made = Ground.at(tmp_path)
    write_video(made.folder / "guide.mp4", PICTURES)
    tiny.save("depth_anything", made.folder / "small")
    return made


def guided(**said: object) -> Data:
    guide = {"video": "guide.mp4", "kind": "depth", "model": "./small", **said}
    return through(0, 1, 2, engine="scripted", guides=[guide])


def expected(folder: Path, video: Path) -> list[np.ndarray]:
    """Depth as the library itself gives it, black to white over all frames."""
    model = transformers.AutoModelForDepthEstimation.from_pretrained(folder).eval()
    pictures = transformers.DPTImageProcessorPil.from_pretrained(folder)
    raw, large = [], []
    for frame in decode(video):
        with torch.inference_mode():
            made = model(**pictures(images=frame, return_tensors="pt"))
        raw.append(made.predicted_depth)
        (whole,) = pictures.post_process_depth_estimation(made, target_sizes=[frame.shape[:2]])
        large.append(whole["predicted_depth"].numpy())
    low, high = float(min(one.min() for one in raw)), float(max(one.max() for one in raw))
    return [np.clip((one - low) / (high - low), 0, 1) * 255 for one in large]


def test_a_video_of_depth_is_what_the_library_gives_over_one_scale(ground: Ground):
    video, model = ground.folder / "guide.mp4", ground.folder / "small"
    artifact = DepthVideos(store=ArtifactStore(ground.home), models={"m": model}).of(video, digest="v", model="m")
    made = list(decode(artifact.video))
    assert (len(made), index(artifact.video).width, index(artifact.video).height) == (9, 96, 64)
    for grey, truth in zip(made, expected(model, video), strict=True):
        assert np.abs(grey.astype(float).mean(axis=2) - truth).max() < 3
        assert np.ptp(grey.astype(int), axis=2).max() <= 2
    assert artifact.facts["depth"] == "m"


def test_a_video_of_depth_is_made_once_and_found_again(ground: Ground):
    video, store = ground.folder / "guide.mp4", ArtifactStore(ground.home)
    first = DepthVideos(store=store, models={"m": ground.folder / "small"}).of(video, digest="v", model="m")
    video.unlink()
    again = DepthVideos(store=store, models={}).of(video, digest="v", model="m")
    assert again.facts == first.facts


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (
            f"org/deep@{COMMIT}",
            rf"guides: the depth model org/deep is not here; .* pull org/deep@{COMMIT}$",
        ),
        ("org/deep@v2", r"the depth model org/deep is not here; .* pull org/deep@v2, and plan again$"),
        (f"folder:{'ab' * 32}", r"the depth model folder:abababababab is not here; put its folder into models/"),
    ],
)
def test_a_model_that_is_not_here_is_an_error_that_says_how_to_get_it(ground: Ground, model: str, problem: str):
    videos = DepthVideos(store=ArtifactStore(ground.home), models={})
    with pytest.raises(SpecError, match=problem):
        videos.of(ground.folder / "guide.mp4", digest="v", model=model)


def test_work_that_is_stopped_leaves_no_artifact(ground: Ground):
    store = ArtifactStore(ground.home)
    videos = DepthVideos(store=store, models={"m": ground.folder / "small"}, cancelled=lambda: True)
    with pytest.raises(CancelledError):
        videos.of(ground.folder / "guide.mp4", digest="v", model="m")
    assert not list(ground.home.artifacts.rglob("*.mp4"))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    made = Scripted()
    install(monkeypatch, made)
    return made


def test_an_engine_is_given_depth_where_the_guide_stands(ground: Ground, engine: Scripted):
    ground.run(guided(at=2, until=7))
    first, second = engine.jobs
    assert [frame is not None for frame in first.guide] == [False, False, True, True, True]
    assert [frame is not None for frame in second.guide] == [True, True, True, False, False]
    shown, truth = first.guide[2], expected(ground.folder / "small", ground.folder / "guide.mp4")[0]
    assert shown is not None
    assert shown.shape == (HEIGHT, WIDTH, 3)
    assert abs(float(shown.mean()) - float(truth.mean())) < 6
    assert np.ptp(shown.astype(int), axis=2).max() <= 2


def test_contrast_changes_what_is_shown_and_not_the_video_of_depth(ground: Ground, engine: Scripted):
    ground.run(guided())
    ground.run(guided(contrast=0.25))
    plain, flat = (job.guide[1] for job in engine.jobs if job.segment.index == 0)
    assert plain is not None
    assert flat is not None
    assert np.ptp(flat.astype(int)) < np.ptp(plain.astype(int)) / 3
    assert len(list(ground.home.artifacts.rglob("*.mp4"))) == 2 * 4 + 1  # four of each run, and one of depth


def test_a_plan_holds_what_identifies_the_model_and_no_path(ground: Ground):
    trip = ground.trip(guided(until=5))
    (span,) = trip.plan.segments[0].guide.spans
    assert span.depth.model.startswith("folder:")
    assert len(span.depth.model) == len("folder:") + 64
    assert trip.depth == {span.depth.model: ground.folder / "small"}
    assert str(ground.folder) not in json.dumps(trip.planned())
    assert depth_keys(trip.plan) < guide_keys(trip.plan)
    assert len(guide_keys(trip.plan)) == 3


def test_the_same_model_elsewhere_has_the_same_keys(ground: Ground):
    ground.home.models.mkdir()
    (ground.folder / "small").rename(ground.home.models / "deep")
    keys = [ground.trip(guided(until=5, model=name)).plan.segments[0].key for name in ("deep", "deep")]
    tiny.save("depth_anything", ground.folder / "small")
    assert keys[0] == keys[1] == ground.trip(guided(until=5)).plan.segments[0].key
    tiny.save("dpt", ground.folder / "other")
    assert ground.trip(guided(until=5, model="./other")).plan.segments[0].key != keys[0]


def test_a_video_of_ours_finds_its_depth_model_by_content(ground: Ground):
    first = ground.run(guided(until=4) | {"engine": "null"})
    (ground.folder / "small").rename(ground.folder / "renamed")
    again = trip_of_video(first.video, keyframes=ground.folder, home=ground.home)
    assert list(again.depth.values()) == [ground.folder / "renamed"]


def test_an_engine_that_looks_at_no_guide_needs_no_model(ground: Ground):
    made = ground.run(guided(model="org/none") | {"engine": "null"})
    assert "guide-unused" in {found.code for found in ground.trip(guided() | {"engine": "null"}).plan.findings}
    assert made.record["outcome"]["frames"] == 9


def test_a_model_that_is_not_here_can_be_planned_with_and_not_run(ground: Ground, engine: Scripted):
    trip = ground.trip(guided(model=None, until=5))
    assert trip.plan.segments[0].guide.spans[0].depth.model == DEPTH_MODEL
    with pytest.raises(SpecError, match=rf"guides\[0\]\.model: .*{DEPTH_MODEL} is not here.*pull {DEPTH_MODEL}"):
        check_supplies(trip, home=ground.home, store=ArtifactStore(ground.home))
    with pytest.raises(SpecError, match="is not here"):
        ground.run_trip(trip)
    assert not engine.jobs


def test_a_model_of_the_hub_is_pulled_as_others_and_told_by_its_commit(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("huggingface_hub")
    files = {path.name: path.read_bytes() for path in (ground.folder / "small").iterdir()}
    with hub_at_hand(monkeypatch, ground.folder / "cache") as hub:
        hub.repos["org/deep"] = Repo(files=files)
        assert ground.trip(guided(model="org/deep")).depth == {}
        pull(model_pull("org/deep", home=ground.home), Terms(limit=GIB))
        assert model_weights("org/deep", home=ground.home).faults == ()
        trip = ground.trip(guided(model="org/deep"))
        assert list(trip.depth) == [f"org/deep@{COMMIT}"]
        assert found_depth(trip.plan, home=ground.home) == trip.depth


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("deep", r"guides\[0\]\.model: is no folder here, and no ORG/NAME of the Hub.*Small-hf"),
        ("./none", r"guides\[0\]\.model: is no model in transformers format: no config\.json"),
        ("./metric", r"guides\[0\]\.model: tells distances.*relative depth"),
        ("./other", r"guides\[0\]\.model: is of kind qwen2_vl.*depth_anything or dpt"),
        ("./cut", r"guides\[0\]\.model: is not whole: .*model\.safetensors"),
        ("./blind", r"guides\[0\]\.model: is not whole: preprocessor_config\.json is missing"),
    ],
)
def test_what_is_no_depth_model_is_told_when_the_trip_is_planned(ground: Ground, name: str, problem: str):
    tiny.save("metric", ground.folder / "metric")
    (ground.folder / "other").mkdir()
    (ground.folder / "other" / "config.json").write_text('{"model_type": "qwen2_vl"}')
    (tiny.save("dpt", ground.folder / "cut") / "model.safetensors").write_bytes(tensor_file()[:-9])
    (tiny.save("dpt", ground.folder / "blind") / "preprocessor_config.json").unlink()
    with pytest.raises(SpecError, match=problem):
        depth_models([GuideSpec(video="v", kind="depth", model=name)], base=ground.folder, home=ground.home)
