"""Losses over several emotions, and over emotions and their groups, against their published formulas."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from consilience_psychology import EKMAN, GOEMOTIONS, SENTIMENT
from consilience_psychology.heads import LabelCorrelation, LexiconPrior
from consilience_psychology.hierarchy import CoherentGroups, ConsistencyLoss, HierarchyLoss
from consilience_psychology.losses import EmotionLoss
from consilience_psychology.several import AsymmetricLoss, CorrelationLoss, OppositionLoss, effective_weights
from consilience_psychology.taxonomies import members_of, opposites_in

LOGITS = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)) * 3
TARGET = torch.rand(6, 5, generator=torch.Generator().manual_seed(1)) < 0.4
MEMBERS = [[0, 2], [1], [3, 4]]


def test_weights_go_by_the_effective_number_of_samples() -> None:
    """Cui et al. (2019), equation 2: E_n = (1 - beta^n) / (1 - beta)."""
    counts, beta = [10, 100, 1000], 0.99
    wanted = [1 / sum(beta**power for power in range(count)) for count in counts]
    found = effective_weights(counts, beta)
    torch.testing.assert_close(found, torch.tensor(wanted) / (sum(wanted) / 3))
    assert effective_weights(counts, 0.0).tolist() == [1, 1, 1]


def test_weights_multiply_each_emotions_terms() -> None:
    weights = torch.tensor([1.0, 2.0, 0.5, 1.0, 1.0])
    expected = F.binary_cross_entropy_with_logits(LOGITS, TARGET.float(), weight=weights, reduction="none").mean(1)
    torch.testing.assert_close(EmotionLoss(weights=weights)(LOGITS, TARGET), expected)
    plain = AsymmetricLoss(0.0, 0.0, 0.0, weights)(LOGITS, TARGET)
    torch.testing.assert_close(plain, expected)


@pytest.mark.parametrize(("positive", "negative", "margin"), [(0.0, 4.0, 0.05), (1.0, 4.0, 0.0), (1.0, 2.0, 0.2)])
def test_the_asymmetric_loss_is_the_papers(positive: float, negative: float, margin: float) -> None:
    """Ridnik et al. (2021), equations 5 to 7."""
    share = LOGITS.double().sigmoid()
    shifted = (share - margin).clamp(min=0)
    there = -((1 - share) ** positive) * share.log()
    absent = -(shifted**negative) * (1 - shifted).log()
    expected = torch.where(TARGET, there, absent).mean(1)
    found = AsymmetricLoss(positive, negative, margin)(LOGITS, TARGET).double()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_the_correlation_loss_is_the_mean_over_the_pairs() -> None:
    share = LOGITS.sigmoid()
    expected = []
    for row, there in zip(share, TARGET, strict=True):
        pairs = [math.exp(row[no] - row[yes]) for yes in range(5) for no in range(5) if there[yes] and not there[no]]
        expected.append(sum(pairs) / max(len(pairs), 1))
    torch.testing.assert_close(CorrelationLoss()(LOGITS, TARGET), torch.tensor(expected))
    edge = torch.tensor([[True] * 5, [False] * 5, [True] + [False] * 4])
    assert CorrelationLoss().count(edge).tolist() == [0, 0, 1]


def test_the_opposition_loss_multiplies_what_is_opposite() -> None:
    pairs = opposites_in(EKMAN, [("joy", "sadness"), ("fear", "anger"), ("trust", "disgust")])
    assert pairs == ((3, 5), (2, 0))
    logits = torch.randn(4, 7)
    share = logits.sigmoid()
    expected = (share[:, 3] * share[:, 5] + share[:, 2] * share[:, 0]) / 2
    torch.testing.assert_close(OppositionLoss(pairs)(logits), expected)


def test_a_group_scores_at_least_what_its_highest_emotion_does() -> None:
    groups = torch.zeros(6, 3)
    found = CoherentGroups(MEMBERS, 5)(LOGITS, groups)
    for place, members in enumerate(MEMBERS):
        torch.testing.assert_close(found[:, place], LOGITS[:, members].amax(1).clamp(min=0))


def test_the_hierarchy_loss_is_the_max_constraint_loss() -> None:
    """Giunchiglia and Lukasiewicz (2020), section 3: -y log max(y_B h_B) - (1 - y) log(1 - max h_B)."""
    groups = torch.randn(6, 3)
    share, own = LOGITS.sigmoid(), groups.sigmoid()
    expected = torch.zeros(6)
    for row in range(6):
        for place, members in enumerate(MEMBERS):
            there = [member for member in members if TARGET[row, member]]
            credited = max([own[row, place], *(share[row, member] for member in there)])
            charged = max([own[row, place], *(share[row, member] for member in members)])
            expected[row] += -credited.log() if there else -(1 - charged).log()
    torch.testing.assert_close(HierarchyLoss(MEMBERS, 5)(LOGITS, groups, TARGET), expected / 3)


def test_the_consistency_loss_is_jeffreys_divergence() -> None:
    groups = torch.randn(6, 3)
    highest = torch.stack([LOGITS[:, members].amax(1) for members in MEMBERS], 1).sigmoid().double()
    own = groups.sigmoid().double()

    def divergence(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return one * (one / other).log() + (1 - one) * ((1 - one) / (1 - other)).log()

    expected = (divergence(highest, own) + divergence(own, highest)).mean(1)
    found = ConsistencyLoss(MEMBERS, 5)(LOGITS, groups).double()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    together = torch.logit(highest.float())
    torch.testing.assert_close(ConsistencyLoss(MEMBERS, 5)(LOGITS, together), torch.zeros(6), atol=1e-5, rtol=0)


def test_the_members_of_the_published_groups() -> None:
    members = members_of(SENTIMENT, GOEMOTIONS)
    assert [len(places) for places in members] == [4, 11, 1, 12]
    assert sorted(place for places in members for place in places) == list(range(28))


def test_what_corrects_scores_changes_next_to_nothing_at_first() -> None:
    torch.manual_seed(0)
    assert torch.equal(LabelCorrelation(5, 4)(LOGITS), LOGITS)
    moved = LexiconPrior(3, 5)(LOGITS, torch.ones(6, 3))
    assert 0 < (moved - LOGITS).abs().max() < 0.02
