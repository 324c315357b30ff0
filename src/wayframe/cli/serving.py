"""Commands that work on the queue until they are stopped: up, worker, orchestrator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wayframe.cli.database import DatabaseOption
from wayframe.cli.options import HomeOption
from wayframe.cli.places import StoreOption, Where
from wayframe.cli.serve import PORT, HostOption, PortOption, TokenOption

if TYPE_CHECKING:
    from wayframe.workflow.queue.lifeline import Stop
    from wayframe.workflow.queue.place import Place
    from wayframe.workflow.queue.up import Part

NameOption = Annotated[
    str | None,
    typer.Option("--name", help="Its name in the queue; without it the machine's and the GPU's.", show_default=False),
]
ModelsOption = Annotated[
    str | None,
    typer.Option(
        "--models",
        metavar="A,B",
        help="Take only work for these models or engines; without it whatever this machine has the weights for.",
        show_default=False,
    ),
]
MaxWaitOption = Annotated[
    float, typer.Option("--max-wait", min=1, help="Seconds that one model may wait while another is served.")
]
GraceOption = Annotated[
    float, typer.Option("--grace", min=0, help="Seconds that work in hand may go on after SIGTERM or Ctrl-C.")
]
MetricsOption = Annotated[
    int | None,
    typer.Option("--metrics", metavar="PORT", help="Answer Prometheus at this port.", show_default=False),
]
MetricsHostOption = Annotated[str, typer.Option("--metrics-host", help="The address for --metrics.")]
PageOption = Annotated[
    bool | None,
    typer.Option("--page/--no-page", help="Serve the page too; else when it is installed.", show_default=False),
]
LogJsonOption = Annotated[bool, typer.Option("--log-json", help="Log JSON objects, one a line.")]
MigrateOption = Annotated[
    bool, typer.Option("--migrate", help="Make or upgrade the tables of a PostgreSQL database first.")
]
PACKAGES = ("prometheus_client", "psutil")
"""Needed here besides what all of the queue needs."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(up)
    app.command()(worker)
    app.command()(orchestrator)


def up(
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Workers; without it one a GPU.", show_default=False)
    ] = None,
    models: ModelsOption = None,
    max_wait: MaxWaitOption = 600,
    grace: GraceOption = 3600,
    metrics: MetricsOption = None,
    metrics_host: MetricsHostOption = "127.0.0.1",
    migrate: MigrateOption = False,
    page: PageOption = None,
    page_host: HostOption = "127.0.0.1",
    page_port: PortOption = PORT,
    token_file: TokenOption = None,
    log_json: LogJsonOption = False,
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Render what is submitted, on this machine: an orchestrator, a worker for each GPU, and the page, until Ctrl-C."""
    place = _place(Where(database=database, store=store, home=home))
    from wayframe.workflow.queue.readiness import ready
    from wayframe.workflow.queue.up import Up

    ready(place.database, may_migrate=migrate)
    common = _Common(place=place, metrics_host=metrics_host, log_json=log_json)
    shared = [*_word("--models", models), "--max-wait", str(max_wait), "--grace", str(grace)]
    parts = [common.part("orchestrator", [], last=True, metrics=metrics)]
    for number, gpu in enumerate(_gpus(workers)):
        port = None if metrics is None else metrics + 1 + number
        name = "cpu" if gpu == "cpu" and not workers else f"{'gpu' if gpu != 'cpu' else 'cpu'}{number}"
        parts.append(common.part("worker", ["--gpu", gpu, *shared], label=name, metrics=port))
    parts += common.page(wanted=page, host=page_host, port=page_port, token_file=token_file)
    stop = _stop()
    Up(home=place.home, parts=parts, stop=stop, say=_say).run()


def worker(
    name: NameOption = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu", metavar="ID", help="The GPU, as CUDA names it, or cpu; without it the first.", show_default=False
        ),
    ] = None,
    models: ModelsOption = None,
    max_wait: MaxWaitOption = 600,
    grace: GraceOption = 3600,
    metrics: MetricsOption = None,
    metrics_host: MetricsHostOption = "127.0.0.1",
    log_json: LogJsonOption = False,
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Render what waits in the queue with one GPU, until SIGTERM or Ctrl-C; a second one stops at once."""
    place = _place(Where(database=database, store=store, home=home))
    from wayframe.workflow.queue.exposition import QueueCollector, WorkerMeters, serve_metrics
    from wayframe.workflow.queue.gpus import gpus
    from wayframe.workflow.queue.offer import Offer
    from wayframe.workflow.queue.worker import CPU, Worker, WorkerOptions

    chosen = gpu or next(iter(gpus()), CPU)
    label = chosen if chosen == CPU else f"gpu{chosen}"
    options = WorkerOptions(
        name=name or _machine_name(label),
        offer=Offer.of(place.home, only=_names(models)),
        gpu=chosen,
        max_wait=max_wait,
        grace=grace,
        log_json=log_json,
    )
    meters = WorkerMeters()

    def work(stop: Stop) -> bool:
        if metrics is not None:
            meters.registry.register(QueueCollector(place))
            serve_metrics(meters.registry, port=metrics, host=metrics_host)
        return Worker(place, options=options, stop=stop, meters=meters).run()

    _serve(work, name=options.name, log_json=log_json)


def orchestrator(
    name: NameOption = None,
    metrics: MetricsOption = None,
    metrics_host: MetricsHostOption = "127.0.0.1",
    migrate: MigrateOption = False,
    log_json: LogJsonOption = False,
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Begin and finish runs, and hand on the work of dead workers, until SIGTERM or Ctrl-C. Two or more may run."""
    place = _place(Where(database=database, store=store, home=home))
    from prometheus_client import CollectorRegistry

    from wayframe.workflow.queue.exposition import QueueCollector, serve_metrics
    from wayframe.workflow.queue.orchestrator import Orchestrator

    own = name or _machine_name("orchestrator")

    def work(stop: Stop) -> bool:
        if metrics is not None:
            registry = CollectorRegistry()
            registry.register(QueueCollector(place))
            serve_metrics(registry, port=metrics, host=metrics_host)
        return Orchestrator(place=place, name=own, stop=stop, may_migrate=migrate).run()

    _serve(work, name=own, log_json=log_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """What all processes of `up` are started with."""

    place: Place
    metrics_host: str
    log_json: bool

    def part(
        self,
        command: str,
        words: list[str],
        *,
        label: str | None = None,
        metrics: int | None = None,
        last: bool = False,
    ) -> Part:
        from sys import executable

        from wayframe.workflow.queue.up import Part

        name = _machine_name(label or command)
        own = ["--name", name, "--home", str(self.place.home.root), *(["--log-json"] if self.log_json else [])]
        served = [*_word("--metrics", metrics), "--metrics-host", self.metrics_host]
        return Part(
            name=f"{command} {name}",
            command=[executable, "-m", "wayframe", command, *own, *served, *words],
            environment=self._addresses(),
            last=last,
        )

    def page(self, *, wanted: bool | None, host: str, port: int, token_file: Path | None) -> list[Part]:
        """The page's server, where it is wanted, or is installed and nobody said otherwise.

        Raises `SpecError` for one that others could reach without a token.
        """
        from sys import executable

        from wayframe.cli.serve import check_extra, missing_packages
        from wayframe.workflow.queue.up import Part

        if wanted:
            check_extra()
        if wanted is False or missing_packages():
            return []
        from wayframe.web.settings import Settings, read_token

        settings = Settings(host=host, port=port, token=read_token(token_file))
        settings.check()
        words = ["--host", host, "--port", str(port), *_word("--token-file", token_file)]
        command = [executable, "-m", "wayframe", "serve", "--no-open", "--home", str(self.place.home.root), *words]
        return [Part(name=f"page {settings.address}", command=command, environment=self._addresses())]

    def _addresses(self) -> Mapping[str, str]:
        from wayframe.workflow.queue.place import DATABASE_VARIABLE, STORE_VARIABLE

        shared = {STORE_VARIABLE: self.place.objects.location} if self.place.shared else {}
        return {DATABASE_VARIABLE: self.place.database.text, **shared}


def _place(where: Where) -> Place:
    """The place to work at. Raises `StoreError` where the extra `queue` is not installed."""
    from importlib.util import find_spec

    from wayframe.errors import StoreError

    place = where.place()
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise StoreError(f'this needs {", ".join(missing)}, not installed here: pip install "wayframe[queue]"')
    return place


def _serve(work: Callable[[Stop], bool], *, name: str, log_json: bool) -> None:
    """Do the work of a process of its own, and end, or begin anew: threads of libraries may still be there."""
    import os
    import sys

    from wayframe.workflow.queue.logging_lines import AGAIN, carried_out, log_lines

    log_lines(process=name, as_json=log_json)
    stop = _stop()
    code = carried_out(lambda: work(stop))
    if code == AGAIN:
        os.execv(sys.executable, [sys.executable, "-m", "wayframe", *sys.argv[1:]])
    os._exit(code)


def _stop() -> Stop:
    from wayframe.workflow.queue.lifeline import Stop, hold_lifeline

    stop = Stop()
    stop.listen()
    hold_lifeline()
    return stop


def _gpus(workers: int | None) -> list[str]:
    """The GPU of each worker: all of the machine's, or as many as were asked for, in turn."""
    from wayframe.workflow.queue.gpus import gpus
    from wayframe.workflow.queue.worker import CPU

    found = list(gpus()) or [CPU]
    return found if workers is None else [found[number % len(found)] for number in range(workers)]


def _machine_name(label: str) -> str:
    from socket import gethostname

    return f"{gethostname()}-{label}"


def _names(models: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (models or "").split(",") if name.strip())


def _word(flag: str, value: object) -> list[str]:
    return [] if value is None else [flag, str(value)]


def _say(line: str) -> None:
    typer.echo(line)
