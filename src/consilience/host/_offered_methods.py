"""Looks over the methods of an offered component: whether each takes what it will be called with."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import Parameter, Signature, getattr_static, signature
from types import FunctionType
from typing import Any

from consilience.declare import Component

__all__ = ["method_faults"]

_CONTRACT = Component.__module__.rpartition(".")[0] + "."
"""Where the classes of the contract are written."""
MethodFault = tuple[str, str, str]
"""What a component has, what was expected, and what to write instead."""


def method_faults(component: type[Component]) -> Iterator[MethodFault]:
    """Tells of methods of the contract that a component writes otherwise than they are called: by place."""
    for name, contract in _contract(component).items():
        own = getattr_static(component, name)
        if own is contract or name in component.model_fields:
            continue
        written = f"{name}({', '.join(signature(contract).parameters)})"
        if isinstance(own, property) or not (callable(own) or hasattr(own, "__get__")):
            has = f"whose {name} is {'a property' if isinstance(own, property) else 'no method'}"
            yield has, f"the method {written}", f"def {written}:"
            continue
        taken = _taken(own)
        if taken is not None and not _takes(taken, _count(own, contract)):
            yield f"whose {name} takes {_bare(taken)}", f"the method {written}", f"def {written}:"


def _contract(component: type[Component]) -> dict[str, FunctionType]:
    """Gives the methods that components of a kind have, each as the nearest base of the contract writes it."""
    found: dict[str, FunctionType] = {}
    for base in component.__mro__:
        if base.__module__.startswith(_CONTRACT):
            for name, value in vars(base).items():
                if isinstance(value, FunctionType) and not name.startswith("_"):
                    found.setdefault(name, value)
    return found


def _taken(own: Any) -> Signature | None:
    try:
        return signature(own.__func__ if isinstance(own, staticmethod | classmethod) else own)
    except (TypeError, ValueError):
        return None  # something that tells no signature, such as a partial method


def _count(own: Any, contract: FunctionType) -> int:
    """Counts what it is called with, the component among it where it is bound."""
    is_bound = hasattr(own, "__get__") and not isinstance(own, staticmethod)
    return len(signature(contract).parameters) - (not is_bound)


def _takes(taken: Signature, count: int) -> bool:
    try:
        taken.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _bare(taken: Signature) -> str:
    """Writes a signature without types and defaults."""
    bare = [one.replace(annotation=Parameter.empty, default=Parameter.empty) for one in taken.parameters.values()]
    return str(Signature(bare))
