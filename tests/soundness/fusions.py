"""Makes fusions that are valid by construction: a graph that grows node by node, each fed by what fits it."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.soundness.growth import Growth
from tests.soundness.mixtures import draw_mixing
from tests.soundness.rows import add_sources
from tests.soundness.spelling import shuffled
from tests.soundness.targets import add_answer, finish
from tests.soundness.training import draw_training, give_epochs

from consilience.host import Registry

__all__ = ["MOST_NODES", "grow"]

MOST_NODES = 30
_TITLES = ("tried", "a try", "Versuch 7", "essai-1.2", "试验", "x")


def grow(random: Random, registry: Registry) -> dict[str, Any]:
    """Grows one valid fusion of 3 to 30 inputs, modules, losses and metrics, as plain values."""
    growth = Growth(random, registry)
    budget = random.choice([3, 4, 5, 6, 8, 10, 12, 15, 20, 25, MOST_NODES])
    growth.begin()
    while growth.size < budget * 0.6:
        growth.step()
    while growth.size < budget or not growth.losses:
        add_answer(growth)
        if random.random() < 0.2:
            growth.step()
    finish(growth)
    add_sources(growth)
    return _written(growth)


def _written(growth: Growth) -> dict[str, Any]:
    random = growth.random
    written: dict[str, Any] = {"consilience": 1, "name": random.choice(_TITLES)}
    for section in ("resources", "fields", "sources", "inputs", "modules", "losses", "metrics"):
        nodes = getattr(growth, section)
        if nodes or random.random() < 0.1:
            written[section] = nodes
    written |= draw_training(growth)
    draw_mixing(growth, written)
    give_epochs(growth, written)
    return shuffled(random, written) if random.random() < 0.5 else written
