"""What a source gives when it is opened: a table for each split that there is, or its plugin is told."""

from __future__ import annotations

from typing import Any

import datasets
import pandas
import pytest
from pydantic import PrivateAttr

from consilience.data._tables import open_tables
from consilience.declare import Source
from consilience.errors import DataError

TABLE = datasets.Dataset.from_dict({"text": ["a", "b"]})


class Given(Source):
    """Gives what it was given."""

    _given: Any = PrivateAttr()

    def open(self) -> Any:
        return self._given


def given(value: Any) -> Given:
    source = Given()
    source._given = value
    return source


ALL = "train, validation, test, all"
WRONG = {
    "a table": (TABLE, "a value of type Dataset in place of a mapping", ALL, '{"all": dataset}'),
    "a list": ([TABLE], "a value of type list in place of a mapping", ALL, '{"all": dataset}'),
    "nothing": (None, "None in place of a mapping", ALL, '{"all": dataset}'),
    "a frame": (pandas.DataFrame({"a": [1]}), "a value of type DataFrame in place of", ALL, '{"all": dataset}'),
    "a stream": (TABLE.to_iterable_dataset(), "a value of type IterableDataset in place", ALL, '{"all": dataset}'),
    "a stream for a split": ({"test": TABLE.to_iterable_dataset()}, "IterableDataset for the split test", ALL, "test"),
    "lists": ({"train": [1, 2]}, "a value of type list for the split train", ALL, "from_dict"),
    "another word": ({"training": TABLE}, 'the split "training"', ALL, "name it train"),
    "dev": ({"train": TABLE, "dev": TABLE}, 'the split "dev"', ALL, "name it validation"),
    "no word": ({0: TABLE}, "the split 0", ALL, "name it all"),
}


@pytest.mark.parametrize(("value", "found", "expected", "fix"), WRONG.values(), ids=WRONG)
def test_what_is_no_table_for_a_split_is_told_as_the_plugin_s(value: Any, found: str, expected: str, fix: str) -> None:
    with pytest.raises(DataError) as caught:
        open_tables("reviews", given(value), "lab.given")
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.where) == ("CN207", "sources.reviews")
    assert found in fault.found
    assert fault.found.endswith(f"from lab.given (Given.open of {__name__})")
    assert expected in fault.expected
    assert fix in fault.fix


def test_a_dict_of_datasets_is_what_is_asked_for() -> None:
    tables = datasets.DatasetDict({"train": TABLE, "validation": TABLE, "test": TABLE})
    assert list(open_tables("reviews", given(tables))) == ["train", "validation", "test"]
    assert open_tables("reviews", given({"all": TABLE}))["all"]["text"][:] == ["a", "b"]


def test_a_published_data_set_may_have_splits_that_nothing_reads() -> None:
    other = datasets.Dataset.from_dict({"text": ["c"]}, split=datasets.NamedSplit("unsupervised"))
    assert list(open_tables("reviews", given({"train": TABLE, "unsupervised": other}))) == ["train"]
