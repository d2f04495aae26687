"""Dims as variables: a union-find whose classes know size, labels and identity, and every reason for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from consilience.declare import LabelSpace

__all__ = ["LARGEST", "Conflict", "DimClass", "DimVariables", "Fact", "Varying"]

LARGEST = 2**40
"""The largest size that a sum or product may come to: no tensor has as many numbers along one axis."""
_MOST_PRODUCTS, _MOST_FACTORS = 64, 16

Variable = Hashable


@dataclass(frozen=True)
class Varying:
    """A size that varies from batch to batch: the sizes that it comes from, in a sum of products, `2*tokens.seq+1`.

    Two of them are one size in every batch exactly where they are equal.
    """

    terms: tuple[tuple[tuple[str, ...], int], ...]
    """The products of origins with how often each is added, sorted."""

    @classmethod
    def of(cls, origin: str) -> Varying:
        """Gives the size of one origin: an input's dim, such as `tokens.seq`, or the rows of the batch."""
        return cls((((origin,), 1),))

    @classmethod
    def _summed(cls, products: Iterable[tuple[tuple[str, ...], int]]) -> Varying:
        total: Counter[tuple[str, ...]] = Counter()
        for origins, count in products:
            total[origins] += count
            if len(total) > _MOST_PRODUCTS or len(origins) > _MOST_FACTORS or total[origins] > LARGEST:
                raise OverflowError("a sum of more than can be told")
        return cls(tuple(sorted(total.items())))

    def __add__(self, other: Varying | int) -> Varying:
        return self._summed((*self.terms, *_terms(other)))

    def __mul__(self, other: Varying | int) -> Varying:
        return self._summed(
            (tuple(sorted((*mine, *theirs))), count * times)
            for mine, count in self.terms
            for theirs, times in _terms(other)
        )

    __radd__, __rmul__ = __add__, __mul__

    def __str__(self) -> str:
        products = ("*".join([str(count)] * (count > 1 or not origins) + [*origins]) for origins, count in self.terms)
        return "+".join(reversed(list(products)))


def _terms(size: Varying | int) -> tuple[tuple[tuple[str, ...], int], ...]:
    return size.terms if isinstance(size, Varying) else (((), size),) if size else ()


@dataclass(frozen=True)
class Fact:
    """A size, a label space or an identity, where it comes from, and the node that says so.

    A text as the value is the name of what the dim counts.
    """

    value: int | LabelSpace | Varying | str
    reason: str
    node: str = ""

    def __str__(self) -> str:
        return f"{self.value}, {self.reason}" if isinstance(self.value, Varying) else f"{self.value} {self.reason}"


@dataclass
class DimClass:
    """What is known of a set of dims that are one, and all that was said of them."""

    size: Fact | None = None
    space: Fact | None = None
    identity: Fact | None = None
    fixed: Fact | None = None
    """Who needs the size before any batch is seen."""
    facts: list[Fact] = field(default_factory=list)
    count: int = 1
    """How many dims they are."""

    @property
    def varies(self) -> bool:
        """Whether the size varies from batch to batch."""
        return self.size is not None and isinstance(self.size.value, Varying)

    @property
    def static(self) -> int | None:
        """The size known before any batch is seen, or None."""
        return self.size.value if self.size is not None and isinstance(self.size.value, int) else None

    def agreed(self, other: DimClass) -> tuple[Fact | None, Fact | None, Fact | None, Fact | None]:
        """Gives space, size, identity and need of both together; raises `Conflict` when they differ."""
        space = _agree(self.space, other.space)  # of two label spaces, the names tell more than how many they are
        size, fixed = _agree(self.size, other.size), self.fixed or other.fixed
        if size is not None and fixed is not None and isinstance(size.value, Varying):
            is_first = self.size is not None
            raise Conflict(size, fixed) if is_first else Conflict(fixed, size)
        return space, size, _agree(self.identity, other.identity), fixed


class Conflict(Exception):
    """Two facts about one dim that cannot both hold."""

    def __init__(self, found: Fact, expected: Fact) -> None:
        super().__init__(found, expected)
        self.found = found
        self.expected = expected

    @property
    def spaces(self) -> tuple[LabelSpace, LabelSpace] | None:
        """The two label spaces, where labels differ and not sizes."""
        found, expected = self.found.value, self.expected.value
        both = isinstance(found, LabelSpace) and isinstance(expected, LabelSpace)
        return (found, expected) if both else None  # type: ignore[return-value]


class DimVariables:
    """The classes of equal dims.

    Whatever the order in which dims are made one and facts are stated, the classes are the same, and if any order ends
    in a conflict, every order does.
    """

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
        known = one.agreed(other)
        # The smaller joins the larger, so that each dim and each fact moves a few times only, however many there are.
        if one.count < other.count:
            first, second, one, other = second, first, other, one
        one.space, one.size, one.identity, one.fixed = known
        one.facts += other.facts
        one.count += other.count
        self._parents[second] = first
        del self._classes[second]

    def agree(self, found: Variable, expected: Variable) -> bool:
        """Tells whether two dims could be one."""
        try:
            self.known(found).agreed(self.known(expected))
        except Conflict:
            return False
        return True

    def state(self, variable: Variable, fact: Fact) -> bool:
        """States a fact; tells whether that is news; raises `Conflict` when it cannot be."""
        known = self.known(variable)
        value = fact.value
        if isinstance(value, str):
            said = DimClass(identity=fact)
            news = known.identity is None
        elif isinstance(value, LabelSpace):
            said = DimClass(space=fact, size=Fact(len(value), fact.reason, fact.node))
            news = known.space is None
        else:
            said = DimClass(size=fact)
            news = known.size is None
        known.space, known.size, known.identity, known.fixed = known.agreed(said)
        known.facts.append(fact)
        return news

    def fix(self, variable: Variable, need: Fact) -> None:
        """Says that a size must be known before any batch is seen; raises `Conflict` when it varies."""
        known = self.known(variable)
        *_, known.fixed = known.agreed(DimClass(fixed=need))

    def _root(self, variable: Variable) -> Variable:
        if variable not in self._parents:
            self._parents[variable] = variable
            self._classes[variable] = DimClass()
            return variable
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
        if not first.relation(second).is_one:
            raise Conflict(found, expected)
    elif first != second:
        raise Conflict(found, expected)
    return found
