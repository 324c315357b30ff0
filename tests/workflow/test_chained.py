"""Chained segments: each starts from what the store holds of the one before, however often the run was interrupted."""

from __future__ import annotations

import numpy as np
import pytest

from wayframe.errors import CancelledError
from wayframe.media.index import decode, packet_digest
from workflow.engines import Scripted, install
from workflow.rides import Data, Ground, Watch, through

OVERLAP = 3


def chained(*names: int, **said: object) -> Data:
    return through(*names, **{"chaining": "chained", "overlap": OVERLAP, "segment_frames": 9, **said})


def test_a_chained_segment_is_given_the_decoded_last_frames_of_the_one_before(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted()
    install(monkeypatch, engine)
    result = ground.run(chained(0, 1, 2, engine="scripted"))
    first = ground.artifact(result.record["planned"]["segments"][0]["key"])
    shown = list(decode(first.video, start=9 - OVERLAP, stop=9))
    assert engine.jobs[0].given == ()
    assert len(engine.jobs[1].given) == OVERLAP
    assert all(np.array_equal(given, frame) for given, frame in zip(engine.jobs[1].given, shown, strict=True))


def test_frames_that_an_engine_kept_are_cut_and_those_that_it_altered_are_blended(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ground.run(chained(0, 1, 2))
    assert kept.record["outcome"]["stitch"] == {"copied": 15, "encoded": 0}
    install(monkeypatch, Scripted(keeps_given=False))
    altered = ground.run(chained(0, 1, 2, engine="scripted"))
    assert altered.record["outcome"]["stitch"] == {"copied": 12, "encoded": OVERLAP}


def test_the_stitch_of_a_chained_run_holds_the_segments_frames_bit_by_bit(ground: Ground) -> None:
    result = ground.run(chained(0, 1, 2, engine="preview"))
    video = list(decode(result.video))
    parts = [list(decode(ground.artifact(s["key"]).video)) for s in result.record["planned"]["segments"]]
    joined = [*parts[0], *parts[1][OVERLAP:]]
    assert len(video) == 15
    assert all(np.array_equal(got, wanted) for got, wanted in zip(video, joined, strict=True))


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_resumed_chained_run_equals_an_uninterrupted_one_bit_for_bit(ground: Ground, after: int) -> None:
    data = chained(0, 1, 2, 3, engine="preview")
    watch = Watch(until=lambda event: getattr(event, "segment", None) == after and hasattr(event, "digest"))
    with pytest.raises(CancelledError):
        ground.run(data, listen=watch.listen, cancelled=watch.cancelled)
    assert watch.published() == list(range(after + 1))
    rest = Watch()
    resumed = ground.run(data, listen=rest.listen)
    assert rest.published() == list(range(after + 1, 3))
    untouched = ground.elsewhere("other").run(data)
    assert packet_digest(resumed.video) == packet_digest(untouched.video)
    assert resumed.folder.read()["outcome"]["segments"] == untouched.folder.read()["outcome"]["segments"]
