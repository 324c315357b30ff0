"""Writers by name."""

from __future__ import annotations

from wayframe.errors import SpecError
from wayframe.prompts.base import PromptWriter, WriterSetup

WRITERS = ("openai", "qwen")


def make_writer(name: str, setup: WriterSetup) -> PromptWriter:
    """The writer of that name; making it loads no weights and asks nobody. Raises `SpecError` for an unknown name."""
    if name == "openai":
        from wayframe.prompts.openai_writer import OpenAIWriter

        return OpenAIWriter(setup)
    if name == "qwen":
        from wayframe.prompts.qwen_writer import QwenWriter

        return QwenWriter(setup)
    raise SpecError("prompts.writer", f"expected {' or '.join(WRITERS)}", name)
