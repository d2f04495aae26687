from __future__ import annotations

import csv
from pathlib import Path

import pytest

from consilience_psychology import EKMAN, GOEMOTIONS, SENTIMENT

DATA = Path(__file__).parents[4] / "shared" / "data" / "goemotions"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the GoEmotions files are not beside the repository")


def test_every_label_is_mapped_onto_a_label() -> None:
    for space, source in ((EKMAN, GOEMOTIONS), (SENTIMENT, GOEMOTIONS), (SENTIMENT, EKMAN)):
        mapping = space.maps[source.name]
        assert set(mapping) == set(source.labels)
        assert set(mapping.values()) == set(space.labels)


def test_the_way_over_ekman_is_the_direct_way() -> None:
    over_ekman = {label: SENTIMENT.maps["ekman"][basic] for label, basic in EKMAN.maps["goemotions"].items()}
    assert over_ekman == SENTIMENT.maps["goemotions"]


def test_an_emotion_that_both_have_stays_itself() -> None:
    for label in set(EKMAN.labels) & set(GOEMOTIONS.labels):
        assert EKMAN.maps["goemotions"][label] == label


@needs_data
@pytest.mark.parametrize(
    ("space", "file"),
    [(GOEMOTIONS, "labels_original.txt"), (EKMAN, "labels_ekman.txt"), (SENTIMENT, "labels_group.txt")],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_order_is_that_of_the_published_data(space: object, file: str) -> None:
    assert list(space.labels) == (DATA / file).read_text().split()


@needs_data
def test_the_mappings_are_those_of_the_published_data() -> None:
    rows = list(csv.DictReader((DATA / "label_map.tsv").open(), delimiter="\t"))
    assert len(rows) == 28
    assert {row["label"]: row["ekman"] for row in rows} == EKMAN.maps["goemotions"]
    assert {row["label"]: row["group"] for row in rows} == SENTIMENT.maps["goemotions"]
