"""The record of a run: every distribution, resource and data file with version and hash, seeds, machine, times."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import torch

from consilience.host import STANDARD
from consilience.plan import Plan

__all__ = ["describe_device", "fingerprint", "record_of"]

_LIBRARIES = (
    "torch",
    "transformers",
    "datasets",
    "accelerate",
    "peft",
    "torchmetrics",
    "safetensors",
    "networkx",
    "pydantic",
)


def record_of(plan: Plan, device: torch.device) -> dict[str, Any]:
    """Gives what a run depends on, as JSON holds it."""
    return {
        "name": plan.fusion.name,
        "base": str(plan.fusion.base),
        "seed": plan.fusion.train.seed,
        "device": describe_device(device),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "plugins": {name: _plugin(plan, name) for name in (STANDARD, *plan.namespaces)},
        "resources": {name: _files(item.files()) for name, item in plan.resources.items()},
        "sources": {name: _files(item.files()) for name, item in plan.sources.items()},
    }


def describe_device(device: torch.device) -> str:
    """Names a device the way a person would: `cpu (2 threads)`, `cuda:0 (NVIDIA H200)`."""
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads)"
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def fingerprint(path: Path) -> str:
    """Gives the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _files(paths: Iterable[Path]) -> dict[str, str]:
    return {path.name: fingerprint(path) for path in sorted(paths) if path.is_file()}


def _plugin(plan: Plan, namespace: str) -> dict[str, str]:
    name = next((offer.distribution for offer in plan.registry.components() if offer.namespace == namespace), "")
    try:
        installed = distribution(name)
    except (PackageNotFoundError, ValueError):
        return {"distribution": name, "version": "", "sha256": ""}
    return {"distribution": name, "version": installed.version, "sha256": _code_hash(namespace, plan)}


def _code_hash(namespace: str, plan: Plan) -> str:
    """Hashes the plugin's Python files by their names and bytes: an editable install has no hashes of its own."""
    import sys

    offer = next(offer for offer in plan.registry.components() if offer.namespace == namespace)
    package = sys.modules[offer.component.__module__.partition(".")[0] if namespace != STANDARD else "consilience"]
    folder = Path(str(package.__file__)).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
