"""A fusion that answers nothing: its losses pull vectors, and no module speaks of what a field holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from consilience.declare import Float, Fusion, Loss, Metric, Ports, hookimpl
from consilience.errors import RunError
from consilience.evidence import answers_of, evaluate
from consilience.host import Registry
from consilience.plan import check
from consilience.serve import Predictor
from consilience.train import Run, train


class _Pulls(torch.nn.Module):
    def forward(self, features: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (features.mean(dim=1) - target).square()


class Pull(Loss):
    """Pulls the mean of a vector towards a number of the text."""

    inputs = Ports(features=Float["batch hidden"])
    target = Float["batch"]

    def build(self, dims: Any) -> torch.nn.Module:
        """Gives the loss."""
        return _Pulls()


class Spread(Metric):
    """Measures the mean of the vectors."""

    inputs = Ports(features=Float["batch hidden"])

    def build(self, dims: Any) -> Any:
        """Gives the metric."""
        from torchmetrics import MeanMetric

        class Mean(MeanMetric):
            def update(self, features: torch.Tensor) -> None:
                super().update(features)

        return Mean()


class _Plugin:
    @hookimpl
    def consilience_components(self) -> list[type]:
        return [Pull, Spread]


def learnt(fusion: Path, metrics: dict[str, Any], folder: Path) -> Run:
    registry = Registry()
    registry.register(_Plugin(), "pulling")
    written = Fusion.load(fusion).to_dict()
    written["modules"] = {"encoder": written["modules"]["encoder"]}
    written["losses"] = {"pull_loss": {"use": "pulling.pull", "in": "encoder.pooled", "target": "stars"}}
    written["metrics"] = metrics
    plan = check(Fusion(base=fusion.parent, **written), registry)
    assert answers_of(plan) == {}
    return Run.open(train(plan, folder, progress=False).path, registry)


def test_nothing_to_measure_is_told(small_fusion: Path, tmp_path: Path) -> None:
    run = learnt(small_fusion, {}, tmp_path)
    with pytest.raises(RunError) as caught:
        evaluate(run, progress=False)
    [fault] = caught.value.diagnostics
    assert fault.code == "CN708"
    assert fault.found == "no metric, and no module that a loss compares with what a field holds"


def test_metrics_alone_are_measured_and_values_alone_predicted(small_fusion: Path, tmp_path: Path) -> None:
    run = learnt(small_fusion, {"spread": {"use": "pulling.spread", "in": "encoder.pooled"}}, tmp_path)
    report = evaluate(run, progress=False)
    assert report.answers == {}
    assert isinstance(report.metrics["spread"], float)
    assert report.to_text().count("spread") == 1
    with pytest.raises(RunError) as caught:
        Predictor(run.path, registry=run.registry)
    assert str(caught.value) == (
        "error CN810 at outputs\n"
        "  found     no module that a loss compares with what a field holds\n"
        "  expected  outputs by name, out of encoder\n"
        "  fix       --output encoder"
    )
    [result] = Predictor(run.path, ["encoder.pooled"], registry=run.registry).predict(["a fine film"])
    assert len(result["encoder.pooled"]) == 16
