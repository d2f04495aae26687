"""Streams: the same values as tables, in passes without end, shared out exactly, and told of at the row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

import datasets
import pytest
from accelerate.data_loader import DataLoaderShard, IterableDatasetShard, skip_first_batches
from torch.utils.data import DataLoader

from consilience.data import training_rows
from consilience.errors import DataError

FIELDS = "fields: {text: text, mood: {category: [bad, good]}, stars: number, tags: {categories: [x, y]}}\n"
MAP = "map: {text: text, mood: label, stars: stars, tags: tags}"
TRAIN = "train: {max_steps: 5}\n"
_FIRST = 1 << 39


def rows(count: int) -> list[tuple[str, str, str, str]]:
    return [(f"text {row}", "good" if row % 3 else "bad", str(row / 4), "x" if row % 2 else "") for row in range(count)]


@pytest.fixture
def stream(write, plan_of, prepared) -> Callable[..., Any]:
    """Gives what a training over the sources reads."""

    def make(sources: str, more: str = "", size: int = 4, processes: int = 1, seed: int = 0) -> Any:
        text = FIELDS + sources + more + TRAIN
        return training_rows(plan_of(text), prepared(text), size, seed, processes)[0]

    return make


def source(name: str, file: str, keys: str = "streaming: true", mapped: str = MAP) -> str:
    return f"  {name}: {{use: table, path: '{file}', {mapped}{', ' if keys else ''}{keys}}}\n"


@pytest.fixture
def tables(write) -> None:
    cells = rows(1200)
    write("a.csv", "text,label,stars,tags", *(",".join(row) for row in cells))
    write("a.tsv", "text\tlabel\tstars\ttags", *("\t".join(row) for row in cells))
    write(
        "a.jsonl",
        *(
            f'{{"text": "{t}", "label": "{m}", "stars": {s}, "tags": {["x"] if g else []}}}'.replace("'", '"')
            for t, m, s, g in cells
        ),
    )
    write("b.csv", "text", *(f"other {row}" for row in range(7)))


@pytest.mark.parametrize("file", ["a.csv", "a.tsv", "a.jsonl"])
def test_a_stream_gives_the_values_of_the_table(tables, stream, plan_of, prepared, file) -> None:
    sources = "sources:\n" + source("a", file, "streaming: true, buffer: 1, where: {label: good}")
    found = list(islice(iter(stream(sources)), 801))
    table = prepared(FIELDS + sources.replace("streaming: true, buffer: 1, ", "")).train
    whole = table.__getitems__(range(len(table)))
    assert [{**one, "_row": one["_row"] - _FIRST} for one in found[:800]] == whole
    assert found[800] == {**found[0], "_draw": 1}


def test_a_pass_is_a_permutation_out_of_the_buffer(tables, stream) -> None:
    made = stream("sources:\n" + source("a", "a.csv", "streaming: true, buffer: 100"))
    found = list(islice(iter(made), 2400))
    numbers = [one["_row"] - _FIRST for one in found]
    for start in (0, 1200):
        assert sorted(numbers[start : start + 1200]) == list(range(1200))
        assert {one["_draw"] for one in found[start : start + 1200]} == {start // 1200}
        assert all(number <= place + 100 for place, number in enumerate(numbers[start : start + 1200]))
    assert numbers[:1200] != numbers[1200:]
    assert numbers[:50] != list(range(50))
    again = stream("sources:\n" + source("a", "a.csv", "streaming: true, buffer: 100"))
    assert [one["_row"] - _FIRST for one in islice(iter(again), 50)] == numbers[:50]
    other = stream("sources:\n" + source("a", "a.csv", "streaming: true, buffer: 100"), seed=1)
    assert [one["_row"] - _FIRST for one in islice(iter(other), 50)] != numbers[:50]


MIXED = "sources:\n" + source("a", "a.csv") + source("b", "b.csv", "", "map: {text: text}")


def numbers(batch: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(one["_row"], one["_draw"]) for one in batch]


def test_a_stream_is_mixed_with_a_table(tables, stream) -> None:
    made = stream(MIXED, "mixing: {by: proportions, proportions: {a: 3, b: 1}}\n")
    found = list(islice(iter(made), 4000))
    of_b = [one for one in found if one["_row"] >= 1 << 40]
    assert len(of_b) == 1000
    assert set(Counter(numbers(of_b)).values()) == {1}
    assert {one["mood"] for one in of_b} == {None}
    for start in range(0, 4000, 40):
        assert abs(sum(one["_row"] >= 1 << 40 for one in found[start : start + 40]) - 10) <= 2
    batches = stream(MIXED, "mixing: {by: round_robin, batches: homogeneous}\n", size=4)
    owners = [one["_row"] >> 40 for one in islice(iter(batches), 16)]
    assert owners == [0] * 4 + [1] * 4 + [0] * 4 + [1] * 4


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_and_workers_share_the_rows_out_exactly(tables, stream, workers) -> None:
    more = "mixing: {by: proportions, proportions: {a: 3, b: 1}}\n"
    whole = [numbers(batch) for batch in islice(DataLoader(stream(MIXED, more), 4, collate_fn=list), 24)]
    for rank in range(2):
        shard = IterableDatasetShard(stream(MIXED, more, processes=2), 4, num_processes=2, process_index=rank)
        loader = DataLoader(shard, 4, collate_fn=list, num_workers=workers)
        assert [numbers(batch) for batch in islice(loader, 12)] == whole[rank::2]
    loader = DataLoader(stream(MIXED, more), 4, collate_fn=list, num_workers=workers)
    assert [numbers(batch) for batch in islice(loader, 24)] == whole


def test_a_run_that_is_resumed_goes_on_where_it_was(tables, stream) -> None:
    more = "mixing: {by: proportions, proportions: {a: 3, b: 1}}\n"
    whole = [
        numbers(batch) for batch in islice(DataLoaderShard(stream(MIXED, more), batch_size=4, collate_fn=list), 12)
    ]
    loader = skip_first_batches(DataLoaderShard(stream(MIXED, more), batch_size=4, collate_fn=list), 5)
    assert [numbers(batch) for batch in islice(loader, 7)] == whole[5:]


def test_no_more_is_read_than_is_asked_for(tmp_path, write, stream, monkeypatch) -> None:
    write("a.csv", "text,label,stars,tags", *(",".join(row) for row in rows(60_000)))
    read = 0
    whole = datasets.IterableDataset.iter

    def counted(self, batch_size: int, **options: Any):
        nonlocal read
        for chunk in whole(self, batch_size, **options):
            read += len(chunk)
            yield chunk

    monkeypatch.setattr(datasets.IterableDataset, "iter", counted)
    made = stream("sources:\n" + source("a", "a.csv", "streaming: true, buffer: 10"))
    list(islice(iter(made), 100))
    assert read <= 1500, "a chunk to look at first, and one or two to train on"


def test_splits_of_its_own_are_read_at_once(write, plan_of, prepared) -> None:
    for split, count in (("train", 9), ("test", 3)):
        write(f"{split}.csv", "text,label,stars,tags", *(f"{split} {','.join(row)}" for row in rows(count)))
    text = FIELDS + "sources:\n" + source("a", "{split}.csv") + TRAIN
    splits = prepared(text)
    assert (len(splits.train), len(splits.test), list(splits.streams)) == (0, 3, ["a"])
    assert splits.test[0]["text"] == "test text 0"


def test_the_hubs_data_sets_are_streamed(tmp_path, stream) -> None:
    (tmp_path / "set" / "data").mkdir(parents=True)
    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["good", "bad"]))
    made = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, -1]}, features)
    made.to_parquet(tmp_path / "set" / "data" / "train-0.parquet")
    found = stream("sources: {a: {use: hub, path: set, map: {text: text, mood: label}, streaming: true, buffer: 1}}\n")
    assert [one["mood"] for one in islice(iter(found), 3)] == [1, 0, None]


def test_a_bad_row_is_told_with_its_number_when_it_comes(write, stream) -> None:
    cells = rows(1200)
    cells[900] = ("text", "goood", "1", "x")
    write("a.csv", "text,label,stars,tags", *(",".join(row) for row in cells))
    made = stream("sources:\n" + source("a", "a.csv", "streaming: true, buffer: 1"))
    found = []
    with pytest.raises(DataError) as caught:
        found.extend(iter(made))
    assert len(found) == 499, "the rows of the chunks before, but for the one in the buffer"
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.where) == ("CN502", "sources.a.map.mood")
    assert fault.found == 'column label: "goood" in row 901'


def test_what_the_first_rows_lack_is_told_before_the_training(write, prepared, fault) -> None:
    write("a.csv", "text,lable", "one,good")
    text = fault(FIELDS + "sources:\n" + source("a", "a.csv", "streaming: true") + TRAIN)
    assert "CN501 at sources.a.map.mood" in text
    write("b.csv", "text,label,stars,tags", "one,good,1,x")
    text = fault(FIELDS + "sources:\n" + source("a", "b.csv", "streaming: true, where: {label: bad}") + TRAIN)
    assert "CN506 at sources.a" in text


def test_a_stream_that_breaks_off_is_told(write, prepared, fault) -> None:
    write("a.jsonl", '{"text": "one", "label": "good"}', '{"text": "two", "label"')
    text = fault(FIELDS + "sources:\n" + source("a", "a.jsonl", "streaming: true", "map: {text: text}") + TRAIN)
    assert text.startswith("error CN533 at sources.a (<text>:5)\n  found     a stream that breaks off after row 0: ")
    assert text.endswith("expected  rows to the end\n  fix       # correct the rows that follow, or leave them out")
