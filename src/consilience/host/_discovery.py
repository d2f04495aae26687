"""Finds installed plugins: who claims which namespace, and whether they fit this Consilience."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from functools import cache, cached_property
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any

from consilience.host._requirement import own_requirement, unmet_others, unmet_requirement

__all__ = ["GROUP", "HEAVY", "PLUGIN_ERRORS", "STANDARD", "Claim", "claims", "consilience_version"]

GROUP = "consilience.plugins"
"""The group of entry points by which plugins are found."""
STANDARD = "standard"
"""The namespace of the built-in components, whose names need no prefix."""

PLUGIN_ERRORS = (Exception, SystemExit)
"""What a plugin's code may raise: some call sys.exit()."""

UNKNOWN = "an unknown distribution"

HEAVY = (
    *("torch", "transformers", "tensorflow", "jax", "accelerate", "datasets", "peft", "torchmetrics"),
    *("matplotlib", "pandas", "pyarrow", "scipy", "sklearn", "numpy"),
)
"""What takes long to import: it belongs into what is built, not into what is declared."""


@cache
def consilience_version() -> str:
    """Gives the version of the installed Consilience."""
    try:
        return version("consilience")
    except PackageNotFoundError:
        return "0"


@dataclass(frozen=True)
class Claim:
    """One distribution's claim to a namespace: its entry point."""

    entry_point: EntryPoint

    @property
    def namespace(self) -> str:
        """The entry point's name."""
        return self.entry_point.name

    @cached_property
    def distribution(self) -> str:
        """The name of the distribution that claims it."""
        return str(self._metadata.get("Name", "") or UNKNOWN)

    @cached_property
    def version(self) -> str:
        """The version of that distribution."""
        return str(self._metadata.get("Version", ""))

    @cached_property
    def _metadata(self) -> Any:
        """The distribution's metadata, which each look at a distribution would parse anew."""
        try:
            return self.entry_point.dist.metadata  # type: ignore[union-attr]
        except Exception:  # a damaged METADATA file raises what it will
            return Message()

    @property
    def made_for(self) -> str:
        """The versions of Consilience that the distribution requires; empty for any."""
        return own_requirement(self._metadata.get_all("Requires-Dist", ()))

    def unmet_others(self) -> dict[str, str]:
        """Gives the requirements on other packages that are not met, each with what is there instead."""
        return unmet_others(self._metadata.get_all("Requires-Dist", ()))

    def unmet_requirement(self) -> str | None:
        """Gives the distribution's requirement on Consilience when this one does not meet it."""
        return unmet_requirement(self._metadata.get_all("Requires-Dist", ()), consilience_version())


def claims(found: Iterable[EntryPoint] | None = None) -> dict[str, list[Claim]]:
    """Lists the claims to each namespace, without importing any of them."""
    by_namespace: dict[str, list[Claim]] = defaultdict(list)
    for entry_point in entry_points(group=GROUP) if found is None else found:
        by_namespace[entry_point.name].append(Claim(entry_point))
    return dict(by_namespace)
