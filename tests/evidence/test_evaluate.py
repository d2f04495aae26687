"""Evaluation: one pass, and the numbers that scikit-learn and numpy give by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from consilience.data import prepare
from consilience.declare import hookimpl
from consilience.errors import RunError
from consilience.evidence import Report, evaluate
from consilience.fuse import FusedModel, build_collator
from consilience.train import Run


@pytest.fixture(scope="module")
def report(small_run: Path) -> Report:
    return evaluate(small_run, progress=False)


@pytest.fixture(scope="module")
def by_hand(small_run: Path) -> dict[str, Any]:
    """The targets and outputs of the test rows, by the model's own forward over one batch."""
    run = Run.open(small_run)
    plan, model = run.plan, run.model().eval()
    collator = build_collator(plan, [node.name for node in plan.of("losses")])
    rows = prepare(plan).test
    batch = collator([rows[place] for place in range(len(rows))])
    with torch.inference_mode():
        made = model(batch, outputs=["opinion", "rating", "about", "feeling"]).tensors
    return {name: value.numpy() for name, value in {**batch, **made}.items()}


def test_the_classification_report_is_scikit_learns(report: Report, by_hand: Mapping[str, Any]) -> None:
    from sklearn.metrics import classification_report

    expected = classification_report(
        by_hand["sentiment"],
        by_hand["opinion.logits"].argmax(-1),
        labels=[0, 1],
        target_names=["negative", "positive"],
        output_dict=True,
        zero_division=0,
    )
    assert report.answers["opinion"].measured == expected
    assert report.answers["opinion"].count == 10


def test_several_labels_at_once_are_chosen_at_one_half(report: Report, by_hand: Mapping[str, Any]) -> None:
    from sklearn.metrics import classification_report

    expected = classification_report(
        by_hand["topics"],
        by_hand["about.logits"] >= 0,  # sigmoid(0) is one half
        target_names=["plot", "cast", "music"],
        output_dict=True,
        zero_division=0,
    )
    assert report.answers["about"].measured == expected


def test_numbers_get_r_and_errors(report: Report, by_hand: Mapping[str, Any]) -> None:
    true, predicted = by_hand["stars"].astype(np.float64), by_hand["rating.value"].astype(np.float64)
    measured = report.answers["rating"].measured["value"]
    assert measured["r"] == pytest.approx(np.corrcoef(true, predicted)[0, 1], rel=1e-5)
    assert measured["mean_squared_error"] == pytest.approx(((true - predicted) ** 2).mean(), rel=1e-5)
    assert measured["mean_absolute_error"] == pytest.approx(abs(true - predicted).mean(), rel=1e-5)
    strong = report.answers["feeling"].measured["strong"]
    difference = by_hand["mood"][:, 1] - by_hand["feeling.value"][:, 1]
    assert strong["mean_absolute_error"] == pytest.approx(abs(difference).mean(), rel=1e-5)


def test_metrics_have_names_and_a_confusion_has_labels(report: Report, by_hand: Mapping[str, Any]) -> None:
    right = by_hand["sentiment"] == by_hand["opinion.logits"].argmax(-1)
    assert report.metrics["accuracy"] == pytest.approx(right.mean())
    assert report.metrics["table"]["labels"] == ["negative", "positive"]
    matrix = np.zeros((2, 2))
    np.add.at(matrix, (by_hand["sentiment"], by_hand["opinion.logits"].argmax(-1)), 1)
    assert report.metrics["table"]["matrix"] == matrix.tolist()


def test_the_report_is_kept_in_the_run(report: Report, small_run: Path) -> None:
    kept = json.loads((small_run / "report-test.json").read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(report.to_dict()))
    assert (kept["split"], kept["rows"], kept["seed"], kept["run"]) == ("test", 10, 0, str(small_run))
    assert not list(small_run.glob(".*.part"))


def test_each_batch_is_run_once(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = FusedModel.forward

    def counted(self: FusedModel, batch: Any, outputs: Any = None) -> Any:
        calls.append(outputs)
        return forward(self, batch, outputs)

    monkeypatch.setattr(FusedModel, "forward", counted)
    evaluate(small_run, progress=False)
    assert len(calls) == 2  # 10 rows in batches of 8
    assert all("opinion_loss" not in outputs for outputs in calls)


def test_another_split(small_run: Path) -> None:
    assert evaluate(small_run, "validation", progress=False).rows == 6
    assert (small_run / "report-validation.json").is_file()


def test_the_text_is_for_people(report: Report) -> None:
    text = report.to_text()
    assert text.startswith("small: 10 rows of test, ")
    assert "opinion (sentiment, 10 examples)\n                precision    recall  f1-score   support" in text
    assert "true \\ predicted  negative  positive" in text


def test_an_unknown_split_is_told(small_run: Path) -> None:
    with pytest.raises(RunError) as caught:
        evaluate(small_run, "tests")
    assert str(caught.value) == (
        "error CN707 at split\n"
        "  found     the unknown split tests\n"
        "  expected  one of test, validation, train\n"
        "  fix       --split test"
    )


def test_nothing_to_measure_is_told(small_run: Path, tmp_path: Path) -> None:
    run = Run.open(small_run)
    plan = run.plan
    bare = type("Bare", (), {"of": lambda self, section: [], "answers": lambda self: {}})()
    other = Run(small_run)
    other.__dict__["plan"] = bare
    with pytest.raises(RunError) as caught:
        evaluate(other)
    assert plan.answers()
    assert str(caught.value) == (
        "error CN708 at metrics\n"
        "  found     no metric, and no module that a loss compares with what a field holds\n"
        "  expected  something to measure\n"
        "  fix       metrics: {accuracy: {use: accuracy, in: module, target: field}}"
    )


class _Raises:
    @hookimpl
    def consilience_report_section(self, model: Any, batch: Mapping[str, Any]) -> Mapping[str, object]:
        raise ZeroDivisionError("nothing to divide by")


class _Measures:
    @hookimpl
    def consilience_report_section(self, model: Any, batch: Mapping[str, Any]) -> Mapping[str, object]:
        return {"rows": len(batch["sentiment"]), "parameters": model.num_parameters()}


def test_a_section_that_raises_is_a_note_beside_the_others(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from consilience.host import Registry
    from consilience.plan import Plan

    registry = Registry()
    registry.register(_Raises(), "broken")
    registry.register(_Measures(), "sound")
    monkeypatch.setattr(Plan, "namespaces", ("broken", "sound"))
    report = evaluate(Run.open(small_run, registry), progress=False)
    assert report.notes == ("the section of broken failed: ZeroDivisionError: nothing to divide by",)
    assert report.sections["sound"]["rows"] == 8
    assert "note: the section of broken failed" in report.to_text()
