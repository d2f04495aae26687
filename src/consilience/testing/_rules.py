"""The rules of quality: what a user may expect of a plugin that says it is bronze, silver, gold or platinum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from consilience.testing import _proofs
from consilience.testing._project import Project

__all__ = ["RULES", "Proof", "Rule", "Tier"]

Proof = Callable[[Project], Iterator[str]]
"""Gives what is wanting, in one line each."""


class Tier(IntEnum):
    """How far a plugin has come; each tier asks for the rules of those below it, too."""

    NONE = 0
    BRONZE = 1
    SILVER = 2
    GOLD = 3
    PLATINUM = 4

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Rule:
    """One rule; a machine proves it, or, where `is_stated`, the author says where it can be seen."""

    name: str
    tier: Tier
    text: str
    proof: Proof | None = None
    is_stated: bool = False


RULES: tuple[Rule, ...] = (
    Rule("readme", Tier.BRONZE, "README.md says what the discipline brings, and how to install it.", _proofs.readme),
    Rule("licence", Tier.BRONZE, "The project names its licence, and ships the text.", _proofs.licence),
    Rule("typed", Tier.BRONZE, "The package ships `py.typed`.", _proofs.typed),
    Rule("bounded", Tier.BRONZE, "It requires Consilience from one version up to another.", _proofs.bounded),
    Rule("conformance", Tier.BRONZE, "Its tests run the conformance kit over its namespace.", _proofs.conformance),
    Rule("documented", Tier.BRONZE, "Every component, and every key of one, is documented.", _proofs.documented),
    Rule("described", Tier.SILVER, "README.md names all components, ports, keys, label spaces.", _proofs.described),
    Rule("example", Tier.SILVER, "A fusion in `examples/` uses it, and passes the check.", _proofs.example),
    Rule("ranges", Tier.SILVER, "Every key that is a number has a bound.", _proofs.ranges),
    Rule("codes", Tier.SILVER, "README.md names every code that it tells.", _proofs.codes),
    Rule("excused", Tier.SILVER, "No test is skipped, or expected to fail, without a reason.", _proofs.excused),
    Rule("promises", Tier.SILVER, "What it deprecates stays for two minor releases, then goes.", _proofs.kept_promises),
    Rule("results", Tier.GOLD, "README.md shows what it gave on real data, with the command.", _proofs.results, True),
    Rule("reference", Tier.GOLD, "A figure of it stands beside a published or a reference one.", None, True),
    Rule("strict", Tier.GOLD, "mypy reads its package strictly.", _proofs.strict),
    Rule("alone", Tier.GOLD, "It is tested with its declared dependencies and no other.", None, True),
    Rule("changelog", Tier.GOLD, "A changelog has a section for its version.", _proofs.changelog),
    Rule("gpu", Tier.PLATINUM, "Its training was measured on a GPU.", None, True),
    Rule("seeds", Tier.PLATINUM, "Its results are of several seeds, beside what chance gives.", None, True),
    Rule("sources", Tier.PLATINUM, "Every method names the paper or the source that it is from.", None, True),
    Rule("compiled", Tier.PLATINUM, "Its modules pass `torch.compile` and `torch.export` whole.", None, True),
)
"""All rules, by tier. A rule keeps its name and its meaning; what is new begins as a rule of the next format."""
