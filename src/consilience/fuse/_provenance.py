"""What a model was made from: every plugin, resource and data file with version and hash."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from consilience.host import STANDARD, Offer
from consilience.plan import Plan

__all__ = ["fingerprints", "provenance"]


def provenance(plan: Plan) -> dict[str, Any]:
    """Gives the plugins, resources and sources of a plan with their versions and hashes, as JSON holds them."""
    return {
        "plugins": {name: _plugin(plan, name) for name in (STANDARD, *plan.namespaces)},
        **fingerprints(plan),
    }


def fingerprints(plan: Plan) -> dict[str, dict[str, dict[str, str]]]:
    """Gives the SHA-256 of each file of each resource and source, by its path."""
    return {
        "resources": {name: _hashes(item.files()) for name, item in plan.resources.items()},
        "sources": {name: _hashes(item.files()) for name, item in plan.sources.items()},
    }


def _hashes(paths: Iterable[Path]) -> dict[str, str]:
    return {str(path): _hash(path) for path in sorted(paths) if path.is_file()}


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _plugin(plan: Plan, namespace: str) -> dict[str, str]:
    info = plan.registry.installed(namespace)
    offer = next((offer for offer in plan.registry.components() if offer.namespace == namespace), None)
    code = _code_hash(offer) if offer else ""  # a plugin of label spaces alone
    return {"distribution": info.distribution, "version": info.version, "sha256": code}


def _code_hash(offer: Offer) -> str:
    """Hashes the plugin's Python files by their names and bytes: an editable install has no hashes of its own."""
    package = sys.modules[offer.component.__module__.partition(".")[0]]
    file = getattr(package, "__file__", None)
    if file is None:  # a plugin of a script or a notebook
        return ""
    folder = Path(file).parent
    paths = sorted(folder.rglob("*.py")) if hasattr(package, "__path__") else [Path(file)]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
