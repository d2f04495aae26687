"""Heads that guess words, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MaskedLMHead", "MorphologyHead"]


_TANH = partial(F.gelu, approximate="tanh")
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": _TANH,
    "gelu_pytorch_tanh": _TANH,
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
}


class MaskedLMHead(nn.Module):
    """Scores the vocabulary at the given positions with an encoder's own input embeddings (Devlin et al. 2019).

    Dense, GELU and layer norm as in BERT, then the product with the embeddings, and a bias a word of its own. `encoder`
    is any module with `get_input_embeddings()`, of whatever embedding width; its parameters do not become the head's.
    `activation` is one by its name in transformers, `epsilon` the layer norm's.
    """

    def __init__(
        self, encoder: Any, hidden: int, vocabulary: int, activation: str = "gelu", epsilon: float = 1e-12
    ) -> None:
        super().__init__()
        self.activation = activation
        # In a tuple: as a submodule, the encoder would stand in the state dict and among the parameters twice.
        self._tied = (encoder,)
        width = encoder.get_input_embeddings().weight.shape[1]
        self.dense = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        nn.init.normal_(self.dense.weight, std=0.02)
        nn.init.zeros_(self.dense.bias)

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Takes over the values of its parameters by name; the biases that are not among them become zero."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name in weights:
                    parameter.copy_(weights[name])
                elif name.endswith("bias"):
                    parameter.zero_()

    @property
    def tied(self) -> Any:
        """The encoder whose embeddings it shares."""
        return self._tied[0]

    def forward(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """Maps hidden [batch seq hidden] and positions [batch masked] to logits [batch masked vocab]."""
        index = positions.unsqueeze(-1).expand(-1, -1, hidden.shape[-1])
        states = self.norm(_ACTIVATIONS[self.activation](self.dense(hidden.gather(1, index))))
        # Asked for at each call: a tuner may have wrapped the embeddings after this head was built.
        return F.linear(states, self.tied.get_input_embeddings().weight.to(states.dtype), self.bias)


class MorphologyHead(nn.Module):
    """Scores the values of every feature: hidden [batch seq hidden] -> logits [batch seq feature value]."""

    def __init__(self, hidden: int, features: int, values: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.sizes = (features, values)
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(hidden, features * values)

    def forward(self, hidden: Tensor) -> Tensor:
        scores = self.projection(self.dropout(hidden))
        logits: Tensor = scores.unflatten(-1, self.sizes)
        return logits
