"""A fresh process that imports one plugin, and tells what that did: run as `python -m consilience.testing._fresh`."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["HEAVY", "Imported", "import_fresh"]

HEAVY = frozenset(
    {
        *("accelerate", "datasets", "jax", "matplotlib", "numpy", "pandas", "peft", "pyarrow", "scipy", "sklearn"),
        *("tensorflow", "torch", "torchmetrics", "transformers"),
    }
)
"""What takes long to import: it belongs into what is built, not into what is declared."""

_EVENTS = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.bind",
    "subprocess.Popen",
    "os.system",
)
_MARK = "consilience fresh: "
_PLENTY = 300.0
"""How many seconds the import may take, and the end of the process."""


@dataclass(frozen=True)
class Imported:
    """What the import of a plugin did."""

    heavy: list[str]
    events: list[str]
    threads: int
    random: bool
    environment: list[str]
    core: float
    """How many seconds the import of the core took."""
    own: float
    """How many seconds the plugin's took, with its hooks."""
    error: str


def import_fresh(namespace: str, module: str = "") -> Imported:
    """Imports a plugin in a fresh process: the installed one of a namespace, or a module by its name."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", __name__, namespace, module]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=_PLENTY)
    except subprocess.TimeoutExpired:
        return _failed(f"the process does not end in {_PLENTY:g} s")
    told = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if not told:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return _failed(f"the process ends with {done.returncode}: {last}")
    return Imported(**json.loads(told[0].removeprefix(_MARK)))


def _failed(error: str) -> Imported:
    return Imported([], [], 0, False, [], 0.0, 0.0, error)


def _main(namespace: str, module: str) -> None:
    start = time.perf_counter()
    from consilience.host import Registry

    registry = Registry()
    core = time.perf_counter() - start
    events: list[str] = []

    def hear(event: str, arguments: Any) -> None:
        if event in _EVENTS:
            events.append(event)
            raise PermissionError(f"{event} while a plugin is imported")

    before = set(sys.modules)
    state, threads, variables = random.getstate(), threading.active_count(), dict(os.environ)
    sys.addaudithook(hear)
    start, error = time.perf_counter(), ""
    try:
        if module:
            registry.register(import_module(module), namespace)
        else:
            fault = registry.load(namespace)
            error = str(fault) if fault else ""
    except BaseException as raised:
        error = f"{type(raised).__name__}: {raised}"
    own = time.perf_counter() - start
    heavy = sorted({name.partition(".")[0] for name in set(sys.modules) - before} & HEAVY)
    changed = [name for name in variables.keys() | os.environ.keys() if variables.get(name) != os.environ.get(name)]
    found = {
        "heavy": heavy,
        "events": events,
        "threads": threading.active_count() - threads,
        "random": random.getstate() != state,
        "environment": sorted(changed),
        "core": core,
        "own": own,
        "error": error,
    }
    print(f"\n{_MARK}{json.dumps(found)}")  # noqa: T201 - the answer, on a line of its own whatever stands before


if __name__ == "__main__":
    _main(*sys.argv[1:])
