"""Dims as variables: a union-find whose classes know size, labels and identity, and the reason for each."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from consilience.declare import LabelSpace

__all__ = ["Conflict", "DimClass", "DimVariables", "Fact", "Varying"]

Variable = Hashable


@dataclass(frozen=True)
class Varying:
    """The size of an axis that varies from batch to batch: two axes may be of one length by chance, and are not one."""

    axis: str

    def __str__(self) -> str:
        return "a varying size"


@dataclass(frozen=True)
class Fact:
    """A size, a label space or an identity, and where it comes from; a text is the name of what the dim counts."""

    value: int | LabelSpace | str | Varying
    reason: str

    def __str__(self) -> str:
        return f"{self.value} {self.reason}"


@dataclass
class DimClass:
    """What is known of a set of dims that are one."""

    size: Fact | None = None
    space: Fact | None = None
    identity: Fact | None = None

    @property
    def varies(self) -> bool:
        """Whether the size varies from batch to batch."""
        return self.size is not None and isinstance(self.size.value, Varying)

    @property
    def static(self) -> int | None:
        """The size known before any batch is seen, or None."""
        return self.size.value if self.size is not None and isinstance(self.size.value, int) else None


class Conflict(Exception):
    """Two facts about one dim that cannot both hold."""

    def __init__(self, found: Fact, expected: Fact) -> None:
        super().__init__(found, expected)
        self.found = found
        self.expected = expected

    @property
    def is_of_labels(self) -> bool:
        """Whether two label spaces of one size differ, and not two sizes."""
        return isinstance(self.found.value, LabelSpace)


class DimVariables:
    """The classes of equal dims."""

    def __init__(self) -> None:
        self._parents: dict[Variable, Variable] = {}
        self._classes: dict[Variable, DimClass] = {}

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._parents)

    def known(self, variable: Variable) -> DimClass:
        """Gives what is known of a dim."""
        return self._classes[self._root(variable)]

    def unite(self, found: Variable, expected: Variable) -> None:
        """Makes two dims one; raises `Conflict`, and leaves them apart, when what is known of them differs."""
        first, second = self._root(found), self._root(expected)
        if first == second:
            return
        one, other = self._classes[first], self._classes[second]
        space = _agree(one.space, other.space)  # of two label spaces, the names tell more than how many they are
        merged = DimClass(_agree(one.size, other.size), space, _agree(one.identity, other.identity))
        self._parents[second] = first
        self._classes[first] = merged
        del self._classes[second]

    def state(self, variable: Variable, fact: Fact) -> bool:
        """States a fact; tells whether that is news; raises `Conflict` when it cannot be."""
        known = self.known(variable)
        if isinstance(fact.value, str):
            news = known.identity is None
            known.identity = _agree(known.identity, fact)
            return news
        if isinstance(fact.value, LabelSpace):
            space = _agree(known.space, fact)
            size = _agree(known.size, Fact(len(fact.value), fact.reason))
            news = known.space is None
            known.space, known.size = space, size
            return news
        news = known.size is None
        known.size = _agree(known.size, fact)
        return news

    def _root(self, variable: Variable) -> Variable:
        if variable not in self._parents:
            self._parents[variable] = variable
            self._classes[variable] = DimClass()
        root = variable
        while self._parents[root] != root:
            root = self._parents[root]
        while self._parents[variable] != root:
            self._parents[variable], variable = root, self._parents[variable]
        return root


def _agree(found: Fact | None, expected: Fact | None) -> Fact | None:
    if found is None or expected is None:
        return found or expected
    first, second = found.value, expected.value
    if isinstance(first, LabelSpace) and isinstance(second, LabelSpace):
        if first.labels != second.labels:
            raise Conflict(found, expected)
    elif first != second:
        raise Conflict(found, expected)
    return found
