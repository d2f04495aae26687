"""Modules that do not take, or do not give, what their ports say."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from consilience.declare import Bool, Dims, Float, Module, Ports
from defects.defect import Defect

VECTOR = Ports(features=Float["batch hidden"])
STATES = Ports(hidden=Float["batch seq hidden"], mask=Bool["batch seq"] | None)


class Made(Module):
    """Builds the layer of its attribute `layer`, for its size `hidden`."""

    layer: ClassVar[Any]
    inputs = VECTOR
    outputs = Ports(scores=Float["batch hidden"])
    static = ("hidden",)

    def build(self, dims: Dims) -> Any:
        """Builds it."""
        return type(self).layer(dims["hidden"])


class Layer(nn.Module):
    """A linear layer."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, hidden)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features)


class Pooled(nn.Module):
    """The mean of the admitted states, behind a linear layer."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, hidden)

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return self.linear(hidden.mean(dim=1))
        total = hidden.masked_fill(~mask.unsqueeze(-1), 0).sum(dim=1)
        return self.linear(total / mask.sum(dim=1, keepdim=True).clamp(min=1).to(total.dtype))


class GoodHead(Made):
    """Scores a vector."""

    layer = Layer


class GoodPooling(Made):
    """Averages states."""

    layer = Pooled
    inputs = STATES


class Rounds(Made):
    """Gives whole numbers where it declares others."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features).round().long()


class Squeezes(Made):
    """Loses the batch's axis where there is one example."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features).squeeze()


class Strays(Made):
    """Gives values below the range that it declares."""

    outputs = Ports(scores=Float["batch hidden"].within(0, 1))

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features).tanh()


class Positions(Made):
    """Has positions for sixteen places."""

    inputs = STATES

    class layer(Pooled):  # noqa: N801
        def __init__(self, hidden: int) -> None:
            super().__init__(hidden)
            self.positions = nn.Parameter(torch.zeros(16, hidden))

        def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
            places = torch.arange(hidden.shape[1]).clamp(max=99)
            return super().forward(hidden + self.positions[places], mask)


class Spread(Made):
    """Divides by the spread over places, which one place does not have."""

    inputs = STATES

    class layer(Pooled):  # noqa: N801
        def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
            if mask is not None and mask.shape[1] > 1:
                return super().forward(hidden, mask)
            return self.linear(hidden.mean(dim=1) / hidden.std(dim=1))


class Insists(Made):
    """Cannot do without the input that it calls optional."""

    inputs = STATES

    class layer(Pooled):  # noqa: N801
        def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(hidden, mask)


class SinglePrecision(Made):
    """Multiplies by a constant of 32 bits."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features) @ torch.eye(features.shape[1])


class Hardcoded(Made):
    """Is made for a width of 768, whatever it is told."""

    class layer(Layer):  # noqa: N801
        def __init__(self, hidden: int) -> None:
            super().__init__(768)


class Tupled(Made):
    """Gives a tensor more than it declares."""

    class layer(Layer):  # noqa: N801
        def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
            scores = super().forward(features)
            return scores, scores


_CALLED = (
    *("batch_sizes_honoured", "lengths_honoured", "bfloat16_honoured", "rows_permute", "rows_independent"),
    "arguments_left_alone",
    *("gradients_reach_inputs", "parameters_learn", "gradients_right", "frozen_stays", "seeded", "state_whole"),
    *("copied", "no_hidden_state"),
)
GOOD = (GoodHead, GoodPooling)
DEFECTS = (
    Defect("whole numbers from a Float port", Rounds, "batch_sizes_honoured", _CALLED),
    Defect("`squeeze()`, which loses a batch of one", Squeezes, "batch_sizes_honoured"),
    Defect(
        "values outside the declared range",
        Strays,
        "batch_sizes_honoured",
        ("lengths_honoured", "bfloat16_honoured"),
    ),
    Defect("positions for 16 places alone", Positions, "lengths_honoured"),
    Defect("a spread over one place, which is not a number", Spread, "lengths_honoured", ("optional_inputs_honoured",)),
    Defect("an optional input that `forward` insists on", Insists, "optional_inputs_honoured"),
    Defect("a constant of 32 bits in the forward", SinglePrecision, "bfloat16_honoured", ("gradients_right",)),
    Defect("a hard-coded width", Hardcoded, "batch_sizes_honoured", _CALLED),
    Defect("two tensors for one port", Tupled, "batch_sizes_honoured", _CALLED),
)
