"""The installed distributions that a process uses, each with its version and the hash of its list of files."""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions

__all__ = ["distributions"]


def distributions() -> dict[str, dict[str, str]]:
    """Gives every distribution of whose modules one is imported, by name.

    `sha256` is that of its RECORD, which lists each of its files with its own hash; empty where it keeps none.
    """
    imported = {name.partition(".")[0] for name in list(sys.modules)}
    owners = {owner for package, names in packages_distributions().items() if package in imported for owner in names}
    found = {}
    for name in sorted(owners, key=str.lower):
        try:
            one = distribution(name)
        except PackageNotFoundError:  # removed since the scan
            continue
        found[name] = {"version": one.version, "sha256": _hash(one)}
    return found


def _hash(one: Distribution) -> str:
    """Hashes the lines of files alone: compiled ones and the installer's notes differ for one and the same wheel."""
    text = one.read_text("RECORD")
    if not text:
        return ""
    lines = sorted(line for line in text.splitlines() if line and ".pyc," not in line and ".dist-info/" not in line)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
