"""What is fitted to the validation rows once the training ended, in plain PyTorch: temperatures and thresholds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CategoryTemperature", "EmotionTemperature", "Platt", "Thresholds", "best_cuts"]

_LEAST, _MOST = -4.0, 4.0
"""The bounds of a logarithm of a temperature: rows that are told apart without a fault would have it run away."""


class _Temperature(nn.Module):
    """Divides scores by a temperature, which starts at 1 (Guo et al. 2017)."""

    def __init__(self, classes: int, per: str = "one") -> None:
        super().__init__()
        self.log_temperature: Tensor
        self.register_buffer("log_temperature", torch.zeros(1 if per == "one" else classes))

    def forward(self, logits: Tensor) -> Tensor:
        """Maps logits [batch class] to logits [batch class]."""
        return logits / self.log_temperature.to(logits.dtype).exp()

    def fit(self, logits: Tensor, target: Tensor) -> dict[str, float]:
        """Sets the temperatures that make the validation rows most likely; tells the loss before and after."""
        scores, start = logits.double(), torch.zeros_like(self.log_temperature, dtype=torch.float64)
        kept = _least(lambda found: self._cost(scores, found, target), start).clamp(_LEAST, _MOST)
        self.log_temperature.copy_(kept)
        before, after = (float(self._cost(scores, at, target)) for at in (start, kept))
        return {"temperature": float(kept.exp().mean()), "before": before, "after": after}

    def _cost(self, scores: Tensor, log_temperature: Tensor, target: Tensor) -> Tensor:
        raise NotImplementedError


class EmotionTemperature(_Temperature):
    """Calibrates the probabilities of emotions that may occur together: by one temperature, or one each."""

    def _cost(self, scores: Tensor, log_temperature: Tensor, target: Tensor) -> Tensor:
        scaled = scores / log_temperature.clamp(_LEAST, _MOST).exp()
        return F.binary_cross_entropy_with_logits(scaled, target.to(scores.dtype))


class CategoryTemperature(_Temperature):
    """Calibrates the probabilities of classes of which one is so."""

    def _cost(self, scores: Tensor, log_temperature: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(scores / log_temperature.clamp(_LEAST, _MOST).exp(), target)


class Platt(nn.Module):
    """Calibrates probabilities by a slope above 0 and a shift of the scores, which start at 1 and 0 (Platt 1999).

    With `per` "emotion" each emotion has its own, with "one" all have the same. Fitted by Platt's targets, which hold
    back what few rows say: (p + 1) / (p + 2) for the p rows that have an emotion, 1 / (n + 2) for the n that do not.
    """

    def __init__(self, emotions: int, per: str = "emotion") -> None:
        super().__init__()
        size = 1 if per == "one" else emotions
        self.log_slope: Tensor
        self.shift: Tensor
        self.register_buffer("log_slope", torch.zeros(size))
        self.register_buffer("shift", torch.zeros(size))

    def forward(self, logits: Tensor) -> Tensor:
        """Maps logits [batch emotion] to logits [batch emotion]."""
        return logits * self.log_slope.to(logits.dtype).exp() + self.shift.to(logits.dtype)

    def fit(self, logits: Tensor, target: Tensor) -> dict[str, float]:
        """Sets both to what makes the validation rows most likely; tells the loss before and after."""
        scores, known = logits.double(), target.double()
        of = (0,) if len(self.shift) == logits.shape[1] else (0, 1)
        there, count = known.sum(of), known[:, :1].numel() if of == (0,) else known.numel()
        aim = torch.where(target, (there + 1) / (there + 2), 1 / (count - there + 2))

        def cost(found: Tensor, wanted: Tensor = aim) -> Tensor:
            moved = scores * found[0].clamp(_LEAST, _MOST).exp() + found[1]
            return F.binary_cross_entropy_with_logits(moved, wanted)

        start = torch.zeros(2, len(self.shift), dtype=torch.float64, device=scores.device)
        kept = _least(cost, start)
        self.log_slope.copy_(kept[0].clamp(_LEAST, _MOST))
        self.shift.copy_(kept[1])
        return {"before": float(cost(start, known)), "after": float(cost(kept, known))}


def _least(cost: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    """Gives where a smooth cost is least, by L-BFGS."""
    found = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [found], max_iter=200, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = cost(found)
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(closure)
    return found.detach()


class Thresholds(nn.Module):
    """Moves each emotion's score so that a probability of one half is where it is best chosen.

    Where it is best chosen is told by the F1 of the validation rows (the S-cut of Yang 2001). Until it is fitted it
    changes nothing. With `fewest` 1, an example of which no emotion is chosen has its highest one chosen.
    """

    def __init__(self, emotions: int, per: Literal["emotion", "one"] = "emotion", fewest: int = 0) -> None:
        super().__init__()
        self.per, self.fewest = per, fewest
        self.cut: Tensor
        self.fitted: Tensor
        self.register_buffer("cut", torch.zeros(emotions))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    def forward(self, logits: Tensor) -> Tensor:
        """Maps logits [batch emotion] to logits [batch emotion], of which those from 0 on are chosen."""
        moved = logits - self.cut.to(logits.dtype)
        if not self.fewest:
            return moved
        highest = moved.amax(dim=1, keepdim=True)
        is_raised = self.fitted & (highest < 0) & (moved == highest)
        return torch.where(is_raised, torch.zeros_like(moved), moved)

    def fit(self, logits: Tensor, target: Tensor) -> dict[str, float]:
        """Sets the cuts; tells the macro-F1 of the validation rows before and after."""
        scores = logits.double()
        self.cut.zero_()
        self.fitted.zero_()
        before = macro_f1(self(scores) >= 0, target)
        self.cut.copy_(best_cuts(scores, target) if self.per == "emotion" else _one_cut(scores, target))
        self.fitted.fill_(True)
        return {"macro_f1_before": before, "macro_f1_after": macro_f1(self(scores) >= 0, target)}


def best_cuts(scores: Tensor, target: Tensor) -> Tensor:
    """Gives each column's cut with the highest F1, between two scores: scores and target [row emotion] -> [emotion].

    A column without a positive row keeps the cut 0.
    """
    ranked, order = scores.sort(dim=0, descending=True)
    right = target.gather(0, order).cumsum(0).double()
    chosen = torch.arange(1, len(scores) + 1, device=scores.device, dtype=torch.float64).unsqueeze(1)
    positive = target.sum(0)
    f1 = 2 * right / (chosen + positive)
    # Rows of equal scores are chosen together.
    below = torch.cat([ranked[1:], ranked[-1:] - 2])
    f1 = torch.where(below < ranked, f1, -1.0)
    best = f1.argmax(dim=0, keepdim=True)
    cuts = (ranked.gather(0, best) + below.gather(0, best)).squeeze(0) / 2
    return torch.where(positive > 0, cuts, 0.0)


def _one_cut(scores: Tensor, target: Tensor) -> Tensor:
    candidates = torch.logit(torch.linspace(0.02, 0.98, 97, dtype=torch.float64, device=scores.device))
    best: Tensor = max(candidates, key=lambda cut: macro_f1(scores >= cut, target))
    return best.expand(scores.shape[1])


def macro_f1(chosen: Tensor, target: Tensor) -> float:
    """Gives the mean over the emotions of F1, 0 where one is neither chosen nor there: both [row emotion]."""
    right = (chosen & target).sum(0).double()
    return float((2 * right / (chosen.sum(0) + target.sum(0)).clamp(min=1)).mean())
