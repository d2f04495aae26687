"""What an author tells the suite in keywords: each is of something that is there, and of the right form."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from typing import Any

from consilience.errors import nearest

__all__ = ["Expected", "examples_of", "expected_of", "require_keys", "require_known", "require_sizes"]

Expected = dict[tuple[str, str], str]
"""The reason by component (empty for the plugin as a whole) and check."""


def expected_of(given: Mapping[str, Any], cases: Set[tuple[str, str]]) -> Expected:
    """Reads `{component: {check: reason}}`, or `{check: reason}` for checks of the plugin as a whole.

    Raises ValueError for a component or check that the run does not have, and for a reason that says nothing.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"expected_failures is {given!r}: write {{component: {{check: reason}}}}")
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
    """Raises ValueError where a keyword is no mapping by component, or speaks of one that the plugin does not offer."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{keyword} is {given!r}: write a mapping by component")
    for name in given:
        if name not in known:
            raise ValueError(_unknown(keyword, "component", name, known))


def examples_of(given: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Reads the examples of each component: a list of settings, and of functions that make some, or one mapping."""
    found = {}
    for name, below in given.items():
        listed = [below] if isinstance(below, Mapping) else below
        if not isinstance(listed, list | tuple) or not all(isinstance(one, Mapping) or callable(one) for one in listed):
            raise ValueError(f"examples of {name} is {below!r}: write a list of mappings, or of functions of a folder")
        found[name] = list(listed)
    return found


def require_sizes(component: str, given: Any, dims: Collection[str]) -> None:
    """Raises ValueError for a dim that no port of a component has, and for a size that none can have."""
    if not isinstance(given, Mapping):
        raise ValueError(f"sizes of {component} is {given!r}: write {{dim: size}}")
    for dim, size in given.items():
        if dim not in dims:
            raise ValueError(_unknown(f"sizes of {component}", "dim of its ports", dim, dims))
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValueError(f"sizes of {component}: {dim} is {size!r}: write a whole number of at least 1")


def require_keys(component: str, given: Any, keys: Collection[str]) -> None:
    """Raises ValueError for a key of a component that names no node, and for one that is given no component's name."""
    if not isinstance(given, Mapping):
        raise ValueError(f"build_with of {component} is {given!r}: write {{key: component}}")
    for key, chosen in given.items():
        if key not in keys:
            raise ValueError(_unknown(f"build_with of {component}", "key that names a node", key, keys))
        if not isinstance(chosen, str):
            raise ValueError(f"build_with of {component}: {key} is {chosen!r}: write the name of a component")


def _unknown(keyword: str, what: str, name: str, known: Collection[str]) -> str:
    near = nearest(str(name), sorted(known))
    choice = f"it is one of {', '.join(sorted(known))}" if known else "there is none"
    return f"{keyword}: {name} is no {what}; " + (f"did you mean {near}?" if near else choice)
