"""Cuts layers, heads, neurons and rows out of a transformers model, so that plain transformers loads what is left.

transformers has no pruned shapes: every layer has the configuration's numbers of heads and neurons. So each layer keeps
as many neurons as the layer that needs most, its closed ones as zeros; and heads go only where the configuration tells
their width apart from that of the model. It is proved by loading what was written and comparing what it gives.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from consilience_complexity.anatomy import (
    NothingToGate,
    Projection,
    find_blocks,
    find_embeddings,
    find_projections,
    inner,
)

__all__ = ["CannotCut", "Cut", "Kept", "cut", "importance", "keep_units", "load_plain"]

_LAYERS = ("num_hidden_layers", "n_layers", "num_layers")
_NEURONS = ("intermediate_size", "hidden_dim", "d_ff", "ffn_dim")
_HEADS = ("num_attention_heads", "n_heads", "num_heads")
_HEAD_WIDTHS = ("head_dim", "d_kv")
_EVEN = 8
"""Neurons are kept by so many: products of other widths are slower on most machines."""


class CannotCut(ValueError):
    """What transformers would not load, or would compute otherwise."""


@dataclass(frozen=True)
class Kept:
    """What stays: how far each unit is open, by the name of its projection; which layers; which rows of embeddings.

    `units` holds Float[units] in [0, 1] by a projection's name; one that is left out stays whole. `neurons` and `heads`
    are how many each layer keeps at most, the most open ones.
    """

    units: Mapping[str, Tensor] = field(default_factory=dict)
    layers: Sequence[int] | None = None
    rows: Tensor | None = None
    """How far each row of the embeddings is open, Float[vocab]."""
    neurons: int | None = None
    heads: int | None = None


@dataclass(frozen=True)
class Cut:
    """A smaller model, and what it has of the larger one."""

    model: Any
    rows: list[int] | None
    """The rows of the embeddings that are left, in order; None for all."""
    told: dict[str, Any]
    """How many layers, heads, neurons and rows there were and are, for a person."""


def cut(model: Any, kept: Kept) -> Cut:
    """Gives a smaller copy of an encoder of transformers; the one that is given stays as it is.

    Raises `CannotCut` where transformers has no configuration for what is left.
    """
    model = copy.deepcopy(model).eval()
    _forget_hooks(model)
    config = copy.deepcopy(model.config)
    told: dict[str, Any] = {}
    with torch.no_grad():
        projections = find_projections(model)
        for one in projections:
            if one.name in kept.units:
                _fold(one, kept.units[one.name])
        _take_layers(model, config, kept.layers, told)
        projections = [one for one in projections if _is_inside(model, one)]
        _take_units(config, [one for one in projections if one.kind == "neurons"], kept, told)
        _take_units(config, [one for one in projections if one.kind == "heads"], kept, told)
        rows = _take_rows(model, config, kept.rows, told)
    model.config = config
    return Cut(model, rows, told)


def load_plain(folder: Path, wanted: Cut) -> float:
    """Loads what was written with plain AutoModel, and gives the largest difference of its states from those before.

    Raises `CannotCut` where it does not load whole.
    """
    from transformers import AutoModel

    loaded, told = AutoModel.from_pretrained(str(folder), local_files_only=True, output_loading_info=True)
    lost = [name for name in (*told["missing_keys"], *told["mismatched_keys"]) if "pooler" not in str(name)]
    if lost:
        raise CannotCut(f"transformers finds no weight for {lost[0]}")
    length = min(16, getattr(loaded.config, "max_position_embeddings", 16) - 2)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, find_embeddings(loaded).num_embeddings, (2, length), generator=generator)
    mask = torch.ones_like(ids)
    with torch.no_grad():
        ours, theirs = (
            one.eval()(input_ids=ids, attention_mask=mask).last_hidden_state for one in (wanted.model, loaded)
        )
    return float((ours - theirs).abs().max())


def importance(projection: Projection) -> Tensor:
    """Gives the norm of the weights of each unit, Float[units]: what is cut first where no gate says it."""
    total = torch.zeros(projection.units)
    columns = inner(projection.linear).weight.detach().cpu().float()
    total += columns.square().sum(dim=0).view(projection.units, -1).sum(dim=1)
    for maker in projection.makers:
        rows = inner(maker).weight.detach().cpu().float().square().sum(dim=1)
        total += rows.view(-1, projection.units, projection.width).sum(dim=(0, 2))
    return total.sqrt()


def _forget_hooks(model: nn.Module) -> None:
    """Takes off the gates: what they did is folded into the weights."""
    for module in model.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks, module._forward_hooks_with_kwargs):
            hooks.clear()
        module._forward_pre_hooks_with_kwargs.clear()


def _fold(projection: Projection, open_: Tensor) -> None:
    linear = inner(projection.linear)
    gates = open_.to(linear.weight).repeat_interleave(projection.width)
    linear.weight.mul_(gates)


def _is_inside(model: nn.Module, projection: Projection) -> bool:
    return any(module is projection.linear for module in model.modules())


def _take_layers(model: nn.Module, config: Any, layers: Sequence[int] | None, told: dict[str, Any]) -> None:
    try:
        blocks = find_blocks(model)
    except NothingToGate:
        return
    chosen = list(range(len(blocks))) if layers is None else list(layers)
    told["layers"] = (len(blocks), len(chosen))
    if len(chosen) == len(blocks):
        return
    name, _, _ = blocks[0].name.rpartition(".")
    stack: Any = model.get_submodule(name)
    if len(stack) != len(blocks):
        raise CannotCut("its layers stand in several stacks")
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, nn.ModuleList(stack[index] for index in chosen))
    _set(config, _LAYERS, len(chosen), "layers")
    kinds = getattr(config, "layer_types", None)
    if kinds:
        config.layer_types = [kinds[index] for index in chosen]


def _take_units(config: Any, projections: list[Projection], kept: Kept, told: dict[str, Any]) -> None:
    if not projections:
        return
    kind, had = projections[0].kind, projections[0].units
    most = kept.neurons if kind == "neurons" else kept.heads
    open_ = [kept.units.get(one.name, torch.ones(one.units)).detach().cpu() for one in projections]
    needed = max(int((gates > 0).sum()) for gates in open_)
    count = needed if most is None else min(most, had)
    count = min(had, -(-max(count, 1) // _EVEN) * _EVEN) if kind == "neurons" else max(count, 1)
    names = _NEURONS if kind == "neurons" else _HEADS
    is_told_apart = kind == "neurons" or any(isinstance(getattr(config, name, None), int) for name in _HEAD_WIDTHS)
    if not is_told_apart:
        told["heads"] = (had, had)
        zeros = sum(int((gates == 0).sum()) for gates in open_)
        if zeros:
            told["heads that are zeros"] = zeros
        return
    told[kind] = (had, count)
    if count == had:
        return
    for one, gates in zip(projections, open_, strict=True):
        # Of units that are open alike, those with the larger weights stay.
        order = torch.argsort(gates + 1e-6 * importance(one) / importance(one).max().clamp(min=1e-12), descending=True)
        keep_units(one, order[:count].sort().values)
    if any(getattr(config, name, None) == had for name in names):
        _set(config, names, count, kind)
    else:
        raise CannotCut(f"its configuration does not say that a layer has {had} {kind}")


def keep_units(projection: Projection, units: Tensor) -> None:
    """Leaves a projection, and what makes its input, with these units alone."""
    width, had = projection.width, projection.units
    places = (units[:, None] * width + torch.arange(width)).reshape(-1)
    linear = inner(projection.linear)
    linear.weight = nn.Parameter(linear.weight[:, places.to(linear.weight.device)].contiguous())
    linear.in_features = len(places)
    for maker in map(inner, projection.makers):
        chunks = maker.out_features // (had * width)  # query, key and value of one layer, or two factors of a neuron
        rows = torch.cat([places + chunk * had * width for chunk in range(chunks)]).to(maker.weight.device)
        maker.weight = nn.Parameter(maker.weight[rows].contiguous())
        if maker.bias is not None:
            maker.bias = nn.Parameter(maker.bias[rows].contiguous())
        maker.out_features = len(rows)


def _take_rows(model: Any, config: Any, open_: Tensor | None, told: dict[str, Any]) -> list[int] | None:
    if open_ is None:
        return None
    table = find_embeddings(model)
    rows = (open_ > 0).nonzero().flatten().tolist()
    told["rows of embeddings"] = (table.num_embeddings, len(rows))
    table.weight.mul_(open_.to(table.weight).unsqueeze(-1))
    if len(rows) == table.num_embeddings:
        return None
    made = nn.Embedding(len(rows), table.embedding_dim)
    made.weight = nn.Parameter(table.weight[rows].contiguous())
    padding = table.padding_idx
    made.padding_idx = rows.index(padding) if padding in rows else None
    model.set_input_embeddings(made)
    _set(config, ("vocab_size",), len(rows), "rows of embeddings")
    for name, value in list(vars(config).items()):
        if name.endswith("_token_id") and isinstance(value, int):
            setattr(config, name, rows.index(value) if value in rows else None)
    return rows


def _set(config: Any, names: Iterable[str], value: int, kind: str) -> None:
    found = [name for name in names if isinstance(getattr(config, name, None), int)]
    if not found:
        raise CannotCut(f"its configuration says nowhere how many {kind} it has")
    setattr(config, found[0], value)
