"""One line makes a suite: what it refuses, what it counts, and that nothing is green for want of anything to check."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from transformers.utils import logging

from consilience.declare import Float, LabelSpace, Module, Ports, hookimpl
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


class Watches:
    """Offers nothing, and is handed the models."""

    @hookimpl
    def consilience_model_built(self, model: Any) -> None:
        del model


class Skies:
    """Offers label spaces alone."""

    @hookimpl
    def consilience_label_spaces(self) -> list[LabelSpace]:
        return [LabelSpace(name="sky", labels=("clear", "cloudy"))]


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


@pytest.mark.parametrize("plugin", [Watches(), Skies()], ids=lambda one: type(one).__name__)
def test_a_plugin_without_a_component_runs_the_checks_of_the_plugin_as_a_whole(plugin: object) -> None:
    result = run_conformance(plugin, "lab")
    assert result.is_green
    assert [outcome.check for outcome in result.of(Status.PASSED)] == ["absent_when_unused"]
    skipped = {outcome.check: outcome.detail for outcome in result.of(Status.SKIPPED)}
    assert skipped["composes"] == skipped["saved_and_loaded"] == "it offers no component"


def test_a_plugin_that_is_handed_over_takes_no_installed_namespace() -> None:
    with pytest.raises(ValueError, match=r"^psychology is installed: give another namespace$"):
        conformance(Lab(), "psychology")


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


@pytest.mark.parametrize(
    ("keyword", "given", "told"),
    [
        ("sizes", {"hiden": 4}, r"sizes of lab.silent: hiden is no dim of its ports; did you mean hidden\?"),
        ("sizes", {"hidden": 0}, "sizes of lab.silent: hidden is 0: write a whole number of at least 1"),
        ("sizes", {"hidden": "4"}, "sizes of lab.silent: hidden is '4': write a whole number of at least 1"),
        ("sizes", {"hidden": True}, "sizes of lab.silent: hidden is True: write a whole number of at least 1"),
        ("sizes", 4, "sizes of lab.silent is 4: write {dim: size}"),
        (
            "build_with",
            {"of": "text_encoder"},
            "build_with of lab.silent: of is no key that names a node; there is none",
        ),
        ("build_with", "x", "build_with of lab.silent is 'x': write {key: component}"),
        ("examples", "x", "examples of lab.silent is 'x': write a list of mappings, or of functions of a folder"),
        ("examples", [3], r"examples of lab.silent is \[3\]: write a list of mappings, or of functions of a folder"),
        ("expected_failures", 3, r'expected_failures\["lab.silent"\] is 3: write {check: reason}'),
    ],
)
def test_what_a_keyword_tells_of_a_component_is_of_the_right_form(keyword: str, given: Any, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{told}$"):
        conformance(Lab(), "lab", **{keyword: {"lab.silent": given}})


@pytest.mark.parametrize("keyword", ["examples", "build_with", "sizes", "expected_failures"])
def test_a_keyword_is_a_mapping(keyword: str) -> None:
    with pytest.raises(ValueError, match=rf"^{keyword} is \['lab.silent'\]: write "):
        conformance(Lab(), "lab", **{keyword: ["lab.silent"]})  # type: ignore[arg-type]


def test_one_mapping_is_a_list_of_one_example() -> None:
    assert make_suite(Lab(), "lab", examples={"lab.silent": {}}).lab.examples == {"lab.silent": [{}]}  # type: ignore[dict-item]


def test_a_plugin_that_travels_to_no_process_is_compared_in_this_one_whatever_its_threads() -> None:
    class Local(Lab):
        """Stands in no module."""

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        suite = make_suite(Local(), "lab")
        [case] = [case for case in suite.cases if case.check.name == "absent_when_unused"]
        outcome = suite.run(case)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
    assert outcome.status is Status.PASSED, outcome.detail


def test_what_a_report_carries_is_plain_so_that_it_may_come_from_another_process() -> None:
    suite = conformance(Empty(), "empty")
    case = suite.pytestmark[0].args[1][0]
    told: dict[str, Any] = {}
    with contextlib.suppress(pytest.skip.Exception, pytest.fail.Exception):
        suite(case=case, record_property=told.__setitem__)
    [carried] = told.values()
    assert {type(value) for value in carried.values()} == {str, float}
