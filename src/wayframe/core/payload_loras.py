"""LoRAs of a payload that are sloppily said: without a strength, without an address, or more than once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any

from wayframe.core.findings import Finding, finding
from wayframe.core.loras import WANGP_DEFAULT, multiplier_text, parse_multiplier
from wayframe.core.payload_rules import PAYLOAD_LORA_SUMMED, PAYLOAD_LORA_UNNAMED, PAYLOAD_MULTIPLIER, PAYLOAD_OVERRULED
from wayframe.core.payload_wire import Wire, WireLora
from wayframe.core.subject import lora_name
from wayframe.errors import PayloadError


def unclear(loras: Sequence[WireLora], *, where: str) -> Iterator[Finding]:
    """A finding for each LoRA that has no address, or no strength (it is absent or null)."""
    for index, lora in enumerate(loras):
        place = f"{where}[{index}]"
        if not lora.url.strip():
            yield unnamed(place)
        elif "multiplier" not in lora.model_fields_set:
            message = f"{lora_name(lora.url)} has no strength: it runs at 1"
            yield finding(PAYLOAD_MULTIPLIER, message, where=place, evidence={"weights": [1.0]})


def unnamed(place: str) -> Finding:
    """The finding for a LoRA that has no address."""
    return finding(PAYLOAD_LORA_UNNAMED, f"{place} names no LoRA: it is left out", where=place)


def twice(files: Iterable[str], *, where: str) -> Iterator[Finding]:
    """A finding for each LoRA that is named more than once outside of phases."""
    counts: dict[str, int] = {}
    for file in files:
        counts[file] = counts.get(file, 0) + 1
    for file, times in counts.items():
        if times > 1:
            message = f"{lora_name(file)} is named {times} times: its strengths add up"
            yield finding(PAYLOAD_LORA_SUMMED, message, where=where, evidence={"file": file, "times": times})


def overruled(wire: Wire) -> Iterator[Finding]:
    """A finding for each strength in additional_loras or loras that another one takes the place of."""
    given = (WANGP_DEFAULT if text is None else text for text in wire.given_multipliers)
    names = dict(zip(wire.lora_names, chain(given, repeat(WANGP_DEFAULT)), strict=False))
    last = {lora.url: lora.multiplier for lora in wire.more_loras}
    for lora in wire.more_loras:
        winner = "lora_names" if lora.url in names else "the last entry"
        used = str(names.get(lora.url, last[lora.url]))
        if used != lora.multiplier:
            message = f"{lora_name(lora.url)} is asked for at {lora.multiplier} and at {used}: {winner} wins"
            evidence = {"winner": winner, "said": lora.multiplier, "used": used}
            yield finding(PAYLOAD_OVERRULED, message, where="additional_loras", evidence=evidence)


def added_up(loras: Iterable[tuple[str, str | float]], *, where: str) -> list[dict[str, Any]]:
    """LoRAs of a whole run as words of a spec, each once; strengths of one that is named more than once add up.

    Raises `PayloadError` for strengths that change over the steps in lists of different lengths.
    """
    texts: dict[str, list[str | float]] = {}
    for file, text in loras:
        texts.setdefault(file, []).append(text)
    return [
        {"file": file, "multiplier": said[0] if len(said) == 1 else _sum(said, where=where)}
        for file, said in texts.items()
    ]


def _sum(texts: Sequence[str | float], *, where: str) -> str:
    rows = [parse_multiplier(text, field=where).phases[0] for text in texts]
    length = max(len(row) for row in rows)
    if any(len(row) not in (1, length) for row in rows):
        problem = "a LoRA is named twice, with strengths for different numbers of steps"
        raise PayloadError(where, problem, list(texts), fix="name it once")
    spread = [row * length if len(row) == 1 else row for row in rows]
    return multiplier_text([sum(column) for column in zip(*spread, strict=True)])
