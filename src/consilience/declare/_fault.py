"""What a component finds wrong with itself, before it has a place in a file."""

from __future__ import annotations

from dataclasses import dataclass

from consilience.errors import Diagnostic, Severity

__all__ = ["Fault", "UnfitFaultError"]


class UnfitFaultError(TypeError):
    """A component gives a fault that no diagnostic can be made of."""


@dataclass(frozen=True)
class Fault:
    """What a component finds wrong with its own settings: a code, the key, found, expected, fix.

    An empty key is the whole of what the file says of the component.
    """

    code: str
    key: str
    found: str
    expected: str
    fix: str
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        """Refuses what cannot be told: every part is a text, and the key alone may be an empty one."""
        for part in ("code", "key", "found", "expected", "fix"):
            text = getattr(self, part)
            if not isinstance(text, str) or not (text or part == "key"):
                raise UnfitFaultError(f"a fault whose {part} is {'empty' if text == '' else 'no text'}")
        if not isinstance(self.severity, Severity):
            raise UnfitFaultError("a fault whose severity is none")

    def at(self, *path: str | int) -> Diagnostic:
        """Makes a diagnostic of it, for a component that stands at this path."""
        place = (*path, self.key) if self.key else path
        return Diagnostic(str(self.code), place, self.found, self.expected, self.fix, severity=self.severity)
