"""The prompts of a payload's segments: the enhanced one, the segment's own, or the one for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wayframe.core.findings import Finding, finding
from wayframe.core.payload_frames import each
from wayframe.core.payload_rules import PAYLOAD_PROMPT
from wayframe.core.payload_wire import Wire

Said = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The prompts of all segments, None for those that a model is to write, and the words of the spec beside them."""

    prompts: tuple[str | None, ...]
    negative: tuple[str, ...]
    words: Said
    origins: Mapping[str, str]
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, wire: Wire) -> Texts:
        """Those of a payload. Raises `PayloadError` for a list that has neither one value nor one for each segment."""
        count = wire.num_new_segments_to_generate
        base = each(wire.base_prompts_expanded, count=count, key="base_prompts_expanded")
        negative = each(wire.negative_prompts_expanded, count=count, key="negative_prompts_expanded")
        enhanced = wire.enhanced_prompts_expanded
        if enhanced:
            enhanced = each(enhanced, count=count, key="enhanced_prompts_expanded")
        written = [enhanced[index].strip() and enhanced[index] if enhanced else "" for index in range(count)]
        used = [written[index] if wire.enhance_prompt and written[index] else base[index] for index in range(count)]
        missing = [wire.enhance_prompt and not text.strip() for text in used]
        return cls(
            prompts=tuple(
                None if gap else text if text.strip() else wire.base_prompt
                for text, gap in zip(used, missing, strict=True)
            ),
            negative=tuple(text if text.strip() else wire.negative_prompt for text in negative),
            words=_prompt_words(wire, missing=any(missing)),
            origins={
                f"segments[{index}].prompt": _prompt_origin(text, base=base[index], missing=missing[index])
                for index, text in enumerate(used)
            },
            findings=tuple(_not_enhanced(wire, base=base, written=written)),
        )


def _prompt_words(wire: Wire, *, missing: bool) -> Said:
    """What the whole spec says of prompts; the base prompt stands where a model is to write one."""
    around = {"text_before": wire.text_before_prompts.strip(), "text_after": wire.text_after_prompts.strip()}
    words: Said = {name: text for name, text in around.items() if text}
    if missing and wire.base_prompt.strip():
        words["prompt"] = wire.base_prompt
    return {**words, "prompts": {"write": "missing"}} if wire.enhance_prompt else words


def _prompt_origin(text: str, *, base: str, missing: bool) -> str:
    if missing:
        return "payload:base_prompt"
    return f"payload:{'enhanced' if text != base else 'base'}_prompts_expanded"


def _not_enhanced(wire: Wire, *, base: Sequence[str], written: Sequence[str]) -> Iterator[Finding]:
    kept = [index for index, text in enumerate(base) if text.strip() and not written[index]]
    if wire.enhance_prompt and wire.continues and 0 not in kept and not written[0]:
        message = "enhance_prompt is on, and segment 0 starts from a video: no model writes its prompt here"
        yield finding(PAYLOAD_PROMPT, message, where="lead.prompt", evidence={"segments": [0]})
    if wire.enhance_prompt and kept:
        message = f"enhance_prompt is on, and segments {kept} have a prompt of their own, which stays as it is"
        yield finding(PAYLOAD_PROMPT, message, where="prompt", evidence={"segments": kept})
