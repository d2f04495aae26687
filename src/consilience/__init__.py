"""Lets several disciplines shape one model, declared in one file.

`import consilience` is light: each name brings its room when it is asked for, and `FusedModel` alone brings torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consilience.declare import Fusion
    from consilience.errors import ConsilienceError, DataError, DeclarationError, Diagnostic, RunError
    from consilience.fuse import FusedModel
    from consilience.host import register
    from consilience.plan import Plan, check

__all__ = [
    "ConsilienceError",
    "DataError",
    "DeclarationError",
    "Diagnostic",
    "FusedModel",
    "Fusion",
    "Plan",
    "RunError",
    "check",
    "register",
]

_ROOMS = {"Fusion": "declare", "FusedModel": "fuse", "Plan": "plan", "check": "plan", "register": "host"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'consilience' has no attribute {name!r}")
    value = getattr(import_module(f"consilience.{_ROOMS.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
