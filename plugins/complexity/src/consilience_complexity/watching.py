"""Looks into an encoder while it runs: the states between its layers, and what its last attention works with.

What one pass showed hangs on the states that the pass gave, so nothing is kept beyond it, and two passes of one encoder
are never mixed up. Plain PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from consilience_complexity.anatomy import NothingToGate, Projection, find_layers, find_projections

__all__ = ["NOTHING", "Inside", "Watch", "relations", "seen", "watch"]

_SEEN = "_complexity_inside"
NOTHING = -1e4
"""A score whose probability is zero, and that bfloat16 can hold."""


@dataclass(frozen=True)
class Inside:
    """What one pass of an encoder showed: Float[batch seq hidden] each, but for the states that it gave in the end."""

    states: tuple[Tensor, ...]
    """Those that go into the first layer, and those after each layer but the last."""
    attended: tuple[Tensor, ...]
    """Queries, keys and values of the last layer; nothing where the encoder shows none."""


class Watch:
    """Stands on the layers of an encoder by forward hooks; `of` gives what it saw of the pass that gave some states."""

    def __init__(self, module: nn.Module) -> None:
        blocks = [block.module for block in find_layers(module)]
        self.layers = len(blocks)
        self.heads, makers = _last_attention(module)
        self._states: list[Tensor] = []
        self._made: list[Tensor] = []
        module.register_forward_pre_hook(self._begin, prepend=True)
        blocks[0].register_forward_pre_hook(self._enter, with_kwargs=True, prepend=True)
        for block in blocks[:-1]:
            block.register_forward_hook(self._leave)
        for maker in makers:
            maker.register_forward_hook(self._attend)
        module.register_forward_hook(self._end)

    def _begin(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._states, self._made = [], []

    def _enter(self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._states.append(inputs[0] if inputs else named["hidden_states"])

    def _leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self._states.append(output[0] if isinstance(output, tuple) else output)

    def _attend(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        self._made.append(output)

    def _end(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else getattr(output, "last_hidden_state", output)
        made = tuple(self._made[0].chunk(3, dim=-1)) if len(self._made) == 1 else tuple(self._made)
        # Not the last states themselves: what hangs on a tensor must not lead back to it, or it would never be freed.
        setattr(hidden, _SEEN, Inside(tuple(self._states), made))
        self._states, self._made = [], []


def watch(module: nn.Module) -> Watch:
    """Gives what watches an encoder already, or a new one; raises `NothingToGate` where it has no stack of layers."""
    for hook in module._forward_hooks.values():
        owner = getattr(hook, "__self__", None)
        if isinstance(owner, Watch):
            return owner
    return Watch(module)


def seen(hidden: Tensor) -> Inside | None:
    """Gives what the pass showed that gave these states; None for states that no watched encoder gave."""
    found: Inside | None = getattr(hidden, _SEEN, None)
    return found


def relations(attended: tuple[Tensor, ...], mask: Tensor, heads: int) -> Tensor:
    """Gives the logarithms of two distributions over the tokens: whom each attends to, and whose values are alike.

    The self-attention distribution and the value relation of MiniLM (Wang et al. 2020, https://arxiv.org/abs/2002.10957,
    equations 5 to 8). `attended` are three Float[batch seq hidden], `mask` is Bool[batch seq]; gives Float[batch 2
    heads seq seq], in which a token that the mask does not admit has the logarithm of almost nothing.
    """
    wide = torch.promote_types(attended[0].dtype, torch.float32)
    query, key, value = (one.unflatten(-1, (heads, -1)).transpose(1, 2).to(wide) for one in attended)
    pairs = torch.stack([query @ key.transpose(-1, -2), value @ value.transpose(-1, -2)], dim=1)
    scores = pairs / query.shape[-1] ** 0.5
    hidden = ~mask[:, None, None, None, :]
    found: Tensor = scores.masked_fill(hidden, NOTHING).log_softmax(dim=-1)
    return found


def _last_attention(module: nn.Module) -> tuple[int, tuple[Any, ...]]:
    """Finds how many heads the last layer has, and the layers that make their queries, keys and values."""
    found: list[Projection] = [one for one in find_projections(module) if one.kind == "heads"]
    if not found:
        raise NothingToGate(f"{type(module).__name__} has no attention that shows its queries, keys and values")
    return found[-1].units, found[-1].makers[:3]
