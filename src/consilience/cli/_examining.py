"""Examines one plugin, in the process that `consilience plugins doctor` starts for it; writes what it finds as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator

from consilience.cli._examined import written
from consilience.errors import Diagnostic, Severity
from consilience.host import HEAVY, Registry

__all__: list[str] = []

_SLOW = 1.0
"""Seconds of CPU time beyond which the import of declarations is slow: light ones take a few hundredths."""


def examine(namespace: str) -> Iterator[Diagnostic]:
    """Imports a plugin, and tells what is wrong with it and how heavy it is."""
    registry = Registry()
    info = registry.installed(namespace)
    yield from registry.unmet(namespace)
    threads, started = threading.active_count(), time.process_time()
    fault = registry.load(namespace)
    seconds = time.process_time() - started
    if fault is not None:
        yield fault
    heavy = [name for name in HEAVY if name in sys.modules]
    owner = f"{info.distribution} {info.version}"
    if heavy:
        found, expected = f"{owner} imports {heavy[0]} when it is declared", f"declarations that import no {heavy[0]}"
        yield _warning("CN217", found, expected, f"import {heavy[0]}  # inside build, open and apply alone")
    elif seconds > _SLOW:
        found = f"{owner} takes {seconds:.1f} seconds of CPU time to import"
        yield _warning("CN217", found, "a few hundredths of a second", "# import inside build what takes so long")
    if threading.active_count() > threads:
        found, expected = f"{owner} starts a thread when it is imported", "an import that does nothing but declare"
        yield _warning("CN217", found, expected, "# start it inside build")


def _warning(code: str, found: str, expected: str, fix: str) -> Diagnostic:
    return Diagnostic(code, (), found, expected, fix, severity=Severity.WARNING)


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        faults = [written(fault) for fault in examine(sys.argv[1])]
    sys.stdout.write("\n" + json.dumps(faults))
    sys.stdout.flush()
    os._exit(0)  # what a plugin left to be done at the end would print below, or wait for its threads
