"""Tells a plugin's author what users would otherwise find: the conformance kit, and the tiers of quality.

One line in a plugin's tests, `test_plugin = conformance("psychology")`, is a pytest suite over every component. What
runs the checks, and needs torch, is imported when it is asked for. `quality` says how far a plugin has come.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consilience.testing._check import Check, Outcome, Status
    from consilience.testing._checks import CHECKS
    from consilience.testing._promises import Promise, promises
    from consilience.testing._quality import Quality, Standing, Verdict, quality
    from consilience.testing._rules import RULES, Rule, Tier
    from consilience.testing._run import Result, run_conformance
    from consilience.testing._suite import conformance

__all__ = [
    "CHECKS",
    "RULES",
    "Check",
    "Outcome",
    "Promise",
    "Quality",
    "Result",
    "Rule",
    "Standing",
    "Status",
    "Tier",
    "Verdict",
    "conformance",
    "promises",
    "quality",
    "run_conformance",
]

_MODULES = {
    "CHECKS": "_checks",
    "RULES": "_rules",
    "Check": "_check",
    "Outcome": "_check",
    "Promise": "_promises",
    "Quality": "_quality",
    "Result": "_run",
    "Rule": "_rules",
    "Standing": "_quality",
    "Status": "_check",
    "Tier": "_rules",
    "Verdict": "_quality",
    "conformance": "_suite",
    "promises": "_promises",
    "quality": "_quality",
    "run_conformance": "_run",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'consilience.testing' has no attribute {name!r}")
    return getattr(import_module(f"consilience.testing.{_MODULES[name]}"), name)
