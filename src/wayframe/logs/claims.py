"""Claims: the whole literal in which a task's parameters stand, and what a run learns from one."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

from wayframe.files import Redactor
from wayframe.logs.lines import LONGEST_VALUE, UUID, may_hold_a_record
from wayframe.logs.literals import Json, Object, literal_end, read_literal
from wayframe.logs.open_run import ORCHESTRATOR, SEGMENT, OpenRun, OpenTask
from wayframe.logs.record import Evidence

_PAYLOADS = ("orchestrator_details", "orchestrator_payload", "full_orchestrator_payload")
_STAND_INS = (-7150151701, -7150151702, -7150151703)
_TASK_ID = re.compile(rf"\{{'task_id': '({UUID})'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A task as a worker took it, without its secrets."""

    task_id: str
    task_type: str
    params: Object
    decoys: tuple[str, ...]
    """Texts among its values that hold what looks like a record."""

    @property
    def orchestrator(self) -> str | None:
        """The id of the orchestrator that the task works for."""
        nested = (self.params.get(name) for name in _PAYLOADS)
        ids = (payload.get("orchestrator_task_id") for payload in nested if isinstance(payload, dict))
        reference = self.params.get("orchestrator_task_id_ref") or next((known for known in ids if known), None)
        return reference.lower() if isinstance(reference, str) else None

    @property
    def requested(self) -> Object:
        """The keys as they were given: an orchestrator's payload, any other task's parameters."""
        if not self.task_type.endswith(ORCHESTRATOR):
            return self.params
        payloads = (self.params.get(name) for name in _PAYLOADS)
        return next((payload for payload in payloads if isinstance(payload, dict)), self.params)

    @property
    def run_id(self) -> str | None:
        """The id of the run."""
        given = self.params.get("orchestrator_run_id") or self.requested.get("run_id")
        return given if isinstance(given, str) else None


class ClaimReader:
    """Reads the literals of claims and takes their secrets out.

    A segment's claim repeats the orchestrator's payload three times, and the next segment's claim repeats it again:
    a payload whose exact text was read before is not read again, and is shared in memory.
    """

    def __init__(self, redactor: Redactor, *, remembered: int = 8) -> None:
        self._redactor, self._remembered = redactor, remembered
        self._known: OrderedDict[str, tuple[Json, int]] = OrderedDict()

    @staticmethod
    def task_id(literal: str) -> str | None:
        """The id of the task, where the literal begins with it."""
        match = _TASK_ID.match(literal)
        return match[1].lower() if match else None

    def read(self, text: str) -> Claim:
        """The claim whose literal stands at the start of `text`. Raises ValueError when it is not whole."""
        try:
            return self._read(text.rstrip())
        except ValueError:
            end = literal_end(text, start=0)
            if end is None or end == len(text.rstrip()):
                raise
            return self._read(text[:end])

    def _read(self, literal: str) -> Claim:
        short, cut = self._without_payloads(literal)
        claim, params = _claim(short)
        if any(params.get(name) != number for name, number in zip(_PAYLOADS, _STAND_INS, strict=True) if name in cut):
            cut, (claim, params) = {}, _claim(literal)
        payloads = {
            name: self._payload(params.pop(name), cut.get(name), literal) for name in _PAYLOADS if name in params
        }
        cleaned: Object = self._redactor.value(params)
        return Claim(
            task_id=self._redactor.text(str(claim.get("task_id") or "").lower()),
            task_type=str(claim.get("task_type") or ""),
            params={**cleaned, **payloads},
            decoys=tuple(_decoys({**cleaned, **payloads})) if may_hold_a_record(literal) else (),
        )

    def _without_payloads(self, literal: str) -> tuple[str, dict[str, str]]:
        cut: dict[str, str] = {}
        for name, stand_in in zip(_PAYLOADS, _STAND_INS, strict=True):
            at = literal.find(f"'{name}': {{")
            start = at + len(name) + len("'': ")
            text = next((text for text in self._known if at >= 0 and literal.startswith(text, start)), None)
            if text is not None:
                literal = f"{literal[:start]}{stand_in}{literal[start + len(text) :]}"
                cut[name] = text
        return literal, cut

    def _payload(self, value: Json, known: str | None, literal: str) -> Json:
        text = known or repr(value)
        if text in self._known:
            self._known.move_to_end(text)
            payload, secrets = self._known[text]
            self._redactor.count += secrets
            return payload
        before = self._redactor.count
        cleaned: Json = self._redactor.value(value)
        if isinstance(cleaned, dict) and text in literal:
            self._known[text] = (cleaned, self._redactor.count - before)
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
        return cleaned


def _claim(literal: str) -> tuple[Object, Object]:
    claim = read_literal(literal)
    params = claim.get("params") if isinstance(claim, dict) else None
    if not isinstance(claim, dict) or not isinstance(params, dict):
        raise ValueError("not a claim")
    return claim, params


def _decoys(value: Json) -> list[str]:
    if isinstance(value, str):
        return [value[:LONGEST_VALUE]] if may_hold_a_record(value) else []
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [decoy for item in items for decoy in _decoys(item)]


def facts_of_claim(claim: Claim, *, task: OpenTask, run: OpenRun, evidence: Evidence) -> None:
    """Enter what a claim says into its task and its run."""
    task.requested, task.facts["requested"] = claim.requested, evidence
    if run.run_id is None and claim.run_id is not None:
        run.run_id, run.facts["run_id"] = claim.run_id, evidence
    index = claim.params.get("segment_index")
    if task.kind == SEGMENT and isinstance(index, int) and not isinstance(index, bool):
        task.index, task.facts["segment_index"] = index, evidence
    values = (claim.params.get(name) for name in ("base_prompt", "negative_prompt", "prompt"))
    prompts = [value for value in values if isinstance(value, str)]
    run.known_texts |= {prompt.strip() for prompt in prompts}
    run.long_prompts |= {prompt for prompt in prompts if "\n" in prompt}
    run.decoys += [decoy for decoy in claim.decoys if decoy not in run.decoys]
