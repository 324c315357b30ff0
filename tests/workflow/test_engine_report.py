"""What an engine says of itself after its work, in the record."""

from __future__ import annotations

import pytest

from wayframe.core.comparison import compare
from wayframe.core.impact import Impact
from wayframe.engines.base import EngineReport
from wayframe.errors import EngineError
from wayframe.logs import runs
from wayframe.store.runs import RunFolder
from wayframe.workflow.subjects import Reader
from workflow.engines import Scripted, install
from workflow.rides import LIGHTNING, Data, Ground, through

COUNTS = {"expert_loads": 2, "text_encodes": 1, "vae_encodes": 4, "forwards": 8, "bytes_moved": 57 * 10**9}
REPORT = EngineReport(device="NVIDIA H100", versions={"torch": "2.13.0", "numpy": "9.9"}, counts=COUNTS)


def denoised(**said: object) -> Data:
    return through(0, 1, engine="scripted", **LIGHTNING, **said)


def test_counts_device_and_versions_go_into_the_record(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Scripted(denoises=True, report_of=REPORT))
    result = ground.run(denoised())
    record = result.folder.read()
    assert record["outcome"]["engine"] == COUNTS
    assert record["environment"]["device"] == "NVIDIA H100"
    assert record["environment"]["versions"]["torch"] == "2.13.0"
    assert record["environment"]["versions"]["numpy"] == "9.9"
    assert record["environment"]["versions"]["wayframe"]
    log = result.folder.path / "debug.log"
    assert "INFO ENGINE engine on NVIDIA H100, expert_loads 2, " in log.read_text()
    assert runs([log]).unread_lines == 0


def test_a_run_that_failed_tells_what_its_engine_counted(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Scripted(denoises=True, report_of=REPORT, breaks_at=0)
    install(monkeypatch, engine)
    with pytest.raises(EngineError, match="out of memory on the card"):
        ground.run(denoised())
    [folder] = [RunFolder(path=path) for path in ground.home.runs.iterdir() if path.is_dir()]
    record = folder.read()
    assert (record["status"], record["outcome"]["engine"]) == ("failed", COUNTS)
    assert record["environment"]["device"] == "NVIDIA H100"


def test_what_of_a_lora_was_left_out_is_a_finding_of_the_record(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = {"high_noise_model": tuple(f"blocks.{number}.img" for number in range(5))}
    install(monkeypatch, Scripted(denoises=True, report_of=EngineReport(left_out=left_out)))
    found = ground.run(denoised()).record["findings"]
    [told] = [item for item in found if item["code"] == "lora-in-part"]
    assert told["message"] == "high_noise_model was used without blocks.0.img, blocks.1.img, blocks.2.img and 2 more"
    assert told["evidence"] == {"count": 5, "modules": list(left_out["high_noise_model"])}
    assert told["where"] == "applied.loras[high_noise_model]"


def test_an_engine_is_closed_when_its_report_fails(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Scripted):
        def report(self) -> EngineReport:
            raise EngineError("the card is gone")

    engine = Silent(denoises=True)
    install(monkeypatch, engine)
    with pytest.raises(EngineError, match="the card is gone"):
        ground.run(denoised())
    assert engine.closed == len(engine.setups) > 1  # each that was made: to plan, to check, to render


def test_two_runs_are_compared_by_what_their_engines_counted(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Scripted(denoises=True, report_of=REPORT))
    first = ground.run(denoised()).folder.run_id
    install(
        monkeypatch, Scripted(denoises=True, report_of=EngineReport(device="cpu", counts={**COUNTS, "forwards": 12}))
    )
    second = ground.run(denoised(seed=1)).folder.run_id
    reader = Reader(home=ground.home, defaults={})
    differences = compare(reader.read(first), reader.read(second)).differences
    [forwards] = [item for item in differences if item.path == "outcome.engine.forwards"]
    assert forwards.impact is Impact.COSMETIC
    found = {item.path: (item.a, item.b) for item in differences}
    assert found["outcome.engine.forwards"] == (8, 12)
    assert found["environment.device"] == ("NVIDIA H100", "cpu")
    assert "outcome.engine.expert_loads" not in found
