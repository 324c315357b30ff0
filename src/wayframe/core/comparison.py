"""Two subjects compared: verdict, causes by rank, differences, findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from wayframe.core.derived import TableComparison, compare_tables, derived_differences
from wayframe.core.diff import Difference, Filters, differences
from wayframe.core.findings import RANK, Finding
from wayframe.core.impact import IMPACT_RANK, Impact, names_of
from wayframe.core.languages import in_one_language, speak_alike, tell_the_engine, told_differences
from wayframe.core.lora_names import under_common_names
from wayframe.core.pairing import WAY, Pairing, match_segments
from wayframe.core.run_rules import pair_findings, subject_findings
from wayframe.core.subject import Basis, Level, Subject


class Verdict(StrEnum):
    """What two subjects are to each other."""

    IDENTICAL = "identical"
    SAME_RECIPE = "same recipe, other inputs"
    OTHER_RECIPE = "different recipe"
    NOT_COMPARABLE = "not comparable"


class Topic(StrEnum):
    """What a difference is about."""

    MODEL = "model and engine"
    EXPERTS = "experts"
    LORAS = "LoRA weights"
    GUIDANCE = "guidance and phases"
    SCHEDULE = "steps, solver and shift"
    FLOW = "flow of the run"
    KEYFRAMES = "keyframes"
    SHAPE = "shape of the trip"
    AFTER = "final file"
    SEED = "seed"
    PROMPTS = "prompts"
    SIZE = "size"
    LENGTHS = "lengths and overlaps"
    OTHER = "other settings"
    RESULT = "result and environment"


RECIPE = frozenset({Topic.MODEL, Topic.EXPERTS, Topic.LORAS, Topic.GUIDANCE, Topic.SCHEDULE, Topic.FLOW})
BY_TABLE = frozenset({Topic.EXPERTS, Topic.LORAS, Topic.GUIDANCE, Topic.SCHEDULE})
"""Topics that step tables decide: where both are known and agree, raw values differ on paper only."""
SAID, KEYFRAMES_PATH = frozenset({Level.REQUESTED, Level.RESOLVED}), "requested.keyframes"
MODE_PATH = "planned.mode"
"""How positions were said: the plan holds beside it what came of them."""
BEYOND_TABLES = re.compile(r"solver|sample_solver|cfg_.*|apg_.*")
"""Names of those topics that change a step in a way that its numbers do not show."""

AFTER = "after"
SHAPE = frozenset({"clips", "given", "given_after", "piece", "still", "ends", "hold", "replaced", "bridges"})
"""What a plan calls a trip's shape by; what a request says inside of these may speak of prompts and lengths."""
WEIGHTS_PATHS = frozenset({"planned.weights", "applied.weights"})
"""Which weights of the model; everywhere else a weight is that of a LoRA."""
THRESHOLD = re.compile(r".*thresholds?2?")
MOTION = "amount_of_motion"

_TOPICS: tuple[tuple[Topic, re.Pattern[str]], ...] = tuple(
    (topic, re.compile(pattern))
    for topic, pattern in (
        (Topic.LORAS, r".*loras?|.*lora_.*|loras_.*|apply_causvid|bundles?|multiplier|weights?|motion_lora_multiplier"),
        (Topic.MODEL, r"model|model_name|model_type|model_filename|kind|engine|engine_identity|experts_of_model"),
        (Topic.EXPERTS, r"experts?|model_switch_phase2?"),
        (Topic.KEYFRAMES, r"keyframes?|image.*|input_image.*|fit|matte"),
        (Topic.SEED, r"seed.*"),
        (Topic.PROMPTS, r".*prompts?(_expanded)?|enhance_prompt|text_(before|after)(_prompts)?|written"),
        (
            Topic.GUIDANCE,
            r"guidance.*|phase_configs?(_expanded)?|phases|num_phases|cfg_.*|.*thresholds?2?|preset|advanced_mode",
        ),
        (Topic.SCHEDULE, r"steps|num_inference_steps|steps_per_phase|.*solver|flow_shift|timesteps?|sigma.*|forwards"),
        (Topic.SHAPE, r"loop|lead|trail|hold|continue_from|bridges|join"),
        (Topic.SIZE, r".*resolution.*|width|height"),
        (
            Topic.LENGTHS,
            r".*frames.*|video_length|.*overlap.*|positions?|at|start|end|segments|num_new_segments.*|fps.*|curve|mode|generation_mode",
        ),
        (Topic.FLOW, r"chain.*|independent_segments|use_svi|motion_mode|structure_.*|.*uni3c.*"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """All differences of one topic; `effect` (0 to 100) is how much they would move the picture."""

    topic: Topic
    effect: int
    detail: str
    differences: tuple[Difference, ...]
    paper: bool = False
    """Values differ, but come out the same at every step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that is said about two subjects; `differences` and findings are those that the filters keep."""

    a: Subject
    b: Subject
    pairs: tuple[Pairing, ...]
    tables: tuple[TableComparison, ...]
    differences: tuple[Difference, ...]
    hidden: int
    verdict: Verdict
    reason: str
    causes: tuple[Cause, ...]
    findings_of_a: tuple[Finding, ...]
    findings_of_b: tuple[Finding, ...]
    findings_of_both: tuple[Finding, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, gravest first."""
        found = [*self.findings_of_a, *self.findings_of_b, *self.findings_of_both]
        return tuple(sorted(found, key=lambda item: -RANK[item.severity]))


NO_FILTERS = Filters()
NOTHING = "nothing differs but ids, times and paths"
NOTHING_TOLD = "what the engine was told is the same, in the words that a plan and a log share"
VIDEOS_DIFFER = "recipe and inputs are equal, yet the videos differ: look at the environment"
FILTERED = {
    NOTHING: "nothing differs of what the filters keep",
    NOTHING_TOLD: "nothing differs of what the filters keep",
    VIDEOS_DIFFER: "of what the filters keep, the videos alone differ",
}
"""What is said instead where filters hide a part of the two."""


def compare(a: Subject, b: Subject, *, filters: Filters = NO_FILTERS) -> Comparison:
    """Compare two subjects; what `filters` leave out counts neither for the verdict nor for the causes."""
    pairs = match_segments(a.segments, b.segments)
    one, other, *names = under_common_names(a, b)
    tables = compare_tables(one, other, pairs)
    found = [
        *differences(*in_one_language(one, other), pairs=pairs, names=(names[0], names[1])),
        *(() if speak_alike(a, b) else told_differences(a, b, pairs=pairs)),
        *derived_differences(one, other, pairs=pairs, tables=tables),
    ]
    found.sort(key=lambda item: (-IMPACT_RANK[item.impact], -item.effect, item.path))
    kept = tuple(item for item in found if filters.keeps(item))
    whole = Level.PLANNED in a.whole and Level.PLANNED in b.whole
    judge = replace(_Judge.of(found, pairs=pairs, tables=tables), planned=whole, one_sided=_one_sided(a, b, pairs))
    causes = _causes(kept, judge=judge)
    verdict, reason = _verdict(a, b, kept=kept, causes=causes, tables=tables)
    if filters.only or filters.ignore:
        reason = FILTERED.get(reason, reason)
    return Comparison(
        a=a,
        b=b,
        pairs=pairs,
        tables=tables,
        differences=kept,
        hidden=len(found) - len(kept),
        verdict=verdict,
        reason=reason,
        causes=causes,
        findings_of_a=_kept_findings(subject_findings(a), filters, name=a.name),
        findings_of_b=_kept_findings(subject_findings(b), filters, name=b.name),
        findings_of_both=_kept_findings(pair_findings(a, b, tables), filters, name=""),
    )


def _kept_findings(findings: Iterable[Finding], filters: Filters, *, name: str) -> tuple[Finding, ...]:
    return tuple(item for item in findings if filters.keeps_path(item.where.removeprefix(f"{name}.")))


def topic_of(difference: Difference) -> Topic:
    """What a difference is about, by the innermost name that a rule knows."""
    placed = _by_place(difference)
    if placed is not None:
        return placed
    inside = re.sub(r"^segments\[\d+\]\.", "", difference.path)
    names = reversed(names_of(inside))
    found = (topic for name in names for topic, pattern in _TOPICS if pattern.fullmatch(name))
    return next(found, Topic.OTHER)


def _by_place(difference: Difference) -> Topic | None:
    """What the place of a difference decides, whatever its own name says elsewhere."""
    if difference.level in (Level.OUTCOME, Level.ENVIRONMENT):
        return Topic.RESULT
    if difference.path in WEIGHTS_PATHS:
        return Topic.MODEL
    if re.fullmatch(r"segments\[\d+\]", difference.path):
        return _of_a_lone_segment(difference)
    names = names_of(re.sub(r"^segments\[\d+\]\.", "", difference.path))
    if "prompts" in names[:-1]:
        return Topic.PROMPTS  # whose model it is that writes them
    if AFTER in names:
        return Topic.AFTER
    shape = difference.level is not Level.REQUESTED and SHAPE.intersection(names)
    return Topic.SHAPE if shape else None


def _of_a_lone_segment(difference: Difference) -> Topic:
    """Of a segment that one side alone has: the trip has another shape, or other keyframes are neighbours."""
    known = difference.a if isinstance(difference.a, Mapping) else difference.b
    return Topic.SHAPE if WAY in known else Topic.KEYFRAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """Tells what reaches a step from what differs on paper only.

    Step tables decide that where all segments that belong together have them; the level `sent` holds what the engine
    was given beside them. Where both plans are known (`planned`), what differs in the requests alone reaches nothing.
    """

    decided: bool
    unlike: frozenset[Topic]
    sent: Level
    planned: bool = False
    one_sided: bool = False
    """Whether a segment has steps on one side alone: then what decides them is not on paper."""

    @staticmethod
    def of(found: Iterable[Difference], *, pairs: Sequence[Pairing], tables: Sequence[TableComparison]) -> _Judge:
        """From all differences, whether they are shown or not."""
        both = [pair for pair in pairs if pair.a is not None and pair.b is not None]
        logged = any(Basis.SENT in (table.a.basis, table.b.basis) for table in tables)
        return _Judge(
            decided=bool(tables) and len(tables) == len(both),
            unlike=frozenset(topic_of(item) for item in found if item.level is Level.DERIVED and item.effect),
            sent=Level.APPLIED if logged else Level.PLANNED,
        )

    def topic(self, item: Difference) -> Topic:
        """What a difference is about.

        The worker turns an amount of motion into a LoRA, whose weights were sent. Forwards, and how steps are dealt to
        phases, go with the guidance where that differs and the schedule does not.
        """
        names, topic = names_of(item.path), topic_of(item)
        if self.decided and self.sent is Level.APPLIED and names[-1] == MOTION:
            return Topic.LORAS
        dealt = topic is Topic.SCHEDULE and (names[-1] == "forwards" or "phases" in names)
        by_guidance = dealt and Topic.GUIDANCE in self.unlike and Topic.SCHEDULE not in self.unlike
        return Topic.GUIDANCE if by_guidance else topic

    def beyond(self, item: Difference) -> bool:
        """Whether a difference reaches the engine on another way than by the steps' numbers."""
        return item.level is self.sent and BEYOND_TABLES.fullmatch(names_of(item.path)[-1]) is not None

    def is_paper(self, topic: Topic, items: Sequence[Difference]) -> bool:
        """Whether the differences of a topic change nothing that the engine does."""
        said = all((item.level in SAID and item.path != KEYFRAMES_PATH) or item.path == MODE_PATH for item in items)
        if self.planned and said and not (self.one_sided and topic in BY_TABLE):
            return True
        by_table = self.decided and topic in BY_TABLE and topic not in self.unlike
        return by_table and not any(self.beyond(item) or self._parts_other_steps(item) for item in items)

    def _parts_other_steps(self, item: Difference) -> bool:
        """Whether it is a threshold that was sent beside other timesteps: among equal ones it may part otherwise."""
        among_others = item.level is self.sent and Topic.SCHEDULE in self.unlike
        return among_others and THRESHOLD.fullmatch(names_of(item.path)[-1]) is not None


def _one_sided(a: Subject, b: Subject, pairs: Sequence[Pairing]) -> bool:
    both = [(a.segments[pair.a], b.segments[pair.b]) for pair in pairs if pair.a is not None and pair.b is not None]
    return any((left.steps is None) != (right.steps is None) for left, right in both)


def _causes(kept: Sequence[Difference], *, judge: _Judge) -> tuple[Cause, ...]:
    groups: dict[Topic, list[Difference]] = {}
    for item in kept:
        if item.impact is not Impact.NOISE:
            groups.setdefault(judge.topic(item), []).append(item)
    causes = [_cause(topic, items, judge=judge) for topic, items in groups.items()]
    return tuple(sorted(causes, key=lambda cause: (cause.paper, -cause.effect)))


def _cause(topic: Topic, items: Sequence[Difference], *, judge: _Judge) -> Cause:
    real = [item for item in items if item.level is Level.DERIVED or judge.beyond(item)]
    paper = judge.is_paper(topic, items)
    telling = real if judge.decided and topic in BY_TABLE and real else items
    effect = 0 if paper or topic is Topic.RESULT else max(item.effect for item in telling)
    alike = "they come out the same at every step" if topic in BY_TABLE else "what is planned is the same"
    detail = f"the values differ, {alike}" if paper else _detail(telling)
    return Cause(topic=topic, effect=effect, detail=detail, differences=tuple(items), paper=paper)


def _detail(items: Sequence[Difference]) -> str:
    """Where and how often: the names that differ, and in how many segments."""
    names = list(dict.fromkeys(_leaf(item.path) for item in items))
    segments = sorted({item.segment for item in items if item.segment is not None})
    where = f" in segment{'s' if len(segments) > 1 else ''} {', '.join(map(str, segments))}" if segments else ""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}{where}"


MOST_NAMES = 5


def _leaf(path: str) -> str:
    """The name of what differs, without the level in front of it."""
    level = r"(?:requested|resolved|planned|applied|outcome|environment|derived)"
    return re.sub(rf"^(?:segments\[\d+\]\.)?{level}\.", "", path)


def _verdict(
    a: Subject, b: Subject, *, kept: Sequence[Difference], causes: Sequence[Cause], tables: Sequence[TableComparison]
) -> tuple[Verdict, str]:
    shared = (set(a.values) & set(b.values)) - {Level.OUTCOME, Level.ENVIRONMENT}
    if not shared or not a.segments or not b.segments or not tell_the_engine(a, b):
        return Verdict.NOT_COMPARABLE, _no_common_ground(a, b)
    real = [cause for cause in causes if not cause.paper and cause.topic is not Topic.RESULT]
    recipe = [cause for cause in real if cause.topic in RECIPE]
    if recipe:
        return Verdict.OTHER_RECIPE, _topics_differ(recipe) + _agreement(tables)
    if real:
        return Verdict.SAME_RECIPE, _topics_differ(real) + _agreement(tables)
    if any(item.path.endswith("outcome.digest") for item in kept):
        return Verdict.SAME_RECIPE, VIDEOS_DIFFER
    if causes:
        return Verdict.SAME_RECIPE, "what differs does not reach a single step"
    return Verdict.IDENTICAL, NOTHING if speak_alike(a, b) else NOTHING_TOLD


def _topics_differ(causes: Sequence[Cause]) -> str:
    one = len(causes) == 1 and causes[0].topic in SINGULAR
    return f"{', '.join(cause.topic.value for cause in causes)} differ{'s' if one else ''}"


SINGULAR = frozenset({Topic.SHAPE, Topic.AFTER, Topic.FLOW, Topic.SEED, Topic.SIZE})


def _no_common_ground(a: Subject, b: Subject) -> str:
    for subject in (a, b):
        if not subject.segments:
            return f"nothing is known of the segments of {subject.name}"
    if not tell_the_engine(a, b):
        return "one is known from a log, which does not tell what the engine was sent"
    return f"{a.name} and {b.name} have no level in common"


def _agreement(tables: Sequence[TableComparison]) -> str:
    """What agrees at every step of every paired segment, in words."""
    if not tables:
        return ""
    aspects: Mapping[str, bool] = {
        "timestep": all(table.timesteps for table in tables),
        "expert": all(table.experts for table in tables),
        "guidance": all(table.guidance for table in tables),
        "LoRA weights": not any(table.loras for table in tables),
    }
    agreeing = [name for name, agrees in aspects.items() if agrees]
    if not agreeing:
        return ""
    listed = agreeing[0] if len(agreeing) == 1 else f"{', '.join(agreeing[:-1])} and {agreeing[-1]}"
    return f"; {listed} agree{'s' if len(agreeing) == 1 else ''} at every step"
