"""Looks after one GPU: chooses the model to hold, has a fresh process render with it, and buries that one when it dies.

The worker itself loads no model and renders nothing. Its renderer is a process of its own (`child`), replaced to switch
models; `choice` says when.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from uuid import uuid4

from wayframe import __version__
from wayframe.errors import StoreError
from wayframe.workflow.queue.adapter import RENDER_PREFIX, Depth, depths
from wayframe.workflow.queue.choice import Scene, next_capability
from wayframe.workflow.queue.exposition import WorkerMeters
from wayframe.workflow.queue.handover import give_back
from wayframe.workflow.queue.lifeline import Stop
from wayframe.workflow.queue.liveness import Heart, bury_gone, host_name
from wayframe.workflow.queue.logging_lines import LOGGER
from wayframe.workflow.queue.offer import Offer
from wayframe.workflow.queue.pace import Pace
from wayframe.workflow.queue.place import DATABASE_VARIABLE, STORE_VARIABLE, Place
from wayframe.workflow.queue.readiness import ready
from wayframe.workflow.queue.rows import NewWorker, Owner, WorkerKind, WorkerRow
from wayframe.workflow.queue.supervise import Ending, Program
from wayframe.workflow.queue.switches import ON, PAUSED
from wayframe.workflow.queue.tally import Told

MAX_WAIT, GRACE = 600.0, 3600.0
IDLE_LOOK, BUSY_LOOK, BURIAL_LOOK = 1.0, 5.0, 0.1
"""Seconds between two looks: at what waits while nothing is in work, and while something is; and at the renderer."""
FIRST_REST, LONGEST_REST = 0.5, 60.0
KILL_SECONDS = 60.0
"""After a second signal, until a renderer that does not end is killed."""
CPU = "cpu"
_JITTER = random.SystemRandom()
"""Workers that look at the same moment would choose the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What a worker is told. `gpu` is a number or a UUID as CUDA names it, or ``cpu``.

    `max_wait` is how long a model may wait while the worker serves another, `grace` how long the batch in work may go
    on after the worker was asked to stop; both in seconds.
    """

    name: str
    offer: Offer
    gpu: str = CPU
    max_wait: float = MAX_WAIT
    grace: float = GRACE
    log_json: bool = False


@dataclass(slots=True, kw_only=True)
class _Renderer:
    """The process that renders now."""

    owner: Owner
    capability: str
    wake: threading.Event
    since: float
    program: Program | None = None
    told: Told = field(default_factory=Told)
    shown: str | None = None
    asked: float | None = None
    hurried: bool = False

    def hear(self, line: str) -> None:
        told = Told.parse(line)
        if told is not None:
            self.told = told
            self.wake.set()

    @property
    def busy(self) -> bool:
        return not self.told.ready or self.told.run_id is not None

    def ask(self) -> None:
        """Ask it to finish its batch and end, once."""
        if self.asked is None and self.program is not None:
            self.asked = time.monotonic()
            self.program.ask()

    def hurry(self) -> None:
        """Have it stop at once."""
        self.ask()
        if not self.hurried and self.program is not None:
            self.hurried = True
            self.program.ask()


class Worker:
    """One worker."""

    def __init__(self, place: Place, *, options: WorkerOptions, stop: Stop, meters: WorkerMeters) -> None:
        self._place, self._options, self._stop, self._meters = place, options, stop, meters
        self._pace = Pace.here()
        self._wake = threading.Event()
        self._renderer: _Renderer | None = None
        self._unburied: list[tuple[Owner, Ending]] = []
        self._resting: dict[str, float] = {}
        self._deaths = 0
        self._promised: str | None = None
        self._trouble = ""
        self._next_look = 0.0
        self._name_lost = False
        self._heart: Heart

    def run(self) -> bool:
        """Render what waits, until it was asked to stop and its renderer has ended.

        True when it was taken for dead meanwhile, for one that was cut off or frozen: then it should begin anew. Raises
        `StoreError` when the name is taken or the database is of another version.
        """
        ready(self._place.database)
        bury_gone(self._place.workers)
        self._heart = Heart(self._place.workers, self._row(), lost=self._lost, beat=self._pace.beat)
        with self._heart:
            LOGGER.info("takes %s", ", ".join(self._options.offer.listed()))
            while not self._has_ended():
                self._turn()
                self._wake.wait(BURIAL_LOOK)
                self._wake.clear()
        return self._name_lost

    def _has_ended(self) -> bool:
        """Whether nothing is left to do; what cannot be buried while the database is away is left to a sweep."""
        buried = not self._unburied or self._stop.hurried.is_set()
        return self._ending() and self._renderer is None and buried

    def _ending(self) -> bool:
        return self._stop.asked.is_set()

    def _turn(self) -> None:
        self._look_after_renderer()
        self._bury()
        if self._ending():
            self._wind_up()
        elif time.monotonic() >= self._next_look:
            self._decide_if_possible()
            busy = self._renderer is not None and self._renderer.busy
            self._next_look = time.monotonic() + (BUSY_LOOK if busy else IDLE_LOOK) * _JITTER.uniform(0.8, 1.2)

    def _decide_if_possible(self) -> None:
        """Decide, or say once that the database is away: what is in work goes on."""
        trouble = ""
        try:
            self._decide()
        except StoreError as error:
            trouble = str(error)
        if trouble != self._trouble:
            LOGGER.warning("%s", trouble or "the database is back")
        self._trouble = trouble

    def _wind_up(self) -> None:
        renderer = self._renderer
        if renderer is None:
            return
        renderer.ask()
        waited = time.monotonic() - (renderer.asked or 0.0)
        if self._stop.hurried.is_set() or waited > self._options.grace:
            renderer.hurry()
        if renderer.hurried and waited > self._options.grace + KILL_SECONDS and renderer.program is not None:
            renderer.program.kill()

    def _decide(self) -> None:
        place, renderer = self._place, self._renderer
        held_up = place.switches.get(PAUSED) == ON or place.workers.is_draining(self._heart.owner)
        if held_up:
            if renderer is not None:
                renderer.ask()
            return
        wanted = next_capability(self._scene(), max_wait=self._options.max_wait)
        if renderer is None:
            if wanted is not None and not self._unburied:
                self._start(wanted)
        elif wanted != renderer.capability:
            self._leave(renderer, wanted=wanted)

    def _leave(self, renderer: _Renderer, *, wanted: str | None) -> None:
        if renderer.asked is None:
            LOGGER.info("leaves %s for %s", renderer.capability, wanted)
            self._promised = wanted
            renderer.ask()

    def _scene(self) -> Scene:
        renderer, now = self._renderer, time.monotonic()
        return Scene(
            waiting={name: depth for name, depth in self._waiting().items() if self._resting.get(name, 0.0) <= now},
            holding=renderer.capability if renderer else None,
            busy=renderer is not None and renderer.busy,
            served=now - renderer.since if renderer else 0.0,
            others=[row.holding for row in self._others() if row.holding],
            promised=self._promised,
        )

    def _waiting(self) -> dict[str, Depth]:
        found = {
            queue.removeprefix(RENDER_PREFIX): depth
            for queue, depth in depths(self._place.database).items()
            if queue.startswith(RENDER_PREFIX)
        }
        return {name: depth for name, depth in found.items() if self._options.offer.serves(name)}

    def _others(self) -> list[WorkerRow]:
        alive = self._place.workers.alive(kind=WorkerKind.WORKER)
        return [row for row in alive if row.worker_id != self._options.name]

    def _start(self, capability: str) -> None:
        options = self._options
        owner = Owner(worker_id=f"{options.name}/render", boot=uuid4().hex)
        renderer = _Renderer(owner=owner, capability=capability, wake=self._wake, since=time.monotonic())
        command = [
            *(sys.executable, "-m", "wayframe.workflow.queue.child", "--name", owner.worker_id, "--boot", owner.boot),
            *("--capability", capability, "--gpu", options.gpu, "--home", str(self._place.home.root)),
            *(["--log-json"] if options.log_json else []),
        ]
        self._heart.tell(holding=capability, run_id=None)
        renderer.program = Program(command, environment=_environment(self._place, gpu=options.gpu), told=renderer.hear)
        self._renderer, self._promised = renderer, None
        self._meters.switched(capability)

    def _look_after_renderer(self) -> None:
        renderer = self._renderer
        if renderer is None or renderer.program is None:
            return
        ending = renderer.program.look()
        self._meters.heard(renderer.capability, told=renderer.told)
        if ending is None:
            self._heart_follows(renderer)
        else:
            self._ended(renderer, ending=ending)

    def _heart_follows(self, renderer: _Renderer) -> None:
        if renderer.told.run_id != renderer.shown:
            renderer.shown = renderer.told.run_id
            self._heart.tell(holding=renderer.capability, run_id=renderer.shown)
            self._next_look = 0.0

    def _ended(self, renderer: _Renderer, *, ending: Ending) -> None:
        self._renderer, self._next_look = None, 0.0
        self._heart.tell(holding=None, run_id=None)
        self._unburied.append((renderer.owner, ending))
        if ending.code == 0:
            self._deaths = 0
            return
        self._deaths = 1 if renderer.told.published else self._deaths + 1
        rest = min(FIRST_REST * 2 ** (self._deaths - 1), LONGEST_REST)
        self._resting[renderer.capability] = time.monotonic() + rest
        self._meters.crashed(renderer.capability)
        LOGGER.error("the renderer of %s %s; %g s of rest", renderer.capability, ending.words, rest)

    def _bury(self) -> None:
        """Say what is known of renderers that ended, and hand their work on; again later while the database is away."""
        while self._unburied:
            owner, ending = self._unburied[0]
            try:
                self._place.workers.forget(owner, detail=ending.as_detail())
                give_back(self._place.database, owner=owner)
            except StoreError:
                return
            self._unburied.pop(0)

    def _lost(self) -> None:
        LOGGER.error("this worker was taken for dead; it begins anew")
        self._name_lost = True
        self._stop.asked.set()
        self._wake.set()

    def _row(self) -> NewWorker:
        return NewWorker(
            worker_id=self._options.name,
            boot=uuid4().hex,
            kind=WorkerKind.WORKER,
            host=host_name(),
            pid=os.getpid(),
            gpu=self._options.gpu,
            capabilities=self._options.offer.listed(),
            version=__version__,
        )


def _environment(place: Place, *, gpu: str) -> dict[str, str]:
    """What a renderer inherits: addresses, which may hold secrets, and its GPU before torch is imported."""
    addresses = {DATABASE_VARIABLE: place.database.text}
    if place.shared:
        addresses[STORE_VARIABLE] = place.objects.location
    return {**addresses, "CUDA_VISIBLE_DEVICES": "" if gpu == CPU else gpu}
