"""Which plugins the environment turns off: `CONSILIENCE_DISABLE=psychology,knowledge`, or `*` for all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from consilience.errors import Diagnostic
from consilience.host._discovery import STANDARD

__all__ = ["DISABLE", "disabled_names", "safe_mode", "tell_disabled"]

DISABLE = "CONSILIENCE_DISABLE"
"""The variable of the environment that names the plugins to turn off."""
ALL = "*"


def disabled_names() -> frozenset[str]:
    """Lists the namespaces that are turned off, as they are written; `*` is all but the standard components."""
    return frozenset(name.strip() for name in os.environ.get(DISABLE, "").split(",") if name.strip())


def tell_disabled(namespace: str) -> Diagnostic | None:
    """Tells that a namespace is turned off, if it is."""
    names = disabled_names()
    if namespace == STANDARD or not names & {namespace, ALL}:
        return None
    left = ",".join(sorted(names - {namespace}))
    fix = f"unset {DISABLE}" if ALL in names or not left else f"export {DISABLE}={left}"
    found = f"the plugin {namespace}, which is turned off by {DISABLE}={','.join(sorted(names))}"
    return Diagnostic("CN215", (), found, "a plugin that is turned on", f"{fix}  # or leave --safe-mode out")


@contextmanager
def safe_mode() -> Iterator[None]:
    """Turns every plugin off for a while, in this process and those that it starts."""
    before = os.environ.get(DISABLE)
    os.environ[DISABLE] = ALL
    try:
        yield
    finally:
        if before is None:
            del os.environ[DISABLE]
        else:
            os.environ[DISABLE] = before
