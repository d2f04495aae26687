"""How the rows of a source are dealt to the splits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.data._overlap import NOTHING, Index, first_rows, hash_text
from consilience.data._split import CutError, cut

shares = st.integers(1, 24).map(lambda part: part / 100)
amounts = st.lists(
    st.tuples(st.sampled_from(["train", "validation", "test", "aside"]), st.integers(1, 5) | shares),
    max_size=4,
    unique_by=lambda pair: pair[0],
).map(dict)


@given(count=st.integers(20, 200), wanted=amounts)
def test_splits_are_disjoint_complete_and_the_same_again(count: int, wanted: dict[str, int | float]) -> None:
    dealt = cut(count, wanted)
    together = np.concatenate(list(dealt.values()))
    assert len(set(together.tolist())) == len(together)
    assert set(dealt) == {*wanted, "train"}
    if "train" not in wanted:
        assert sorted(together.tolist()) == list(range(count))
    for split, amount in wanted.items():
        assert len(dealt[split]) == amount if isinstance(amount, int) else abs(len(dealt[split]) - amount * count) < 1
    for split, rows in cut(count, wanted).items():
        assert rows.tolist() == sorted(dealt[split].tolist())


@given(count=st.integers(1, 300), first=st.integers(1, 100), second=st.integers(1, 100))
def test_what_one_source_leaves_aside_another_can_take(count: int, first: int, second: int) -> None:
    count += first + second
    unlabelled = cut(count, {"aside": first, "train": second})
    labelled = cut(count, {"test": first})
    assert unlabelled["aside"].tolist() == labelled["test"].tolist()
    assert not set(unlabelled["train"]) & set(labelled["test"])


def test_a_share_of_one_takes_every_row() -> None:
    for count in range(12):
        dealt = cut(count, {"test": 1.0})
        assert (len(dealt["test"]), len(dealt["train"])) == (count, 0)


def test_the_shuffle_never_changes() -> None:
    assert cut(10, {"test": 3, "validation": 0.2})["test"].tolist() == [4, 6, 8]


def test_shares_that_sum_to_one_take_every_row() -> None:
    for count in range(1, 60):
        dealt = cut(count, {"train": 0.7, "validation": 0.2, "test": 0.1})
        assert sum(map(len, dealt.values())) == count


@pytest.mark.parametrize(
    ("wanted", "split", "found", "fix"),
    [
        ({"test": 7, "validation": 5}, "validation", "5 where 3 of 10 rows are left", "validation: 1"),
        ({"test": 10, "validation": 1}, "validation", "1 where 0 of 10 rows are left", "# remove the key validation"),
        ({"test": 0.8, "validation": 0.4}, "validation", "0.4 where 2 of 10 rows are left", "validation: 1"),
        ({"train": 5, "test": 7}, "test", "7 where 5 of 10 rows are left", "test: 5"),
        ({"test": 2.5}, "test", "2.5", "test: 2"),
    ],
)
def test_a_split_cannot_take_what_is_not_there(wanted: dict[str, float], split: str, found: str, fix: str) -> None:
    with pytest.raises(CutError) as caught:
        cut(10, wanted)
    assert (caught.value.split, caught.value.found, caught.value.fix) == (split, found, fix)


texts = st.lists(st.sampled_from(["a", "A ", "b", " b", "c", "", "a b", "A\tB"]), max_size=12)


@given(tables=st.lists(texts, min_size=1, max_size=3))
def test_first_rows_keep_each_text_once_and_every_row_without(tables: list[list[str]]) -> None:
    hashes = [np.array([hash_text([text]) for text in table], np.uint64) for table in tables]
    kept = [
        [" ".join(table[row].split()).lower() for row in rows]
        for table, rows in zip(tables, first_rows(hashes), strict=True)
    ]
    every = [" ".join(text.split()).lower() for table in tables for text in table]
    texts_kept = [text for table in kept for text in table if text]
    assert texts_kept == [text for text in dict.fromkeys(every) if text]
    assert sum(text == "" for table in kept for text in table) == every.count("")


@given(here=texts, there=texts)
def test_shared_rows_are_those_whose_text_stands_in_both(here: list[str], there: list[str]) -> None:
    hashes = [np.array([hash_text([text]) for text in table], np.uint64) for table in (here, there)]
    shared = Index(hashes[1]).shared_rows(hashes[0])
    expected = [row for row, value in enumerate(hashes[0]) if value != NOTHING and value in hashes[1]]
    assert shared.rows.tolist() == expected
    assert (hashes[0][shared.rows] == hashes[1][shared.twins]).all()


def test_words_and_their_text_are_the_same_text() -> None:
    assert hash_text([["Straße", "nach", "Rom"]]) == hash_text(["STRASSE  nach\nrom"])
    assert hash_text(["a", "b"]) != hash_text(["a b"])
