"""Comparisons: mean and spread over seeds, side by side."""

from __future__ import annotations

import pytest

from consilience.evidence import Report, compare


def report(seed: int, **metrics: object) -> Report:
    return Report("film", f"runs/{seed}", "test", 10, seed, metrics, {})


@pytest.fixture
def groups() -> dict[str, list[Report]]:
    return {
        "fused": [report(0, accuracy=0.5, f1=0.25), report(1, accuracy=0.75, f1=0.5)],
        "alone": [report(0, accuracy=0.5), report(1, accuracy=0.5)],
    }


def test_the_table(groups: dict[str, list[Report]]) -> None:
    assert compare(groups).to_text().splitlines() == [
        "                            fused            alone",
        "accuracy, seed 0           0.5000           0.5000",
        "accuracy, seed 1           0.7500           0.5000",
        "accuracy, mean    0.6250 ± 0.1768  0.5000 ± 0.0000",
        "f1, seed 0                 0.2500                -",
        "f1, seed 1                 0.5000                -",
        "f1, mean          0.3750 ± 0.1768                -",
    ]


def test_the_spread_is_the_standard_deviation_of_a_sample(groups: dict[str, list[Report]]) -> None:
    written = compare(groups).to_dict()
    assert written["metrics"]["accuracy"]["fused"] == {
        "values": [0.5, 0.75],
        "mean": 0.625,
        "deviation": pytest.approx(0.125 * 2**0.5),
    }
    assert written["metrics"]["f1"]["alone"] is None
    assert written["runs"]["fused"] == ["runs/0", "runs/1"]


def test_one_seed_has_no_spread() -> None:
    text = compare({"fused": [report(3, accuracy=0.5)]}).to_text()
    assert text.splitlines() == ["           fused", "accuracy  0.5000"]


def test_a_metric_that_is_no_number_is_left_out() -> None:
    table = {"labels": ["a", "b"], "matrix": [[1, 0], [0, 1]]}
    assert compare({"one": [report(0, accuracy=0.5, table=table)]}).spreads().keys() == {"accuracy"}
