"""Rules over what was asked for and what was sent or applied, in one run and between two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from wayframe.core.derived import TableComparison
from wayframe.core.diff import same
from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.lora_names import multiplier_entries
from wayframe.core.subject import Basis, Evidence, Level, Subject, SubjectSegment, address, lora_name

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
    why="However different the requests look, experts and guidance are the same at every step.",
    action="Look for the cause elsewhere: LoRA weights, timesteps, prompts, lengths, keyframes.",
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
        if sent is not None:
            yield from _switch(subject, segment, sent)
        if segment.steps is not None:
            for text in segment.steps.inferred:
                yield finding(INFERRED, f"{subject.name}: {text}", where=_where(subject, segment, "derived"))
    if not subject.findings:
        yield from _repeated(subject)


def _sent_otherwise(
    subject: Subject, segment: SubjectSegment, asked: Mapping[str, Any], sent: Mapping[str, Any]
) -> Iterator[Finding]:
    who = f"{subject.name}, segment {segment.index}"
    for name, sent_name in SENT_AS.items():
        wanted, got = asked.get(name), sent.get(sent_name)
        if wanted is None or sent_name not in sent or _alike(wanted, got):
            continue
        retyped = _reads_alike(wanted, got)
        yield finding(
            TYPE_CHANGED if retyped else REQUESTED_NOT_APPLIED,
            f"{who}: {name} {wanted!r} was requested, {got!r} was sent",
            where=_where(subject, segment, f"applied.{sent_name}"),
            evidence=_lines(subject, segment, name, sent_name, values=(wanted, got)),
        )
    phases = _phases(sent)
    if phases > 1 and Level.REQUESTED in segment.whole and not _asks_for_phases(subject, asked):
        scales = [sent.get(key) for key in ("guidance_scale", "guidance2_scale", "guidance3_scale")]
        yield finding(
            NOT_REQUESTED,
            f"{who}: {phases} guidance phases {scales} were sent, none were requested",
            where=_where(subject, segment, "applied.guidance_phases"),
            evidence=_lines(subject, segment, "guidance_phases", "guidance_phases", values=(None, phases)),
        )


def _alike(wanted: object, got: object) -> bool:
    """Equal in meaning: WanGP is sent a blank for an empty prompt."""
    if isinstance(wanted, str) and isinstance(got, str):
        return wanted.strip() == got.strip()
    return same(wanted, got)


def _reads_alike(wanted: object, got: object) -> bool:
    """Whether a text and a number say the same."""
    try:
        return isinstance(wanted, str) is not isinstance(got, str) and float(str(wanted)) == float(str(got))
    except ValueError:
        return False


def _phases(sent: Mapping[str, Any]) -> int:
    """The number of phases that was sent; 1, as WanGP takes it, when the log holds no number."""
    phases = sent.get("guidance_phases")
    return phases if isinstance(phases, int) else 1


def _asks_for_phases(subject: Subject, asked: Mapping[str, Any]) -> bool:
    tables = asked, subject.values.get(Level.REQUESTED, {})
    return any(table.get(key) is not None for table in tables for key in ("guidance_phases", "phase_config"))


def _multipliers(
    subject: Subject, segment: SubjectSegment, asked: Mapping[str, Any], sent: Mapping[str, Any]
) -> Iterator[Finding]:
    wanted, got = asked.get("lora_multipliers"), sent.get("loras_multipliers")
    if not wanted or "loras_multipliers" not in sent or multiplier_entries(wanted) == multiplier_entries(got):
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
        before = f"{type(wanted).__name__} of {len(wanted)}" if isinstance(wanted, list) else type(wanted).__name__
        message = f"{who}: lora_multipliers was a {before} when requested and a {type(got).__name__} when sent"
        yield finding(TYPE_CHANGED, message, where=where, evidence=evidence)
    phases = _phases(sent)
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
    if not isinstance(sent.get("activated_loras"), list):
        return
    wanted = {*asked_loras(asked), *asked_loras(subject.values.get(Level.REQUESTED, {}))}
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
    for name in sorted(got - wanted) if Level.REQUESTED in segment.whole else ():
        message = f"{who}: {name} was sent to the engine, nobody asked for it"
        yield finding(LORA_UNASKED, message, where=where, evidence=evidence)


def asked_loras(requested: Mapping[str, Any]) -> Iterator[str]:
    """Names of the LoRAs that an upstream request asks for, in whichever of its forms."""
    for key in ("lora_names", "additional_loras", "loras", "segment_loras"):
        listed = requested.get(key)
        yield from _named(listed if isinstance(listed, list | dict) else ())
    for own in requested.get("loras_per_segment_expanded") or ():
        yield from _named(own if isinstance(own, list | dict) else ())
    config = requested.get("phase_config")
    phases = config.get("phases") if isinstance(config, dict) else None
    for phase in phases if isinstance(phases, list) else ():
        yield from _named((phase.get("loras") or ()) if isinstance(phase, dict) else ())


def _named(loras: Iterable[object]) -> Iterator[str]:
    for lora in loras:
        said = (
            next((lora[key] for key in ("url", "path", "name") if key in lora), None)
            if isinstance(lora, dict)
            else lora
        )
        if isinstance(said, str):
            yield lora_name(said)


def _switch(subject: Subject, segment: SubjectSegment, sent: Mapping[str, Any]) -> Iterator[Finding]:
    phases, switch = _phases(sent), sent.get("model_switch_phase")
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
                f"{subject.name}: keyframes {at} and {at + 1} are the same picture{_named_pictures(subject, at)}",
                where=f"{subject.name}.keyframes[{at + 1}]",
                evidence={"keyframe": address(left)},
            )


def _named_pictures(subject: Subject, at: int) -> str:
    """The names of a keyframe and of the next one, where they are known: ` (lake.png)`, ` (lake.png, copy.png)`."""
    names = dict.fromkeys(subject.pictures[at : at + 2])
    return f" ({', '.join(names)})" if names else ""


RAN = frozenset({Basis.APPLIED, Basis.SENT})
"""Where steps must come from to say that they were run, not only planned."""


def pair_findings(a: Subject, b: Subject, tables: Sequence[TableComparison]) -> Iterator[Finding]:
    """Findings about two subjects together."""
    names = f"{a.name} and {b.name}"
    for table in tables:
        index = a.segments[table.pair.a or 0].index
        where = f"segments[{index}].derived"
        if table.paper_thresholds:
            left, right = ("/".join(f"{limit:.2f}" for limit in side.thresholds) for side in (table.a, table.b))
            message = f"segment {index}: thresholds {left} and {right} part the {len(table.a.rows)} steps alike"
            yield finding(PAPER_THRESHOLDS, message, where=where, evidence={"phases": [r.phase for r in table.a.rows]})
    if tables and all(table.experts and table.guidance for table in tables) and not all(t.equal for t in tables):
        ran = all(side.basis in RAN for table in tables for side in (table.a, table.b))
        message = f"{names} {'run' if ran else 'plan'} the same expert at the same guidance at every step"
        yield finding(STEPS_AGREE, message, where="derived")


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
