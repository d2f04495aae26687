"""Looks a component over when a plugin offers it: later on, a fault of its class could not be told from the file's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, PydanticUserError, ValidationError
from pydantic_core.core_schema import ErrorType

from consilience.declare import (
    SECTIONS,
    Balancer,
    Checkpoint,
    Component,
    Float,
    Fusion,
    GradientBalancer,
    Input,
    Loss,
    Many,
    Metric,
    Module,
    Port,
    Ports,
    Sees,
    Source,
    Tuner,
)
from consilience.host._offered_methods import method_faults
from consilience.host._offered_ports import port_faults, written

__all__ = ["WrongOffer", "first_wrong"]

_KINDS: tuple[type[Component], ...] = (*SECTIONS.values(), Tuner, Balancer)
_OWN_METHODS: dict[type[Component], tuple[str, ...]] = {
    Checkpoint: ("config", "tokenizer", "model"),
    Source: ("open",),
    Input: ("build",),
    Module: ("build",),
    Loss: ("build",),
    Metric: ("build",),
    Tuner: ("apply",),
    Balancer: ("build",),
    GradientBalancer: ("build",),
}
_PORTS: dict[type[Component], tuple[str, ...]] = {
    Input: ("inputs", "outputs"),
    Module: ("inputs", "outputs"),
    Loss: ("inputs",),
    Metric: ("inputs",),
}
_FLAGS = ("is_random", "has_parameters", "trains", "needs_shared_parameters", "needs_several_losses")
_VALUES = (Float["batch"], Float[""])
_EXAMPLE = 'Ports(features=Float["batch hidden"])'


@dataclass(frozen=True)
class WrongOffer:
    """What is wrong with an offered class: what it is or has, what was expected, and what to write instead."""

    found: str
    expected: str
    fix: str


def first_wrong(component: object) -> WrongOffer | None:
    """Gives the first fault of an offered component, or None: only the class is looked at, nothing is built."""
    return next(_faults(component), None)


def _faults(component: object) -> Iterator[WrongOffer]:
    if not (isinstance(component, type) and issubclass(component, Component)):
        expected = "component classes and label spaces, each under its own name"
        yield WrongOffer(f"{_shown(component)}, which is no component class", expected, "return [First, Second]")
        return
    bases = [kind for kind in _KINDS if issubclass(component, kind)]
    if len(bases) != 1 or component in (*_KINDS, Checkpoint) or component.kind != bases[0].kind:
        kinds = ", ".join(kind.__name__ for kind in _KINDS)
        expected = f"a subclass of one of {kinds}, and not one of them itself"
        yield WrongOffer(f"{component.__name__}, which is no component of a kind", expected, "class Own(Module):")
        return
    [base] = bases
    yield from _name(component)
    yield from _keys(component, base)
    yield from _attributes(component, base)
    yield from _methods(component)
    yield from (_wrong(component, *fault) for fault in method_faults(component))
    yield from _defaults(component)


def _wrong(component: type[Component], has: str, expected: str, fix: str) -> WrongOffer:
    return WrongOffer(f"{component.__name__}, {has}", expected, fix)


def _name(component: type[Component]) -> Iterator[WrongOffer]:
    name: object = component.component
    if not (isinstance(name, str) and name.partition("@")[0].isidentifier()):
        expected = "a name of letters, digits and underscores that starts with a letter"
        fix = f'class {component.__name__}({component.__base__.__name__}, name="another_name"):'  # type: ignore[union-attr]
        yield _wrong(component, f"named {_shown(name)}", expected, fix)


@cache
def _node_keys(base: type[Component]) -> frozenset[str]:
    """Lists the keys of a node of this kind that the node itself reads: no setting of a component can have them."""
    section = next((section for section, kind in SECTIONS.items() if kind is base), None)
    if section is None:  # a tuner or balancer stands behind `use` in a key of another node
        return frozenset({"use"})
    node: type[BaseModel] = get_args(Fusion.model_fields[section].annotation)[1]
    return frozenset(key for name, info in node.model_fields.items() for key in (name, info.alias or name))


def _keys(component: type[Component], base: type[Component]) -> Iterator[WrongOffer]:
    for name, info in component.model_fields.items():
        key = info.alias or name
        if {name, key} & _node_keys(base):
            expected = f"keys other than the node's own: {', '.join(sorted(_node_keys(base) - {'in_'}))}"
            yield _wrong(component, f"whose key {key} the {base.kind}'s node reads itself", expected, f"{key}_: ...")
        elif hasattr(base, name) and not hasattr(BaseModel, name):
            expected = f"a key of another name: {name} is what a {base.kind} says of itself"
            fix = f"{name} = {_EXAMPLE}" if name in _PORTS.get(base, ()) else f"{name}_: ..."
            yield _wrong(component, f"which has a key {name}", expected, fix)


def _attributes(component: type[Component], base: type[Component]) -> Iterator[WrongOffer]:
    ports: dict[str, Port | Many] = {}
    for attribute in _PORTS.get(base, ()):
        value: object = getattr(component, attribute)
        if not isinstance(value, Ports):
            yield _wrong(component, f"whose {attribute} is {_shown(value)}", "Ports", f"{attribute} = {_EXAMPLE}")
            return
        ports |= {f"{attribute}.{name}": port for name, port in value.items()}
    if base in (Loss, Metric):
        target: object = getattr(component, "target")  # noqa: B009 - both kinds have it, Component has not
        if not (target is None or isinstance(target, Port)):
            fix = 'target = Int["batch"].below("classes")'
            yield _wrong(component, f"whose target is {_shown(target)}", "one port, or None", fix)
            return
        if "inputs.target" in ports:
            fix = f"target = {written(ports['inputs.target'])}"
            has = "whose inputs have a port named target"
            yield _wrong(component, has, "the target beside the inputs, in the attribute of its name", fix)
        if target is not None:
            ports["target"] = target
    if issubclass(component, Loss) and component.value not in _VALUES:
        expected = 'Float["batch"], one sum an example, or Float[""], one number'
        yield _wrong(component, f"whose value is {_shown(component.value)}", expected, 'value = Float["batch"]')
    if issubclass(component, GradientBalancer) and not isinstance(component.sees, Sees):
        has = f"whose sees is {_shown(component.sees)}"
        yield _wrong(component, has, "Sees.GRAMIAN or Sees.JACOBIAN", "sees = Sees.GRAMIAN")
    for flag in _FLAGS:
        if not isinstance(getattr(component, flag, True), bool):
            has = f"whose {flag} is {_shown(getattr(component, flag))}"
            yield _wrong(component, has, "True or False", f"{flag} = True")
    if ports:
        yield from (_wrong(component, *fault) for fault in port_faults(component, ports))


def _methods(component: type[Component]) -> Iterator[WrongOffer]:
    for base, names in _OWN_METHODS.items():
        for name in names if issubclass(component, base) else ():
            if getattr(component, name) is getattr(base, name):
                yield _wrong(
                    component, f"which has no {name} of its own", f"the method {name}", f"def {name}(self, ..."
                )


def _defaults(component: type[Component]) -> Iterator[WrongOffer]:
    """Validates the defaults, which pydantic takes unseen; what a plugin's own validators say is left to the check."""
    fields = component.model_fields
    given = {
        info.alias or name: info.default
        for name, info in fields.items()
        if not info.is_required() and info.default_factory is None
    }
    if not given:
        return
    try:
        component.model_validate(given, strict=True, context={"base": Path()})
    except ValidationError as error:
        own = {*get_args(ErrorType)} - {"value_error", "assertion_error"}
        for detail in error.errors(include_url=False, include_context=False):
            key = detail["loc"][0] if detail["loc"] else None
            if key in given and detail["type"] in own:
                says = detail["msg"].removeprefix("Input should be ")
                has = f"whose key {key} is {_shown(given[str(key)])} when left out"
                yield _wrong(
                    component, has, f"a default that the key itself may have: {says}", f"{key} without a default"
                )
    except PydanticUserError:
        raise  # a class that pydantic cannot finish
    except Exception:  # a plugin's own validator, which may ask for the keys that are missing here
        return


def _shown(value: Any) -> str:
    if isinstance(value, type):
        return value.__qualname__
    if isinstance(value, Port | Many):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return f"a value of type {type(value).__qualname__}"
