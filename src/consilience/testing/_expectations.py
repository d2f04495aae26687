"""Expected failures: what an author says that a component cannot do, each with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from consilience.errors import nearest

__all__ = ["Expected", "expected_of", "require_known"]

Expected = dict[tuple[str, str], str]
"""The reason by component (empty for the plugin as a whole) and check."""


def expected_of(given: Mapping[str, Any], cases: Set[tuple[str, str]]) -> Expected:
    """Reads `{component: {check: reason}}`, or `{check: reason}` for checks of the plugin as a whole.

    Raises ValueError for a component or check that the run does not have, and for a reason that says nothing.
    """
    found: Expected = {}
    for name, below in given.items():
        pairs = {name: below} if isinstance(below, str) else below
        component = "" if isinstance(below, str) else name
        if not isinstance(pairs, Mapping) or not pairs:
            raise ValueError(f'expected_failures["{name}"] is {below!r}: write {{check: reason}}')
        components = {one for one, _ in cases if one}
        if component and component not in components:
            raise ValueError(_unknown("expected_failures", "component", component, components))
        for check, reason in pairs.items():
            known = {one for owner, one in cases if owner == component}
            if check not in known:
                raise ValueError(_unknown("expected_failures", f"check of {component or 'the plugin'}", check, known))
            if not isinstance(reason, str) or not reason.strip():
                raise ValueError(f"expected_failures of {component} {check}: write why it cannot pass")
            found[component, check] = reason.strip()
    return found


def require_known(keyword: str, given: Mapping[str, Any], known: Set[str]) -> None:
    """Raises ValueError where a keyword of the suite speaks of a component that the plugin does not offer."""
    for name in given:
        if name not in known:
            raise ValueError(_unknown(keyword, "component", name, known))


def _unknown(keyword: str, what: str, name: str, known: Set[str]) -> str:
    near = nearest(name, sorted(known))
    return f"{keyword}: {name} is no {what}; " + (
        f"did you mean {near}?" if near else f"it is one of {', '.join(sorted(known))}"
    )
