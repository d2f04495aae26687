"""What a picture is made of, whatever its format: figures, arrows, colours, and the trouble they are in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from consilience.errors import Diagnostic, Path, Severity
from consilience.plan._names import TASK

__all__ = [
    "NEUTRAL",
    "OBJECTIVE",
    "PALETTE",
    "Arrow",
    "ArrowKind",
    "Band",
    "Colour",
    "Drawing",
    "Figure",
    "Trouble",
    "faults_by_key",
    "number",
    "trouble_of",
]

OBJECTIVE = "objective/"
"""The key of the objective's figure; no node's key ends in a slash."""


class Band(StrEnum):
    """The layers of a picture, in order; resources stand beside the sources, metrics beside the objective."""

    RESOURCES = "resources"
    """Only those that a fault is about: every other is told at the nodes that use it."""
    SOURCES = "sources"
    FIELDS = "fields"
    INPUTS = "inputs"
    MODULES = "modules"
    LOSSES = "losses"
    METRICS = "metrics"
    OBJECTIVE = "objective"


class ArrowKind(StrEnum):
    """What passes along an arrow: a column, a tensor, a target, a loss's value, or nothing but a reference."""

    COLUMN = "column"
    TENSOR = "tensor"
    TARGET = "target"
    TERM = "term"
    REFERENCE = "reference"


class Trouble(StrEnum):
    """The worst that a diagnostic says of a figure or an arrow."""

    NONE = ""
    WARNING = "warning"
    ERROR = "error"


def trouble_of(diagnostics: Iterable[Diagnostic]) -> Trouble:
    """Gives the worst of what diagnostics say."""
    found = {item.severity for item in diagnostics}
    return Trouble.ERROR if Severity.ERROR in found else Trouble.WARNING if found else Trouble.NONE


def faults_by_key(diagnostics: Iterable[Diagnostic]) -> dict[Path, list[int]]:
    """Gives, for each path of the file, which diagnostics are about what stands at it or below it."""
    found: dict[Path, list[int]] = {}
    for index, item in enumerate(diagnostics):
        for length in range(1, len(item.path) + 1):
            found.setdefault(item.path[:length], []).append(index)
    return found


@dataclass(frozen=True)
class Colour:
    """A discipline's colour: strong for lines, pale for surfaces, dark for text on the pale one."""

    strong: str
    pale: str
    dark: str


NEUTRAL = Colour("#8a94a3", "#f3f5f8", "#3d4654")
PALETTE = (
    Colour("#0072b2", "#e3f0f9", "#004f7c"),
    Colour("#d55e00", "#fdebdf", "#8a3d00"),
    Colour("#009e73", "#def5ed", "#00614a"),
    Colour("#cc79a7", "#fbeaf3", "#8a3a67"),
    Colour("#e69f00", "#fdf3da", "#7d5600"),
    Colour("#56b4e9", "#e6f5fd", "#1d6590"),
    Colour("#332288", "#e9e6f6", "#332288"),
    Colour("#882255", "#f7e4ed", "#882255"),
    Colour("#999933", "#f4f4dd", "#5c5c14"),
    Colour("#44aa99", "#e2f5f2", "#1e6a5e"),
)
"""Okabe and Ito's colours, told apart by colour-blind readers, then four of Tol's muted ones."""


@dataclass(frozen=True)
class Figure:
    """One node as it is shown: two short lines, a badge, and all that is known of it."""

    key: str
    band: Band
    name: str
    subtitle: str
    discipline: str = TASK
    badge: str = ""
    is_frozen: bool = False
    details: tuple[str, ...] = ()
    rank: int = 0
    is_ghost: bool = False
    """Whether it stands for what is not there: a component that no plugin offers, a node that nobody declares."""
    faults: tuple[int, ...] = ()
    """The diagnostics about it, as indexes into the drawing's."""
    trouble: Trouble = Trouble.NONE


@dataclass(frozen=True)
class Arrow:
    """All that passes one way between two figures."""

    source: str
    target: str
    kind: ArrowKind
    labels: tuple[str, ...]
    details: tuple[str, ...]
    keys: tuple[Path, ...] = ()
    """The keys of the file that declare it."""
    trouble: Trouble = Trouble.NONE
    is_solved: bool = True
    """Whether the plan has it, or only the file."""


@dataclass(frozen=True)
class Drawing:
    """A plan's picture before it has a format."""

    name: str
    figures: dict[str, Figure]
    arrows: list[Arrow]
    colours: dict[str, Colour]
    """The colour of each discipline but the task, by sorted name."""
    terms: dict[str, float]
    """lambda_d of each discipline that brings a loss."""
    diagnostics: tuple[Diagnostic, ...] = ()

    def colour(self, discipline: str) -> Colour:
        """Gives a discipline's colour; the task is neutral."""
        return self.colours.get(discipline, NEUTRAL)


def number(value: float) -> str:
    """Writes a weight as a person would: 1, 0.5, 1e-06."""
    return f"{value:.4g}"
