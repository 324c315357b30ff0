"""Schemathesis over the API: whatever it is asked, it answers as it said it would, and never fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from web.browser import ORIGIN, Browser
from workflow.queue.stage import Stage
from workflow.rides import through

load_all_checks()
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
quietly = settings(
    max_examples=10,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def run(stage: Stage) -> str:
    """A run that has ended, beside one that waits."""
    stage.submit(stage.ground.trip(through(1, 2)))
    return stage.ground.run(through(0, 1)).folder.run_id


@pytest.fixture
def api(stage: Stage) -> Iterator[schemathesis.BaseSchema]:
    """The schema of the page."""
    with Browser.of(stage.place) as browser:
        yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", browser.client.app, headers={"Host": ORIGIN[7:]})


@pytest.mark.parametrize("mode", [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE])
def test_every_operation_answers_as_its_schema_says(
    api: schemathesis.BaseSchema, run: str, mode: schemathesis.GenerationMode, subtests: pytest.Subtests
) -> None:
    """Every second time the run is one that is there."""
    tried = 0
    for found in api.get_all_operations():
        operation = found.ok()

        @quietly
        @given(case=operation.as_strategy(generation_mode=mode))
        def hold(case: schemathesis.Case) -> None:
            nonlocal tried
            tried += 1
            if tried % 2 and "run_id" in (case.path_parameters or {}) and case.method != "DELETE":
                case.path_parameters["run_id"] = run
            case.call_and_validate(checks=CHECKS, headers={"Host": ORIGIN[7:]})

        with subtests.test(operation.label), suppress(Unsatisfiable):  # nothing can be wrong where nothing is given
            hold()
    assert tried > 200
