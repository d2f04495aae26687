"""Finds, inside any transformer encoder, the projections whose inputs are attention heads or feed-forward neurons.

It goes by structure: an attention is a module that knows its number of heads, with three linear layers of one size (or
one of threefold size) and a projection of their output; a feed-forward is the pair of linear layers beside it. So BERT,
RoBERTa, MPNet, ELECTRA, DistilBERT, ALBERT, DeBERTa, ModernBERT and ViT need no line of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

__all__ = [
    "Block",
    "NothingToGate",
    "Projection",
    "find_blocks",
    "find_embeddings",
    "find_layers",
    "find_projections",
    "inner",
]

_HEADS = ("num_attention_heads", "num_heads", "n_heads")
_HEAD_WIDTHS = ("attention_head_size", "head_dim")


class NothingToGate(ValueError):
    """A module has neither attention nor feed-forward layers that gates could stand in."""


@dataclass(frozen=True)
class Projection:
    """A linear layer whose input is `units` heads or neurons; closing one saves `cost` parameters."""

    name: str
    linear: Any
    units: int
    cost: int
    kind: str
    """`heads` or `neurons`."""
    makers: tuple[Any, ...]
    """The linear layers that make the units: query, key and value (or one for all), or what leads up."""
    block: str
    """The name of the layer that it stands in."""

    @property
    def width(self) -> int:
        """How many features of the projection's input a unit has: 1 for a neuron."""
        return int(self.linear.in_features) // self.units

    @property
    def weight(self) -> Tensor:
        """The projection's own weight, below what a tuner wraps around it."""
        weight: Tensor = inner(self.linear).weight
        return weight


@dataclass(frozen=True)
class Block:
    """A layer of a stack: what goes into it comes out in the same shape, so it can be left out."""

    name: str
    module: Any


@dataclass(frozen=True)
class _Attention:
    """The layers that make query, key and value, the one that their outputs go to (None: outside), and the heads."""

    makers: list[Any]
    output: Any
    width: int
    heads: int


def find_projections(module: nn.Module) -> list[Projection]:
    """Gives the output projections of every attention and feed-forward layer inside, in the order of the module.

    Raises `NothingToGate` when there are none. The heads of `nn.MultiheadAttention` are left out: it reads its output
    projection's weight without calling the projection, so nothing can stand in between.
    """
    found = [projection for name, block in _blocks(module) for projection in _block_projections(name, block)]
    if not found:
        raise NothingToGate(f"{type(module).__name__} has no attention and no feed-forward layers")
    return found


def find_blocks(module: nn.Module) -> list[Block]:
    """Gives the layers that can be taken out one by one, in order: those of each stack that has several.

    Raises `NothingToGate` when there are none: one layer that is run again and again, as ALBERT's, is no stack.
    """
    found = [Block(name, block) for name, block, layers in _stacked(module) if layers > 1]
    if not found:
        raise NothingToGate(f"{type(module).__name__} has no stack of layers")
    return found


def find_layers(module: nn.Module) -> list[Block]:
    """Gives every layer of the stack that a text goes through, in order, also where it is the only one.

    Raises `NothingToGate` when there are none.
    """
    found = [Block(name, block) for name, block in _blocks(module)]
    if not found:
        raise NothingToGate(f"{type(module).__name__} has no layers with attention")
    return found


def find_embeddings(module: nn.Module) -> nn.Embedding:
    """Gives the table of token embeddings; raises `NothingToGate` when the module has none."""
    for part in module.modules():
        asked: Any = getattr(part, "get_input_embeddings", None)
        if asked is not None:
            try:
                table = asked()
            except (AttributeError, NotImplementedError):  # how transformers tells that a model reads no tokens
                continue
            if isinstance(table, nn.Embedding):
                return table
    raise NothingToGate(f"{type(module).__name__} has no token embeddings")


def _blocks(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    return ((name, block) for name, block, _ in _stacked(module))


def _stacked(module: nn.Module) -> Iterator[tuple[str, nn.Module, int]]:
    """Gives the layers of the encoder: the items of the innermost lists of which every item has an attention inside.

    Each comes with the number of items in its list.
    """
    for name, part in module.named_modules():
        if _is_stack(part):
            for index, item in part.named_children():
                if not any(map(_is_stack, item.modules())):
                    yield f"{name}.{index}".lstrip("."), item, len(part)


def _is_stack(module: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList) and len(module) > 0 and all(map(_has_attention, module))


def _has_attention(module: nn.Module) -> bool:
    return any(isinstance(part, nn.MultiheadAttention) or _attention(part) for part in module.modules())


def _block_projections(prefix: str, block: nn.Module) -> Iterator[Projection]:
    linears = list(_linears(block, f"{prefix}."))
    order = {id(linear): index for index, (_, linear) in enumerate(linears)}
    taken: set[int] = set()
    for attention in filter(None, map(_attention, block.modules())):
        taken.update(order[id(maker)] for maker in attention.makers)
        position = order[id(attention.output or attention.makers[-1])] + (attention.output is None)
        if position == len(linears) or linears[position][1].in_features != attention.width:
            continue
        taken.add(position)
        name, linear = linears[position]
        size = sum(map(_size, attention.makers)) + _weight_size(linear)
        makers = tuple(attention.makers)
        yield Projection(name, linear, attention.heads, size // attention.heads, "heads", makers, prefix)
    yield from _feed_forwards(prefix, [item for index, item in enumerate(linears) if index not in taken])


def _feed_forwards(prefix: str, linears: list[tuple[str, Any]]) -> Iterator[Projection]:
    ups: list[Any] = []
    for name, linear in linears:
        neurons = linear.in_features
        # A gated feed-forward makes a neuron's two factors by two layers, or by one of twice the width.
        if ups and linear.out_features == ups[0].in_features and ups[0].out_features in (neurons, 2 * neurons):
            size = sum(map(_size, ups)) + _weight_size(linear)
            yield Projection(name, linear, neurons, size // neurons, "neurons", tuple(ups), prefix)
            ups = []
        elif ups and _shape(linear) == _shape(ups[0]):
            ups.append(linear)
        else:
            ups = [linear]


def _attention(module: nn.Module) -> _Attention | None:
    """Reads a module as an attention; its output projection is its own last layer, or the next layer outside."""
    own: list[Any] = [child for child in module.children() if _is_linear(child)]
    makers, output = own, None
    if len(own) == 2 and own[0].out_features == 3 * own[1].in_features:
        (*makers, output), width = own, own[1].in_features
    elif len(own) >= 3 and len(set(map(_shape, own[:3]))) == 1:
        width = own[0].out_features
        # More than four are the positions of DeBERTa, by head as well; their output layer is outside.
        if len(own) == 4:
            *makers, output = own
    else:
        return None
    heads = _heads(module, width)
    return _Attention(makers, output, width, heads) if heads and width % heads == 0 else None


def _heads(attention: nn.Module, width: int) -> int | None:
    for name in _HEADS:
        if isinstance(heads := getattr(attention, name, None), int):
            return heads
    for name in _HEAD_WIDTHS:
        if isinstance(each := getattr(attention, name, None), int):
            return width // each
    return None


def _linears(module: nn.Module, prefix: str) -> Iterator[tuple[str, Any]]:
    """Gives the linear layers in the order of registration, a wrapped one as its wrapper, which sees it all."""
    for name, child in module.named_children():
        if _is_linear(child):
            yield prefix + name, child
        elif not isinstance(child, nn.MultiheadAttention):
            yield from _linears(child, f"{prefix}{name}.")


def _is_linear(module: nn.Module) -> bool:
    return isinstance(inner(module), nn.Linear)


def inner(module: Any) -> Any:
    """Gives the layer below what peft wraps around a layer in place."""
    while isinstance(getattr(module, "base_layer", None), nn.Module):
        module = module.base_layer
    return module


def _shape(linear: Any) -> tuple[int, int]:
    return linear.in_features, linear.out_features


def _size(linear: Any) -> int:
    bias = inner(linear).bias
    return _weight_size(linear) + (0 if bias is None else int(bias.numel()))


def _weight_size(linear: Any) -> int:
    return int(inner(linear).weight.numel())
