"""How a column's cells become a field's values."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.data._columns import (
    read_categories,
    read_category,
    read_number,
    read_numbers,
    read_text,
    read_token_labels,
    word_counts,
)
from consilience.data._labels import LabelReader, NoMappingError
from consilience.data._values import WrongShapeError, as_text
from consilience.declare import ColumnMap, LabelSpace

MOOD = LabelSpace(name="mood", labels=("bad", "good", "so so"))
STARS = LabelSpace(name="stars", labels=("1", "2", "3"))
FINE = LabelSpace(name="plugin.fine", labels=("grim", "sad", "glad", "odd"))
COARSE = LabelSpace(
    name="plugin.coarse",
    labels=("low", "high"),
    maps={"fine": {"grim": "low", "sad": "low", "glad": "high", "odd": None}},
)


def reader(field: LabelSpace = MOOD, other: LabelSpace | None = None, **settings: object) -> LabelReader:
    return LabelReader(field, ColumnMap.model_validate({"column": "c", **settings}), other)


def refused(found: dict[str, np.ndarray]) -> dict[str, list[int]]:
    return {text: rows.tolist() for text, rows in found.items()}


@pytest.mark.parametrize(
    "cells",
    [
        ["bad", " good ", "", None, "2", "bad"],
        pa.array([0, 1, None, None, 2, 0], pa.int8()),
        pa.array([0.0, 1.0, None, None, 2.0, 0.0]),
    ],
)
def test_a_category_is_a_name_or_a_position(cells: object) -> None:
    read = read_category(pa.array(cells), reader())
    assert read.values.to_pylist() == [0, 1, None, None, 2, 0]
    assert not read.refused


def test_a_name_wins_over_a_position() -> None:
    assert read_category(pa.array(["1", "3", "0"]), reader(STARS)).values.to_pylist() == [0, 2, 0]


NAMED = LabelSpace(name="named", labels=("bad", "good"), aliases={"good": ("fine", "nice"), "bad": ("poor",)})
RENAMED = LabelSpace(name="renamed", labels=("poor", "fine"))


def test_a_label_is_known_by_its_aliases_too() -> None:
    read = read_category(pa.array(["fine", "poor", "good", "1", "nice", "ill"]), reader(NAMED))
    assert read.values.to_pylist()[:5] == [1, 0, 1, 1, 1]
    assert refused(read.refused) == {"ill": [5]}
    read = read_category(pa.array(["up", "nice"]), reader(NAMED, values={"up": "nice"}))
    assert read.values.to_pylist() == [1, 1]


@pytest.mark.parametrize(("field", "written_in"), [(NAMED, RENAMED), (RENAMED, NAMED)])
def test_a_space_of_the_same_labels_by_other_names_needs_no_mapping(field: LabelSpace, written_in: LabelSpace) -> None:
    read = read_category(pa.array(["poor", "fine"]), reader(field, written_in))
    assert read.values.to_pylist() == [0, 1]


def test_values_say_it_all() -> None:
    read = read_category(pa.array(["4", "0", "good", "1", "-1"]), reader(values={"4": "good", "0": "bad"}))
    assert read.values.to_pylist()[:3] == [1, 0, 1]
    assert refused(read.refused) == {"1": [3], "-1": [4]}
    truths = read_category(pa.array([True, False, None]), reader(values={"true": "good", "false": "bad"}))
    assert truths.values.to_pylist() == [1, 0, None]


@pytest.mark.parametrize("cell", ["3", "-1", "1.5", "Good", "\u0661"])
def test_what_is_no_label_is_refused(cell: str) -> None:
    read = read_category(pa.array(["bad", cell, "good", cell]), reader())
    assert refused(read.refused) == {cell: [1, 3]}


def test_a_declared_mapping_leads_from_another_space() -> None:
    read = read_category(pa.array(["grim", "glad", "odd", "1"]), reader(COARSE, FINE, space="plugin.fine"))
    assert read.values.to_pylist() == [0, 1, None, 0]
    several = read_categories(pa.array(["grim,sad", "glad,odd", "odd", "sad,glad"]), reader(COARSE, FINE), ",")
    assert several.values.to_pylist() == [[0], [1], None, [0, 1]]


def test_without_a_declared_mapping_nothing_is_guessed() -> None:
    with pytest.raises(NoMappingError, match=r"^mood maps from no other space, not from plugin\.fine$"):
        reader(MOOD, FINE, space="plugin.fine")
    partial = COARSE.model_copy(update={"maps": {"fine": {"grim": "low"}}})
    with pytest.raises(NoMappingError, match=r"^plugin\.coarse says nothing of sad, glad, odd of plugin\.fine$"):
        reader(partial, FINE, space="plugin.fine")


@pytest.mark.parametrize(
    ("cells", "separator", "expected"),
    [
        (["good, bad", "so so", "", " , ", "good,good", None], ",", [[0, 1], [2], None, [], [1], None]),
        (["good|2", "0"], "|", [[1, 2], [0]]),
        (["1 0", "2"], " ", [[0, 1], [2]]),
        ([["bad", "good"], [], None, ["so so"]], ",", [[0, 1], [], None, [2]]),
        ([[2, 1], [0]], ",", [[1, 2], [0]]),
        ([2, None, 0], ",", [[2], None, [0]]),
    ],
)
def test_categories(cells: list[object], separator: str, expected: list[object]) -> None:
    read = read_categories(pa.array(cells), reader(), separator)
    assert read.values.to_pylist() == expected
    assert not read.refused


def test_categories_name_the_rows_of_what_they_refuse() -> None:
    read = read_categories(pa.array(["good,ugly", "bad", "ugly,fair"]), reader(), ",")
    assert refused(read.refused) == {"ugly": [0, 2], "fair": [2]}


def test_numbers_are_finite() -> None:
    read = read_number(pa.array(["1.5", " 2 ", "", "-3e2", "nan", "inf", "1_0", "x", None]))
    assert read.values.to_pylist()[:4] == [1.5, 2.0, None, -300.0]
    assert refused(read.refused) == {"nan": [4], "inf": [5], "1_0": [6], "x": [7]}
    assert refused(read_number(pa.array([1.0, math.nan])).refused) == {"nan": [1]}


def test_the_square_of_a_number_stays_finite_in_float32() -> None:
    read = read_number(pa.array(["1e18", "-1e18", "1.1e18", "-1e39"]))
    assert refused(read.refused) == {"1.1e18": [2], "-1e39": [3]}
    assert np.isfinite(np.square(np.array(read.values.to_pylist()[:2], np.float32))).all()
    assert refused(read_numbers(pa.array([[1.0, 1e30]]), 2, ",").refused) == {"1e+30": [0]}


@pytest.mark.parametrize("cells", [["1,2", "3 4.5", ""], ["1, 2", "3 ,4.5", None], [[1.0, 2.0], [3.0, 4.5], None]])
def test_several_numbers(cells: list[object]) -> None:
    read = read_numbers(pa.array(cells), 2, ",")
    assert read.values.to_pylist() == [[1.0, 2.0], [3.0, 4.5], None]
    assert not read.misshapen


def test_several_numbers_are_as_many_as_their_names() -> None:
    read = read_numbers(pa.array(["1,2", "1", "1,2,3", "4"]), 2, ",")
    assert refused(read.misshapen) == {"1 numbers": [1, 3], "3 numbers": [2]}


@pytest.mark.parametrize("cells", [["bad good", "good -100 bad", ""], [["bad", "good"], ["good", None, "0"], None]])
def test_token_labels(cells: list[object]) -> None:
    words = word_counts(pa.array([["a", "b"], ["a", "b", "c"], ["a"]]))
    read = read_token_labels(pa.array(cells), reader(), ",", words)
    assert read.values.to_pylist() == [[0, 1], [1, -100, 0], None]
    assert not read.misshapen


def test_token_labels_are_as_many_as_the_words() -> None:
    read = read_token_labels(
        pa.array(["bad good", "bad,bad,bad"]), reader(), ",", word_counts(pa.array(["a b", "a b"]))
    )
    assert refused(read.misshapen) == {"3 labels for 2 words": [1]}


def test_the_lengths_of_texts() -> None:
    assert read_text(pa.array(["Käse", " a ", "", None])).to_pylist() == [4, 1, 0, 0]
    assert read_text(pa.array([["ab", "c"], [], None])).to_pylist() == [4, 0, 0]
    assert read_text(pa.array([12, None])).to_pylist() == [2, 0]
    for wrong in (pa.array([{"a": 1}]), pa.array([[1, 2]])):
        with pytest.raises(WrongShapeError):
            read_text(wrong)


cells = st.none() | st.sampled_from([*MOOD.labels, "0", "1", "2", "", "other"])


@given(column=st.lists(cells, max_size=20))
def test_a_category_is_read_as_cell_by_cell(column: list[str | None]) -> None:
    read, one = read_category(pa.array(column, pa.string()), reader()), reader()
    bad = {row for rows in read.refused.values() for row in rows.tolist()}
    assert bad == {row for row, cell in enumerate(column) if cell == "other"}
    for row, cell in enumerate(column):
        if row not in bad:
            assert read.values[row].as_py() == (one(cell) if cell else None)


@given(column=st.lists(st.none() | st.lists(st.sampled_from(MOOD.labels), max_size=5), max_size=10))
def test_lists_and_their_texts_are_the_same_categories(column: list[list[str] | None]) -> None:
    lists = read_categories(pa.array(column, pa.list_(pa.string())), reader(), ",").values.to_pylist()
    texts = [None if cell is None else ",".join(cell) for cell in column]
    split = read_categories(pa.array(texts, pa.string()), reader(), ",").values.to_pylist()
    assert lists == [None if cell is None else sorted({MOOD.labels.index(label) for label in cell}) for cell in column]
    assert split == [cell or None for cell in lists]


@given(column=st.lists(st.none() | st.floats(-1e18, 1e18), max_size=20))
def test_numbers_survive_their_text(column: list[float | None]) -> None:
    texts = [None if cell is None else repr(cell) for cell in column]
    for array in (pa.array(column, pa.float64()), pa.array(texts, pa.string())):
        assert read_number(array).values.to_pylist() == column


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (1.0, "1"), (0.5, "0.5"), (1e30, "1e+30"), (True, "true"), (" a ", "a"), ([1], "[1]")]
)
def test_cells_as_texts(value: object, text: str) -> None:
    assert as_text(value) == text
