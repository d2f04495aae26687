"""Label spaces: an order that is the same in every process, and mappings onto their own labels."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.declare import LabelSpace, Relation


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


NAMES = ["joy", "gladness", "delight", "sorrow", "grief", "rage", "wrath", "calm"]


@st.composite
def spaces(draw: st.DrawFn) -> LabelSpace:
    """Makes label spaces of few names, so that any two have much in common."""
    names = draw(st.permutations(NAMES))
    count = draw(st.integers(2, 4))
    labels, others = names[:count], names[count:]
    aliases: dict[str, tuple[str, ...]] = {}
    for name in others[: draw(st.integers(0, len(others)))]:
        label = draw(st.sampled_from(labels))
        aliases[label] = (*aliases.get(label, ()), name)
    maps = draw(st.sampled_from([{}, {"moods": {"joy": labels[0], "rage": None}}]))
    name = draw(st.sampled_from(["moods", "others"]))
    return LabelSpace(name=name, labels=tuple(labels), aliases=aliases, maps=maps)


INVERSE = {Relation.SUBSET: Relation.SUPERSET, Relation.SUPERSET: Relation.SUBSET}


@given(spaces(), spaces())
def test_a_relation_holds_the_other_way_round(first: LabelSpace, second: LabelSpace) -> None:
    relation = first.relation(second)
    assert second.relation(first) == INVERSE.get(relation, relation)


@given(spaces())
def test_a_space_is_the_same_as_itself(space: LabelSpace) -> None:
    assert space.relation(space) is Relation.SAME
    assert [space.position(label) for label in space.labels] == list(range(len(space)))


@given(spaces(), st.data())
def test_a_space_that_names_its_labels_by_aliases_is_the_same(space: LabelSpace, data: st.DataObject) -> None:
    names = [data.draw(st.sampled_from(space.names_of(label))) for label in space.labels]
    other = LabelSpace(name="other", labels=tuple(names))
    assert space.relation(other).is_one
    assert other.relation(space).is_one
    turned = LabelSpace(name="turned", labels=tuple(reversed(names)))
    assert space.relation(turned) is other.relation(turned) is Relation.REORDERED


def test_each_relation_by_an_example() -> None:
    moods = LabelSpace(name="moods", labels=("dull", "fine"), aliases={"fine": ("good", "nice")})
    others = {
        ("dull", "fine"): Relation.SAME,
        ("dull", "good"): Relation.ALIASED,
        ("nice", "dull"): Relation.REORDERED,
        ("dull", "fine", "odd"): Relation.SUBSET,
        ("dull", "odd"): Relation.UNRELATED,
        ("fine", "good", "dull"): Relation.UNRELATED,  # two of its labels are one here
    }
    found = {labels: moods.relation(LabelSpace(name="other", labels=labels)) for labels in others}
    assert found == others
    wider = LabelSpace(name="wider", labels=("dull", "fine", "odd"), maps={"moods": {"dull": "odd"}})
    assert wider.relation(moods) is moods.relation(wider) is Relation.MAPPED


def test_a_mapping_speaks_of_labels_by_any_of_their_names() -> None:
    moods = LabelSpace(
        name="moods", labels=("bad", "good"), maps={"stars": {"one": "bad", "five": "good", "nil": None}}
    )
    stars = LabelSpace(
        name="lab.stars", labels=("1", "5", "0", "3"), aliases={"1": ("one",), "5": ("five",), "0": ("nil",)}
    )
    assert moods.mapping_from(stars) == {"1": "bad", "5": "good", "0": None}
    assert stars.mapping_from(moods) is None
    assert moods.mapping_from(LabelSpace(name="other", labels=("one", "five")), "lab.other") is None
    assert moods.mapping_from(LabelSpace(name="any", labels=("one", "five")), "stars") == {"one": "bad", "five": "good"}


@pytest.mark.parametrize(
    ("aliases", "told"),
    [
        ({"god": ("fine",)}, "aliases has 'god', which is no label of moods, perhaps 'good'"),
        ({"good": ("bad",)}, "aliases\\['good'\\] has 'bad', which is 'bad' already"),
        ({"good": ("x",), "bad": ("x",)}, "has 'x', which is 'good' already"),
        ({"good": (" ",)}, "has an empty name"),
    ],
)
def test_an_alias_means_one_label(aliases: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LabelSpace(name="moods", labels=("bad", "good"), aliases=aliases)
