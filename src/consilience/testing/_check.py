"""Checks and their outcomes: what the kit promises of a component, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from consilience.declare import Component

__all__ = [
    "Broken",
    "Check",
    "Ledger",
    "NotApplicable",
    "Outcome",
    "Run",
    "Status",
]

Run = Callable[[Any], str | None]
"""What tries a check on a subject or a plugin; a reported check gives what it found."""


class Broken(AssertionError):
    """A component breaks a promise: what was found, what was expected, and what to mend."""

    def __init__(self, found: str, expected: str, fix: str) -> None:
        super().__init__(f"{found}\n  expected  {expected}\n  fix       {fix}")


class NotApplicable(Exception):
    """A check says nothing about this component, for a reason that is only known once it is looked at."""


class Status(StrEnum):
    """How one check of one component, or of the plugin, ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    EXPECTED = "expected failure"
    REPORTED = "reported"


@dataclass(frozen=True)
class Outcome:
    """What one check found of one component, or of the plugin as a whole, where `component` is empty."""

    check: str
    component: str
    status: Status
    detail: str = ""
    """Why it failed or was skipped, or what was reported."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Check:
    """One named promise, and what tries it."""

    name: str
    promise: str
    """What is promised, in one sentence."""
    kinds: tuple[str, ...]
    """The kinds of components that it is tried on; none for the plugin as a whole."""
    run: Run
    applies: Callable[[type[Component]], bool]
    """Whether it says anything of a component, as far as its class tells."""
    is_reported: bool = False
    """Whether what it finds is told in the summary, and never fails."""
    of_class: bool = False
    """Whether it looks at the class alone, so that it needs no settings to make the component with."""


class Ledger:
    """Collects the checks of a module, in the order in which they are written."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def plugin(self, run: Run) -> Run:
        """Takes in a check of the plugin as a whole; the first sentence of its docstring is the promise."""
        self._add(run, (), lambda component: True)
        return run

    def component(
        self, *kinds: str, when: Callable[[type[Component]], bool] = lambda component: True, of_class: bool = False
    ) -> Callable[[Run], Run]:
        """Takes in a check of the components of these kinds, of which a class can rule some out."""

        def add(run: Run) -> Run:
            self._add(run, kinds, when, of_class=of_class)
            return run

        return add

    def reported(self, *kinds: str) -> Callable[[Run], Run]:
        """Takes in a check that never fails: what it finds is told."""

        def add(run: Run) -> Run:
            self._add(run, kinds, lambda component: True, is_reported=True)
            return run

        return add

    def _add(self, run: Run, kinds: tuple[str, ...], when: Callable[[type[Component]], bool], **more: bool) -> None:
        sentence = " ".join((run.__doc__ or "").split("\n\n")[0].split())
        self.checks.append(Check(run.__name__, sentence, kinds, run, when, **more))
