"""The rule behind findings about the files of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from wayframe.core.catalogue import Catalogue
from wayframe.core.findings import Finding, Severity, finding, rule

CATALOGUE_LEFT_OUT = rule(
    "catalogue-file-left-out",
    Severity.WARNING,
    title="A model or preset file of the home folder cannot be used",
    why="This trip does without it. A trip that names its model or preset is refused.",
    action="Correct the file, or remove it; `wayframe doctor` names it in full.",
)


def left_out(catalogue: Catalogue) -> Iterator[Finding]:
    """A finding for each file that is left out. It names no folder: the findings of a plan go into the video."""
    for fault in catalogue.faults:
        message = str(fault.error).replace(fault.path, fault.file)
        yield finding(CATALOGUE_LEFT_OUT, message, where="catalogue", evidence={"file": fault.file, "name": fault.name})
