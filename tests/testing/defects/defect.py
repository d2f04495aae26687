"""A defect: a bad component, the check that is meant to catch it, and the others that may well fail too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consilience.declare import Component, hookimpl


@dataclass(frozen=True)
class Defect:
    """One broken promise."""

    says: str
    """What is wrong, as a line of the page's table."""
    component: type[Component]
    caught_by: str
    also: tuple[str, ...] = ()
    """The checks that it breaks as well, since it does what they look at too."""


class Offers:
    """A plugin of some components."""

    def __init__(self, *components: type[Component]) -> None:
        self.components = components

    @hookimpl
    def consilience_components(self) -> list[Any]:
        return list(self.components)
