"""What is said first and last: verdict, ranked causes, what stands out, conclusion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wayframe.core.comparison import BY_TABLE, KEYFRAMES_PATH, Cause, Comparison, Topic, Verdict
from wayframe.core.diff import Difference
from wayframe.core.dossier import Dossier
from wayframe.core.findings import Severity
from wayframe.core.impact import names_of
from wayframe.core.pairing import WAY
from wayframe.core.subject import Level, Subject
from wayframe.core.wording import counted
from wayframe.report.differences import DifferenceGroup, difference_groups
from wayframe.report.document import (
    Block,
    Bullets,
    Paragraph,
    Row,
    Span,
    Table,
    Text,
    Tone,
    code,
    faint,
    listed,
    strong,
    words,
)
from wayframe.report.findings import TONES, Told
from wayframe.report.inputs import exchanged_pictures
from wayframe.report.values import KINDS, compact, letter, path_text, segments_text, value_text, weights

VERDICT_TONES = {
    Verdict.IDENTICAL: Tone.SAME,
    Verdict.SAME_RECIPE: Tone.WARNING,
    Verdict.OTHER_RECIPE: Tone.CRITICAL,
    Verdict.NOT_COMPARABLE: Tone.CRITICAL,
}
MOST_DETAILS = 3
ON_PAPER = "differs in the request, comes out the same at every step"
ON_PAPER_ALONE = "differs in the request, what is planned is the same"


def subjects_block(dossier: Dossier) -> Table:
    """Who is compared."""
    rows = tuple(
        Row(
            cells=(
                words(strong(letter(at))),
                words(code(subject.name)),
                words(KINDS.get(subject.kind, subject.kind)),
                words(subject.status or faint("not run")),
                words(str(len(subject.segments))),
            )
        )
        for at, subject in enumerate(dossier.subjects)
    )
    return Table(head=("", "name", "what it is", "status", "segments"), rows=rows)


def verdict_block(comparison: Comparison, *, names: tuple[str, str]) -> Paragraph:
    """The verdict and its reason."""
    text = words(f"{names[0]} and {names[1]}: ", strong(comparison.verdict.value), f". {_sentence(comparison.reason)}")
    return Paragraph(text=text, tone=VERDICT_TONES[comparison.verdict])


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def cause_table(comparison: Comparison, *, names: tuple[str, str]) -> Iterator[Block]:
    """Causes, strongest first; those on paper only at the end, and called so."""
    if not comparison.causes:
        return
    rows = []
    for rank, cause in enumerate(comparison.causes, start=1):
        effect = strong(str(cause.effect)) if cause.effect and not cause.paper else faint(_weightless(cause))
        detail = cause_detail(cause, comparison, names=names)
        cells = words(str(rank)), words(strong(cause.topic.value)), words(effect), detail
        rows.append(Row(cells=cells, tone=Tone.SAME if cause.paper or not cause.effect else Tone.DIFFERS))
    head = ("rank", "what differs", "effect (0 to 100)", "how")
    yield Table(head=head, rows=tuple(rows), caption="how much each would move the picture, by written rules")


def _weightless(cause: Cause) -> str:
    """What is said in the place of an effect."""
    if cause.paper:
        return "on paper"
    return "a result" if cause.topic is Topic.RESULT else "none"


def cause_lines(comparison: Comparison, *, names: tuple[str, str]) -> Iterator[Block]:
    """The same as a numbered list, for a narrow page."""
    items = []
    for cause in comparison.causes:
        effect = f"effect {cause.effect}" if cause.effect and not cause.paper else _weightless(cause)
        items.append(words(strong(cause.topic.value), f" ({effect}): ", cause_detail(cause, comparison, names=names)))
    if items:
        yield Bullets(items=tuple(items), numbered=True)


def cause_detail(cause: Cause, comparison: Comparison, *, names: tuple[str, str]) -> Text:
    """What differs in a cause, with both values where they are short."""
    if cause.paper:
        return words(
            f"{ON_PAPER if cause.topic in BY_TABLE else ON_PAPER_ALONE} ", faint(f"({_names(cause.differences)})")
        )
    if cause.topic is Topic.LENGTHS and (detail := _lengths(comparison, names)):
        return detail
    telling = [*_pictures(cause), *_ways(cause), *_telling(cause)]
    groups = _once(difference_groups(tuple(telling)))
    shown = [
        words(exchanged_pictures(comparison.a, comparison.b, names=names))
        if group.first.path == KEYFRAMES_PATH
        else _change(group.first, group.segments, names)
        for group in groups[:MOST_DETAILS]
    ]
    more = len(groups) - MOST_DETAILS
    return words(listed(shown, between="; "), *([faint(f"; and {more} more")] if more > 0 else []))


def _once(groups: Sequence[DifferenceGroup]) -> list[DifferenceGroup]:
    """Without what segments only repeat of the run as a whole."""
    kept: dict[tuple[str, str], DifferenceGroup] = {}
    for group in groups:
        kept.setdefault((path_text(group.first), repr((group.first.a, group.first.b))), group)
    return list(kept.values())


def _names(found: Sequence[Difference]) -> str:
    unique = list(dict.fromkeys(path_text(item) for item in found))
    shown = ", ".join(unique[: MOST_DETAILS + 1])
    return f"{shown} and {len(unique) - MOST_DETAILS - 1} more" if len(unique) > MOST_DETAILS + 1 else shown


def _pictures(cause: Cause) -> list[Difference]:
    """That the pictures themselves are others: it stands at a level of its own."""
    return [item for item in cause.differences if item.path == KEYFRAMES_PATH]


def _ways(cause: Cause) -> list[Difference]:
    """Segments of a kind of their own that one side alone has: they say most of a trip's shape."""
    sides = ((item, value) for item in cause.differences for value in (item.a, item.b))
    return [item for item, value in sides if isinstance(value, Mapping) and WAY in value]


def _telling(cause: Cause) -> list[Difference]:
    """The differences to show: step tables if there are, else what was sent, else the rest; strongest first."""
    pictures = _pictures(cause)
    follows = [item for item in cause.differences if pictures and not names_of(item.path)[1:]]  # segments between them
    rest = [item for item in cause.differences if item not in pictures and item not in follows]
    for levels in ((Level.DERIVED,), (Level.APPLIED,), (Level.RESOLVED,), (Level.PLANNED,), (Level.REQUESTED,)):
        found = [item for item in rest if item.level in levels]
        if found:
            return sorted(found, key=lambda item: -item.effect)
    return sorted(rest, key=lambda item: -item.effect)


def _change(item: Difference, segments: Sequence[int], names: tuple[str, str]) -> Text:
    if (own := _own_way(item, segments, names)) is not None:
        return own
    where = f" in {segments_text(segments)}" if segments else ""
    name = path_text(item).removeprefix("loras[").removesuffix("]")
    if item.note and "prompt" in name:
        return words(code(name), f": {item.note}{where}")
    left, right = _short(item.a), _short(item.b)
    return words(code(name), f": {names[0]} ", left, f", {names[1]} ", right, where)


def _own_way(item: Difference, segments: Sequence[int], names: tuple[str, str]) -> Text | None:
    """A segment that one side alone has, of a kind that has a name: `B has a bridge (segment 1, 11 frames)`."""
    for name, value in zip(names, (item.a, item.b), strict=True):
        if isinstance(value, Mapping) and WAY in value:
            frames = counted(value["frames"], "frame")
            return words(f"{name} has {value[WAY]} ({segments_text(segments)}, {frames})")
    return None


def _short(value: object) -> Text:
    if isinstance(value, list) and value and all(isinstance(part, float) for part in value):
        return words(code(weights(value)))
    if isinstance(value, list) and value and all(part in EXPERTS for part in value):
        return words(code(" ".join(value)))
    if not isinstance(value, dict):
        return value_text(value)
    shown = compact(value)
    return words(code(shown if len(shown) <= SHORT else f"{shown[: SHORT - 1]}…"))


SHORT = 60
EXPERTS = ("high", "low", "only")


def _lengths(comparison: Comparison, names: tuple[str, str]) -> Text | None:
    sides = [_frames(subject) for subject in (comparison.a, comparison.b)]
    if None in sides or sides[0] == sides[1]:
        return None
    return words(listed([words(f"{name} {side}") for name, side in zip(names, sides, strict=True)], between="; "))


def _frames(subject: Subject) -> str | None:
    counts = [segment.frames.delivered for segment in subject.segments]
    new = [segment.frames.new for segment in subject.segments]
    if None in counts:
        return None
    whole = "" if None in new else f", {sum(count or 0 for count in new)} in all"
    if len(counts) > MOST_DETAILS * 2:
        return f"{len(counts)} segments{whole}"
    return f"{' + '.join(map(str, counts))} frames{whole}"


def outstanding(told: Sequence[Told]) -> Iterator[Block]:
    """What stands out: what is critical or a warning, a line for each rule."""
    items: list[Text] = []
    for item in told:
        if item.severity is Severity.INFO:
            continue
        first = item.statements[0]
        more = f" (and {len(item.statements) - 1} more)" if len(item.statements) > 1 else ""
        items.append(words(strong(f"{first.where()}: "), f"{first.text}{more}"))
    if items:
        yield Bullets(items=tuple(items))


def agreements(told: Sequence[Told]) -> Iterator[Block]:
    """What looks different and is not: the rules that spoke of pairs."""
    for item in told:
        if item.code in ("steps-agree", "thresholds-part-alike"):
            yield Paragraph(text=words(f"{_sentence(item.statements[0].text)}"), tone=TONES[item.severity])


def conclusion(dossier: Dossier, told: Sequence[Told], *, first_try: str | None) -> Iterator[Block]:
    """The end in a few sentences, each earned by the verdict, a cause or a rule."""
    for at, comparison in enumerate(dossier.comparisons, start=1):
        names = letter(0), letter(at)
        spans: list[Span | str | Text] = [
            f"{names[0]} and {names[1]} are ",
            strong(_verdict_words(comparison.verdict)),
            ". ",
        ]
        real = [cause for cause in comparison.causes if not cause.paper and cause.effect]
        if real:
            spans.append(f"What moves the picture most is {real[0].topic.value}: ")
            spans += [cause_detail(real[0], comparison, names=names), ". "]
        paper = [cause.topic.value for cause in comparison.causes if cause.paper]
        if paper:
            spans.append(f"On paper only: {', '.join(paper)}. ")
        yield Paragraph(text=words(*spans))
    critical = [item.title[:1].lower() + item.title[1:] for item in told if item.severity is Severity.CRITICAL]
    if critical:
        yield Paragraph(text=words(strong("Critical: "), "; ".join(critical), "."), tone=Tone.CRITICAL)
    if first_try:
        yield Paragraph(text=words(f"Try first: {first_try}."))


def _verdict_words(verdict: Verdict) -> str:
    return {
        Verdict.IDENTICAL: "identical",
        Verdict.SAME_RECIPE: "the same recipe with other inputs",
        Verdict.OTHER_RECIPE: "different recipes",
        Verdict.NOT_COMPARABLE: "not comparable",
    }[verdict]
