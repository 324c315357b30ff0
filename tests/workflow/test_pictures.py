"""Keyframes that are addresses: planned without their pictures, and run with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayframe.core.plan import KeyframeFacts
from wayframe.core.spec import TravelSpec, parse_spec
from wayframe.errors import ImageError, SpecError
from wayframe.workflow.pictures import check_pictures, keyframe_files, remote_findings
from workflow.rides import HEIGHT, WIDTH, Ground

ADDRESS = "https://example.invalid/a%20b/1.png?token=t#part"


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground.at(tmp_path, count=2)


def spec(*images: str, **said: object) -> TravelSpec:
    return parse_spec({"keyframes": [{"image": image} for image in images], **said})


def test_an_address_is_known_by_its_name_and_by_the_output_size(ground: Ground):
    files, facts = keyframe_files(spec("0.png", ADDRESS, resolution="96x64"), base=ground.folder, pictures=None)
    assert facts[0].digest != facts[1].digest
    assert facts[1] == KeyframeFacts(digest="url:https://example.invalid/a%20b/1.png", width=96, height=64)
    assert files[0] == ground.folder / "0.png"


def test_a_file_of_that_name_takes_its_place(ground: Ground):
    files, facts = keyframe_files(spec(ADDRESS, "0.png"), base=ground.folder, pictures=ground.folder)
    _, same = keyframe_files(spec("1.png", "0.png"), base=ground.folder, pictures=None)
    assert (files[0], facts) == (ground.folder / "1.png", same)
    assert (facts[0].width, facts[0].height) == (WIDTH, HEIGHT)


def test_without_a_resolution_the_size_of_an_address_is_not_known(ground: Ground):
    with pytest.raises(SpecError, match=r"keyframes\[1\].image: must be a local file .*; download it first, or give"):
        keyframe_files(spec("0.png", ADDRESS), base=ground.folder, pictures=None)


def test_each_address_is_a_finding_and_stops_a_run(ground: Ground):
    _, facts = keyframe_files(spec("0.png", ADDRESS, resolution="96x64"), base=ground.folder, pictures=None)
    (found,) = remote_findings(facts)
    assert (found.where, found.evidence) == ("keyframes[1]", {"address": "https://example.invalid/a%20b/1.png"})
    with pytest.raises(
        ImageError, match=r"keyframes: 1 of them are not here: 1\.png; leave out --offline, or download"
    ):
        check_pictures([str(found.evidence["address"])])
    check_pictures([])


def test_a_run_of_addresses_stops_before_anything_is_made(ground: Ground):
    data = {"keyframes": [{"image": ADDRESS}, {"image": "0.png"}], "resolution": "96x64", "engine": "null"}
    with pytest.raises(ImageError, match="not here"):
        ground.run(data)
    assert list(ground.home.runs.glob("*")) == []


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://user:hunter2hunter2@h.invalid/deep/a.png", "a.png"),
        ("https://[redacted]@h.invalid/a.png", "a.png"),
        ("http://[x/b.png", "b.png"),
        ("https://h.invalid/", "keyframe"),
        ("https://h.invalid/..%5C..%5Cc.png?x=1#y", "c.png"),
    ],
)
def test_any_address_has_a_name_and_tells_no_password(address: str, name: str, ground: Ground):
    files, facts = keyframe_files(spec(address, "1.png", resolution="96x64"), base=ground.folder, pictures=None)
    assert files[0] == Path(name)
    assert "hunter2" not in facts[0].digest
    with pytest.raises(ImageError, match=rf"1 of them are not here: {name}"):
        check_pictures([address])
