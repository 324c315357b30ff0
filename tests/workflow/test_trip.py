"""What is refused when a trip is planned, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayframe.errors import CatalogueError, SpecError
from workflow.engines import Scripted, install
from workflow.rides import Ground, through


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_a_prompt_that_redaction_would_change_is_refused(name: str, tmp_path: Path):
    ground = Ground.at(tmp_path, count=2)
    words = {name: 'he says the password: "open sesame"'}
    with pytest.raises(SpecError, match=rf"segments\[0\]\.{name}: looks as if it held a secret") as refused:
        ground.trip({**through(0, 1), **words})
    assert "sesame" not in str(refused.value)


def test_a_wrong_file_of_the_home_folder_is_a_finding_unless_it_may_be_meant(tmp_path: Path):
    ground = Ground.at(tmp_path, count=2)
    assert ground.trip(through(0, 1)).plan.findings == ()
    path = ground.home.presets / "fast.toml"
    path.parent.mkdir()
    path.write_text("name = ")
    [found] = ground.trip(through(0, 1)).plan.findings
    assert (found.code, found.severity) == ("catalogue-file-left-out", "warning")
    assert found.message.startswith("presets/fast.toml: cannot be read")
    assert str(tmp_path) not in found.message  # findings go into the video
    assert ground.trip(through(0, 1, model="wan2.2-vace-a14b")).plan.model == "wan2.2-vace-a14b"
    with pytest.raises(CatalogueError, match=f"^{path}: cannot be read"):
        ground.trip(through(0, 1, preset="fast"))


@pytest.mark.parametrize("denoises", [True, False])
def test_only_a_run_that_denoises_needs_the_loras_of_the_workers_folder(
    denoises: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    engine = Scripted(denoises=denoises)
    install(monkeypatch, engine)
    ground = Ground.at(tmp_path, count=2)
    words = {"model": "wan2.2-vace-a14b", "engine": "scripted", "loras": [{"file": "a.safetensors"}], "carried": {}}
    trip = ground.trip(through(0, 1, **words))
    assert [found.code for found in trip.plan.findings if "lora" in found.code] == ["lora-by-name"]
    if denoises:
        with pytest.raises(
            SpecError, match=r"^loras: 1 of them are not here: a\.safetensors; put them beside"
        ) as refused:
            ground.run_trip(trip)
        assert "\n" not in str(refused.value)
        assert engine.jobs == []
    else:
        assert ground.run_trip(trip).record["status"] == "completed"
