"""Reads what a plugin requires: of Consilience, and of the packages beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

__all__ = ["own_requirement", "unmet_others", "unmet_requirement"]

_OWN_REQUIREMENT = re.compile(r"(?i:consilience)\s*(?:\[[^]]*\])?(?P<versions>[\s(<>=!~][^;]*|)(?:;(?P<marker>.*))?")
_BOUND = re.compile(r"\s*(>=|<)\s*(\d+(?:\.\d+)*)\s*")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")


def unmet_requirement(requires: Iterable[str], version: str) -> str | None:
    """Gives the requirement on Consilience, among a distribution's own, that a version does not meet."""
    for text in requires:
        match = _OWN_REQUIREMENT.fullmatch(text)
        if match is None:
            continue
        wanted = match["versions"].strip("() ")
        # What packaging cannot read, or cannot compare, requires nothing: InvalidSpecifier, InvalidMarker,
        # UndefinedComparison and numbers of 5,000 digits are ValueErrors, UndefinedEnvironmentName is a KeyError.
        with suppress(ValueError, LookupError, RecursionError):
            if _applies(match["marker"]) and not (_is_within(wanted, version) or _contains(wanted, version)):
                return _written(wanted)
    return None


def own_requirement(requires: Iterable[str]) -> str:
    """Gives the versions of Consilience that a distribution says it is made for: `>=0.1,<0.2`; empty for any."""
    found = (match["versions"].strip("() ") for text in requires if (match := _OWN_REQUIREMENT.fullmatch(text)))
    return next(found, "")


def unmet_others(requires: Iterable[str]) -> dict[str, str]:
    """Gives the requirements on other packages that are not met here, each with what is installed instead."""
    from packaging.requirements import InvalidRequirement, Requirement

    unmet = {}
    for text in requires:
        with suppress(InvalidRequirement, ValueError, LookupError, RecursionError):
            wanted = Requirement(text)
            if _OWN_REQUIREMENT.fullmatch(text) or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
                continue
            shown = f"{wanted.name}{wanted.specifier}"
            try:
                here = version(wanted.name)
            except PackageNotFoundError:
                unmet[shown] = "which is not installed"
                continue
            if not wanted.specifier.contains(here, prereleases=True):
                unmet[shown] = f"and {here} is installed"
    return unmet


def _is_within(wanted: str, version: str) -> bool:
    """Tells whether plain bounds such as `>=0.1,<0.2` hold a plain release.

    They are what nearly every plugin requires, and packaging takes longer to import than all the rest of the host.
    """
    bounds = [_BOUND.fullmatch(part) for part in wanted.split(",")] if wanted else []
    if not (_RELEASE.fullmatch(version) and all(bounds)):
        return False
    here = _numbers(version)
    return all(
        here >= _numbers(bound[2]) if bound[1] == ">=" else here < _numbers(bound[2]) for bound in bounds if bound
    )


def _numbers(release: str) -> tuple[int, ...]:
    numbers = [int(part) for part in release.split(".")]
    while numbers and numbers[-1] == 0:  # 1.0 is 1
        numbers.pop()
    return tuple(numbers)


def _contains(wanted: str, version: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(wanted).contains(version, prereleases=True)


def _written(wanted: str) -> str:
    from packaging.specifiers import SpecifierSet

    return f"consilience{SpecifierSet(wanted)}"


def _applies(marker: str | None) -> bool:
    if marker is None:
        return True
    from packaging.markers import Marker

    return Marker(marker).evaluate({"extra": ""})
