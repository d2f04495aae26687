"""Lets components judge what was solved for them, and tuners the modules that they are put on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from consilience.declare import (
    Component,
    DeclarationError,
    Dims,
    Fault,
    Input,
    Loss,
    Metric,
    Module,
    Severity,
    Tuner,
    Unsolved,
    show,
)
from consilience.errors import Path
from consilience.plan._declarations import tell_own_faults
from consilience.plan._resolved import Resolved
from consilience.plan._stand_ins import Ask
from consilience.plan._uses import uses_of

__all__ = ["tell_faults_with_sizes"]


def tell_faults_with_sizes(resolved: Resolved, solved: Mapping[str, Dims]) -> None:
    """Notes what components find wrong with what was solved; those at fault already are not asked."""
    errors = [fault for fault in resolved.faults if fault.severity is Severity.ERROR]
    at_fault = {place for fault in errors for place in (fault.path[:2], fault.path[:3])}
    for name, node in resolved.nodes.items():
        path: Path = (node.section, name)
        declaration = node.declaration
        if node.share or name in resolved.salvaged or not isinstance(declaration, Input | Module | Loss | Metric):
            continue
        dims = solved.get(name, Dims())
        if path not in at_fault:
            tell_own_faults(resolved, declaration, node.component, path, _with_sizes(dims, solved))
        if node.tuner is not None and isinstance(declaration, Module) and (*path, "tune") not in at_fault:
            before = len(resolved.faults)
            tell_own_faults(resolved, declaration, node.component, path, _by_layers(dims))
            if len(resolved.faults) > before:
                continue
            tuner = resolved.fusion.modules[name].tune["use"]
            tell_own_faults(resolved, node.tuner, tuner, (*path, "tune"), _on_module(declaration, dims))


def _with_sizes(dims: Dims, solved: Mapping[str, Dims]) -> Ask:
    def ask(component: Component) -> Iterable[Fault]:
        assert isinstance(component, Input | Module | Loss | Metric)
        # Of another node any dim may be asked for: what stands there has it or not.
        used = {other: replace(solved.get(other, Dims()), names=None) for _, other in uses_of(component)}
        return _known(component.faults_with, replace(dims, used=used) if used else dims)

    return ask


def _by_layers(dims: Dims) -> Ask:
    """Asks a module for its linear layers, so that what it does wrong there is told as its own, not its tuner's."""

    def ask(component: Component) -> Iterable[Fault]:
        assert isinstance(component, Module)
        return _known(_layers_asked, component, dims)

    return ask


def _layers_asked(module: Module, dims: Dims) -> Iterable[Fault]:
    for method in (module.linear_layers, module.layer_stack):
        layers = method(dims)
        names = () if layers is None else [layers] if isinstance(layers, str) else list(layers)
        if isinstance(layers, str) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"{method.__name__} gives {show(layers)}, and not a list of names, or None")
    return ()


def _on_module(module: Module, dims: Dims) -> Ask:
    def ask(component: Component) -> Iterable[Fault]:
        assert isinstance(component, Tuner)
        return _known(component.faults_on, module, replace(dims, names=None))

    return ask


def _known(method: Callable[..., Iterable[Fault]], *given: object) -> Iterable[Fault]:
    try:
        return list(method(*given))
    except (Unsolved, DeclarationError):  # not known, or told where it is read
        return ()
