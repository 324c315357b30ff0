"""The page under load: 200 live streams while a run renders, 10,000 runs in the list, against an idle server with 10.

Each figure is a ratio to the idle server on the same machine at the same time, and the streams are counted: each must
hear every event of the run and its end. Limits: a page of the list takes at most 8 times as long; the first look at
10,000 records that nobody has seen before takes at most 60 seconds, and after a restart at most 5.

    python benchmarks/page_load.py [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

RUNS, FEW, PAGES, ASKED = 10_000, 10, 200, 60
MOST_RATIO, MOST_FIRST, MOST_AGAIN = 8.0, 60.0, 5.0
SEGMENTS, PATIENCE = 12, 300.0


@contextmanager
def program(*words: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    """A command of ours in the background."""
    command = [sys.executable, "-m", "wayframe", *words, "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The address of a page."""
    with program("serve", "--no-open", "--port", "0", home=home) as process:
        assert process.stdout is not None
        found = re.search(r"http://[^/\s]+", process.stdout.readline())
        assert found is not None
        yield found.group()


def filled(folder: Path, *, like: Path, count: int) -> Path:
    """A home with so many runs."""
    record = json.loads((like / "run.json").read_text())
    for number in range(count):
        run = folder / "runs" / f"{20250101000000000 + number}"
        run.mkdir(parents=True)
        (run / "run.json").write_text(json.dumps({**record, "run_id": run.name}))
    (folder / "artifacts").mkdir()
    return folder


def list_ms(address: str, *, times: int = ASKED) -> float:
    """The median time of a page of the list, in milliseconds."""
    with httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False) as client:
        return statistics.median(_timed(client) for _ in range(times)) * 1000


def _timed(client: httpx.Client) -> float:
    begin = time.perf_counter()
    assert client.get("/api/v1/runs").status_code == 200
    return time.perf_counter() - begin


def read_seconds(address: str) -> float:
    """How long it takes until every run stands in the list."""
    begin = time.perf_counter()
    with httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False) as client:
        while client.get("/api/v1/runs").json()["unread"]:
            time.sleep(0.05)
        assert client.get("/api/v1/runs", params={"where": "segments >= 0", "limit": 1}).json()["items"]
    return time.perf_counter() - begin


def submitted(address: str, *, folder: Path, segments: int) -> str:
    """Submit a run of the engine `preview`; its id."""
    random = np.random.default_rng(7)
    with httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False) as client:
        ids = []
        for number in range(segments + 1):
            path = folder / f"{number}.png"
            small = Image.fromarray(random.integers(0, 255, (12, 16, 3), np.uint8))
            small.resize((256, 192), Image.Resampling.BICUBIC).save(path)
            ids.append(client.post("/api/v1/uploads", content=path.read_bytes()).json()["id"])
        keyframes = [{"image": name} for name in ids]
        spec = {"engine": "preview", "segment_frames": 17, "keyframes": keyframes}
        answer = client.post("/api/v1/runs", json={"spec": spec})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


async def heard(client: httpx.AsyncClient, run: str) -> tuple[int, bool]:
    """How many events a page hears, and whether it hears the end."""
    count, ended = 0, False
    async with client.stream("GET", f"/api/v1/runs/{run}/events") as answer:
        async for line in answer.aiter_lines():
            count += line.startswith("id:")
            ended = ended or line == "event: end"
    return count, ended


async def watched(address: str, *, run: str, home: Path, pages: int) -> tuple[list[tuple[int, bool]], float]:
    """What all pages hear while the run is rendered, and the median time of a page of the list meanwhile, in ms."""
    limits = httpx.Limits(max_connections=pages + 10)
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE, limits=limits, trust_env=False) as client:
        listeners = [asyncio.create_task(heard(client, run)) for _ in range(pages)]
        await asyncio.sleep(1)
        with program("up", "--no-page", "--workers", "1", home=home):
            times = []
            while not all(task.done() for task in listeners):
                begin = time.perf_counter()
                assert (await client.get("/api/v1/runs")).status_code == 200
                times.append(time.perf_counter() - begin)
                await asyncio.sleep(0.1)
            return await asyncio.gather(*listeners), statistics.median(times) * 1000


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Milliseconds for a page of the list, seconds until all runs stand in it, and what each page heard."""

    idle: float
    many: float
    live: float
    first: float
    again: float
    told: list[tuple[int, bool]]

    def complete(self) -> bool:
        """Whether all pages heard the same, and the end."""
        return len({count for count, _ in self.told}) == 1 and all(ended for _, ended in self.told)


def measured(folder: Path, *, runs: int, pages: int, segments: int) -> Figures:
    """The figures of two servers that run at the same time."""
    command = [sys.executable, "-m", "wayframe", "demo", "--home", str(folder / "first"), "--quiet"]
    subprocess.run([*command, "--out", str(folder / "demo.mp4")], check=True, stdout=subprocess.DEVNULL)
    like = next(path for path in (folder / "first" / "runs").iterdir() if path.is_dir())
    small, large = filled(folder / "small", like=like, count=FEW), filled(folder / "large", like=like, count=runs)
    with served(small) as idle:
        with served(large) as busy:
            first = read_seconds(busy)
        with served(large) as busy:
            again = read_seconds(busy)
            before, many = list_ms(idle), list_ms(busy)
            run = submitted(busy, folder=folder, segments=segments)
            told, live = asyncio.run(watched(busy, run=run, home=large, pages=pages))
            base = (before + list_ms(idle)) / 2
    return Figures(idle=base, many=many, live=live, first=first, again=again, told=told)


def main() -> int:
    """Print the figures; 1 when one is above its limit, or a page missed an event."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 runs and 50 pages")
    quick = parser.parse_args().quick
    runs, pages, segments = (1000, 50, 3) if quick else (RUNS, PAGES, SEGMENTS)
    os.environ.pop("WAYFRAME_TOKEN", None)
    with tempfile.TemporaryDirectory() as name:
        found = measured(Path(name), runs=runs, pages=pages, segments=segments)
    fits = found.many / found.idle <= MOST_RATIO and found.first <= MOST_FIRST and found.again <= MOST_AGAIN
    heard_by_each = sorted({count for count, _ in found.told})
    print(f"a page of the list, idle, {FEW} runs: {found.idle:.1f} ms")
    print(f"  {found.many / found.idle:.2f}x with {runs} runs ({found.many:.1f} ms), at most {MOST_RATIO:g}x")
    print(f"  {found.live / found.idle:.2f}x with {pages} live pages and a run rendering too ({found.live:.1f} ms)")
    print(f"every run in the list after {found.first:.1f} s the first time, {found.again:.1f} s after a restart")
    print(f"{pages} pages heard {heard_by_each} events each, and the end: {'yes' if found.complete() else 'NO'}")
    return 0 if fits and found.complete() else 1


if __name__ == "__main__":
    sys.exit(main())
