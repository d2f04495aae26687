"""Tells a plugin's author everything that a user of the plugin would otherwise find: the conformance kit.

One line in a plugin's tests, `test_plugin = conformance("psychology")`, is a pytest suite over every component. What
runs the checks, and needs torch, is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consilience.testing._check import Check, Outcome, Status
    from consilience.testing._checks import CHECKS
    from consilience.testing._run import Result, run_conformance
    from consilience.testing._suite import conformance

__all__ = ["CHECKS", "Check", "Outcome", "Result", "Status", "conformance", "run_conformance"]

_MODULES = {
    "CHECKS": "_checks",
    "Check": "_check",
    "Outcome": "_check",
    "Result": "_run",
    "Status": "_check",
    "conformance": "_suite",
    "run_conformance": "_run",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'consilience.testing' has no attribute {name!r}")
    return getattr(import_module(f"consilience.testing.{_MODULES[name]}"), name)
