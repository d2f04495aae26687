"""What is fitted to the validation rows, and the measures, against scikit-learn, krippendorff and hand."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, cohen_kappa_score, f1_score

from consilience.declare import Dims
from consilience_psychology import metrics
from consilience_psychology._declarations._heads import Thresholds as DeclaredThresholds
from consilience_psychology.calibration import (
    CategoryTemperature,
    EmotionTemperature,
    Platt,
    Thresholds,
    best_cuts,
    macro_f1,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def drawn(rows: int = 3000) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws scores, and labels whose logits are half of them, moved a little for each emotion."""
    scores = torch.randn(rows, 3) * 4 - 2
    return scores, torch.rand(rows, 3) < (scores / 2 + torch.tensor([0.0, 1.0, -1.0])).sigmoid()


def test_the_temperature_is_the_one_that_the_labels_were_drawn_by() -> None:
    scores = torch.randn(6000, 3) * 4
    target = torch.rand(6000, 3) < (scores / 2.5).sigmoid()
    module = EmotionTemperature(3)
    assert torch.equal(module(scores), scores)
    told = module.fit(scores, target)
    assert told["temperature"] == pytest.approx(2.5, rel=0.06)
    assert told["after"] < told["before"]
    torch.testing.assert_close(module(scores), scores / told["temperature"])
    each = EmotionTemperature(3, "emotion")
    each.fit(scores, target)
    torch.testing.assert_close(each.log_temperature.exp(), torch.full((3,), 2.5), rtol=0.1, atol=0)
    classes = torch.distributions.Categorical(logits=scores / 2.5).sample()
    one = CategoryTemperature(3)
    assert one.fit(scores, classes)["temperature"] == pytest.approx(2.5, rel=0.06)


def test_a_temperature_stays_within_its_bounds_where_rows_are_told_without_a_fault() -> None:
    scores = torch.tensor([[5.0], [-5.0]])
    module = EmotionTemperature(1)
    module.fit(scores, scores > 0)
    assert -4 <= module.log_temperature.item() < -0.5


@pytest.mark.parametrize("per", ["emotion", "one"])
def test_slope_and_shift_are_those_of_a_logistic_regression_on_platts_targets(per: str) -> None:
    scores, target = drawn(500)
    module = Platt(3, per)
    assert torch.equal(module(scores), scores)
    told = module.fit(scores, target)
    assert told["after"] < told["before"] - 0.01
    columns = [slice(0, 3)] if per == "one" else [slice(i, i + 1) for i in range(3)]
    for place, column in enumerate(columns):
        x, y = scores[:, column].reshape(-1, 1).numpy(), target[:, column].flatten().numpy()
        aim = np.where(y, (y.sum() + 1) / (y.sum() + 2), 1 / ((~y).sum() + 2))
        known = LogisticRegression(C=1e9, tol=1e-8).fit(
            np.concatenate([x, x]), np.repeat([1, 0], len(x)), np.concatenate([aim, 1 - aim])
        )
        assert module.log_slope[place].exp().item() == pytest.approx(known.coef_.item(), rel=1e-3)
        assert module.shift[place].item() == pytest.approx(known.intercept_.item(), abs=2e-3)


def test_an_emotion_that_no_row_has_is_shifted_and_no_further_than_the_rows_say() -> None:
    module = Platt(1)
    module.fit(torch.zeros(98, 1), torch.zeros(98, 1, dtype=torch.bool))
    assert module(torch.zeros(1, 1)).sigmoid().item() == pytest.approx(1 / 100, rel=1e-3)


def test_each_cut_has_the_highest_f1_that_any_has() -> None:
    scores, target = drawn(400)
    cuts = best_cuts(scores.double(), target)
    for place in range(3):
        column, true = scores[:, place], target[:, place]
        tried = max(f1_score(true, column >= cut) for cut in column)
        assert f1_score(true, column.double() >= cuts[place]) == pytest.approx(tried)
    ties = torch.tensor([[1.0], [1.0], [0.0]])
    assert best_cuts(ties, torch.tensor([[True], [False], [False]])).tolist() == [0.5]
    assert best_cuts(ties, torch.zeros(3, 1, dtype=torch.bool)).tolist() == [0]


def test_thresholds_change_nothing_until_they_are_fitted_and_then_choose_better() -> None:
    scores, target = drawn()
    module = Thresholds(3)
    assert torch.equal(module(scores), scores)
    told = module.fit(scores, target)
    assert told["macro_f1_after"] > told["macro_f1_before"] + 0.01
    assert told["macro_f1_after"] == pytest.approx(f1_score(target, module(scores) >= 0, average="macro"), abs=1e-6)
    again = Thresholds(3)
    again.load_state_dict(module.state_dict())
    assert torch.equal(again(scores), module(scores))
    assert module.cut.unique().numel() == 3


def test_what_is_declared_chooses_for_each_emotion_or_for_all_at_once() -> None:
    scores, target = drawn()
    dims = Dims({"emotion": 3})
    each, one = (DeclaredThresholds(per=per).build(dims) for per in ("emotion", "one"))
    assert each.fit(scores, target)["macro_f1_after"] > one.fit(scores, target)["macro_f1_after"]
    assert torch.equal(each.cut.double(), best_cuts(scores.double(), target).float().double())
    assert one.cut.unique().numel() == 1


def test_the_highest_emotion_is_chosen_where_none_reaches_its_threshold() -> None:
    scores, target = drawn()
    module = Thresholds(3, fewest=1)
    assert torch.equal(module(scores), scores)
    module.fit(scores, target)
    chosen = module(scores) >= 0
    assert chosen.any(1).all()
    plain = scores - module.cut
    lone = (plain < 0).all(1)
    assert torch.equal(chosen[~lone], plain[~lone] >= 0)
    assert torch.equal(chosen[lone].long().argmax(1), plain[lone].argmax(1))


def test_macro_f1_is_scikit_learns() -> None:
    scores, target = drawn(200)
    assert macro_f1(scores >= 0, target) == pytest.approx(f1_score(target, scores >= 0, average="macro"))


def test_measures_of_emotions_are_those_of_the_libraries() -> None:
    scores, target = drawn(500)
    report, precision = metrics.EmotionReport(3), metrics.AveragePrecision(3)
    nominal, interval = metrics.Agreement("nominal"), metrics.Agreement("interval")
    for part in (slice(0, 200), slice(200, 500)):
        for metric in (report, precision, nominal):
            metric.update(scores[part], target[part])
    interval.update(scores[:20], target[:20].float())
    chosen = (scores >= 0).numpy()
    np.testing.assert_allclose(report.compute().numpy(), f1_score(target, chosen, average=None), rtol=1e-5)
    expected = average_precision_score(target, scores)
    assert precision.compute().item() == pytest.approx(expected, abs=0.005)
    for metric, values, true in ((nominal, chosen, target), (interval, scores[:20].numpy(), target[:20])):
        pairs = np.stack([values.astype(float).ravel(), true.numpy().astype(float).ravel()])
        alpha = krippendorff.alpha(pairs, level_of_measurement=metric.level)
        assert metric.compute().item() == pytest.approx(alpha)
    none = metrics.Agreement("nominal")
    none.update(-torch.ones(2, 2), torch.zeros(2, 2))
    assert none.compute().isnan()


def test_errors_of_calibration_are_what_a_hand_counts() -> None:
    error = metrics.EmotionCalibrationError(10)
    share = torch.tensor([[0.05, 0.95], [0.05, 0.95]])
    error.update(torch.logit(share), torch.tensor([[False, True], [True, True]]))
    assert error.compute().item() == pytest.approx((0.45 + 0.05) / 2, abs=1e-5)
    category = metrics.CategoryCalibrationError(2, 10)
    category.update(torch.log(torch.tensor([[0.95, 0.05], [0.95, 0.05]])), torch.tensor([0, 1]))
    assert category.compute().item() == pytest.approx(0.45, abs=1e-5)
    known = torch.randn(20_000, 1)
    right, narrow = metrics.IntervalCalibrationError(1), metrics.IntervalCalibrationError(1)
    right.update(torch.zeros_like(known), torch.zeros_like(known), known)
    narrow.update(torch.zeros_like(known), torch.full_like(known, -4.0), known)
    assert right.compute() < 0.01
    levels = torch.arange(1, 20) / 20
    below = torch.special.ndtr(torch.special.ndtri(levels) * np.exp(-2))
    assert narrow.compute().item() == pytest.approx((below - levels).abs().mean().item(), abs=0.01)


def test_kappa_and_coherence() -> None:
    scores, true = torch.randn(100, 4), torch.randint(0, 4, (100,))
    kappa = metrics.WeightedKappa(4)
    kappa.update(scores, true)
    expected = cohen_kappa_score(true, scores.argmax(1), weights="quadratic")
    assert kappa.compute().item() == pytest.approx(expected, abs=1e-5)
    coherence = metrics.Coherence([[0, 1], [2]])
    logits = torch.tensor([[1.0, -1.0, -1.0], [-1.0, -1.0, 1.0]])
    coherence.update(logits, torch.tensor([[1.0, -1.0], [1.0, 1.0]]))
    assert coherence.compute().item() == 0.5
