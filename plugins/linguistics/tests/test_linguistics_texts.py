"""Spans, replaced tokens, order, contrast, entities, pairs, likelihood and style against values by hand."""

from __future__ import annotations

import doctest
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from seqeval.metrics import f1_score
from torch import Tensor, nn

import consilience_linguistics as plugin
from consilience.declare import Float, Module, Ports, Use
from consilience_linguistics import style
from consilience_linguistics.contrast import SimCSELoss
from consilience_linguistics.corruption import GeneratorSamples, ReplacedTokenLoss, Replacer
from consilience_linguistics.heads import MaskedLMHead
from consilience_linguistics.likelihood import PseudoLogLikelihood
from consilience_linguistics.metrics import EntityScore, PairAccuracy
from consilience_linguistics.pairing import parts_of
from consilience_linguistics.spans import SpanMasker, lengths_of
from consilience_linguistics.style import find_negation, measure_readability, syllables
from consilience_linguistics.tagging import best_tags, may_follow

IDS = torch.arange(10, 34).reshape(1, 24)
WORDS = torch.tensor([[-1, *[word for word in range(11) for _ in range(2)], -1]])
SPECIAL = WORDS < 0


def masked(unit: str, seed: int, rate: float = 0.4, padding: int = 0) -> dict[str, Tensor]:
    masker = SpanMasker(100, 4, lengths_of(unit, 3), rate, 1.0, 0.0, unit == "span")
    pad = nn.functional.pad
    return masker(
        pad(IDS, (0, padding)),
        pad(~SPECIAL | SPECIAL, (0, padding), value=False),
        pad(SPECIAL, (0, padding), value=True),
        pad(WORDS, (0, padding), value=-1),
        [torch.Generator().manual_seed(seed)],
    )


@pytest.mark.parametrize("unit", ["word", "ngram", "span"])
def test_whole_words_are_hidden_within_the_share(unit: str) -> None:
    for seed in range(20):
        given = masked(unit, seed)
        places = given["positions"][0][given["labels"][0] >= 0]
        words = WORDS[0, places]
        assert (words >= 0).all()
        assert all((words == word).sum() == 2 for word in words.unique()), "no half of a word is hidden"
        assert len(places) <= round(22 * 0.4)
        assert given["ids"][0, places].eq(4).all()
        padded = masked(unit, seed, padding=5)
        assert torch.equal(padded["ids"][:, :24], given["ids"])


def test_the_lengths_of_spans_are_those_of_their_papers() -> None:
    assert lengths_of("word", 10) == (1.0,)
    assert lengths_of("ngram", 3) == pytest.approx([6 / 11, 3 / 11, 2 / 11])
    shares = lengths_of("span", 10, 0.2)
    assert sum(size * share for size, share in enumerate(shares, 1)) == pytest.approx(
        3.8, abs=0.05
    )  # SpanBERT, section 3.1


def test_replaced_tokens_are_told_from_the_original() -> None:
    ids = torch.randint(5, 50, (200, 20), generator=torch.Generator().manual_seed(0))
    special = torch.zeros(200, 20, dtype=torch.bool)
    special[:, 0] = True
    generators = [torch.Generator().manual_seed(row) for row in range(200)]
    given = Replacer(50, 0.25)(ids, torch.ones_like(special), special, generators)
    assert torch.equal(given["labels"] == 1, (given["ids"] != ids) & ~special)
    assert (given["labels"][:, 0] == -100).all()
    assert (given["labels"] == 1).float().sum() / 200 == pytest.approx(5 * 49 / 50, abs=0.2)


def test_a_generators_right_guess_is_no_replacement() -> None:
    ids, special = torch.tensor([[2, 4, 8, 4]]), torch.tensor([[True, False, False, False]])
    positions, truth = torch.tensor([[1, 3, 0]]), torch.tensor([[7, 9, -100]])
    logits = torch.zeros(1, 3, 12)
    logits[0, 0, 7] = logits[0, 1, 5] = 50.0
    for module in (GeneratorSamples().eval(), GeneratorSamples().train()):
        filled, labels = module(ids, special, positions, truth, logits)
        assert filled.tolist() == [[2, 7, 8, 5]]
        assert labels.tolist() == [[-100, 0, 0, 1]]
    value = ReplacedTokenLoss()(torch.tensor([[9.0, 0.0, 0.0, 0.0]]), labels)
    assert value.item() == pytest.approx(math.log(2))


def test_texts_are_cut_at_the_end_of_a_sentence() -> None:
    assert parts_of("One. Two! Three?", 0.0) == ("One.", "Two! Three?")
    assert parts_of(["One", ".", "Two", "."], 0.9) == ("One .", "Two .")
    assert parts_of("No end", 0.5) is None


def test_two_readings_are_nearest_to_each_other() -> None:
    states = torch.eye(3)
    expected = -math.log(math.exp(1 / 0.05) / (math.exp(1 / 0.05) + 2))
    assert SimCSELoss()(states, 5 * states).item() == pytest.approx(expected, abs=1e-6)
    assert SimCSELoss()(states, states.roll(1, 0)).item() > 10


LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def test_entities_are_counted_as_seqeval_does() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 9, 5, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 5, (6, 9), generator=generator)
    target[0, 5:] = -100
    true = [[LABELS[code] for code in row if code >= 0] for row in target.tolist()]
    rows = logits.argmax(-1).tolist()
    found = [[LABELS[code] for code in row[: len(tags)]] for row, tags in zip(rows, true, strict=True)]
    metric = EntityScore(LABELS, decode="argmax")
    metric.update(logits, target)
    assert metric.compute().item() == pytest.approx(f1_score(true, found))
    strict = EntityScore(LABELS, scheme="iob2", decode="argmax")
    strict.update(logits, target)
    from seqeval.scheme import IOB2

    assert strict.compute().item() == pytest.approx(f1_score(true, found, mode="strict", scheme=IOB2))


@pytest.mark.parametrize("labels", [LABELS, ["O", "B-X", "I-X", "E-X", "S-X"]])
def test_the_best_tags_are_the_best_of_all_that_are_admitted(labels: list[str]) -> None:
    from itertools import product

    scores = torch.randn(4, 5, generator=torch.Generator().manual_seed(3)).double().numpy()
    whole = any(label.startswith("E-") for label in labels)

    def admitted(tags: tuple[str, ...]) -> bool:
        is_begun = all(may_follow(before, tag) for before, tag in zip(("O", *tags), tags, strict=False))
        closes = all(
            not (whole and before[0] in "BI") or tag[0] in "IE"
            for before, tag in zip(tags, (*tags[1:], "O"), strict=True)
        )
        return is_begun and closes

    choices = [codes for codes in product(range(5), repeat=4) if admitted(tuple(labels[code] for code in codes))]
    best = max(choices, key=lambda codes: sum(scores[word, code] for word, code in enumerate(codes)))
    assert tuple(best_tags(scores, labels)) == best


def test_pairs_are_counted_by_paradigm() -> None:
    good, bad, paradigm = torch.tensor([2.0, 1.0, 0.0]), torch.tensor([1.0, 2.0, -1.0]), torch.tensor([0, 0, 2])
    macro, micro, each = (PairAccuracy(3, average) for average in ("macro", "micro", "none"))
    for metric in (macro, micro, each):
        metric.update(good, bad, paradigm)
    assert macro.compute().item() == pytest.approx(0.75)
    assert micro.compute().item() == pytest.approx(2 / 3)
    assert each.compute()[0] == 0.5
    assert each.compute()[1].isnan()


class Reader(nn.Module):
    """An encoder whose states are sums of embeddings: what it reads changes what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(20, 6)

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        states = self.embeddings(ids) * mask.unsqueeze(-1)
        hidden = states + states.sum(dim=1, keepdim=True)
        return hidden, hidden[:, 0]


def test_the_likelihood_is_the_sum_over_masked_copies() -> None:
    torch.manual_seed(0)
    head = MaskedLMHead(Reader(), 6, 20)
    ids, mask = torch.tensor([[2, 7, 8, 9, 3], [2, 11, 3, 0, 0]]), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    special = torch.tensor([[True, False, False, False, True], [True, False, True, True, True]])
    words = torch.tensor([[-1, 0, 0, 1, -1], [-1, 0, -1, -1, -1]])
    score = PseudoLogLikelihood(head, 4)(ids, mask, special)

    def by_hand(hidden: list[list[int]]) -> Tensor:
        total = torch.zeros(())
        for places in hidden:
            copy = ids[:1].clone()
            copy[0, places] = 4
            logits = head(head.tied(copy, mask[:1])[0], torch.tensor([[places[0]]]))[0, 0]
            total = total + logits.log_softmax(-1)[ids[0, places[0]]]
        return total

    torch.testing.assert_close(score[0], by_hand([[1], [2], [3]]))
    alone = PseudoLogLikelihood(head, 4)(ids[1:, :3], mask[1:, :3], special[1:, :3])
    torch.testing.assert_close(score[1:], alone)
    rest = PseudoLogLikelihood(head, 4, hides_rest=True)(ids, mask, special, words)
    torch.testing.assert_close(rest[0], by_hand([[1, 2], [2], [3]]))


def test_a_head_that_guesses_no_words_is_told() -> None:
    class Pooler(Module):
        """No head."""

        inputs = Ports(hidden=Float["batch seq hidden"])

    tokenizer: Any = SimpleNamespace(special_tokens=lambda: {"mask_token": None})
    score = plugin.PseudoLogLikelihood(head=Use("pooler", Pooler()), checkpoint=Use("gpt", tokenizer))
    told = [str(fault.at("modules", "score")) for fault in score.faults()]
    assert told[0] == (
        "error CN319 at modules.score.head\n"
        "  found     pooler: a pooler\n"
        "  expected  a linguistics.masked_lm_head\n"
        "  fix       # name under head a linguistics.masked_lm_head"
    )
    assert "CN690" in told[1]


def test_negation_goes_to_the_next_punctuation() -> None:
    text = "It is n't good , but never dull"
    starts = [0, 3, 6, 10, 15, 17, 21, 27]
    ends = [2, 5, 9, 14, 16, 20, 26, 31]
    spans = torch.tensor([list(map(list, zip(starts, ends, strict=True)))])
    given = find_negation([text.split()], spans)
    assert given["tokens"][0].tolist() == [False, False, False, True, False, False, False, True]
    assert given["features"][0].tolist() == pytest.approx([2 / 7, 2 / 7])
    assert doctest.testmod(style) == (0, 1)


def test_readability_is_that_of_the_formulas() -> None:
    values = measure_readability(["The cat sat on the mat. It purred."])[0].tolist()
    # Eight words, two sentences, nine syllables by vowels (purred: pur-red), 24 letters.
    beats = sum(map(syllables, ["The", "cat", "sat", "on", "the", "mat", "It", "purred"]))
    assert values[0] == pytest.approx(206.835 - 1.015 * 4 - 84.6 * beats / 8, abs=1e-3)
    assert values[1] == pytest.approx(0.39 * 4 + 11.8 * beats / 8 - 15.59, abs=1e-4)
    assert values[4:] == pytest.approx([4, beats / 8, 25 / 8, 7 / 8])
    assert measure_readability(["", ["!"]]).tolist() == [[0.0] * 8] * 2
    assert [syllables(word) for word in ("cat", "table", "readability", "love", "free")] == [1, 2, 5, 1, 1]
