"""What a check found in each file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from consilience.errors import Diagnostic, Severity
from consilience.plan import Plan

__all__ = ["Report", "from_here"]


@dataclass(frozen=True)
class Report:
    """What was found in one file."""

    file: str
    diagnostics: tuple[Diagnostic, ...]
    plan: Plan | None = None
    """What the file says, when nothing is at fault."""

    @property
    def errors(self) -> int:
        """How many diagnostics stop everything."""
        return sum(item.severity is Severity.ERROR for item in self.diagnostics)

    @property
    def warnings(self) -> int:
        """How many diagnostics stop nothing."""
        return len(self.diagnostics) - self.errors


def from_here(file: str) -> str:
    """Gives the path of a file below the working directory from there, with slashes; any other as it is."""
    try:
        return Path(file).absolute().relative_to(Path.cwd()).as_posix()
    except (OSError, ValueError):
        return file
