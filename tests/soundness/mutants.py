"""Makes mutants of a fusion: one to three changes, of the plain values or of the text."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.soundness.changes import CHANGES, LIKELY
from tests.soundness.scribbles import SCRIBBLES
from tests.soundness.spelling import to_yaml

from consilience.host import Registry

__all__ = ["Mutant", "mutate"]

MOST_CHANGES = 3
_TRIES = 8

Change = Callable[[Random, Registry, Any], Any]


@dataclass(frozen=True)
class Mutant:
    """The text of a mutated fusion, and the names of the changes that made it."""

    text: str
    changes: tuple[str, ...]


def mutate(random: Random, registry: Registry, written: dict[str, Any]) -> Mutant:
    """Changes a fusion in one to three ways; every eighth change is of the text."""
    written = copy.deepcopy(written)
    count = random.choice([1, 1, 2, MOST_CHANGES])
    of_text = sum(random.random() < 0.12 for _ in range(count))
    made = [_change(random, registry, written) for _ in range(count - of_text)]
    text = to_yaml(random, written)
    for _ in range(of_text):
        name = random.choice(list(SCRIBBLES))
        text = SCRIBBLES[name](random, text)
        made.append(name)
    return Mutant(text, tuple(made))


def _change(random: Random, registry: Registry, written: dict[str, Any]) -> str:
    for _ in range(_TRIES):
        name = random.choice(LIKELY if random.random() < 0.5 else list(CHANGES))
        if CHANGES[name](random, registry, written):
            return name
    return "nothing"
