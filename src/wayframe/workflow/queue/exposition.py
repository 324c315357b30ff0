"""Numbers for Prometheus: what the database knows when it is asked, and what this process has counted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from wayframe.errors import StoreError
from wayframe.workflow.queue.adapter import RENDER_PREFIX, depths
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.tally import Told

LOOPBACK = "127.0.0.1"
KEPT_SECONDS = 1.0
"""How long what the database said is told again: many may ask."""


def serve_metrics(registry: CollectorRegistry, *, port: int, host: str = LOOPBACK) -> None:
    """Answer `GET /metrics` from a thread until the process ends. Raises `OSError` when the port is taken."""
    start_http_server(port, addr=host, registry=registry)


class QueueCollector(Collector):
    """Runs, batches, attempts and processes, as the database knows them at the moment of the question.

    While it is away only `wayframe_database_up 0` is told.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._kept: tuple[float, list[GaugeMetricFamily]] = (-KEPT_SECONDS, [])

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All gauges."""
        if time.monotonic() - self._kept[0] >= KEPT_SECONDS:
            self._kept = (time.monotonic(), self._asked())
        yield from self._kept[1]

    def _asked(self) -> list[GaugeMetricFamily]:
        try:
            found = [*self._runs(), *self._batches(), *self._processes()]
        except StoreError:
            return [_gauge("wayframe_database_up", "Whether the database answers.", [((), 0)])]
        return [_gauge("wayframe_database_up", "Whether the database answers.", [((), 1)]), *found]

    def _runs(self) -> Iterator[GaugeMetricFamily]:
        counts = self._place.runs.counts()
        yield _gauge("wayframe_runs", "Submitted runs.", counts.items(), labels=("capability", "state"))
        outcomes = {(name,): number for name, number in self._place.attempts.counts().items()}
        yield _gauge("wayframe_attempts", "Tries at segments by how they ended.", outcomes.items(), labels=("outcome",))

    def _batches(self) -> Iterator[GaugeMetricFamily]:
        waiting = {
            (queue.removeprefix(RENDER_PREFIX),): depth
            for queue, depth in depths(self._place.database).items()
            if queue.startswith(RENDER_PREFIX)
        }
        numbers = {name: depth.waiting for name, depth in waiting.items()}
        yield _gauge(
            "wayframe_batches_waiting", "Batches that wait for a worker.", numbers.items(), labels=("capability",)
        )
        ages = {name: depth.age for name, depth in waiting.items()}
        told = "Seconds that the oldest batch has waited."
        yield _gauge("wayframe_batches_oldest_seconds", told, ages.items(), labels=("capability",))

    def _processes(self) -> Iterator[GaugeMetricFamily]:
        rows = self._place.workers.listed()
        ages = {(row.worker_id, row.kind.value): row.age for row in rows}
        told = "Seconds since the last sign of life."
        yield _gauge("wayframe_beat_age_seconds", told, ages.items(), labels=("process", "kind"))


@dataclass(slots=True, kw_only=True)
class WorkerMeters:
    """What a worker counts of its renderers, by capability."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _counters: dict[str, Counter] = field(default_factory=dict)
    _last: tuple[str, Told] = ("", Told())

    def __post_init__(self) -> None:
        for name, says in COUNTED.items():
            self._counters[name] = _counter(f"wayframe_{name}", says, registry=self.registry)
        self._counters["switches"] = _counter("wayframe_model_switches", "Renderers started.", registry=self.registry)
        self._counters["crashes"] = _counter(
            "wayframe_renderer_crashes", "Renderers that died.", registry=self.registry
        )

    def switched(self, capability: str) -> None:
        """A renderer was started."""
        self._last = (capability, Told())
        self._counters["switches"].labels(capability).inc()

    def crashed(self, capability: str) -> None:
        """A renderer died."""
        self._counters["crashes"].labels(capability).inc()

    def heard(self, capability: str, *, told: Told) -> None:
        """A renderer told what it has counted since its start."""
        before = self._last[1]
        self._last = (capability, told)
        for name in COUNTED:
            more = getattr(told, name) - getattr(before, name)
            if more > 0:
                self._counters[name].labels(capability).inc(more)


COUNTED = {
    "steps": "Denoising steps.",
    "timed_steps": "Denoising steps that were timed.",
    "step_seconds": "Seconds that the timed steps took.",
    "frames": "Frames encoded.",
    "published": "Segments published.",
    "published_bytes": "Bytes of published segments.",
    "fetched_bytes": "Bytes fetched from the store.",
    "batches": "Batches begun.",
}


def _counter(name: str, says: str, *, registry: CollectorRegistry) -> Counter:
    return Counter(name, says, ["capability"], registry=registry)


def _gauge(
    name: str, says: str, values: Iterable[tuple[tuple[str, ...], float]], *, labels: tuple[str, ...] = ()
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, says, labels=labels)
    for label, value in values:
        family.add_metric(list(label), value)
    return family
