"""Ports: the grammar of dims, what a port takes, and the shapes that it is held against."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.declare import Bool, Dim, Dtype, Float, Int, Labels, Number, Port, Range, Shapes, Text

WORDS = ["hidden", "3", "classes=3", "left+right", "heads*width", "2*seq+1", "?seq", "?seq=3", "*lead", "_", "..."]
NAMES = st.sampled_from(["batch", "seq", "left", "right"])
SIZES = st.integers(1, 9)


@pytest.mark.parametrize("word", WORDS)
def test_a_dim_is_written_as_it_was_read(word: str) -> None:
    assert str(Dim.parse(word)) == word


@pytest.mark.parametrize(
    "word", ["", "0", "x=0", "-1", "a-b", "a+", "*a*b", "a + b", "(a+b)*c", "2*3", "*a=3", "?_", "?3"]
)
def test_what_is_no_dim_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"dim|axis"):
        Dim.parse(word)


def test_a_port_has_one_dim_of_an_open_number_at_most() -> None:
    for dims in ("*a *b", "?a *b", "?a ?b", "... ?a"):
        with pytest.raises(ValueError, match="one at most"):
            Float[dims]


def test_the_names_of_a_port_are_those_of_its_sums_too() -> None:
    assert Float["batch left+2*right"].names == ("batch", "left+2*right", "left", "right")
    assert Int["batch"].below("seq+1").names == ("batch", "seq+1", "seq")


@given(st.dictionaries(NAMES, SIZES, min_size=4), SIZES)
def test_a_sum_of_products_is_what_arithmetic_makes_of_it(sizes: dict[str, int], count: int) -> None:
    dim = Dim.parse(f"{count}*seq+left*right+batch+1")
    assert dim.value(sizes) == count * sizes["seq"] + sizes["left"] * sizes["right"] + sizes["batch"] + 1
    assert eval(dim.spelt(lambda name: str(sizes[name]))) == dim.value(sizes)  # noqa: S307 - digits, + and * alone


@pytest.mark.parametrize("port", [Float["batch"], Bool["batch"], Text["batch"], Number["batch"]])
def test_only_indexes_are_below_a_dim(port: Port) -> None:
    with pytest.raises(TypeError, match="only Int and Labels"):
        port.below("vocab")


@pytest.mark.parametrize("bound", ["3", "*vocab", "?vocab", "_", "vocab=3", ""])
def test_a_bound_is_the_name_of_a_dim(bound: str) -> None:
    with pytest.raises(ValueError, match="dim"):
        Int["batch"].below(bound)


@pytest.mark.parametrize("port", [Bool["batch"], Text["batch"], Labels["batch"]])
def test_only_numbers_have_a_range(port: Port) -> None:
    for ranged in (port.logits, lambda: port.within(0, 1)):
        with pytest.raises(TypeError, match="only Float, Int and Number"):
            ranged()


@pytest.mark.parametrize(("low", "high"), [(1, 0), (1, 1), (float("nan"), 1), (0, float("nan"))])
def test_a_range_has_two_ends(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="write the lower end first"):
        Float["batch"].within(low, high)


SHARE, SIGNED, SCORES, ANY = (
    Float["batch"].within(0, 1),
    Float["batch"].within(-1, 1),
    Float["batch"].logits(),
    Float["batch"],
)
TAKES = [
    (SHARE, SHARE, True),
    (SHARE, SIGNED, False),
    (SIGNED, SHARE, True),
    (SHARE, ANY, False),
    (SHARE, SCORES, False),
    (SCORES, ANY, True),
    (SCORES, SCORES, True),
    (SCORES, SHARE, False),
    (SCORES, Float["batch"].within(0, float("inf")), False),
    (ANY, SHARE, True),
    (ANY, SCORES, True),
]


@pytest.mark.parametrize(("wanted", "given_port", "fits"), TAKES)
def test_a_range_takes_what_lies_in_it(wanted: Port, given_port: Port, fits: bool) -> None:
    assert wanted.takes(given_port) == fits


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Number, {Dtype.FLOAT, Dtype.INT, Dtype.NUMBER}),
        (Float, {Dtype.FLOAT}),
        (Int, {Dtype.INT}),
        (Bool, {Dtype.BOOL}),
        (Text, {Dtype.TEXT}),
        (Labels, {Dtype.LABELS}),
    ],
)
def test_a_number_is_a_float_or_an_int_and_a_bool_is_none(wanted: Any, taken: set[Dtype]) -> None:
    assert {dtype for dtype in Dtype if wanted["batch"].takes(Port(dtype, (Dim("batch"),)))} == taken


@pytest.mark.parametrize(
    ("wanted", "ranks"),
    [
        ("a b", [2]),
        ("a ?s b", [2, 3]),
        ("a *s b", [2, 3, 4, 5]),
        ("", [0]),
        ("...", [0, 1, 2, 3, 4, 5]),
        ("?s", [0, 1]),
    ],
)
def test_the_ranks_that_a_port_takes(wanted: str, ranks: list[int]) -> None:
    assert [rank for rank in range(6) if Float[wanted].spare(rank) is not None] == ranks
    for rank in range(6):
        assert Float[wanted].takes(Float[" ".join("_" * rank)]) == (rank in ranks)


def test_a_port_of_an_open_rank_may_feed_what_takes_one_of_its_ranks() -> None:
    assert Float["a b c"].takes(Float["a ?s b"])
    assert Float["a b"].takes(Float["a ?s b"])
    assert not Float["a b c d"].takes(Float["a ?s b"])
    assert Float["a b c d"].takes(Float["a *s b"])
    assert not Float["a"].takes(Float["a *s b"])


def test_a_range_is_written() -> None:
    assert str(Float["batch"].within(0, 1)) == "Float[batch] within 0 to 1"
    assert str(Float["batch"].logits()) == "Float[batch] as logits"
    assert str(Int["batch"].below("n")) == "Int[batch] below n"
    assert Range().is_logits


SHAPES: list[tuple[str, str, tuple[int, ...], bool]] = [
    ("batch seq", "batch seq", (2, 5), True),
    ("batch seq", "batch seq", (2, 4), False),
    ("batch seq", "batch 2*seq+1", (2, 11), True),
    ("batch seq", "batch 2*seq+1", (2, 10), False),
    ("batch seq", "batch other+seq", (2, 4), True),
    ("batch ?seq", "batch ?seq 3", (2, 5, 3), True),
    ("batch ?seq", "batch ?seq 3", (2, 3), False),
    ("batch ?seq", "batch ?seq 3", (2, 4, 3), False),
    ("batch *more", "batch *more 3", (2, 5, 3), True),
    ("batch *more", "batch *more 3", (2, 4, 3), False),
    ("batch *more", "batch *more 3", (2, 5, 1, 3), False),
    ("batch seq", "batch ... 3", (2, 9, 9, 3), True),
    ("batch seq", "batch _", (2, 9), True),
    ("batch seq", "4 seq", (2, 5), False),
]


@pytest.mark.parametrize(("first", "second", "shape", "fits"), SHAPES)
def test_a_shape_is_held_to_what_the_tensor_before_it_shows(
    first: str, second: str, shape: tuple[int, ...], fits: bool
) -> None:
    shapes = Shapes({"batch": 2})
    assert shapes.takes(Float[first], (2, 5))
    assert shapes.takes(Float[second], shape) == fits


def test_what_each_tensor_may_differ_in_is_not_learnt() -> None:
    shapes = Shapes({})
    assert shapes.takes(Float["batch part"], (2, 5), each=("part",))
    assert shapes.takes(Float["batch part"], (2, 7), each=("part",))
    assert not shapes.takes(Float["batch part"], (3, 7), each=("part",))


def test_dims_are_written_with_what_is_known_of_them() -> None:
    shapes = Shapes({"batch": 2, "left": 3})
    assert shapes.written(Float["batch left+2 ?seq other 7 _"]) == "2 5 ?seq other 7 _"
    assert shapes.takes(Float["batch ?seq"], (2, 9))
    assert shapes.written(Float["batch ?seq left+right"]) == "2 9 left+right"
