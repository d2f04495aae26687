"""Reads and judges a plugin's `quality.yaml`: what it says of each rule, what a machine finds, and the tier."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from consilience.errors import nearest
from consilience.host import Registry
from consilience.testing._project import Project
from consilience.testing._rules import RULES, Rule, Tier

__all__ = ["Quality", "Standing", "Verdict", "quality"]

_FILE = "quality.yaml"
_FORMAT = 1
_FORMS = "`done`, `todo`, or one of {done: where it can be seen}, {todo: what is wanting}, {exempt: why}"


class Standing(StrEnum):
    """What a plugin says of a rule."""

    DONE = "done"
    EXEMPT = "exempt"
    TODO = "todo"


@dataclass(frozen=True)
class Verdict:
    """What is said of one rule, the reason that is given, and what a machine finds wanting."""

    rule: Rule
    standing: Standing
    reason: str = ""
    wanting: tuple[str, ...] = ()

    @property
    def is_met(self) -> bool:
        """Whether the rule is kept, or does not apply."""
        return self.standing is Standing.EXEMPT or (self.standing is Standing.DONE and not self.wanting)


@dataclass(frozen=True)
class Quality:
    """What a plugin says of itself, and what of it is so."""

    path: Path
    claimed: Tier
    verdicts: tuple[Verdict, ...]
    misread: tuple[str, ...] = ()
    """What in the file is none of its form."""

    @property
    def tier(self) -> Tier:
        """The highest tier whose rules, and those of the tiers below, are all met."""
        unmet = [verdict.rule.tier for verdict in self.verdicts if not verdict.is_met]
        return Tier(min(unmet, default=Tier.PLATINUM + 1) - 1)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is not as the file says, one line each; none is as it should be."""
        found = [*self.misread]
        for verdict in self.verdicts:
            if verdict.standing is Standing.DONE:
                found += [f"{verdict.rule.name}: {text}" for text in verdict.wanting]
        if self.tier is not self.claimed:
            found.append(f"tier: {self.claimed} is said, and {self.tier} is reached")
        return tuple(found)

    def to_text(self) -> str:
        """Writes a line a rule, by tier."""
        lines = [f"{self.path.name}: {self.tier}"]
        for verdict in self.verdicts:
            mark = "+" if verdict.is_met else "-"
            reason = verdict.reason or "; ".join(verdict.wanting)
            lines.append(
                f"  {mark} {verdict.rule.tier!s:<9}{verdict.rule.name:<13}{verdict.standing:<7}{reason}".rstrip()
            )
        return "\n".join(lines)


def quality(path: str | os.PathLike[str], registry: Registry | None = None) -> Quality:
    """Judges the plugin whose project lies at a path: reads its `quality.yaml`, and proves what a machine can.

    The plugin is to be installed: its components are looked at. `registry` is that of the plugins, where it is not a
    fresh one. Raises FileNotFoundError without `quality.yaml` or `pyproject.toml`.

    Example:
        >>> found = quality("plugins/psychology")  # doctest: +SKIP
        >>> assert not found.problems, found.to_text()  # doctest: +SKIP
    """
    folder = Path(path)
    misread: list[str] = []
    written = _read(folder / _FILE, misread)
    project = Project(folder, registry or Registry())
    rules = written.get("rules", {})
    said = dict(_said(rules if isinstance(rules, Mapping) else {}, misread))
    verdicts = tuple(_verdict(rule, *said.get(rule.name, (Standing.TODO, "")), project) for rule in RULES)
    return Quality(folder, _claimed(written, misread), verdicts, tuple(misread))


def _read(file: Path, misread: list[str]) -> Mapping[str, Any]:
    try:
        written = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        misread.append(f"{file.name} cannot be read: {' '.join(str(error).split())}")
        return {}
    if not isinstance(written, Mapping) or written.get("quality") != _FORMAT:
        misread.append(f"quality: write `quality: {_FORMAT}`, the format of this file")
    return written if isinstance(written, Mapping) else {}


def _claimed(written: Mapping[str, Any], misread: list[str]) -> Tier:
    names = {str(tier): tier for tier in Tier}
    claimed = written.get("tier")
    if claimed not in names:
        misread.append(f"tier: {claimed}, where one of {', '.join(names)} is to stand")
    return names.get(str(claimed), Tier.NONE)


def _said(rules: Mapping[Any, Any], misread: list[str]) -> Iterator[tuple[str, tuple[Standing, str]]]:
    """Gives what is said of each rule, and its reason; notes what is not of the form."""
    known = {rule.name: rule for rule in RULES}
    for name, given in rules.items():
        if name not in known:
            near = nearest(str(name), known)
            misread.append(f"{name}: no such rule{f'; {near} is one' if near else ''}")
            continue
        pairs = list(given.items()) if isinstance(given, Mapping) else [(given, "")]
        word, reason = pairs[0] if len(pairs) == 1 else ("", "")
        if word not in list(Standing) or not isinstance(reason, str):
            misread.append(f"{name}: write {_FORMS}")
        elif not reason.strip() and (word == Standing.EXEMPT or (word == Standing.DONE and known[name].is_stated)):
            misread.append(f"{name}: {word} needs a reason; write {{{word}: ...}}")
        else:
            yield name, (Standing(word), reason.strip())
    misread += [f"{name}: nothing is said of it; write {_FORMS}" for name in known if name not in rules]


def _verdict(rule: Rule, standing: Standing, reason: str, project: Project) -> Verdict:
    if rule.proof is None or standing is Standing.EXEMPT:
        return Verdict(rule, standing, reason)
    return Verdict(rule, standing, reason, tuple(rule.proof(project)))
