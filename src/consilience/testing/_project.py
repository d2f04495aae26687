"""The source tree of a plugin: its project file, its README, its package, its tests, and what it offers."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from consilience.host import Offer, Registry

__all__ = ["GROUP", "Project"]

GROUP = "consilience.plugins"
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Project:
    """The folder that holds a plugin's `pyproject.toml`; `registry` is where it is installed."""

    path: Path
    registry: Registry

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What `pyproject.toml` says; raises FileNotFoundError without one."""
        return tomllib.loads((self.path / "pyproject.toml").read_text(encoding="utf-8"))

    @property
    def project(self) -> Mapping[str, Any]:
        """Its table `project`."""
        table: Mapping[str, Any] = self.settings.get("project", {})
        return table

    @property
    def distribution(self) -> str:
        """The name of the distribution."""
        return str(self.project.get("name", ""))

    @cached_property
    def version(self) -> str:
        """The version that the project file states, or that is installed; empty where nobody knows."""
        if "version" in self.project:
            return str(self.project["version"])
        try:
            return version(self.distribution)
        except (PackageNotFoundError, ValueError):
            return ""

    @property
    def namespaces(self) -> list[str]:
        """The namespaces that its entry points claim."""
        return list(self.project.get("entry-points", {}).get(GROUP, {}))

    @cached_property
    def packages(self) -> list[Path]:
        """The folders of the packages that its entry points name, as far as they are there."""
        points: Mapping[str, str] = self.project.get("entry-points", {}).get(GROUP, {})
        names = {value.partition(":")[0].partition(".")[0] for value in points.values()}
        places = [root / name for name in sorted(names) for root in (self.path / "src", self.path)]
        return [place for place in places if (place / "__init__.py").is_file()]

    @cached_property
    def readme(self) -> str:
        """The text of the README, empty without one."""
        file = self.path / "README.md"
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    @cached_property
    def prose(self) -> str:
        """The README without what stands between fences."""
        return _FENCED.sub("", self.readme)

    @cached_property
    def code_words(self) -> frozenset[str]:
        """The names that stand as code in the README, dotted names whole and in their parts."""
        code = " ".join([*_FENCED.findall(self.readme), *_SPAN.findall(self.prose)])
        names = set(_NAME.findall(code))
        return frozenset(names | {part for name in names for part in name.split(".")})

    def sources(self) -> Iterator[Path]:
        """Gives the Python files of its packages."""
        for package in self.packages:
            yield from sorted(package.rglob("*.py"))

    def tests(self) -> Iterator[Path]:
        """Gives the Python files of its tests."""
        yield from sorted((self.path / "tests").rglob("*.py"))

    def examples(self) -> list[Path]:
        """Lists the fusion files below `examples`."""
        return sorted((self.path / "examples").rglob("*.yaml"))

    @cached_property
    def faults(self) -> list[str]:
        """Tells why what it offers cannot be looked at: it is not installed, or fails to load."""
        if not self.namespaces:
            return [f"pyproject.toml has no entry point in the group {GROUP}"]
        found = [self.registry.load(namespace) for namespace in self.namespaces]
        return [f"{fault.found}; {fault.fix}" for fault in found if fault is not None]

    @cached_property
    def offers(self) -> list[Offer]:
        """Lists the components that it offers; none where it cannot be loaded."""
        if self.faults:
            return []
        return [offer for offer in self.registry.components() if offer.namespace in self.namespaces]

    @cached_property
    def label_spaces(self) -> list[str]:
        """Lists the full names of the label spaces that it offers."""
        names = [] if self.faults else self.registry.label_spaces()
        return [name for name in names if name.partition(".")[0] in self.namespaces]
