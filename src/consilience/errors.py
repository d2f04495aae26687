"""The one way in which Consilience tells a fault: a diagnostic, and the exceptions that carry them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, get_close_matches
from enum import StrEnum
from functools import lru_cache

__all__ = [
    "ConsilienceError",
    "ConsilienceWarning",
    "DataError",
    "DeclarationError",
    "Diagnostic",
    "Part",
    "Place",
    "Related",
    "RunError",
    "Severity",
    "is_slip",
    "nearest",
    "shortlist",
    "sort_diagnostics",
    "with_article",
]

Path = tuple[str | int, ...]

_SLIP = 0.85
_MOST_COMPARED = 300
_LONGEST_COMPARED = 60


class Severity(StrEnum):
    """How much a diagnostic stops: an error stops everything, a warning nothing."""

    ERROR = "error"
    WARNING = "warning"


class Part(StrEnum):
    """Which part of a pair a diagnostic is about: the key itself, or the value behind it."""

    KEY = "key"
    VALUE = "value"


@dataclass(frozen=True, order=True)
class Place:
    """A stretch of a file; lines and columns count from 1, and the end is the column after the last character."""

    file: str
    line: int
    column: int
    end_line: int = 0
    """0 where only the beginning is known."""
    end_column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Related:
    """Another place that a diagnostic speaks of: `Related(("fields", "sentiment"), "declared here")`."""

    path: Path
    message: str
    place: Place | None = None

    @property
    def where(self) -> str:
        """The dotted path of the key, such as `fields.sentiment`."""
        return ".".join(map(str, self.path))


@dataclass(frozen=True)
class Diagnostic:
    """One fault: a code, where it stands, what was found, what was expected, and a fix that can be pasted."""

    code: str
    path: Path
    found: str
    expected: str
    fix: str
    place: Place | None = None
    severity: Severity = Severity.ERROR
    part: Part = Part.VALUE
    """What of the pair at `path` the place is of; a value that is a mapping has the place of its key."""
    related: tuple[Related, ...] = ()

    @property
    def where(self) -> str:
        """The dotted path of the key at fault, such as `modules.feeling.in`."""
        return ".".join(str(part) for part in self.path) or "the file"

    def at(self, place: Place | None) -> Diagnostic:
        """Gives the same diagnostic with its position in the file."""
        return replace(self, place=place)

    def located(self, place_of: Callable[[Path, Part], Place | None]) -> Diagnostic:
        """Gives the same diagnostic with its place and those of what it speaks of, where they have none yet."""
        related = tuple(
            item if item.place else replace(item, place=place_of(item.path, Part.KEY)) for item in self.related
        )
        return replace(self, place=self.place or place_of(self.path, self.part), related=related)

    def __str__(self) -> str:
        position = f" ({self.place})" if self.place else ""
        lines = [f"{self.severity} {self.code} at {self.where}{position}"]
        for label in ("found", "expected", "fix"):
            text = getattr(self, label).replace("\n", "\n" + " " * 12)
            lines.append(f"  {label:<10}{text}")
        return "\n".join(lines)


class ConsilienceError(Exception):
    """Carries one or more diagnostics; its text is what a user reads."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        if isinstance(diagnostics, Diagnostic):
            diagnostics = [diagnostics]
        self.diagnostics: tuple[Diagnostic, ...] = tuple(sort_diagnostics(diagnostics))
        super().__init__("\n".join(str(diagnostic) for diagnostic in self.diagnostics))

    def __reduce__(self) -> tuple[type[ConsilienceError], tuple[tuple[Diagnostic, ...]]]:
        return type(self), (self.diagnostics,)


class DeclarationError(ConsilienceError):
    """The fusion, or a plugin that it names, is at fault (CN1xx to CN4xx, CN6xx)."""


class DataError(ConsilienceError):
    """The data does not hold what the fusion says of it (CN5xx)."""


class RunError(ConsilienceError):
    """A run, a checkpoint or a request to a trained model is at fault (CN7xx, CN8xx)."""


class ConsilienceWarning(UserWarning):
    """Carries a diagnostic that stops nothing to where Python's warnings are told."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(str(diagnostic))

    def __reduce__(self) -> tuple[type[ConsilienceWarning], tuple[Diagnostic]]:
        return type(self), (self.diagnostic,)


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorts by place in the file, then by path and code; drops repeats."""

    def key(diagnostic: Diagnostic) -> tuple[object, ...]:
        place = diagnostic.place or Place("", 0, 0)
        return place.file, place.line, place.column, tuple(map(str, diagnostic.path)), diagnostic.code

    return sorted(dict.fromkeys(diagnostics), key=key)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Finds the known name that a misspelt one most likely meant, or None when none is near.

    Among more than a few hundred names only a slip of one letter is known again: to compare all takes too long.
    """
    return _nearest(name, tuple(known))


@lru_cache(maxsize=1024)
def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    if len(known) > _MOST_COMPARED:
        index = _slips(known)
        known = tuple(dict.fromkeys(other for slip in _shortened(name) for other in index.get(slip, ())))
    matches = get_close_matches(name, known[:_MOST_COMPARED], n=1, cutoff=0.6)
    return matches[0] if matches else None


@lru_cache(maxsize=4)
def _slips(names: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Files names under what a slip leaves of them: names that differ by one letter, or by two swapped, share that."""
    index: dict[str, list[str]] = {}
    for name in names:
        for slip in _shortened(name):
            index.setdefault(slip, []).append(name)
    return index


def _shortened(name: str) -> set[str]:
    return {name, *(name[:place] + name[place + 1 :] for place in range(min(len(name), _LONGEST_COMPARED)))}


def with_article(word: str) -> str:
    """Writes a word with its indefinite article: `an input`."""
    return f"{'an' if word[:1].lower() in tuple('aeiou') else 'a'} {word}"


def shortlist(names: Iterable[str], most: int = 12) -> str:
    """Lists names in one line; of more than a reader would read, the first, and how many there are besides."""
    names = list(names)
    if len(names) <= most + 2:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def is_slip(name: str, near: str) -> bool:
    """Tells whether a name is so near to another that it can only be a slip of the pen."""
    return SequenceMatcher(None, name, near).ratio() > _SLIP
