"""Rules over what was asked for and what was sent or applied, in one run and between two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from wayframe.core.derived import TableComparison
from wayframe.core.diff import same
from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.subject import Evidence, Level, Subject, SubjectSegment, address, lora_name

REQUESTED_NOT_APPLIED = rule(
    "requested-not-applied",
    Severity.CRITICAL,
    title="A setting was not applied as it was requested",
    why="What reached the engine is not what was asked for: the picture answers to the value that was sent.",
    action="Look at the two lines; give the setting in the form that the engine reads, or report the fault.",
)
TYPE_CHANGED = rule(
    "type-changed-on-the-way",
    Severity.WARNING,
    title="A value changed its type on its way to the engine",
    why="Lists that become text, and text that becomes numbers, are read by other rules at the other end.",
    action="Follow the value from line to line and keep its type.",
)
NOT_REQUESTED = rule(
    "applied-not-requested",
    Severity.WARNING,
    title="A setting was applied that nobody asked for",
    why="A model definition or an automatic addition brought it; a run that looks plain in its request was not.",
    action="Write the setting into the request, or take the automatic addition away, before comparing.",
)
LORA_NOT_SENT = rule(
    "lora-requested-without-effect",
    Severity.CRITICAL,
    title="A LoRA was asked for and has no effect",
    why="It was not sent to the engine, or its weight is 0 at every step.",
    action="Check its multiplier and that its file was found.",
)
LORA_UNASKED = rule(
    "lora-applied-unasked",
    Severity.WARNING,
    title="A LoRA was applied that nobody asked for",
    why="Motion settings and model definitions bring LoRAs along; they change the picture like any other.",
    action="Ask for it by name, or switch off what brings it.",
)
COMMA_FOR_PHASES = rule(
    "comma-list-for-phases",
    Severity.CRITICAL,
    title="A comma list was sent where phases were asked for",
    why="`,` spreads values over all steps, `;` separates phases: `0.75,0.0` is one ramp of the first LoRA.",
    action="Send one entry for each LoRA, its phases separated by `;`.",
)
KEYFRAME_REPEATED = rule(
    "keyframe-repeated",
    Severity.WARNING,
    title="The same picture stands twice in a row",
    why="The segment between them has nothing to do: the model freezes or wanders.",
    action="Replace one of the two.",
)
SENT_SWITCH_NEVER = rule(
    "sent-switch-never",
    Severity.CRITICAL,
    title="The run never switches to the low expert",
    why="Its switch phase is not below its number of phases.",
    action="Set model_switch_phase below the number of phases.",
)
PAPER_THRESHOLDS = rule(
    "thresholds-part-alike",
    Severity.INFO,
    title="Other thresholds, the same steps",
    why="Thresholds lie between timesteps; as long as they fall into the same gaps they change nothing.",
    action="Nothing: compare the steps, not the thresholds.",
)
STEPS_AGREE = rule(
    "steps-agree",
    Severity.INFO,
    title="Expert and guidance agree at every step",
    why="However different the requests look, the engine ran the same experts at the same guidance.",
    action="Look for the cause elsewhere: LoRA weights, prompts, lengths, keyframes.",
)
INFERRED = rule(
    "inferred",
    Severity.INFO,
    title="Not logged, but inferred",
    why="No line proves it; it follows from a rule of the engine or from a name.",
    action="Give --model-defaults with the engine's model definitions, or log the value.",
)

SENT_AS: Mapping[str, str] = {
    "seed_to_use": "seed",
    "base_prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "parsed_resolution_wh": "resolution",
    "segment_frames_target": "video_length",
    "num_inference_steps": "num_inference_steps",
    "guidance_scale": "guidance_scale",
    "guidance2_scale": "guidance2_scale",
    "guidance3_scale": "guidance3_scale",
    "guidance_phases": "guidance_phases",
    "switch_threshold": "switch_threshold",
    "switch_threshold2": "switch_threshold2",
    "flow_shift": "flow_shift",
    "sample_solver": "sample_solver",
    "model_switch_phase": "model_switch_phase",
    "model_name": "model_type",
}
"""Names of a segment's request, and of the same setting as the engine is sent it."""


def subject_findings(subject: Subject) -> Iterator[Finding]:
    """Findings about one subject."""
    yield from subject.findings
    for segment in subject.segments:
        asked, sent = segment.values.get(Level.REQUESTED), segment.values.get(Level.APPLIED)
        if asked is not None and sent is not None:
            yield from _sent_otherwise(subject, segment, asked, sent)
            yield from _multipliers(subject, segment, asked, sent)
            yield from _loras(subject, segment, asked, sent)
            yield from _switch(subject, segment, sent)
        if segment.steps is not None:
            for text in segment.steps.inferred:
                yield finding(INFERRED, f"{subject.name}: {text}", where=_where(subject, segment, "derived"))
    if not subject.findings:
        yield from _repeated(subject)


def _sent_otherwise(
    subject: Subject, segment: SubjectSegment, asked: Mapping[str, Any], sent: Mapping[str, Any]
) -> Iterator[Finding]:
    for name, sent_name in SENT_AS.items():
        wanted, got = asked.get(name), sent.get(sent_name)
        if wanted is None or got is None or _alike(wanted, got):
            continue
        yield finding(
            REQUESTED_NOT_APPLIED,
            f"{subject.name}, segment {segment.index}: {name} {wanted!r} was requested, {got!r} was sent",
            where=_where(subject, segment, f"applied.{sent_name}"),
            evidence=_lines(subject, segment, name, sent_name, values=(wanted, got)),
        )
    if asked.get("guidance_phases") is None and (sent.get("guidance_phases") or 1) > 1:
        scales = [sent.get(key) for key in ("guidance_scale", "guidance2_scale", "guidance3_scale")]
        yield finding(
            NOT_REQUESTED,
            f"{subject.name}, segment {segment.index}: {sent['guidance_phases']} guidance phases {scales} were sent, "
            "none were requested",
            where=_where(subject, segment, "applied.guidance_phases"),
            evidence=_lines(
                subject, segment, "guidance_phases", "guidance_phases", values=(None, sent["guidance_phases"])
            ),
        )


def _alike(wanted: object, got: object) -> bool:
    """Equal in meaning: WanGP is sent a blank for an empty prompt."""
    if isinstance(wanted, str) and isinstance(got, str):
        return wanted.strip() == got.strip()
    return same(wanted, got)


def _multipliers(
    subject: Subject, segment: SubjectSegment, asked: Mapping[str, Any], sent: Mapping[str, Any]
) -> Iterator[Finding]:
    wanted, got = asked.get("lora_multipliers"), sent.get("loras_multipliers")
    if not wanted or got is None or (isinstance(got, str) and " ".join(map(str, wanted)).split() == got.split()):
        return
    evidence = _lines(subject, segment, "lora_multipliers", "loras_multipliers", values=(wanted, got))
    where = _where(subject, segment, "applied.loras_multipliers")
    who = f"{subject.name}, segment {segment.index}"
    effect = _weights_text(segment)
    yield finding(
        REQUESTED_NOT_APPLIED,
        f"{who}: lora_multipliers {wanted!r} was requested, {got!r} was sent{effect}",
        where=where,
        evidence=evidence,
    )
    if not isinstance(got, type(wanted)):
        kinds = f"{type(wanted).__name__} of {len(wanted)}", f"{type(got).__name__}"
        message = f"{who}: lora_multipliers was a {kinds[0]} when requested and a {kinds[1]} when sent"
        yield finding(TYPE_CHANGED, message, where=where, evidence=evidence)
    phases = sent.get("guidance_phases") or 1
    if isinstance(got, str) and "," in got and ";" not in got and phases > 1:
        message = f"{who}: {got!r} was sent for {phases} phases; WanGP reads it as a ramp over all steps"
        yield finding(COMMA_FOR_PHASES, message, where=where, evidence=evidence)


def _weights_text(segment: SubjectSegment) -> str:
    if segment.steps is None or not segment.steps.rows:
        return ""
    names = segment.steps.rows[0].loras
    shown = [f"{name} {' '.join(f'{row.loras[name]:g}' for row in segment.steps.rows)}" for name in names]
    return f": {'; '.join(shown)}"


def _loras(
    subject: Subject, segment: SubjectSegment, asked: Mapping[str, Any], sent: Mapping[str, Any]
) -> Iterator[Finding]:
    if sent.get("activated_loras") is None:
        return
    wanted = {lora_name(str(name)) for name in asked.get("lora_names") or ()}
    wanted |= {lora_name(str(name)) for name in asked.get("additional_loras") or ()}
    got = {lora_name(str(name)) for name in sent["activated_loras"]}
    table = segment.steps
    idle = {name for name in wanted & got if table and not any(row.loras.get(name) for row in table.rows)}
    who, where = f"{subject.name}, segment {segment.index}", _where(subject, segment, "applied.activated_loras")
    evidence = _lines(
        subject, segment, "lora_names", "activated_loras", values=(asked.get("lora_names"), sent["activated_loras"])
    )
    for name in sorted((wanted - got) | idle):
        why = "has weight 0 at every step" if name in idle else "was not sent"
        yield finding(LORA_NOT_SENT, f"{who}: {name} was asked for and {why}", where=where, evidence=evidence)
    for name in sorted(got - wanted):
        message = f"{who}: {name} was sent to the engine, nobody asked for it"
        yield finding(LORA_UNASKED, message, where=where, evidence=evidence)


def _switch(subject: Subject, segment: SubjectSegment, sent: Mapping[str, Any]) -> Iterator[Finding]:
    phases, switch = sent.get("guidance_phases") or 1, sent.get("model_switch_phase")
    two = segment.steps is not None and any(row.expert != "only" for row in segment.steps.rows)
    if two and isinstance(switch, int) and phases > 1 and switch >= phases:
        message = f"{subject.name}, segment {segment.index}: switch after phase {switch} of {phases} never happens"
        where = _where(subject, segment, "applied.model_switch_phase")
        yield finding(SENT_SWITCH_NEVER, message, where=where, evidence={"phases": phases, "switch": switch})


def _repeated(subject: Subject) -> Iterator[Finding]:
    for at, (left, right) in enumerate(pairwise(subject.keyframes)):
        if address(left) == address(right):
            yield finding(
                KEYFRAME_REPEATED,
                f"{subject.name}: keyframes {at} and {at + 1} are the same picture",
                where=f"{subject.name}.keyframes[{at + 1}]",
                evidence={"keyframe": address(left)},
            )


def pair_findings(a: Subject, b: Subject, tables: Sequence[TableComparison]) -> Iterator[Finding]:
    """Findings about two subjects together."""
    names = f"{a.name} and {b.name}"
    for table in tables:
        where = f"segments[{table.pair.a}].derived"
        if table.paper_thresholds:
            left, right = ("/".join(f"{limit:.2f}" for limit in side.thresholds) for side in (table.a, table.b))
            message = f"segment {table.pair.a}: thresholds {left} and {right} part the {len(table.a.rows)} steps alike"
            yield finding(PAPER_THRESHOLDS, message, where=where, evidence={"phases": [r.phase for r in table.a.rows]})
    if tables and all(table.experts and table.guidance for table in tables) and not all(t.equal for t in tables):
        yield finding(STEPS_AGREE, f"{names} run the same expert at the same guidance at every step", where="derived")


def _where(subject: Subject, segment: SubjectSegment, path: str) -> str:
    return f"{subject.name}.segments[{segment.index}].{path}"


def _lines(
    subject: Subject, segment: SubjectSegment, asked: str, sent: str, *, values: tuple[object, object]
) -> dict[str, object]:
    base = f"segments[{segment.index}]"
    proofs = {
        "requested": subject.proof(f"{base}.requested.{asked}"),
        "sent": subject.proof(f"{base}.applied.{sent}"),
    }
    lines = {f"{name}_line": _place(proof) for name, proof in proofs.items() if proof is not None}
    return {"requested": values[0], "sent": values[1], **lines}


def _place(proof: Evidence) -> str:
    where = f"{proof.file}:" if proof.file else "line "
    return f"{where}{proof.line}"
