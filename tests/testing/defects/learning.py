"""Modules and losses that learn wrongly, or that do not stay as they are."""

from __future__ import annotations

import copy
import random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilience.declare import Bool, Float, Ports
from defects.defect import Defect
from defects.mixed import MadeLoss, TokenLoss
from defects.shaped import Layer, Made


class Detaches(Made):
    """Cuts off what feeds it."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features.detach())


class Zeroes(Made):
    """Multiplies what feeds it by zero."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features * 0)


class Unused(Made):
    """Has a layer that its forward does not use."""

    class layer(Layer):  # noqa: N801
        def __init__(self, hidden: int) -> None:
            super().__init__(hidden)
            self.spare = nn.Linear(hidden, hidden)


class Denies(Made):
    """Says that it has no parameters."""

    has_parameters = False
    layer = Layer


class _WrongSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(features)
        return features.square()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (features,) = ctx.saved_tensors
        return gradient * features


class WrongBackward(Made):
    """Has a backward of its own, which forgets a factor of two."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(_WrongSquare.apply(features))


class GoodCast(MadeLoss):
    """Takes the cross-entropy in 32 bits, as is usual."""

    class layer(TokenLoss):  # noqa: N801
        def forward(self, scores: Tensor, target: Tensor) -> Tensor:
            return super().forward(scores.float(), target)


class GoodReturn(MadeLoss):
    """Takes it in 32 bits, and gives the dtype of the scores."""

    class layer(TokenLoss):  # noqa: N801
        def forward(self, scores: Tensor, target: Tensor) -> Tensor:
            return 2 * super().forward(scores.float(), target).to(scores.dtype)


class WrongCast(MadeLoss):
    """Has a backward of its own, in 32 bits, which forgets a factor of two."""

    class layer(TokenLoss):  # noqa: N801
        def forward(self, scores: Tensor, target: Tensor) -> Tensor:
            return super().forward(_WrongSquare.apply(scores.float()), target)


class ByHand(MadeLoss):
    """Takes the logarithm of a sigmoid by hand."""

    inputs = Ports(scores=Float["batch classes"].logits())
    target = Bool["batch classes"]

    class layer(nn.Module):  # noqa: N801
        def forward(self, scores: Tensor, target: Tensor) -> Tensor:
            share = scores.sigmoid()
            hot = target.to(scores.dtype)
            return -(hot * share.log() + (1 - hot) * (1 - share).log()).mean(dim=1)


class Relative(MadeLoss):
    """Measures an error by the target."""

    inputs = Ports(value=Float["batch"])
    target = Float["batch"]

    class layer(nn.Module):  # noqa: N801
        def forward(self, value: Tensor, target: Tensor) -> Tensor:
            return (value - target).square() / target.square()


class Averages(Made):
    """Keeps a running mean in evaluation too."""

    class layer(Layer):  # noqa: N801
        def __init__(self, hidden: int) -> None:
            super().__init__(hidden)
            self.register_buffer("mean", torch.zeros(hidden))

        def forward(self, features: Tensor) -> Tensor:
            with torch.no_grad():
                self.mean.copy_(0.9 * self.mean + 0.1 * features.mean(dim=0))
            return super().forward(features)


class Thaws(Made):
    """Lets its parameters be trained again in its forward."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            self.linear.weight.requires_grad_(True)
            return super().forward(features)


class OtherDice(Made):
    """Draws its start from Python's generator, which no seed of the run reaches."""

    class layer(Layer):  # noqa: N801
        def __init__(self, hidden: int) -> None:
            super().__init__(hidden)
            nn.init.constant_(self.linear.bias, random.random())


class AlwaysDrops(Made):
    """Drops values in evaluation too."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(F.dropout(features, 0.5))


class Unregistered(Made):
    """Keeps a drawn weight outside its state."""

    class layer(Layer):  # noqa: N801
        def __init__(self, hidden: int) -> None:
            super().__init__(hidden)
            self.scale = 1 + torch.rand(1).item()

        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features) * self.scale


class Passing(Made):
    """Keeps a drawn weight in a buffer that is not saved."""

    class layer(Layer):  # noqa: N801
        def __init__(self, hidden: int) -> None:
            super().__init__(hidden)
            self.register_buffer("scale", 1 + torch.rand(hidden), persistent=False)

        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features) * self.scale


class Uncopied(Made):
    """Is its own deep copy."""

    class layer(Layer):  # noqa: N801
        def __deepcopy__(self, memo: object) -> Any:
            twin = copy.copy(self)
            twin._parameters, twin._modules = self._parameters, self._modules
            return twin


class CountsCalls(Made):
    """Counts its calls in Python."""

    class layer(Layer):  # noqa: N801
        def __init__(self, hidden: int) -> None:
            super().__init__(hidden)
            self.calls = 0

        def forward(self, features: Tensor) -> Tensor:
            if self.training:
                self.calls += 1
            return super().forward(features)


class KeepsLast(Made):
    """Keeps what it was fed last."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            self.last = features.detach()
            return super().forward(features)


class Doubles(Made):
    """Doubles what feeds it in place."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features.mul_(2))


class Relabels(MadeLoss):
    """Writes a class where a label is -100, in the target that others read too."""

    class layer(nn.Module):  # noqa: N801
        def forward(self, scores: Tensor, target: Tensor) -> Tensor:
            is_ignored = target == -100
            target[is_ignored] = 0
            values = F.cross_entropy(scores.transpose(1, 2), target, reduction="none")
            return values.masked_fill(is_ignored, 0).sum(dim=1)


GOOD = (GoodCast, GoodReturn)
DEFECTS = (
    Defect("features that are detached", Detaches, "gradients_reach_inputs", ("gradients_right",)),
    Defect("features that are multiplied by zero", Zeroes, "gradients_reach_inputs"),
    Defect("a layer that the forward does not use", Unused, "parameters_learn"),
    Defect("parameters that `has_parameters` denies", Denies, "parameters_learn"),
    Defect("a backward of its own that is wrong", WrongBackward, "gradients_right"),
    Defect("a backward that is wrong, in a loss of 32 bits", WrongCast, "gradients_right"),
    Defect("the logarithm of a sigmoid by hand", ByHand, "large_scores_finite"),
    Defect("a division by the target", Relative, "missing_targets_finite"),
    Defect("a running mean that moves in evaluation", Averages, "frozen_stays"),
    Defect("`requires_grad` set in the forward", Thaws, "frozen_stays"),
    Defect("a start drawn from Python's `random`", OtherDice, "seeded"),
    Defect(
        "dropout in evaluation",
        AlwaysDrops,
        "seeded",
        ("rows_permute", "rows_independent", "gradients_right", "state_whole", "copied"),
    ),
    Defect("a drawn number outside the state", Unregistered, "state_whole"),
    Defect("a drawn buffer that is not saved", Passing, "state_whole"),
    Defect("a deep copy that shares its weights", Uncopied, "copied"),
    Defect(
        "features that are doubled in place",
        Doubles,
        "arguments_left_alone",
        (
            *("rows_permute", "rows_independent", "gradients_reach_inputs", "gradients_right"),
            *("frozen_stays", "seeded", "state_whole", "copied"),
        ),
    ),
    Defect("labels of -100 that are written over", Relabels, "arguments_left_alone", ("gradients_right",)),
    Defect("a counter in Python", CountsCalls, "no_hidden_state"),
    Defect("the last batch kept as an attribute", KeepsLast, "no_hidden_state"),
)
