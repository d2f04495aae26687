"""Dimensions of affect, ordered levels and annotators who disagree, against formulas and other libraries."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.distributions.bernoulli import Bernoulli
from torch.distributions.categorical import Categorical
from torchmetrics.functional.regression import concordance_corrcoef

from consilience_psychology.dimensions import ConcordanceLoss, GaussianLoss, PerspectiveHead, VarianceScale
from consilience_psychology.disagreement import RaterHead, SoftLabelLoss
from consilience_psychology.losses import AffectLoss
from consilience_psychology.metrics import IntervalCalibrationError
from consilience_psychology.ordinal import EarthMoverLoss, OrdinalHead


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_concordance_loss_is_one_minus_lins_coefficient() -> None:
    found, known = torch.randn(40, 3), torch.randn(40, 3)
    known = known + found
    # torchmetrics divides by n - 1.
    rows = len(found)
    apart = torch.stack([concordance_corrcoef(found[:, i], known[:, i]) for i in range(3)])
    assert ConcordanceLoss()(found, known).item() == pytest.approx(float(1 - apart.mean()), abs=2 / rows)
    one = found[:, 0]
    assert ConcordanceLoss()(one, one).item() == pytest.approx(0, abs=1e-6)
    assert ConcordanceLoss()(one, -one + 2 * one.mean()).item() == pytest.approx(2, abs=1e-6)
    assert ConcordanceLoss()(torch.zeros(3), torch.zeros(3)).item() == pytest.approx(1)


def test_the_gaussian_loss_is_the_negative_log_likelihood() -> None:
    estimate, spread, known = torch.randn(5, 3), torch.randn(5, 3), torch.randn(5, 3)
    likelihood = Normal(estimate, (spread / 2).exp()).log_prob(known)
    constant = 0.5 * torch.log(torch.tensor(2 * torch.pi))
    torch.testing.assert_close(GaussianLoss()(estimate, spread, known), -(likelihood + constant).mean(1))
    # With beta 1 the estimate's gradient is that of half the squared error (Seitzer et al. 2022, equation 4).
    estimate.requires_grad_()
    [weighed] = torch.autograd.grad(GaussianLoss(1.0)(estimate, spread, known).sum(), estimate)
    torch.testing.assert_close(weighed, (estimate.detach() - known) / 3)


@pytest.mark.parametrize("by", ["quantiles", "likelihood"])
def test_the_variances_are_scaled_to_what_the_rows_show(by: str) -> None:
    known = torch.randn(4000, 2) * torch.tensor([2.0, 0.5])
    scale = VarianceScale(2, by)
    told = scale.fit(torch.zeros(4000, 2), torch.zeros(4000, 2), known)
    torch.testing.assert_close(scale.log_scale.exp(), torch.tensor([4.0, 0.25]), rtol=0.1, atol=0)
    assert told["mean_scale"] == pytest.approx(2.125, rel=0.1)
    _, moved = scale(known, torch.zeros(4000, 2))
    torch.testing.assert_close(moved[0], scale.log_scale)


def test_a_few_far_errors_move_the_likeliest_scale_and_hardly_that_of_the_quantiles() -> None:
    known = torch.randn(4000, 1)
    known[:200] *= 10
    flat = torch.zeros(4000, 1)
    likely, near = VarianceScale(1, "likelihood"), VarianceScale(1, "quantiles")
    likely.fit(flat, flat, known)
    near.fit(flat, flat, known)
    assert likely.log_scale.exp().item() > 4
    assert near.log_scale.exp().item() == pytest.approx(1, abs=0.25)
    errors = []
    for scale in (likely, near):
        metric = IntervalCalibrationError(1)
        metric.update(*scale(flat, flat), known)
        errors.append(metric.compute().item())
    assert errors[1] < 0.02 < 0.1 < errors[0]


def test_the_affect_loss_of_dimensions_is_their_mean() -> None:
    found, known = torch.randn(5, 3), torch.randn(5, 3)
    each = torch.stack([AffectLoss(0.5)(found[:, i], known[:, i]) for i in range(3)])
    torch.testing.assert_close(AffectLoss(0.5)(found, known), each.mean(0))


def test_both_perspectives_lie_around_what_they_share() -> None:
    head, features = PerspectiveHead(6, 3).eval(), torch.randn(4, 6)
    reader, writer = head(features)
    shared, apart = head.layers(features).chunk(2, 1)
    torch.testing.assert_close((reader + writer) / 2, shared)
    torch.testing.assert_close(reader - writer, apart)


@pytest.mark.parametrize("levels", [2, 3, 6])
def test_the_ordinal_head_is_the_proportional_odds_model(levels: int) -> None:
    head, features = OrdinalHead(6, levels).eval(), torch.randn(8, 6)
    with torch.no_grad():
        place = head.layers(features)
        cuts = torch.cat([head.lowest, head.lowest + torch.nn.functional.softplus(head.steps).cumsum(0)])
        reached = torch.cat([torch.zeros(8, 1), torch.sigmoid(cuts - place), torch.ones(8, 1)], 1)
        torch.testing.assert_close(head(features).exp(), reached.diff(dim=1), atol=1e-6, rtol=1e-4)
    extreme = head(features * 1e4)
    assert extreme.isfinite().all()
    torch.testing.assert_close(cuts, torch.logit(torch.arange(1, levels) / levels))


def test_a_mistake_of_two_levels_costs_more_than_one_of_one() -> None:
    sure = torch.eye(4) * 50
    true = torch.zeros(4, dtype=torch.long)
    torch.testing.assert_close(EarthMoverLoss()(sure, true), torch.tensor([0.0, 1.0, 2.0, 3.0]), atol=1e-5, rtol=0)


def test_the_soft_label_loss_is_the_divergence_from_the_annotators() -> None:
    logits, share = torch.randn(5, 4), torch.rand(5, 4)
    each = kl_divergence(Bernoulli(probs=share), Bernoulli(logits=logits)).mean(1)
    torch.testing.assert_close(SoftLabelLoss()(logits, share), each)
    votes = torch.tensor([[3.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 5.0]])
    one = kl_divergence(Categorical(probs=votes), Categorical(logits=logits[:2]))
    torch.testing.assert_close(SoftLabelLoss("classes")(logits[:2], votes), one, atol=1e-5, rtol=1e-4)
    nobody = torch.zeros(1, 4)
    assert SoftLabelLoss("classes").count(torch.cat([votes, nobody])).tolist() == [1, 1, 0]
    assert SoftLabelLoss("classes")(logits[:1], nobody).item() == 0


def test_without_an_annotator_the_head_answers_for_their_mean() -> None:
    head, features = RaterHead(6, 4, 3).eval(), torch.randn(2, 6)
    rater = torch.tensor([2, 0])
    assert torch.equal(head(features, rater), head(features))
    with torch.no_grad():
        head.raters.normal_()
    torch.testing.assert_close(head(features, rater), head.layers(features + head.raters[rater]))
    torch.testing.assert_close(head(features), head.layers(features + head.raters.mean(0)))
