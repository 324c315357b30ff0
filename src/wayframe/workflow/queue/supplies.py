"""What must be here when a run is submitted: its LoRAs and prompts, which decide the keys. Weights are for workers."""

from __future__ import annotations

from collections.abc import Callable

from wayframe.store.home import Home
from wayframe.workflow.lora_files import Fetch, check_loras, fetch_loras, remote_loras
from wayframe.workflow.sources import with_prompts
from wayframe.workflow.trip import Trip, engine_facts


def trip_to_submit(make: Callable[[], Trip], *, home: Home, fetch: Fetch) -> Trip:
    """The trip that `make` makes, after the LoRAs were fetched that its engine needs, and prompts were written.

    Raises `SpecError` for a LoRA that is not here, `StoreError` for one that cannot be fetched, `PromptError` for a
    prompt that cannot be written.
    """
    trip = make()
    if engine_facts(trip.plan.engine, options=trip.options).denoises:
        if remote_loras(trip.plan, trip.loras):
            fetch_loras(trip.plan, trip.loras, home=home, fetch=fetch)
            trip = make()
        check_loras(trip.plan, trip.loras)
    return with_prompts(trip, make=make, home=home, ask=fetch)
