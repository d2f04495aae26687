"""Builds the nodes of a plan: each with its own seed, so that no node's start depends on what stands beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from consilience.data import Collator, InputStep
from consilience.declare import Dims, Input, Loss, Many, Module, Port, Tuner, UnknownDimError, Unsolved
from consilience.errors import DeclarationError, Diagnostic
from consilience.fuse._called import check_called
from consilience.host import unknown_dim
from consilience.plan import Plan, PlanNode

__all__ = ["WrongOutputs", "attribute", "build_collator", "build_nodes", "misnamed", "node_seed"]


class WrongOutputs(TypeError):
    """What a forward gave are not the tensors that its component declares."""


def node_seed(seed: int, name: str) -> int:
    """Derives a node's seed (63 bits) from the run's seed and the node's name."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def build_nodes(plan: Plan, seed: int, added: dict[str, int] | None = None) -> dict[str, nn.Module]:
    """Builds every module and loss, in order, tuned as the fusion says; a `share:` node is the module it shares.

    Notes in `added` how many numbers the tuner of a module brought along.
    """
    built: dict[str, Any] = {}
    for node in (*plan.of("modules"), *plan.of("losses")):
        if node.share:
            built[node.name] = built[node.share]
            check_called(plan, node, built[node.name])
            continue
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(node_seed(seed, node.name))
            built[node.name] = _build(plan, node, built, added)
    return built


def build_collator(plan: Plan, outputs: Iterable[str], seed: int = 0, given: frozenset[str] = frozenset()) -> Collator:
    """Builds what makes batches for the named modules, losses and metrics: the inputs and fields that they need.

    What only modules need whose outputs are `given` is left out.
    """
    outputs = tuple(outputs)
    wanted = set(plan.needed(outputs, given))
    behind = {field for name in outputs for field in plan.fields_behind(name)}
    behind |= {
        node.example_weight for name, node in plan.fusion.losses.items() if name in outputs and node.example_weight
    }
    built: dict[str, Any] = {}
    steps = []
    for node in plan.of("inputs"):
        if node.name in wanted:
            built[node.name] = _build(plan, node, built)
            steps.append(_input_step(plan, node, built[node.name]))
    fields = {name: kind for name, kind in plan.fields.items() if name in behind}
    sizes = {name: len(space) for name in fields if (space := plan.labels(name)) is not None}
    return Collator(fields, sizes, tuple(steps), seed)


def _input_step(plan: Plan, node: PlanNode, call: Any) -> InputStep:
    assert isinstance(node.declaration, Input)
    wiring = {
        port: tuple(map(str, refs)) if isinstance(node.inputs[port], Many) else str(refs[0])
        for port, refs in plan.wiring(node.name).items()
    }
    ports = {name: port for name, port in node.outputs.items() if isinstance(port, Port)}
    sizes = dict(plan.solved[node.name])
    is_random = node.declaration.is_random
    return InputStep(node.name, call, wiring, tuple(ports), node.component, is_random, ports, sizes, dict(node.inputs))


def _build(plan: Plan, node: PlanNode, built: Mapping[str, Any], added: dict[str, int] | None = None) -> Any:
    declaration = node.declaration
    assert isinstance(declaration, Input | Module | Loss)
    dims: Dims = replace(plan.solved[node.name], nodes=built)
    try:
        made = _expected_kind(plan, node, declaration.build(dims))
        check_called(plan, node, made)
    except DeclarationError as error:
        raise DeclarationError(plan.fusion.locate([_placed(item, node) for item in error.diagnostics])) from error
    except UnknownDimError as error:
        raise DeclarationError(plan.fusion.locate([misnamed(error, plan, node)])) from error
    except Unsolved as error:
        fix = f"# give {node.name} something whose size is known before training"
        fault = Diagnostic("CN306", (node.section, node.name), str(error), "a size known when the model is built", fix)
        raise DeclarationError(plan.fusion.locate([fault])) from error
    except Exception as error:
        attribute(error, plan, node, "build")
        raise
    if node.tuner is not None:
        own = {id(parameter) for parameter in made.parameters()}
        _tune(plan, node, node.tuner, made)
        if added is not None:
            added[node.name] = sum(value.numel() for value in made.parameters() if id(value) not in own)
    return made


def _tune(plan: Plan, node: PlanNode, tuner: Tuner, module: nn.Module) -> None:
    """Applies a tuner, and sees that it did what it declares."""
    name = plan.fusion.modules[node.name].tune["use"]
    try:
        given: object = tuner.apply(module)  # type: ignore[func-returns-value]  # a plugin may break its word
    except DeclarationError as error:
        raise DeclarationError(plan.fusion.locate([_placed(item, node) for item in error.diagnostics])) from error
    except Exception as error:
        attribute(error, plan, replace(node, component=name), "tuning")
        raise
    trained = any(parameter.requires_grad for parameter in module.parameters())
    if given is not None or trained != (tuner.trains and any(True for _ in module.parameters())):
        what = (
            "a module in place of changing the one it was given"
            if given is not None
            else ("parameters that are trained" if trained else "nothing that is trained")
        )
        expected = "a module changed in place, " + (
            "with something to train" if tuner.trains else "with nothing to train"
        )
        fix = f"# mend apply in {type(tuner).__name__}, or its trains"
        fault = Diagnostic("CN313", (node.section, node.name, "tune"), f"{what}, from {name}", expected, fix)
        raise DeclarationError(plan.fusion.locate([fault]))


def _placed(diagnostic: Diagnostic, node: PlanNode) -> Diagnostic:
    """Gives a component's own diagnostic the path of its node: the component knows only its keys."""
    own = (node.section, node.name)
    return diagnostic if diagnostic.path[:2] == own else replace(diagnostic, path=(*own, *diagnostic.path))


def _expected_kind(plan: Plan, node: PlanNode, made: Any) -> Any:
    wanted: Any = Callable if node.section == "inputs" else nn.Module
    if isinstance(made, wanted):
        return made
    word = "a callable" if node.section == "inputs" else "an nn.Module"
    found = f"{type(made).__name__}, from the build of {node.component}"
    fix = f"# return {word} from {type(node.declaration).__name__}.build"
    raise DeclarationError(plan.fusion.locate([Diagnostic("CN311", (node.section, node.name), found, word, fix)]))


def misnamed(error: UnknownDimError, plan: Plan, node: PlanNode) -> Diagnostic:
    """Tells that a component's `build` asks for a dim that none of its ports speaks of."""
    offer = plan.registry.component(node.component)
    distribution = offer.distribution if offer else node.component
    asked = f"asks for {error.name} in the build of {node.component}"
    return unknown_dim(distribution, asked, error, (node.section, node.name))


def attribute(error: BaseException, plan: Plan, node: PlanNode, doing: str) -> None:
    """Notes on a plugin's exception whose code it is: node, component, distribution, and where the file says it."""
    offer = plan.registry.component(node.component)
    owner = f"{offer.distribution} {offer.version}".strip() if offer else "its plugin"
    place = plan.fusion.place((node.section, node.name))
    at = f", at {place}" if place else ""
    note = f"in the {doing} of node {node.name} ({node.component}, from {owner}{at})"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
