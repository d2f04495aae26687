"""Linear layers in fewer numbers: two factors of low rank, or 8 bits; and an encoder of such layers. Plain PyTorch.

Eckart and Young 1936: the truncated singular value decomposition is the nearest matrix of its rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from consilience_complexity.anatomy import find_layers

__all__ = ["CompactEncoder", "Int8Linear", "LowRankLinear", "NoSuchLayer", "linears", "rank_for", "truncated"]


class NoSuchLayer(ValueError):
    """A rank of a layer that the encoder has not, or cannot have."""


class LowRankLinear(nn.Module):
    """A linear layer as the product of two matrices: x -> (x downᵀ) upᵀ + bias, with r (in + out) weights."""

    def __init__(self, linear: nn.Linear, rank: int, is_fresh: bool = False) -> None:
        super().__init__()
        self.in_features, self.out_features, self.rank = linear.in_features, linear.out_features, rank
        if is_fresh:
            up, down = torch.zeros(linear.out_features, rank), torch.zeros(rank, linear.in_features)
        else:
            left, values, right = _decomposed(linear.weight)
            root = values[:rank].sqrt()
            up, down = left[:, :rank] * root, root[:, None] * right[:rank]
        self.up, self.down = (nn.Parameter(one.to(linear.weight.dtype).contiguous()) for one in (up, down))
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, values: Tensor) -> Tensor:
        return functional.linear(functional.linear(values, self.down), self.up, self.bias)


class Int8Linear(nn.Module):
    """A linear layer whose weights are 8-bit, a scale a row; its inputs are made 8-bit as they come, a scale a token.

    The products are torchao's. In training the weights are used as they are told by their 8 bits, and stay as they are.
    """

    quantised: Tensor
    scale: Tensor
    zero: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        from torchao.quantization import Int8Tensor, PerRow

        self.in_features, self.out_features = linear.in_features, linear.out_features
        made = Int8Tensor.from_hp(linear.weight.detach(), granularity=PerRow())
        self.register_buffer("quantised", made.qdata.contiguous())
        self.register_buffer("scale", made.scale.float())
        self.register_buffer("zero", torch.zeros_like(self.scale, dtype=torch.int8))
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, values: Tensor) -> Tensor:
        if torch.is_grad_enabled() and self.training:
            weight = self.quantised.to(values.dtype) * self.scale.to(values.dtype)
            return functional.linear(values, weight, self.bias)
        return functional.linear(values, self._weight(values.dtype), self.bias)

    def _weight(self, dtype: torch.dtype) -> Tensor:
        from torchao.quantization import Int8Tensor, PerRow
        from torchao.quantization.quantize_.workflows.int8.int8_tensor import QuantizeTensorToInt8Kwargs

        kwargs = QuantizeTensorToInt8Kwargs(granularity=PerRow())
        block = [1, self.in_features]
        weight: Tensor = Int8Tensor(
            self.quantised, self.scale, block, dtype, zero_point=self.zero, act_quant_kwargs=kwargs
        )
        return weight


class CompactEncoder(nn.Module):
    """Runs an encoder of transformers whose linear layers were replaced.

    ids (batch seq), mask (batch seq, True at tokens) -> hidden (batch seq hidden), pooled (batch hidden)
    """

    def __init__(
        self,
        model: Any,
        pooling: str,
        ranks: Mapping[str, int],
        numbers: Literal["float", "int8"] = "float",
        is_fresh: bool = False,
    ) -> None:
        super().__init__()
        known = dict(linears(model))
        for name, rank in ranks.items():
            if name not in known or not 1 <= rank <= min(known[name].weight.shape):
                raise NoSuchLayer(f"{name}: {rank}")
            _replace(model, name, LowRankLinear(known[name], rank, is_fresh))
        if numbers == "int8":
            for name, linear in known.items():
                if name not in ranks:
                    _replace(model, name, Int8Linear(linear))
        self.model, self.pooling = model, pooling

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        hidden: Tensor = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        if self.pooling == "cls":
            return hidden, hidden[:, 0]
        admitted = mask.unsqueeze(-1)
        if self.pooling == "max":
            largest = hidden.masked_fill(~admitted, torch.finfo(hidden.dtype).min).amax(dim=1)
            return hidden, torch.where(admitted.any(dim=1), largest, 0)
        total = hidden.masked_fill(~admitted, 0).sum(dim=1, dtype=torch.promote_types(hidden.dtype, torch.float32))
        return hidden, (total / admitted.sum(dim=1).clamp(min=1)).to(hidden.dtype)


def linears(model: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Gives the linear layers inside the layers of an encoder by their names, and not those around them."""
    for block in find_layers(model):
        for name, part in block.module.named_modules():
            if isinstance(part, nn.Linear):
                yield f"{block.name}.{name}", part


def rank_for(linear: nn.Linear, energy: float | None, rank: int | None) -> int | None:
    """Gives the least rank that keeps a share of the squared singular values, or the one that is given.

    None where two factors of it would not be smaller than the matrix.
    """
    found = rank
    if found is None:
        assert energy is not None
        squared = _decomposed(linear.weight)[1].square()
        kept = squared.cumsum(0) / squared.sum().clamp(min=1e-30)
        found = min(int((kept < energy).sum()) + 1, len(kept))
    outputs, inputs = linear.weight.shape
    return found if found * (outputs + inputs) < outputs * inputs else None


def truncated(linear: nn.Linear, rank: int) -> None:
    """Puts the nearest matrix of a rank into a linear layer, in place."""
    left, values, right = _decomposed(linear.weight)
    with torch.no_grad():
        linear.weight.copy_(((left[:, :rank] * values[:rank]) @ right[:rank]).to(linear.weight))


def _decomposed(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = torch.linalg.svd(weight.detach().double(), full_matrices=False)
    return found


def _replace(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, layer)
