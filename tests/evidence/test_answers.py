"""Decoding: what a tensor says in the labels of a field."""

from __future__ import annotations

import pytest
import torch

from consilience.declare import FieldType
from consilience.evidence import Answer, answers_of
from consilience.evidence._answers import first_positions
from consilience.plan import Plan, Ref, check


def answer(kind: object, labels: tuple[str, ...] = (), words: Ref | None = None) -> Answer:
    field = FieldType.model_validate(kind)
    return Answer("head", Ref("head", "logits"), "field", field, labels, "loss", Ref("field", "field"), words)


def test_a_category_is_the_likeliest_label() -> None:
    scores = torch.tensor([[0.0, 2.0, -1.0]])
    [found] = answer({"category": ["a", "b", "c"]}, ("a", "b", "c")).decode({"head.logits": scores})
    assert found["label"] == "b"
    assert list(found["probabilities"].values()) == scores.softmax(-1)[0].tolist()


def test_categories_are_chosen_from_one_half_on() -> None:
    scores = torch.tensor([[0.0, 2.0, -0.01], [-1.0, -1.0, -1.0]])
    first, second = answer({"categories": ["a", "b", "c"]}, ("a", "b", "c")).decode({"head.logits": scores})
    assert first["labels"] == ["a", "b"]
    assert first["probabilities"]["a"] == 0.5
    assert second["labels"] == []


def test_numbers_are_given_by_name() -> None:
    assert answer("number").decode({"head.logits": torch.tensor([0.5, -2.0])}) == [{"value": 0.5}, {"value": -2.0}]
    numbers = answer({"numbers": ["x", "y"]}, ("x", "y")).decode({"head.logits": torch.tensor([[0.5, 1.5]])})
    assert numbers == [{"values": {"x": 0.5, "y": 1.5}}]


def test_bfloat16_scores_are_decoded_in_float32() -> None:
    scores = torch.tensor([[0.0, 1.0]], dtype=torch.bfloat16)
    [found] = answer({"category": ["a", "b"]}, ("a", "b")).decode({"head.logits": scores})
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-6)


def test_words_take_the_label_of_their_first_token() -> None:
    words = torch.tensor([[-1, 0, 0, 1, -1], [-1, 0, -1, -1, -1]])
    scores = torch.zeros(2, 5, 2)
    scores[0, 1, 1] = scores[0, 3, 0] = scores[1, 1, 0] = 3.0
    scores[0, 2, 0] = 9.0  # a later token of the first word: it does not count
    kind = {"token_labels": ["out", "in"]}
    decoded = answer(kind, ("out", "in"), Ref("tokens", "words")).decode({"head.logits": scores, "tokens.words": words})
    assert [found["labels"] for found in decoded] == [["in", "out"], ["out"]]
    assert decoded[0]["probabilities"][0]["in"] == pytest.approx(torch.tensor([0.0, 3.0]).softmax(-1)[1].item())


def test_first_positions_start_at_every_new_word() -> None:
    assert first_positions(torch.tensor([[0, 0, 1, -1, 2]])).tolist() == [[True, False, True, False, True]]


def test_answers_are_the_modules_that_losses_compare_with_fields(small_fusion: object) -> None:
    plan: Plan = check(str(small_fusion))
    found = answers_of(plan)
    assert list(found) == ["opinion", "rating", "about", "feeling"]
    assert found["opinion"].labels == ("negative", "positive")
    assert str(found["opinion"].ref) == "opinion.logits"
    assert found["about"].loss == "about_loss"
