"""A dossier as a document: which parts there are, in which order."""

from __future__ import annotations

from collections.abc import Iterator

from wayframe.core.comparison import Comparison
from wayframe.core.diff import PROMPTS
from wayframe.core.dossier import Dossier
from wayframe.report.differences import difference_sections
from wayframe.report.document import Block, Document, Paragraph, Section, faint, section, strong, words
from wayframe.report.findings import Told, contradiction_blocks, finding_blocks, told_findings
from wayframe.report.inputs import keyframe_blocks, prompt_blocks
from wayframe.report.next import question_blocks, reproduce_blocks, tries, try_blocks
from wayframe.report.runs import flow_blocks, run_section
from wayframe.report.sidebyside import side_by_side
from wayframe.report.steps import charts, steps_blocks
from wayframe.report.summary import agreements, cause_table, conclusion, outstanding, subjects_block, verdict_block
from wayframe.report.values import letter, path_text
from wayframe.report.videos import video_blocks, without_effect


def build_document(dossier: Dossier) -> Document:
    """The report. Every sentence comes from a verdict, a difference, a step table, a finding or a measurement."""
    told = told_findings(dossier)
    attempts = list(tries(dossier))
    names = ", ".join(subject.name for subject in dossier.subjects)
    subjects = dossier.subjects
    parts = [
        *section("Steps", _steps(dossier), anchor="steps"),
        *section("Videos", video_blocks(dossier), anchor="videos"),
        *section("Findings", finding_blocks(told), anchor="findings"),
        *section("Contradictions and ignored settings", contradiction_blocks(told), anchor="contradictions"),
        *section("Prompts", _prompts(dossier), anchor="prompts"),
        *section("Keyframes", keyframe_blocks(dossier), anchor="keyframes"),
        *section("Differences by severity", _differences(dossier), anchor="differences"),
        *section("Side by side", side_by_side(subjects, filters=dossier.filters), anchor="side-by-side"),
        *section("Processing flow", _flow(dossier), anchor="flow"),
        *section("Open questions", question_blocks(dossier), anchor="questions"),
        *section("Runs to try next", try_blocks(dossier), anchor="tries"),
        *section(
            "Conclusion",
            [*conclusion(dossier, told, first_try=attempts[0].title if attempts else None), *without_effect(dossier)],
            anchor="conclusion",
        ),
        *(run_section(subject, at=at, everything=dossier.filters.everything) for at, subject in enumerate(subjects)),
        *section("Commands to reproduce", reproduce_blocks(dossier), anchor="reproduce"),
    ]
    return Document(
        title=f"Comparison of {names}",
        verdict=", ".join(dict.fromkeys(comparison.verdict.value for comparison in dossier.comparisons)),
        lead=tuple(_lead(dossier, told)),
        sections=tuple(parts),
    )


def _lead(dossier: Dossier, told: tuple[Told, ...]) -> Iterator[Block]:
    """The executive summary."""
    for comparison, names in _pairs(dossier):
        yield verdict_block(comparison, names=names)
    yield subjects_block(dossier)
    for comparison, names in _pairs(dossier):
        if comparison.causes:
            yield from _whose(dossier, names)
        yield from cause_table(comparison, names=names)
    yield from without_effect(dossier)
    yield from outstanding(told)
    yield from agreements(told)
    yield from _filters(dossier)


def _pairs(dossier: Dossier) -> Iterator[tuple[Comparison, tuple[str, str]]]:
    for at, comparison in enumerate(dossier.comparisons, start=1):
        yield comparison, (letter(0), letter(at))


def _whose(dossier: Dossier, names: tuple[str, str]) -> Iterator[Block]:
    """Of which pair is spoken, where there are several."""
    if len(dossier.comparisons) > 1:
        yield Paragraph(text=words(strong(f"{names[0]} against {names[1]}")))


def _filters(dossier: Dossier) -> Iterator[Block]:
    """What is left out, and why."""
    hidden = sum(comparison.hidden for comparison in dossier.comparisons)
    used = [
        *(f"--only {pattern}" for pattern in dossier.filters.only),
        *(f"--ignore {pattern}" for pattern in dossier.filters.ignore),
    ]
    if hidden or used:
        by = f" by {' '.join(used)}" if used else " as noise (ids, times, paths, values known of one run only)"
        more = "" if used else "; --all shows them"
        yield Paragraph(text=words(faint(f"{hidden} differences are left out{by}{more}.")))


def _steps(dossier: Dossier) -> Iterator[Block]:
    yield from charts(dossier)
    for comparison, names in _pairs(dossier):
        if comparison.tables:
            yield from _whose(dossier, names)
        yield from steps_blocks(comparison, names=names)


def _differences(dossier: Dossier) -> Iterator[Block]:
    for comparison, names in _pairs(dossier):
        sections: list[Section] = list(difference_sections(comparison, names=names, anchor=f"differences-{names[1]}"))
        if len(dossier.comparisons) > 1:
            title = f"{names[0]} against {names[1]}"
            yield from section(title, sections, anchor=f"differences-{names[1]}")
        else:
            yield from sections


def _prompts(dossier: Dossier) -> Iterator[Block]:
    filtered = dossier.filters.only or dossier.filters.ignore
    for comparison, names in _pairs(dossier):
        if not filtered or any(path_text(item) in PROMPTS for item in comparison.differences):
            yield from prompt_blocks(comparison, names=names)


def _flow(dossier: Dossier) -> Iterator[Block]:
    for at, subject in enumerate(dossier.subjects):
        yield from flow_blocks(subject, at=at)
