"""Writers are found by name, and can be named without what they stand on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wayframe.errors import PromptError, SpecError
from wayframe.prompts.base import PromptRequest, WriterSetup
from wayframe.prompts.registry import WRITERS, make_writer

HEAVY = "{'openai', 'torch', 'transformers', 'httpx'} & set(sys.modules)"


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_is_made_by_its_name(name: str):
    writer = make_writer(name, WriterSetup())
    assert writer.name == name
    assert writer.model
    writer.close()
    writer.close()


def test_an_unknown_name_is_an_error():
    with pytest.raises(SpecError, match=r"prompts\.writer: expected openai or qwen \(got 'gpt'\)"):
        make_writer("gpt", WriterSetup())


def test_a_writer_says_what_it_would_write_with_before_anything_heavy_is_imported():
    code = (
        "import sys; from wayframe.prompts.base import WriterSetup; from wayframe.prompts.registry import make_writer; "
        "assert make_writer('openai', WriterSetup(model='m')).identity == 'openai/1 m'; "
        "make_writer('qwen', WriterSetup()); "
        f"print(sorted({HEAVY}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    writer = make_writer("openai", WriterSetup(model="m"))
    request = PromptRequest(segment=0, pictures=(b"",), system="", question="?", max_words=9)
    with pytest.raises(PromptError, match=r"pip install 'wayframe\[prompts\]'"):
        next(writer.write([request]))
