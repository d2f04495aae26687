"""Checks of inputs: what they make of texts, the odd ones too, again and again, and in other processes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from consilience.testing._check import Broken, Ledger
from consilience.testing._collated import collator_of, examples_of
from consilience.testing._draw import ODD_TEXTS, TEXTS
from consilience.testing._subject import Subject
from consilience.testing._witness import Unreachable, collate_elsewhere, digests

LEDGER = Ledger()

_BY_ITSELF = {
    False: "compute each text by itself, and pad at the end",
    True: "compute each text by itself, draw for it from its own of the generators, and pad at the end",
}
"""What is wrong where a text's result hangs on others, by whether the input is random."""


@LEDGER.component("input")
def texts_honoured(subject: Subject) -> None:
    """For 1, 2 and 7 texts it gives tensors of the dtypes, shapes and values that its ports declare."""
    for batch in (1, 2, 7):
        _collated(subject, [TEXTS[place % len(TEXTS)] for place in range(batch)])


@LEDGER.component("input")
def odd_texts_honoured(subject: Subject) -> None:
    """Texts that are empty, very long, in any script, or lists of words give what its ports declare."""
    for text in ODD_TEXTS:
        _collated(subject, [text])
    _collated(subject, ODD_TEXTS)


@LEDGER.component("input")
def repeatable(subject: Subject) -> None:
    """For the same rows and the same generators it gives the same, and it touches no global generator."""
    before = _global_generators()
    first, second = _collated(subject, TEXTS), _collated(subject, TEXTS)
    if _global_generators() != before:
        fix = "draw from the generators that are handed over where is_random = True"
        raise Broken("a global generator was drawn from or seeded", "none touched", fix)
    for name, one in first.items():
        if not torch.equal(one.nan_to_num(), second[name].nan_to_num()):
            fix = "declare is_random = True, and draw from generators"
            raise Broken(f"{name} differs for the same rows", "the same to the last bit", fix)


@LEDGER.component("input")
def texts_independent(subject: Subject) -> None:
    """What it gives for a text does not depend on the texts beside it, but for padding; nor does what it draws."""
    together = _collated(subject, TEXTS)
    for row in range(len(TEXTS)):
        alone = _collated(subject, [TEXTS[row]], row)
        for name, one in alone.items():
            beside = together[name][row : row + 1]
            for axis in range(1, one.dim()):
                size = min(one.shape[axis], beside.shape[axis])
                one, beside = one.narrow(axis, 0, size), beside.narrow(axis, 0, size)
            if not torch.allclose(one.double(), beside.double(), rtol=1e-5, atol=1e-6, equal_nan=True):
                found = f"{name} of a text changes with the texts beside it"
                raise Broken(found, "one result a text", _BY_ITSELF[subject.component.is_random])  # type: ignore[attr-defined]


@LEDGER.component("input")
def works_in_workers(subject: Subject) -> None:
    """It travels to a data loader's worker process, and gives the same there."""
    built = subject.build()
    collator, examples = collator_of(subject, built), examples_of(subject, built, TEXTS)
    here = digests(collator(examples))
    try:
        there = collate_elsewhere(collator, examples)
    except Unreachable as error:
        fix = "build a function or an object of a class at the top of a module, of plain values"
        raise Broken(str(error), "an input that pickles", fix) from error
    if here != there:
        name = min(name for name in here if here[name] != there.get(name))
        raise Broken(f"{name} differs in another process", "the same to the last bit", "rest on nothing global")


def _collated(subject: Subject, texts: Sequence[str | list[str]], first: int = 0) -> dict[str, Tensor]:
    built = subject.build()
    batch = collator_of(subject, built)(examples_of(subject, built, texts, first))
    return {name: tensor for name, tensor in batch.items() if name.startswith("own.")}


def _global_generators() -> Mapping[str, Any]:
    return {
        "torch": hashlib.sha256(torch.random.get_rng_state().numpy().tobytes()).hexdigest(),
        "numpy": hashlib.sha256(repr(np.random.get_state()).encode()).hexdigest(),
        "random": random.getstate(),
    }
