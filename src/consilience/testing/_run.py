"""Runs the checks on a plugin: what is tried on what, and how each trial ended."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from consilience.errors import DeclarationError
from consilience.host import PLUGIN_ERRORS, Offer, Registry, claims, default_registry
from consilience.testing._check import Broken, Check, NotApplicable, Outcome, Status
from consilience.testing._checks import CHECKS
from consilience.testing._expectations import (
    Expected,
    examples_of,
    expected_of,
    require_keys,
    require_known,
    require_sizes,
)
from consilience.testing._lab import Examples, Lab
from consilience.testing._subject import Subject

__all__ = ["Case", "Result", "Suite", "make_suite", "run_conformance", "told"]

_OWN = "consilience/testing/"


@dataclass(frozen=True)
class Case:
    """One check of one component, or of the plugin as a whole."""

    check: Check
    offer: Offer | None
    namespace: str

    @property
    def component(self) -> str:
        """The component's name in a file; empty for the plugin as a whole."""
        return self.offer.name if self.offer else ""

    def __str__(self) -> str:
        return f"{self.component or self.namespace}-{self.check.name}"


@dataclass(frozen=True)
class Result:
    """Every outcome of a run on one plugin."""

    namespace: str
    outcomes: tuple[Outcome, ...]

    @property
    def is_green(self) -> bool:
        """Whether some check ran and none failed."""
        return bool(self.count(Status.PASSED)) and not self.count(Status.FAILED)

    def of(self, status: Status) -> list[Outcome]:
        """Lists the outcomes of one status."""
        return [outcome for outcome in self.outcomes if outcome.status is status]

    def count(self, status: Status) -> int:
        """Counts the outcomes of one status."""
        return len(self.of(status))

    def __str__(self) -> str:
        return told(self.namespace, self.outcomes)


class Suite:
    """The checks of one plugin: each case can be run by itself.

    A plugin that cannot be loaded, or offers nothing, has one case, which fails and says why.
    """

    def __init__(self, lab: Lab, expected_failures: Mapping[str, Any] | None = None) -> None:
        self.lab = lab
        self.fault = self._load()
        self.cases = list(self._cases()) if not self.fault else [Case(_LOADS, None, lab.namespace)]
        self.expected: Expected = {}
        if not self.fault:
            names = {(case.component, case.check.name) for case in self.cases if not case.check.is_reported}
            self.expected = expected_of({} if expected_failures is None else expected_failures, names)
            self._require_keywords()

    def run(self, case: Case) -> Outcome:
        """Tries one check; never raises."""
        start = time.perf_counter()
        status, detail = self._tried(case)
        reason = self.expected.get((case.component, case.check.name))
        if reason and status is Status.FAILED:
            status, detail = Status.EXPECTED, reason
        elif reason:
            found = f"{status}, and it is expected to fail"
            detail = str(Broken(found, "a failure", f"take {case.check.name} out of expected_failures"))
            status = Status.FAILED
        return Outcome(case.check.name, case.component, status, detail, time.perf_counter() - start)

    def _tried(self, case: Case) -> tuple[Status, str]:
        if self.fault:
            return Status.FAILED, self.fault
        reports: list[str | None] = []
        reasons: list[str] = []
        tried = None
        try:
            for tried in self._subjects(case):
                try:
                    reports.append(case.check.run(tried))
                except NotApplicable as error:
                    reasons.append(str(error))
        except NotApplicable as error:
            return Status.SKIPPED, str(error)
        except PLUGIN_ERRORS as error:
            if case.check.is_reported:
                return Status.REPORTED, f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            return Status.FAILED, _why(case, tried, error)
        if reasons and not reports:
            return Status.SKIPPED, "; ".join(dict.fromkeys(reasons))
        if case.check.is_reported:
            return Status.REPORTED, "; ".join(dict.fromkeys(report for report in reports if report))
        return Status.PASSED, ""

    def _subjects(self, case: Case) -> list[Any]:
        if case.offer is None:
            return [self.lab]
        if case.check.of_class:
            return [Subject(case.offer, self.lab, {})]
        return [*self.lab.subjects(case.offer)]

    def _load(self) -> str:
        lab = self.lab
        lab.load_standard()
        if lab.plugin is not None and lab.namespace not in lab.registry.namespaces():
            try:
                lab.registry.register(lab.plugin, lab.namespace)
            except DeclarationError as error:
                return str(error)
        fault = lab.registry.load(lab.namespace)
        if fault is not None:
            return str(fault)
        if not lab.offers and not lab.label_spaces and not _has_other_hooks(lab):
            found = f"{lab.namespace} offers no component and no label space, and has no other hook"
            fix = "return component classes from consilience_components, which @hookimpl marks"
            return str(Broken(found, "something to check", fix))
        return ""

    def _require_keywords(self) -> None:
        lab, offers = self.lab, {offer.name: offer for offer in self.lab.offers}
        for keyword in ("examples", "build_with", "sizes"):
            require_known(keyword, getattr(lab, keyword), offers.keys())
        lab.examples = examples_of(lab.examples)
        for name, sizes in lab.sizes.items():
            require_sizes(name, sizes, Subject(offers[name], lab, {}).dims)
        for name, chosen in lab.build_with.items():
            require_keys(name, chosen, offers[name].component.uses())

    def _cases(self) -> Iterator[Case]:
        for check in CHECKS:
            if not check.kinds:
                yield Case(check, None, self.lab.namespace)
        for offer in self.lab.offers:
            for check in CHECKS:
                if offer.component.kind in check.kinds and check.applies(offer.component):
                    yield Case(check, offer, self.lab.namespace)


def make_suite(
    plugin: object,
    namespace: str | None = None,
    expected_failures: Mapping[str, Any] | None = None,
    examples: Examples | None = None,
    build_with: Mapping[str, Mapping[str, str]] | None = None,
    sizes: Mapping[str, Mapping[str, int]] | None = None,
) -> Suite:
    """Makes the suite of a namespace, or of a plugin that is handed over with the namespace to give it.

    Raises ValueError where that namespace is taken, and where a keyword tells what cannot be.
    """
    if not isinstance(plugin, str) and namespace is None:
        raise TypeError('a plugin that is handed over needs a namespace: conformance(plugin, namespace="mine")')
    if not isinstance(plugin, str) and namespace in claims():
        raise ValueError(f"{namespace} is installed: give another namespace")
    lab = Lab(
        default_registry() if isinstance(plugin, str) else Registry(),
        plugin if isinstance(plugin, str) else str(namespace),
        None if isinstance(plugin, str) else plugin,
        {} if examples is None else examples,
        {} if build_with is None else build_with,
        {} if sizes is None else sizes,
    )
    return Suite(lab, expected_failures)


def run_conformance(plugin: object, namespace: str | None = None, **options: Any) -> Result:
    """Runs every check on a plugin, without pytest; gives every outcome.

    Takes what `conformance` takes.
    """
    suite = make_suite(plugin, namespace, **options)
    return Result(suite.lab.namespace, tuple(map(suite.run, suite.cases)))


def told(namespace: str, outcomes: tuple[Outcome, ...]) -> str:
    """Writes the counts of a run in one line, and what was reported below it."""
    counts = {status: sum(outcome.status is status for outcome in outcomes) for status in Status}
    ran = counts[Status.PASSED] + counts[Status.FAILED] + counts[Status.EXPECTED]
    line = (
        f"{namespace}: {ran} ran, {counts[Status.SKIPPED]} skipped, "
        f"{counts[Status.EXPECTED]} expected failures, {counts[Status.FAILED]} failed"
    )
    reports = (one for one in outcomes if one.status is Status.REPORTED and one.detail)
    return "\n".join([line, *(f"  reported  {one.component} {one.check}: {one.detail}" for one in reports)])


def _why(case: Case, tried: object, error: BaseException) -> str:
    """Writes why a check failed: a broken promise in its own words, anything else with the plugin's traceback."""
    settings = f"\n  of        {tried}" if isinstance(tried, Subject) and tried.settings else ""
    head = f"{case}: {case.check.promise}{settings}"
    if isinstance(error, Broken):
        return f"{head}\n  found     {error}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _OWN not in frame.filename]
    trace = "".join(traceback.format_list(frames) + traceback.format_exception_only(error))
    return f"{head}\n  found     an exception\n{trace}"


def _has_other_hooks(lab: Lab) -> bool:
    """Tells whether a plugin takes part beside what it offers to fusions: with commands, or where models are built."""
    claimed = claims().get(lab.namespace, [])
    plugin = claimed[0].entry_point.load() if lab.plugin is None and claimed else lab.plugin
    names = set(dir(plugin)) - {"consilience_components", "consilience_label_spaces"}
    return any(hasattr(getattr(plugin, name, None), "consilience_impl") for name in names)


def _loads(lab: Lab) -> str | None:
    """The plugin is installed, loads, and offers something."""
    return None


_LOADS = Check("loads", "The plugin is installed, loads, and offers something.", (), _loads, lambda component: True)
