"""The order of training: what an epoch holds, in which batches, and that it hangs on seed and epoch alone."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, DataLoader

from consilience.data import Prepared, TrainingOrder, training_order
from consilience.data._parts import Pick
from consilience.data._shares import epoch_rows
from consilience.declare import Mixing

SIZES = {"a": 40, "b": 10, "c": 3}
"""Rows of each source; those of c are not labelled."""
_PREPARED: dict[str, Prepared] = {}
"""The tables, read once: the mix changes nothing of them."""


def words(source: str, row: int) -> str:
    return " ".join([source, str(row), *["long"] * ((row * 7) % 11 + (30 if source == "b" else 0))])


@pytest.fixture
def order(write, plan_of, prepared):
    """Makes an order over three sources: one of short texts, one of long ones, one without labels."""

    kept: dict[str, Prepared] = _PREPARED

    def make(mixing: str = "", train: str = "", balance: str = "", size: int = 4, processes: int = 1, seed: int = 0):
        for name, count in SIZES.items() if balance not in kept else ():
            rows = [f"{words(name, row)},{'good' if row % 5 == 0 else 'bad'}" for row in range(count)]
            write(f"{name}.csv", "text,label", *rows)
        text = f"""
fields: {{text: text, mood: {{category: [bad, good]}}}}
sources:
  a: {{use: table, path: a.csv, map: {{text: text, mood: label}}{balance}}}
  b: {{use: table, path: b.csv, map: {{text: text, mood: label}}, repeat: 2}}
  c: {{use: table, path: c.csv, map: {{text: text}}}}
mixing: {{{mixing}}}
train: {{{train}}}
"""
        if balance not in kept:
            kept[balance] = prepared(text)
        return training_order(plan_of(text), kept[balance], size, seed, processes), kept[balance].train

    return make


def seen(order: TrainingOrder, epoch: int) -> list[Pick]:
    order.set_epoch(epoch)
    picks = list(order)
    assert len(picks) == len(order)
    return picks


def source(place: int) -> str:
    """Tells whose row a place among the examples is."""
    return "a" if place < 40 else "b" if place < 60 else "c" if place < 63 else "?"


def rows_of(picks: list[Pick]) -> Counter[int]:
    return Counter(pick.place for pick in picks if pick.place >= 0)


MIXES = {
    "size": ("", {"a": 40, "b": 20, "c": 3}),
    "size, at most": ("rows: 21", {"a": 13, "b": 7, "c": 1}),
    "proportions": ("by: proportions, proportions: {a: 2, b: 1, c: 1}", {"a": 40, "b": 20, "c": 20}),
    "proportions, shortest": (
        "by: proportions, proportions: {a: 2, b: 1, c: 1}, until: shortest",
        {"a": 6, "b": 3, "c": 3},
    ),
    "proportions, until b": ("by: proportions, proportions: {a: 2, b: 1, c: 1}, until: b", {"a": 20, "b": 10, "c": 10}),
    "temperature 1": ("by: temperature, temperature: 1", {"a": 40, "b": 10, "c": 3}),
    "temperature": ("by: temperature", {"a": 40, "b": 20, "c": 11}),
    "round robin": ("by: round_robin", {"a": 40, "b": 40, "c": 40}),
    "round robin, at most": ("by: round_robin, rows: 10", {"a": 4, "b": 3, "c": 3}),
}
STRATEGIES = ("group_by_length", "random", "sequential")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("batches", ["mixed", "homogeneous"])
@pytest.mark.parametrize(("mixing", "counts"), MIXES.values(), ids=MIXES)
def test_an_epoch_has_what_the_mix_says(order, mixing, counts, batches, strategy) -> None:
    made, _ = order(f"{mixing}{', ' if mixing else ''}batches: {batches}", f"train_sampling_strategy: {strategy}")
    dealt: Counter[tuple[int, int]] = Counter()
    for epoch in range(4):
        picks = seen(made, epoch)
        found = Counter(source(pick.place) for pick in picks if pick.place >= 0)
        assert found == counts
        dealt.update((pick.place, pick.draw) for pick in picks if pick.place >= 0)
    assert set(dealt.values()) == {1}, "no row is drawn twice under one number"
    for name, rows in SIZES.items():
        times = [sum(place == other for other, _ in dealt) for place in range(63) if source(place) == name]
        times = times[:rows]  # the places of a repeated row are one row
        assert max(times) - min(times) <= 1, "each pass is a permutation, whatever the epochs cut it into"


def test_the_order_hangs_on_seed_and_epoch_alone(order) -> None:
    for mixing in ("", "by: round_robin", "by: proportions, proportions: {a: 2, b: 1, c: 1}, batches: homogeneous"):
        made, _ = order(mixing)
        later = seen(made, 2)
        assert seen(order(mixing)[0], 2) == later
        assert seen(made, 1) != later
        assert seen(order(mixing, seed=1)[0], 2) != later


def test_a_repeated_row_is_drawn_anew_each_time(order) -> None:
    made, examples = order()
    drawn = [pick.draw for epoch in range(3) for pick in seen(made, epoch) if pick.place == 43]
    assert sorted(drawn) == [0, 1, 2, 3, 4, 5]
    example = examples.__getitems__([Pick(43, 5)])[0]
    assert (example["_row"], example["_draw"]) == ((1 << 40) + 3, 5)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_homogeneous_batches_are_of_one_source_and_no_row_is_doubled(order, processes, strategy) -> None:
    train = f"train_sampling_strategy: {strategy}"
    made, _ = order("by: round_robin, rows: 50, batches: homogeneous", train, processes=processes)
    picks = seen(made, 1)
    batches = [picks[start : start + 4] for start in range(0, len(picks), 4)]
    assert len(batches) % processes == 0
    owners = [{source(pick.place) for pick in batch if pick.place >= 0} for batch in batches]
    assert all(len(owner) <= 1 for owner in owners)
    assert max(Counter((pick.place, pick.draw) for pick in picks if pick.place >= 0).values()) == 1
    if strategy != "group_by_length" and processes == 1:
        assert ["".join(sorted(owner)) for owner in owners[:6]] == ["a", "b", "c", "a", "b", "c"]


@pytest.mark.parametrize("mixing", ["", "by: round_robin", "batches: homogeneous"])
@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_share_an_epoch_out_and_double_no_row(order, mixing, processes) -> None:
    whole = rows_of(seen(order(mixing)[0], 1))
    found: Counter[int] = Counter()
    lengths = set()
    for rank in range(processes):
        made, _ = order(mixing, processes=processes)
        shard = BatchSamplerShard(BatchSampler(made, 4, False), processes, rank)  # what accelerate makes of it
        made.set_epoch(1)
        batches = list(shard)
        lengths.add(len(batches))
        found.update(rows_of([pick for batch in batches for pick in batch]))
    assert found == whole
    assert len(lengths) == 1


def test_only_full_batches_where_the_file_says_so(order) -> None:
    made, _ = order("batches: homogeneous", "dataloader_drop_last: true")
    picks = seen(made, 0)
    assert len(picks) == 40 + 20
    assert min(pick.place for pick in picks) >= 0
    loader = DataLoader(range(63), 4, sampler=order("", "dataloader_drop_last: true")[0], drop_last=True)  # type: ignore[arg-type]
    assert len(loader) == 63 // 4


def test_round_robin_takes_the_sources_in_turn(order) -> None:
    made, _ = order("by: round_robin", "train_sampling_strategy: random")
    assert "".join(source(pick.place) for pick in seen(made, 0)[:9]) == "abcabcabc"


def test_sequential_keeps_the_order_of_the_file(order) -> None:
    made, _ = order("", "train_sampling_strategy: sequential")
    assert [pick.place for pick in seen(made, 1)] == [*range(40), *range(40, 50), *range(40, 50), *range(60, 63)]
    mixed, _ = order("by: proportions, proportions: {a: 2, b: 1, c: 1}", "train_sampling_strategy: sequential")
    assert [pick.place for pick in seen(mixed, 0) if pick.place < 40] == list(range(40))


def test_every_stretch_has_the_sources_in_their_shares(order) -> None:
    made, _ = order("", "train_sampling_strategy: random")
    for epoch in range(5):
        picks = seen(made, epoch)
        for start in range(len(picks) - 16):
            count = sum(source(pick.place) == "a" for pick in picks[start : start + 16])
            assert abs(count - 16 * 40 / 63) <= 2.5


def test_balance_gives_each_label_equally_often_and_each_of_its_rows(order) -> None:
    made, examples = order(balance=", balance: mood")
    for epochs in (1, 4):
        picks = [pick for epoch in range(epochs) for pick in seen(made, epoch) if pick.place < 40]
        moods = Counter(examples[pick.place]["mood"] for pick in picks)
        assert moods == {0: 20 * epochs, 1: 20 * epochs}
        for mood, rows in ((0, 32), (1, 8)):
            times = Counter(pick.place for pick in picks if examples[pick.place]["mood"] == mood)
            assert max(times.values()) - (min(times.values()) if len(times) == rows else 0) <= 1
        assert max(Counter((pick.place, pick.draw) for pick in picks).values()) == 1


def test_several_labels_count_for_the_rarest_and_rows_without_a_value_stay_as_often(write, plan_of, prepared) -> None:
    tags = ["x"] * 10 + ["x;y"] * 4 + ["z;x"] * 2 + [""] * 4
    write("a.jsonl", *(f'{{"text": "t {row}", "tags": {_listed(tag)}}}' for row, tag in enumerate(tags)))
    text = """
fields: {text: text, tags: {categories: [x, y, z]}}
sources: {a: {use: table, path: a.jsonl, map: {text: text, tags: tags}, balance: tags}}
"""
    made = training_order(plan_of(text), splits := prepared(text), 4, 0)
    picks = [pick for epoch in range(3) for pick in seen(made, epoch)]
    found = Counter(str(splits.train[pick.place]["tags"]) for pick in picks)
    assert found["None"] == 4 * 3
    assert [found[key] for key in ("[0]", "[0, 1]", "[0, 2]")] == [16, 16, 16]


def _listed(tag: str) -> str:
    return "null" if not tag else "[" + ", ".join(f'"{one}"' for one in tag.split(";")) + "]"


@settings(deadline=None, max_examples=60)
@given(
    rows=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 400), min_size=1),
    by=st.sampled_from(["size", "proportions", "temperature", "round_robin"]),
    until=st.sampled_from(["longest", "shortest"]),
    most=st.none() | st.integers(6, 200),
    weights=st.lists(st.floats(0.05, 20), min_size=6, max_size=6),
)
def test_counts_keep_the_shares_and_the_end(rows, by, until, most, weights) -> None:
    shares = dict(zip("abcdef", weights, strict=True))
    mixing = Mixing(by=by, proportions={name: shares[name] for name in rows}, until=until, rows=most)
    counts = epoch_rows(mixing, rows, dict.fromkeys(rows, 1))
    assert min(counts.values()) >= 1
    if most is not None and sum(counts.values()) == most:
        return
    assert most is None or sum(counts.values()) <= most
    ended = [name for name in rows if counts[name] >= rows[name]]
    assert any(counts[name] == rows[name] for name in rows)
    if until == "longest" or by == "size":
        assert len(ended) == len(rows)
    else:
        assert all(counts[name] <= rows[name] for name in rows)


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(0, 500), min_size=1, max_size=300),
    size=st.integers(1, 17),
    sources=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_like_length_gives_every_row_once_and_the_longest_first(lengths, size, sources, seed) -> None:
    from consilience.data._decks import seeded
    from consilience.data._layout import like_length

    random = seeded(seed)
    owners = random.randint(0, sources, len(lengths)).astype(np.int64)
    items = random.permutation(len(lengths)).astype(np.int64)
    found = list(like_length(items, np.array(lengths), owners, size, random))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    assert max(lengths) in [lengths[row] for row in found[0]]
    assert all(len(batch) == size for batch in found[:-1])


def test_batches_are_of_like_length_and_in_no_order_of_length(write, plan_of, prepared) -> None:
    write("a.csv", "text", *("x" * (1 + (37 * row) % 1000) for row in range(1000)))
    text = "fields: {text: text}\nsources: {a: {use: table, path: a.csv, map: {text: text}}}"
    made = training_order(plan_of(text), splits := prepared(text), 10, 0)
    lengths = [splits.train.lengths[pick.place] for pick in made]
    batches = [lengths[start : start + 10] for start in range(0, 1000, 10)]
    assert max(lengths) in batches[0]
    assert sum(max(batch) - min(batch) for batch in batches) / 100 < 1000 / 10
    means = [sum(batch) / 10 for batch in batches]
    assert 30 < sum(later > earlier for earlier, later in pairwise(means)) < 70


def test_a_class_without_rows_cannot_be_balanced(write, fault) -> None:
    write("a.csv", "text,label", "one,bad", "two,bad")
    text = """
fields: {text: text, mood: {category: [bad, good]}}
sources: {a: {use: table, path: a.csv, map: {text: text, mood: label}, balance: mood}}
"""
    assert """error CN531 at sources.a.balance (<text>:5)
  found     mood, of which a has no training row for good
  expected  a training row for each label of mood
  fix       # remove the key balance, or add rows of these labels""" in fault(text)


def test_an_epoch_without_end_is_refused(write, fault) -> None:
    write("a.csv", "text", "one", "two")
    write("b.csv", "text", *(f"text {row}" for row in range(300)))
    text = """
fields: {text: text}
sources: {a: {use: table, path: a.csv, map: {text: text}}, b: {use: table, path: b.csv, map: {text: text}}}
mixing: {by: proportions, proportions: {a: 1_000_000, b: 1}}
"""
    assert (
        fault(text.replace("_", ""))
        == """error CN532 at mixing (<text>:6)
  found     an epoch of 300,000,300 rows, of sources that have 302
  expected  at most 100,000,000 rows, or the key rows
  fix       rows: 302"""
    )
