"""Groups the parameters of a model by how fast they are to learn, as the fusion says of each module."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from consilience.declare import Unsolved
from consilience.fuse import FusedModel
from consilience.plan import Plan

__all__ = ["DEFAULT", "own_rates", "parameter_groups"]

DEFAULT = "default"
_WRAPPERS = re.compile(r"^(?:module\.)+|(?:_orig_mod|_fsdp_wrapped_module)\.")
"""What those that wrap a whole model, or parts of it, put into the names."""


def parameter_groups(
    model: FusedModel, names: Mapping[str, nn.Parameter], decayed: Collection[str], rate: float, decay: float
) -> list[dict[str, Any]] | None:
    """Gives the groups of an optimizer, each with its learning rate, weight decay and a name; None for one rate alone.

    `names` are the parameters as the trainer has them, `decayed` those that weight decay may shrink, `rate` and
    `decay` what `train` says. The order is that of the plan, so that a resumed training meets the groups it had.
    """
    plan = model.plan
    written = {name: node.rates for name, node in plan.fusion.modules.items() if node.rates and not node.share}
    if not written:
        return None
    depths = {name: _depths(plan, name, model.nodes[name]) for name, own in written.items() if "layer_decay" in own}
    groups: dict[tuple[str, int, bool], dict[str, Any]] = {}
    for full, parameter in names.items():
        owner, rest = _owner(full)
        own = written.get(owner, {})
        depth = depths[owner].get(rest, 0) if owner in depths else 0
        key = (owner if own else DEFAULT, depth, full in decayed)
        if key not in groups:
            lr = own.get("learning_rate", rate) * own.get("layer_decay", 1.0) ** depth
            shrinks = own.get("weight_decay", decay) if full in decayed else 0.0
            groups[key] = {"params": [], "lr": lr, "weight_decay": shrinks, "name": key[0]}
        if parameter.requires_grad:
            groups[key]["params"].append(parameter)
    rank = {name: place for place, name in enumerate((DEFAULT, *plan.order))}
    ordered = sorted(groups, key=lambda key: (rank[key[0]], key[1], not key[2]))
    return [groups[key] for key in ordered if groups[key]["params"]]


def own_rates(groups: Sequence[Mapping[str, Any]], first: float) -> Iterator[tuple[str, float]]:
    """Gives the learning rate of each module that has its own, while that of the first group is `first`.

    Where the layers of a module differ it is that of the last. A schedule multiplies all rates alike.
    """
    seen = {DEFAULT}
    for group in groups:
        name = group.get("name", DEFAULT)
        if name not in seen:
            seen.add(name)
            ratio = group.get("initial_lr", group["lr"]) / (groups[0].get("initial_lr", groups[0]["lr"]) or 1.0)
            yield name, float(first * ratio)


def _owner(name: str) -> tuple[str, str]:
    """Splits the name of a parameter into its node, and its name there; what is no node's has none."""
    plain = _WRAPPERS.sub("", name)
    section, _, rest = plain.partition(".")
    node, _, own = rest.partition(".")
    return (node, own) if section == "nodes" else ("", plain)


def _depths(plan: Plan, name: str, module: nn.Module) -> dict[str, int]:
    """Tells of each parameter how many layers of the stack lie above it: 0 in the last layer and behind it.

    Tables of embeddings come before the first layer, wherever they are declared.
    """
    layers = _layers(plan, name, module)
    tables = {id(weight) for part in module.modules() if isinstance(part, nn.Embedding) for weight in part.parameters()}
    found, is_after = {}, False
    for full, parameter in module.named_parameters():
        number = next((number for number, layer in enumerate(layers) if full.startswith(f"{layer}.")), None)
        is_after = is_after or number is not None
        if number is None:
            found[full] = 0 if is_after and id(parameter) not in tables else len(layers)
        else:
            found[full] = len(layers) - 1 - number
    return found


def _layers(plan: Plan, name: str, module: nn.Module) -> list[str]:
    """Names the layers as the component says, or, where only building tells, the longest list of modules."""
    declaration: Any = plan.nodes[name].declaration
    try:
        told = declaration.layer_stack(plan.solved[name])
    except Unsolved:
        told = None
    if told is not None:
        return list(told)
    lists = [(full, part) for full, part in module.named_modules() if isinstance(part, nn.ModuleList)]
    full, longest = max(lists, key=lambda item: len(item[1]), default=("", nn.ModuleList()))
    return [f"{full}.{number}" if full else str(number) for number in range(len(longest))]
