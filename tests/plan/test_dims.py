"""Dims as variables: whatever the order in which they are made one, the same is known of them in the end."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.declare import LabelSpace
from consilience.plan._dims import Conflict, DimVariables, Fact, Varying

NAMES = "abcdefgh"
JOY = LabelSpace(name="one", labels=("joy", "woe"))
GLAD = LabelSpace(name="two", labels=("glad", "sad"), aliases={"glad": ("joy",), "sad": ("woe",)})
WOE = LabelSpace(name="three", labels=("woe", "joy"))
VALUES: list[Any] = [2, 3, Varying.of("tokens.seq"), Varying.of("other.seq"), JOY, GLAD, WOE, "film", "books"]

one_of = st.sampled_from(NAMES)
unions = st.tuples(st.just("unite"), one_of, one_of)
statements = st.tuples(st.just("state"), one_of, st.sampled_from(VALUES))
needs = st.tuples(st.just("fix"), one_of, st.none())
Step = tuple[str, str, Any]


def settled(steps: list[Step]) -> dict[str, Any] | None:
    """Takes the steps in order; tells what is known of each dim in the end, None where they contradict each other."""
    variables = DimVariables()
    try:
        for index, (kind, first, second) in enumerate(steps):
            if kind == "unite":
                variables.unite(first, second)
            elif kind == "state":
                variables.state(first, Fact(second, f"by {index}"))
            else:
                variables.fix(first, Fact("a need", "of a"))
    except Conflict:
        return None
    return {name: summary(variables, name) for name in NAMES}


def summary(variables: DimVariables, name: str) -> tuple[object, ...]:
    known = variables.known(name)
    label = known.space.value.labels if known.space and isinstance(known.space.value, LabelSpace) else None
    return (
        frozenset(other for other in NAMES if variables.known(other) is known),
        known.size.value if known.size else None,
        # Of two names of one label either may stand; which of the two that is, the order tells.
        None if label is None else JOY.relation(LabelSpace(name="x", labels=label, aliases=_aliases(label))).is_one,
        known.identity.value if known.identity else None,
        known.fixed is not None,
        sorted(str(fact.value) for fact in known.facts),
        known.count,
    )


def _aliases(labels: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return dict(GLAD.aliases) if labels == GLAD.labels else {}


@given(st.lists(st.one_of(unions, statements, needs), max_size=20), st.integers())
def test_the_order_of_unification_means_nothing(steps: list[Step], seed: int) -> None:
    other = list(steps)
    random.Random(seed).shuffle(other)
    assert settled(steps) == settled(other)


@given(st.lists(unions, max_size=12), one_of, one_of)
def test_to_agree_is_to_be_able_to_be_one(steps: list[Step], first: str, second: str) -> None:
    variables = DimVariables()
    for _, one, other in steps:
        variables.unite(one, other)
    variables.state(first, Fact(2, "here"))
    same = variables.known(first) is variables.known(second)
    if not same:
        variables.state(second, Fact(3, "there"))
    before = [summary(variables, name) for name in NAMES]
    assert variables.agree(first, second) == same
    assert [summary(variables, name) for name in NAMES] == before
    if not same:
        with pytest.raises(Conflict):
            variables.unite(first, second)
        assert [summary(variables, name) for name in NAMES] == before


def test_a_conflict_tells_what_was_found_before_what_was_there() -> None:
    variables = DimVariables()
    variables.state("a", Fact(384, "from minilm", "encoder"))
    variables.state("b", Fact(768, "from mpnet", "other"))
    with pytest.raises(Conflict) as told:
        variables.unite("a", "b")
    assert (str(told.value.found), str(told.value.expected)) == ("384 from minilm", "768 from mpnet")


def test_a_size_that_varies_is_none_to_build_with() -> None:
    seq, need = Fact(Varying.of("tokens.seq"), "which varies"), Fact("a size", "to build with")
    for first, second in (("a", "b"), ("b", "a")):
        variables = DimVariables()
        variables.state("a", seq)
        variables.fix("b", need)
        with pytest.raises(Conflict) as told:
            variables.unite(first, second)
        assert {told.value.found, told.value.expected} == {seq, need}
        assert told.value.found == (seq if first == "a" else need)


SIZES = st.recursive(
    st.one_of(st.integers(1, 9), st.sampled_from(["a.x", "b.y"])),
    lambda inner: st.tuples(st.sampled_from("+*"), inner, inner),
    max_leaves=6,
)


def computed(tree: Any, sizes: dict[str, Any]) -> Any:
    if isinstance(tree, tuple):
        first, second = computed(tree[1], sizes), computed(tree[2], sizes)
        return first + second if tree[0] == "+" else first * second
    return sizes[tree] if isinstance(tree, str) else tree


@given(SIZES, SIZES)
def test_two_sizes_that_vary_are_one_exactly_where_they_are_in_every_batch(first: Any, second: Any) -> None:
    symbols = {name: Varying.of(name) for name in ("a.x", "b.y")}
    one, other = computed(first, symbols), computed(second, symbols)
    # Polynomials of so low a degree that agree at so many points are equal.
    points = [{"a.x": x, "b.y": y} for x in range(1, 9) for y in range(11, 19)]
    assert (one == other) == all(computed(first, point) == computed(second, point) for point in points)


def test_a_size_that_varies_is_written_as_a_sum() -> None:
    seq = Varying.of("tokens.seq")
    assert str(seq) == "tokens.seq"
    assert str(2 * seq + 1) == "2*tokens.seq+1"
    assert str(seq * Varying.of("other.seq") + seq) == "tokens.seq+other.seq*tokens.seq"
    assert seq + 1 == 1 + seq
    assert seq + seq == 2 * seq


def test_the_work_of_many_facts_stays_even() -> None:
    variables = DimVariables()
    moved = 0
    for index in range(2000):
        variables.state(("x", index), Fact(8, f"by {index}"))
    for index in range(1, 2000):  # one by one onto one, the worst order for those who move the larger
        before = variables.known(("x", index)).facts
        variables.unite(("x", index), ("x", 0))
        moved += variables.known(("x", 0)).facts is before
    assert moved <= 1
    assert len(variables.known(("x", 7)).facts) == 2000
