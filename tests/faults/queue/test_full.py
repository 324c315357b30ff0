"""A store or a disk that is full: the run says so, keeps what is finished, and goes on when there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import s3
from faults.queue.conftest import LONG
from faults.queue.site import Site
from wayframe.workflow.queue.rows import QueueState, RunRow

pytestmark = pytest.mark.faults
SEGMENTS = 4


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "QuotaExceeded"),
        pytest.param(507, "XMinioStorageFull", marks=pytest.mark.skipif(not LONG, reason="make faults")),
    ],
)
def test_a_bucket_that_is_full_fails_the_run_which_goes_on_when_there_is_room(
    many_machines: Site, tmp_path_factory: pytest.TempPathFactory, status: int, code: str
) -> None:
    site = many_machines
    trip = site.trip(SEGMENTS)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    with s3.faulty_proxy(s3.s3_endpoint(tmp_path_factory.getbasetemp())) as (address, faults):
        site.orchestrator(AWS_ENDPOINT_URL=address)
        site.worker("a", AWS_ENDPOINT_URL=address)
        site.until(lambda: site.published(run))
        faults.body = f"<Error><Code>{code}</Code></Error>".encode()
        faults.only = ("PUT", "")
        faults.status.extend([status] * 1000)
        told(site, run, f"the store is full ({status} {code})")
        faults.status.clear()
        go_on(site, run, digest=digest)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own, of four megabytes."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(("place", "words"), [("home", "No space left on device"), ("store", "the disk is full")])
def test_a_disk_that_is_full_fails_the_run_which_goes_on_when_there_is_room(
    tiny: Path, one_machine: Site, place: str, words: str
) -> None:
    site = one_machine
    if place == "home":
        (site.folder / "home").symlink_to(tiny)
    else:
        site.store = f"file://{tiny}/store"
    trip = site.trip(SEGMENTS)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    site.orchestrator()
    site.worker("a")
    site.until(lambda: site.published(run))
    filler = fill(tiny)
    told(site, run, words)
    filler.unlink()
    go_on(site, run, digest=digest)
    site.close()


def fill(folder: Path) -> Path:
    """A file that leaves no room on its file system."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            return filler


def told(site: Site, run: RunRow, words: str) -> None:
    """The run has failed, its row says why in one line, and all processes live."""
    row = site.ended(run)
    assert row.state is QueueState.FAILED
    assert row.error is not None
    assert words in row.error
    assert "\n" not in row.error
    assert all(one.process.poll() is None for one in site.programs)


def go_on(site: Site, run: RunRow, *, digest: str) -> None:
    """The run is tried again, and nothing that was finished is rendered again."""
    made = set(site.published(run))
    with site.client() as client:
        client.retry(run.run_id)
    record = site.completed(run)
    assert record["outcome"]["digest"] == digest
    assert {row.segment for row in site.attempts(run) if row.attempt == 2}.isdisjoint(made)
    assert [len(site.begun(number)) for number in made] == [1] * len(made)
    assert len(site.begun()) <= SEGMENTS + 1
