"""One line makes a suite: what it refuses, what it counts, and that nothing is green for want of anything to check."""

from __future__ import annotations

from typing import Any

import pytest
from transformers.utils import logging

from consilience.declare import Float, Module, Ports, hookimpl
from consilience.testing import Status, conformance, run_conformance
from consilience.testing._check import Broken, Check, NotApplicable
from consilience.testing._run import Case, make_suite


class Silent(Module):
    has_parameters = False
    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(features=Float["batch hidden"])

    def build(self, dims: Any) -> Any:
        from torch import nn

        return nn.Identity()


class Lab:
    @hookimpl
    def consilience_components(self) -> list[type[Module]]:
        return [Silent]


class Empty:
    """Offers nothing."""


def test_a_wrong_namespace_fails_and_says_what_is_there() -> None:
    result = run_conformance("psycology")
    assert not result.is_green
    [outcome] = result.outcomes
    assert outcome.status is Status.FAILED
    assert "CN202" in outcome.detail
    assert "psychology" in outcome.detail


def test_a_plugin_that_offers_nothing_fails() -> None:
    result = run_conformance(Empty(), "empty")
    assert [outcome.status for outcome in result.outcomes] == [Status.FAILED]
    assert "offers no component" in result.outcomes[0].detail


def test_a_plugin_that_is_handed_over_needs_a_namespace() -> None:
    with pytest.raises(TypeError, match="needs a namespace"):
        conformance(Lab())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"lab.silnt": {"documented": "why"}}, "did you mean lab.silent"),
        ({"lab.silent": {"documentd": "why"}}, "did you mean documented"),
        ({"lab.silent": {"documented": "  "}}, "write why it cannot pass"),
        ({"lab.silent": {}}, r"write \{check: reason\}"),
        ({"documented": "why"}, "is no check of the plugin"),
    ],
)
def test_an_expected_failure_is_of_something_and_has_a_reason(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        conformance(Lab(), "lab", expected_failures=given)


def test_an_expected_failure_is_counted_and_one_that_passes_fails() -> None:
    given = {"lab.silent": {"documented": "it says nothing on purpose", "bounded": "no reason at all"}}
    result = run_conformance(Lab(), "lab", expected_failures=given)
    by_check = {outcome.check: outcome for outcome in result.outcomes if outcome.component}
    assert by_check["documented"].status is Status.EXPECTED
    assert by_check["documented"].detail == "it says nothing on purpose"
    assert by_check["bounded"].status is Status.FAILED
    assert "take bounded out of expected_failures" in by_check["bounded"].detail


@pytest.mark.parametrize("keyword", ["examples", "build_with", "sizes"])
def test_what_is_told_of_a_component_that_is_not_there_is_refused(keyword: str) -> None:
    given: dict[str, Any] = {keyword: {"lab.silnt": {}}}
    with pytest.raises(ValueError, match=f"{keyword}: lab.silnt is no component; did you mean lab.silent"):
        conformance(Lab(), "lab", **given)


def fails_where_no_size_is_fixed(subject: Any) -> None:
    if subject == "fixed":
        raise NotApplicable("its size is fixed")
    if subject == "broken":
        raise Broken("a real fault", "none", "mend it")


@pytest.mark.parametrize(
    ("subjects", "status", "detail"),
    [
        (["fixed", "broken"], Status.FAILED, "a real fault"),
        (["broken", "fixed"], Status.FAILED, "a real fault"),
        (["fixed", "good"], Status.PASSED, ""),
        (["fixed", "fixed"], Status.SKIPPED, "its size is fixed"),
    ],
)
def test_an_example_that_a_check_says_nothing_of_does_not_hide_the_next(
    subjects: list[str], status: Status, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = make_suite(Lab(), "lab")
    monkeypatch.setattr(suite, "_subjects", lambda case: subjects)
    check = Check("tried", "A promise.", ("module",), fails_where_no_size_is_fixed, lambda component: True)
    outcome = suite.run(Case(check, suite.lab.offers[0], "lab"))
    assert outcome.status is status
    assert detail in outcome.detail
    assert bool(outcome.detail) == bool(detail)


def test_what_is_saved_shows_no_bars(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "_tqdm_active", True)  # as it is where nobody has asked for quiet
    suite = make_suite("complexity")
    [case] = [case for case in suite.cases if case.check.name == "saved_and_loaded"]
    outcome = suite.run(case)
    assert (outcome.status, outcome.detail) == (Status.PASSED, "")
    assert capfd.readouterr().err == ""
    assert logging.is_progress_bar_enabled()
