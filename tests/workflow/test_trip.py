"""What is refused when a trip is planned, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayframe.errors import SpecError
from workflow.rides import Ground, through


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_a_prompt_that_redaction_would_change_is_refused(name: str, tmp_path: Path):
    ground = Ground.at(tmp_path, count=2)
    words = {name: 'he says the password: "open sesame"'}
    with pytest.raises(SpecError, match=rf"segments\[0\]\.{name}: looks as if it held a secret") as refused:
        ground.trip({**through(0, 1), **words})
    assert "sesame" not in str(refused.value)
