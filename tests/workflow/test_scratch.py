"""Scratch folders: kept while a run may go on, gone when it completed, swept when nobody came back."""

from __future__ import annotations

import os

import pytest

from wayframe.errors import EngineError
from wayframe.workflow.scratch import DAYS_KEPT, scratch_folder, sweep_scratch
from workflow.engines import Scripted, install
from workflow.rides import LIGHTNING, Ground, through


def test_a_run_keeps_its_scratch_folder_until_it_is_complete(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    data = through(0, 1, 2, engine="scripted", **LIGHTNING)
    engine = Scripted(denoises=True, breaks_at=1)
    install(monkeypatch, engine)
    with pytest.raises(EngineError):
        ground.run(data)
    scratch = engine.setups[-1].scratch
    assert scratch is not None
    assert scratch.parent == ground.home.root / "scratch"
    assert scratch.is_dir()
    (scratch / "half.safetensors").write_bytes(b"latents")
    engine.breaks_at = None
    ground.run(data)
    assert engine.setups[-1].scratch == scratch
    assert not scratch.exists()


def test_a_folder_that_nothing_was_written_to_for_long_is_swept(ground: Ground) -> None:
    old, fresh = (scratch_folder(ground.home, plan_digest=name) for name in ("old", "fresh"))
    (fresh / "half.safetensors").write_bytes(b"latents")
    now = fresh.stat().st_mtime
    past = now - (DAYS_KEPT + 1) * 24 * 3600
    for folder in (old, fresh):
        os.utime(folder, (past, past))
    assert sweep_scratch(ground.home, now=now) == 1
    assert [folder.name for folder in old.parent.iterdir()] == ["fresh"]  # its file is new, though the folder is not


def test_an_engine_that_does_not_denoise_gets_no_scratch_folder(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted()
    install(monkeypatch, engine)
    ground.run(through(0, 1, engine="scripted"))
    assert engine.setups[-1].scratch is None
    assert not (ground.home.root / "scratch").exists()
