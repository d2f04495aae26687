"""Checks what a module says of how fast it learns: that it learns, and that there are layers to tell apart."""

from __future__ import annotations

from collections.abc import Mapping

from consilience.declare import DeclarationError, Dims, Module, Unsolved
from consilience.errors import Part, Path, Severity
from consilience.host import PLUGIN_ERRORS
from consilience.plan._resolved import Resolved

__all__ = ["check_rates"]


def check_rates(resolved: Resolved, solved: Mapping[str, Dims]) -> None:
    """Notes rates of modules that are not trained, a rate of 0, and a decay over layers where there are none."""
    for name, written in resolved.fusion.modules.items():
        node = resolved.nodes.get(name)
        if (
            node is None
            or node.share
            or written.share
            or node.tuner is None
            or not isinstance(node.declaration, Module)
        ):
            continue
        path: Path = ("modules", name)
        for key in written.rates:
            if not node.is_trained:
                why = "frozen" if node.declaration.has_parameters else "without parameters"
                found, fix = f"{key} of {name}, which is {why}", f"# remove the key {key}"
                _tell_idle(resolved, (*path, key), found, fix)
        if node.is_trained and written.learning_rate == 0:
            found, fix = f"0, by which {name} learns nothing", f"# write tune: frozen at {name}, without learning_rate"
            _tell_idle(resolved, (*path, "learning_rate"), found, fix)
        if written.layer_decay is not None and node.is_trained and _has_no_layers(node.declaration, solved.get(name)):
            found, fix = f"layer_decay of {name}, which has no stack of layers", "# remove the key layer_decay"
            expected = "a module such as text_encoder"
            resolved.fault("CN451", (*path, "layer_decay"), found, expected, fix, Part.KEY)


def _tell_idle(resolved: Resolved, path: Path, found: str, fix: str) -> None:
    resolved.fault("CN456", path, found, "a key that does something", fix, severity=Severity.WARNING)


def _has_no_layers(module: Module, dims: Dims | None) -> bool:
    try:
        layers = module.layer_stack(dims or Dims())
        return layers is not None and not list(layers)
    except (Unsolved, DeclarationError):  # only known once it is built, or told where it is read
        return False
    except PLUGIN_ERRORS:  # told where its tuner asks for them
        return False
