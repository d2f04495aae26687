"""Lets several disciplines shape one model, declared in one file.

`import consilience` stays light: `FusedModel` alone brings torch and transformers, when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from consilience.declare import Fusion
from consilience.errors import ConsilienceError, DataError, DeclarationError, Diagnostic, RunError
from consilience.host import register
from consilience.plan import Plan, check

if TYPE_CHECKING:
    from consilience.fuse import FusedModel

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


def __getattr__(name: str) -> Any:
    if name == "FusedModel":
        from consilience.fuse import FusedModel

        return FusedModel
    raise AttributeError(f"module 'consilience' has no attribute {name!r}")
