"""Examines plugins, each in a process of its own: one that ends the process, hangs or prints hurts no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from consilience.errors import Diagnostic, Severity, nearest
from consilience.host import DISABLE, PluginInfo, Registry, disabled_names

__all__ = ["Examined", "examined", "of_the_environment", "written"]

_LONGEST = 60
"""Seconds after which a plugin that does not come back is given up."""


@dataclass(frozen=True)
class Examined:
    """What became of one plugin."""

    info: PluginInfo
    faults: tuple[Diagnostic, ...]

    @property
    def verdict(self) -> str:
        """What it is, in a word."""
        if self.info.is_disabled:
            return "off"
        codes = ", ".join(dict.fromkeys(fault.code for fault in self.faults))
        return codes or "well"

    def to_dict(self) -> dict[str, Any]:
        """Gives it for machines."""
        return {
            "namespace": self.info.namespace,
            "distribution": self.info.distribution,
            "version": self.info.version,
            "is_disabled": self.info.is_disabled,
            "diagnostics": [written(fault) for fault in self.faults],
        }


def examined(registry: Registry) -> list[Examined]:
    """Examines every installed plugin, some at a time."""
    from tqdm import tqdm

    found = [registry.installed(namespace) for namespace in registry.namespaces()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(_examine, found)
        return list(tqdm(results, total=len(found), unit="plugin", disable=None, leave=False, delay=1))


def of_the_environment(registry: Registry) -> Iterator[Diagnostic]:
    """Tells of names that are turned off and are no plugin's."""
    known = registry.namespaces()
    names = disabled_names()
    for name in sorted(names - {*known, "*"}):
        near = nearest(name, known)
        meant = sorted(names - {name} | ({near} if near else set()))
        fix = f"export {DISABLE}={','.join(meant)}" if meant else f"unset {DISABLE}"
        found, expected = f"{name} in {DISABLE}, which is no plugin", f"one of {', '.join(known)}"
        yield Diagnostic("CN216", ("environment", DISABLE), found, expected, fix, severity=Severity.WARNING)


def _examine(info: PluginInfo) -> Examined:
    if info.is_disabled:
        return Examined(info, ())
    command = [sys.executable, "-m", "consilience.cli._examining", info.namespace]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_LONGEST, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return Examined(info, (_lost(info, f"does not come back within {_LONGEST} seconds"),))
    try:
        faults = json.loads(done.stdout.decode("utf-8", "replace").rpartition("\n")[2])
        return Examined(info, tuple(_read(fault) for fault in faults))
    except (ValueError, TypeError, KeyError):
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it says nothing"]
        return Examined(info, (_lost(info, f"ends the process with exit code {done.returncode}: {last[0]}"),))


def _lost(info: PluginInfo, what: str) -> Diagnostic:
    found = f"{info.distribution} {info.version} {what}, when it is imported"
    fix = f"pip install --upgrade {info.distribution}  # or mend that, if the plugin is yours"
    return Diagnostic("CN204", (), found, f"the plugin {info.namespace} to import", fix)


def written(fault: Diagnostic) -> dict[str, str]:
    """Gives a diagnostic of a plugin for machines."""
    told = {part: getattr(fault, part) for part in ("code", "found", "expected", "fix")}
    return told | {"severity": str(fault.severity)}


def _read(fault: dict[str, str]) -> Diagnostic:
    found, expected, fix = fault["found"], fault["expected"], fault["fix"]
    return Diagnostic(fault["code"], (), found, expected, fix, severity=Severity(fault["severity"]))
