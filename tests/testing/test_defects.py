"""Every planted defect is caught by the check that is meant to, and only by sensible ones; what is good passes all."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch
from defects import beside, declared, learning, mixed, read, shaped, whole
from defects.defect import Defect, Offers
from defects.whole import Package

from consilience.testing import CHECKS, Status, run_conformance
from consilience.testing._run import make_suite
from consilience.testing._wheel import _ignored

ROOMS: tuple[ModuleType, ...] = (declared, shaped, mixed, learning, read, beside)
DEFECTS: list[Defect] = [defect for room in ROOMS for defect in room.DEFECTS]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.component.__name__)
def test_a_defect_is_caught_by_the_check_that_is_meant_to_and_by_sensible_ones(defect: Defect) -> None:
    suite = make_suite(Offers(defect.component), "bad")
    cases = [case for case in suite.cases if case.offer and not case.check.is_reported]
    outcomes = [suite.run(case) for case in cases]
    failed = {outcome.check: outcome.detail for outcome in outcomes if outcome.status is Status.FAILED}
    assert defect.caught_by in failed, failed
    assert set(failed) <= {defect.caught_by, *defect.also}, "\n".join(failed.values())
    assert "expected" in failed[defect.caught_by] or "Error" in failed[defect.caught_by]


def test_what_is_good_passes_every_check() -> None:
    good = [one for room in ROOMS for one in getattr(room, "GOOD", ())]
    result = run_conformance(Offers(*good), "good")
    assert [outcome.detail for outcome in result.of(Status.FAILED)] == []
    assert {outcome.check for outcome in result.of(Status.SKIPPED)} <= {"imports_light", "wheel_whole"}
    assert result.count(Status.PASSED) > 60


def test_every_check_of_a_component_is_tried_on_something_good() -> None:
    good = [one for room in ROOMS for one in getattr(room, "GOOD", ())]
    tried = {case.check.name for case in make_suite(Offers(*good), "good").cases}
    assert tried == {check.name for check in CHECKS}


@pytest.mark.parametrize("defect", whole.COMPONENTS, ids=lambda defect: defect.component.__name__)
def test_what_only_a_fusion_finds_out_is_caught_by_it(defect: Defect) -> None:
    assert failures_of_the_whole(Offers(defect.component), "bad") == {defect.caught_by}


@pytest.mark.parametrize("package", whole.PACKAGES, ids=lambda package: package.name)
def test_a_package_that_misbehaves_is_caught(package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package.write(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("WHOLE", "before")
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", torch.nn.Linear.reset_parameters)  # one of them patches it
    assert failures_of_the_whole(import_module(package.name), package.name) == {package.caught_by}


def test_a_good_package_passes_every_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole.GOOD.write(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    result = run_conformance(import_module(whole.GOOD.name), whole.GOOD.name)
    assert [outcome.detail for outcome in (*result.of(Status.FAILED), *result.of(Status.SKIPPED))] == []


def test_a_package_may_have_folders_named_as_what_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = replace(whole.GOOD, name="whole_folders")
    package.write(tmp_path)
    for name in ("build", "dist", "runs"):
        (tmp_path / package.name / name).mkdir()
        (tmp_path / package.name / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    suite = make_suite(import_module(package.name), package.name)
    [case] = [case for case in suite.cases if case.check.name == "wheel_whole"]
    outcome = suite.run(case)
    assert (outcome.status, outcome.detail) == (Status.PASSED, "")
    assert _ignored(tmp_path, str(tmp_path), ["build", "src", "runs"]) == ["build", "runs"]


def failures_of_the_whole(plugin: object, namespace: str) -> set[str]:
    suite = make_suite(plugin, namespace)
    outcomes = [suite.run(case) for case in suite.cases if case.offer is None]
    return {outcome.check for outcome in outcomes if outcome.status is Status.FAILED}
