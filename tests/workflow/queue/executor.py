"""A process that carries runs out, begins and finishes them, until its standard input ends; started by `stage`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from wayframe.store.home import open_home
from wayframe.workflow.queue import adapter, flows
from wayframe.workflow.queue.liveness import Heart, executor_id, host_name
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.rows import NewWorker, WorkerKind

QUEUES = {adapter.RUNS_QUEUE: None, adapter.render_queue("null"): 1, adapter.render_queue("preview"): 1}


def serve(home: Path, *, name: str) -> None:
    """Work for the place that the environment names, with this home."""
    place = Place.open(home=open_home(home))
    worker = NewWorker(
        worker_id=name,
        boot="1",
        kind=WorkerKind.WORKER,
        host=host_name(),
        pid=os.getpid(),
        gpu="cpu",
        capabilities=("null", "preview"),
        version="test",
    )
    with Heart(place.workers, worker, lost=lambda: os._exit(1)) as heart:
        flows.use(flows.Setting(place=place, owner=heart.owner))
        adapter.launch(place.database, executor_id=executor_id(heart.owner), queues=QUEUES)
        sys.stdout.write("up\n")
        sys.stdout.flush()
        sys.stdin.read()
        adapter.stop(within=1)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), name=sys.argv[2])
    os._exit(0)
