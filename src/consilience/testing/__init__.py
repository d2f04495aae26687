"""Tells a plugin's author how their plugin stands: its tier of quality, and what is wanting."""

from consilience.testing._promises import Promise, promises
from consilience.testing._quality import Quality, Status, Verdict, quality
from consilience.testing._rules import RULES, Rule, Tier

__all__ = ["RULES", "Promise", "Quality", "Rule", "Status", "Tier", "Verdict", "promises", "quality"]
