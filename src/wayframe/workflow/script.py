"""The script of a segment: a run or a spec, its model from the catalogue, and what its engine's options say."""

from __future__ import annotations

from wayframe.core.script import ScriptSource, segment_script
from wayframe.errors import SpecError
from wayframe.store.catalogue import load_catalogue
from wayframe.store.home import Home
from wayframe.workflow.exchange import Export

_DTYPES = ("bfloat16", "float16", "float32")


def exported_script(export: Export, *, segment: int, home: Home) -> str:
    """The program that makes segment `segment` (from 0) with diffusers alone.

    Raises `SpecError` for a trip without a model, and as `core.script.segment_script`.
    """
    plan = export.plan
    if plan.model is None:
        raise SpecError("model", "is required for a script: there is nothing that denoises", fix="name a model")
    said = dict(word.partition("=")[::2] for word in plan.engine_identity.split(" ")[1:])
    dtype = said.get("dtype", _DTYPES[0])
    source = ScriptSource(
        plan=plan,
        model=load_catalogue(home).model(plan.model),
        images=export.source.images,
        dtype=dtype if dtype in _DTYPES else _DTYPES[0],
        text_length=int(said.get("text_length", "512")),
    )
    return segment_script(source, index=segment)
