"""Makes a physically smaller fusion of a trained one: writes its encoder anew, and says which fusion reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from consilience.declare import Checkpoint, Derived, Diagnostic, RunError
from consilience_complexity._gated import Budget, Sparsity
from consilience_complexity.anatomy import NothingToGate, find_blocks, find_projections, inner
from consilience_complexity.cutting import CannotCut, Cut, Kept, cut, importance, load_plain
from consilience_complexity.derived import OF_TRAINING, remade, smaller_fusion
from consilience_complexity.factoring import compacted
from consilience_complexity.gates import gates_of
from consilience_complexity.vocabulary import CannotTrim, copy_tokenizer, needed, trim

__all__ = ["Asked", "shrink"]

_OTHER = "# take an encoder of another family, such as BERT, RoBERTa, MPNet or DistilBERT"
_NO_ROWS = "# leave out --tokens, and gates on embeddings"
_CLOSE = 1e-3
"""The largest difference of states between what was cut and what plain transformers loads."""


@dataclass(frozen=True)
class Asked:
    """What a person asks to be cut beside what the gates closed."""

    node: str | None = None
    layers: tuple[int, ...] | None = None
    neurons: int | None = None
    heads: int | None = None
    below: float | None = None
    """Units go whose weights' norm is below this share of their layer's median, as a group lasso leaves them."""
    tokens: frozenset[int] | None = field(default=None, repr=False)
    """The tokens to keep beside those that any word can be made of."""
    energy: float | None = None
    """The share of its squared singular values that each linear layer keeps as two factors."""
    rank: int | None = None
    """The rank of these factors, in place of a share."""
    numbers: Literal["float", "int8"] = "float"
    """What the linear layers hold."""

    @property
    def is_nothing(self) -> bool:
        """Tells whether only the gates decide."""
        asked = (self.layers, self.neurons, self.heads, self.below, self.tokens, self.energy, self.rank)
        return all(one is None for one in asked) and self.numbers == "float"


@dataclass(frozen=True)
class _Trained:
    """A trained model beside the plan of its training: its own plan knows neither sources nor metrics."""

    plan: Any
    nodes: Any
    added_by_tuners: Mapping[str, int]


def shrink(model: Any, plan: Any, folder: Path, asked: Asked, told: dict[str, Any]) -> Derived:
    """Cuts the encoder of a trained fused model, writes it into `folder`, and gives the fusion that reads it there.

    `plan` is that of the training. What was cut is put into `told`. Raises `RunError` where there is nothing to cut, or
    it cannot be.
    """
    model = _Trained(plan, model.nodes, model.added_by_tuners)
    name = _node(model, asked)
    encoder = _encoder(model, name)
    kept = _kept(model, name, encoder, asked)
    source = plan.nodes[name].declaration.checkpoint.declared.folder()
    try:
        made = cut(encoder, kept)
        compact = compacted(plan.nodes[name], made, asked)
        written = folder / name
        made.model.save_pretrained(str(written))
        copy_tokenizer(source, written) if made.rows is None else trim(source, written, made.rows)
        apart = load_plain(written, made)
    except (CannotCut, CannotTrim) as error:
        raise _refused(
            "CN775", f"{name}: {error}", "an encoder that transformers loads when it is cut", _OTHER
        ) from error
    if not apart <= _CLOSE:
        found = f"{name}: loaded again, its states differ by {apart:.2g}"
        raise _refused("CN775", found, "an encoder that transformers loads when it is cut", _OTHER)
    told |= made.told | {"node": name, "encoder": str(written), "states differ by": apart}
    return Derived(smaller_fusion(plan, name, written, compact), remade(plan, name), {"cut": _plain(made)})


def _node(model: Any, asked: Asked) -> str:
    plan = model.plan
    found = [one.name for one in plan.of("modules") if not one.share and _is_encoder(model, one)]
    if asked.node is not None:
        name = plan.nodes[asked.node].share or asked.node if asked.node in plan.nodes else asked.node
        if name not in found:
            fix = f"--node {found[0]}" if found else "# a fusion with a text_encoder"
            raise _refused("CN773", f"--node {asked.node}", f"one of {', '.join(found) or 'no module'}", fix)
        return str(name)
    gated = {one.declaration.of.name for one in plan.of("losses") if isinstance(one.declaration, Sparsity | Budget)}
    gated = {plan.nodes[name].share or name for name in gated}
    chosen = [name for name in found if name in gated] or found
    if len(chosen) != 1:
        what = ", ".join(chosen) or "no module with a checkpoint and a transformer inside"
        fix = f"--node {chosen[0]}" if chosen else "# a fusion with a text_encoder"
        raise _refused("CN773", what, "one module to cut", fix)
    return str(chosen[0])


def _is_encoder(model: Any, node: Any) -> bool:
    if "checkpoint" not in node.declaration.uses():
        return False
    try:
        find_projections(model.nodes[node.name])
    except NothingToGate:
        return False
    return isinstance(node.declaration.checkpoint.declared, Checkpoint)


def _encoder(model: Any, name: str) -> Any:
    """Gives the model of transformers inside a node; one that a tuner changed cannot be cut."""
    from transformers import PreTrainedModel

    node = model.nodes[name]
    inside = [part for part in node.modules() if isinstance(part, PreTrainedModel)]
    if not inside:
        raise _refused("CN773", f"{name}: no model of transformers in it", "an encoder of transformers", "--node NODE")
    if any(inner(part) is not part for part in inside[0].modules()) or model.added_by_tuners.get(name):
        tune = model.plan.fusion.modules[name].tune["use"]
        found = f"{name}: tuned with {tune}, whose adapters stand between its layers"
        raise _refused("CN774", found, "an encoder whose own weights were trained", "tune: full  # and train again")
    return inside[0]


def _kept(model: Any, name: str, encoder: Any, asked: Asked) -> Kept:
    """Puts together what the gates closed and what is asked for; raises `RunError` where nothing is."""
    by_end = {one.name: one for one in find_projections(encoder)}
    units: dict[str, Tensor] = {}
    layers: list[int] | None = list(asked.layers) if asked.layers is not None else None
    rows: Tensor | None = None
    with torch.no_grad():
        for gate in gates_of(_losses_on(model, name)):
            if gate.kind in ("heads", "neurons"):
                units[_own_name(gate.name, by_end)] = gate.modes().cpu()
            elif gate.kind == "embeddings":
                rows = gate.modes().cpu()
        if layers is None:
            layers = _open_layers(model, name, encoder)
    if asked.below is not None:
        for key, one in by_end.items():
            norms = importance(one)
            units[key] = units.get(key, torch.ones(one.units)) * (norms >= asked.below * norms.median())
    if asked.tokens is not None or rows is not None:
        rows = _rows(model, name, encoder, rows, asked)
    whole = all(bool((gates == 1).all()) for gates in units.values()) and (rows is None or bool((rows == 1).all()))
    if asked.is_nothing and layers is None and whole:
        found = f"{name}: no gate of it is closed"
        fix = "--neurons 768 --layers 0,2,4  # or train with complexity.budget, or a higher weight or speed"
        raise _refused("CN772", found, "something to cut", fix)
    _check_layers(layers, encoder)
    return Kept(units, layers, rows, asked.neurons, asked.heads)


def _losses_on(model: Any, name: str) -> torch.nn.Module:
    plan = model.plan
    return torch.nn.ModuleList(
        model.nodes[one.name]
        for one in plan.of("losses")
        if isinstance(one.declaration, Sparsity | Budget)
        and (plan.nodes[one.declaration.of.name].share or one.declaration.of.name) == name
    )


def _own_name(full: str, names: Iterable[str]) -> str:
    """Finds the projection that a gate stands before: the gate knows its name inside the node, not in the encoder."""
    return next(name for name in names if full == name or full.endswith(f".{name}"))


def _open_layers(model: Any, name: str, encoder: Any) -> list[int] | None:
    gates = [gate for gate in gates_of(_losses_on(model, name)) if gate.kind == "layers"]
    if not gates:
        return None
    names = [block.name for block in find_blocks(encoder)]
    closed = {_own_name(gate.name, names) for gate in gates if gate.closed()}
    left = [index for index, one in enumerate(names) if one not in closed]
    if len(left) == len(names):
        return None
    return left or [len(names) - 1]


def _check_layers(layers: list[int] | None, encoder: Any) -> None:
    if layers is None:
        return
    try:
        had = len(find_blocks(encoder))
    except NothingToGate:
        had = 1
    if not layers or layers != sorted(set(layers)) or not all(0 <= index < had for index in layers):
        found = f"--layers {','.join(map(str, layers))}"
        raise _refused("CN776", found, f"numbers from 0 to {had - 1} in rising order", f"--layers 0,{had - 1}")


def _rows(model: Any, name: str, encoder: Any, rows: Tensor | None, asked: Asked) -> Tensor:
    """Says which rows stay: those that gates leave open, those that are asked for, and those that any word needs."""
    plan = model.plan
    feeding = {ref.node for refs in plan.wiring(name).values() for ref in refs}
    others = sorted(
        one.name
        for section in ("modules", "losses")
        for one in plan.of(section)
        if one.name != name and not isinstance(one.declaration, OF_TRAINING) and one.share != name
        for refs in plan.wiring(one.name).values()
        if any(ref.node in feeding and ref.port == "ids" for ref in refs)
    )
    if others:
        found = f"{name}: {', '.join(others)} read the same tokens"
        raise _refused("CN777", found, "tokens that the encoder alone reads", _NO_ROWS)
    must = needed_tokens(plan.nodes[name].declaration.checkpoint.declared.folder())
    size = int(encoder.get_input_embeddings().num_embeddings)
    open_ = torch.ones(size) if rows is None else rows.clone()
    if asked.tokens is not None:
        seen = torch.zeros(size)
        seen[[token for token in asked.tokens if 0 <= token < size]] = 1
        open_ = open_ * seen
    for token in must:
        if token < size and open_[token] == 0:
            open_[token] = 1
    return open_


def needed_tokens(source: Path) -> set[int]:
    """Gives the tokens of a checkpoint that must stay; raises `RunError` where its tokens cannot be left out."""
    try:
        return needed(source)
    except CannotTrim as error:
        raise _refused("CN777", f"{source}: {error}", "a WordPiece tokenizer", _NO_ROWS) from error


def _plain(made: Cut) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in made.told.items()}


def _refused(code: str, found: str, expected: str, fix: str) -> RunError:
    return RunError(Diagnostic(code, (), found, expected, fix))
