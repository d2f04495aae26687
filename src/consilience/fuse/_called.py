"""Compares how what was built can be called with the ports by which it will be."""

from __future__ import annotations

from functools import partial
from inspect import Parameter, Signature, signature
from typing import Any

from torch import nn

from consilience.declare import Input
from consilience.errors import DeclarationError, Diagnostic
from consilience.plan import Plan, PlanNode

__all__ = ["check_called"]


def check_called(plan: Plan, node: PlanNode, made: Any, method: str = "forward") -> None:
    """Raises `DeclarationError` where what a node built cannot be called with its connected ports by name.

    `method` is the method of a module, or of a metric, that will be called. What tells no signature is passed over.
    """
    is_module = isinstance(made, nn.Module)
    if is_module and method == "forward" and _changes_arguments(made):
        return
    call = getattr(made, method) if is_module else made
    written = _arguments(node)
    given = [name for name in written if name in plan.wiring(node.name) or name not in node.inputs]
    try:
        taken = signature(call)
    except (TypeError, ValueError):
        return
    try:
        taken.bind(**dict.fromkeys(given))
    except TypeError:
        what = f"{method} of {node.component}" if is_module else f"what {node.component} builds"
        found = f"{what} takes {_bare(taken)}"
        fix = f"# {_definition(call, method if is_module else '', ', '.join(written.values()))}"
        fault = Diagnostic("CN312", (node.section, node.name), found, f"its ports: ({', '.join(given)})", fix)
        raise DeclarationError(plan.fusion.locate([fault])) from None


def _changes_arguments(module: nn.Module) -> bool:
    """Tells whether a call of a module may give its forward other arguments than it was given."""
    return type(module).__call__ is not nn.Module.__call__ or bool(module._forward_pre_hooks)


def _arguments(node: PlanNode) -> dict[str, str]:
    """Gives each argument of a call by name, as a definition writes it."""
    written = {name: f"{name}=None" if port.is_optional else name for name, port in node.inputs.items()}
    if isinstance(node.declaration, Input) and node.declaration.is_random:
        written["generators"] = "generators"
    return written


def _bare(taken: Signature) -> str:
    """Writes a signature without types and defaults."""
    bare = [one.replace(annotation=Parameter.empty, default=Parameter.empty) for one in taken.parameters.values()]
    return str(Signature(bare))


def _definition(call: Any, method: str, arguments: str) -> str:
    name = method or getattr(call.func if isinstance(call, partial) else call, "__name__", "__call__")
    is_bound = bool(method) or name == "__call__"
    return f"def {name}({', '.join(filter(None, ('self' if is_bound else '', arguments)))})"
