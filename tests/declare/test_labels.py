"""Label spaces: an order that is the same in every process, and mappings onto their own labels."""

from __future__ import annotations

from typing import Any

import pytest

from consilience.declare import LabelSpace


@pytest.mark.parametrize("labels", [{"bad", "good"}, frozenset({"bad", "good"}), {"bad": 0, "good": 1}, "bad"])
def test_labels_have_an_order(labels: Any) -> None:
    with pytest.raises(ValueError, match=f"labels in a fixed order.*no {type(labels).__name__}"):
        LabelSpace(name="moods", labels=labels)


@pytest.mark.parametrize("labels", [["bad", "good"], ("bad", "good")])
def test_a_list_and_a_tuple_have_one(labels: Any) -> None:
    assert LabelSpace(name="moods", labels=labels).labels == ("bad", "good")


def test_a_mapping_leads_to_labels_of_the_space() -> None:
    maps = {"stars": {"1": "bad", "3": None, "5": "god"}}
    with pytest.raises(
        ValueError, match=r"maps\['stars'\]\['5'\] is 'god', which is no label of moods, perhaps 'good'"
    ):
        LabelSpace(name="moods", labels=("bad", "good"), maps=maps)
    maps["stars"]["5"] = "good"
    assert LabelSpace(name="moods", labels=("bad", "good"), maps=maps).maps == maps
