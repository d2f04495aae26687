"""Draws how a grown fusion balances its losses, what weighs its disciplines, and when each of them counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from random import Random
from typing import Any

import networkx as nx
from tests.soundness.growth import Growth
from tests.soundness.settings import draw_settings
from tests.soundness.targets import gradients_of, is_still

from consilience.declare import Balancer, GradientBalancer, Sees
from consilience.host import Offer, Registry

__all__ = ["draw_by_gradients", "draw_objective", "draw_schedules"]

Objectives = Mapping[str, tuple[str, ...]]

_LEAST = {"krum": 3}
"""How many objectives a balancer asks for at least, where it is more than two."""
_FITTED: dict[str, Callable[[Random, list[str]], dict[str, Any]]] = {
    "krum": lambda random, names: {
        "n_byzantine": random.randint(0, len(names) - 3),
        "n_selected": random.randint(1, len(names)),
    },
    "pcd": lambda random, names: {"primary": random.choice(names)},
    "trimmed_mean": lambda random, names: {"trim_number": random.randint(0, (len(names) - 1) // 2)},
}
"""The settings that the objectives bound."""
_AWAKE: tuple[dict[str, Any], ...] = (
    {"rise": 0.2, "shape": "linear"},
    {"rise": 1, "shape": "cosine"},
    {"fall": 0.3, "floor": 0.1},
    {"rise": 0.2, "fall": 0.2, "shape": "exponential"},
    {"stop": 0.9, "fall": 0.3, "floor": 0.5},
)
"""Schedules that leave something of a loss in every step, of three steps and of more."""
_RESTING: tuple[dict[str, Any], ...] = (
    {"start": 0.3},
    {"stop": 0.9},
    {"start": 0.3, "stop": 0.9, "rise": 0.2, "fall": 0.2},
    {"start": 1, "shape": "cosine", "rise": 0.2},
)
"""Schedules by which a loss is off in some steps."""


def draw_objective(growth: Growth) -> dict[str, Any]:
    """Draws the section `objective`, but for its schedules; it may be empty."""
    random = growth.random
    objective: dict[str, Any] = {}
    if random.random() < 0.7:
        objective["balance"] = _balance(growth)
    if random.random() < 0.3:
        names = sorted(_by_discipline(growth))
        chosen = random.sample(names, random.randint(1, len(names)))
        objective["weights"] = {name: random.choice([0.5, 2, 1.0, 0.01]) for name in chosen}
    if random.random() < 0.1:
        objective["gradients_every"] = random.choice([1, 2, 50])
    return objective


def draw_by_gradients(random: Random, registry: Registry, losses: list[str]) -> dict[str, Any]:
    """Draws a balancer that weighs gradients, whether or not the fusion has anything for it to weigh."""
    offers = [one for one in registry.components("balancer") if issubclass(one.component, GradientBalancer)]
    offer = random.choice(offers)
    written: dict[str, Any] = {"use": offer.name}
    for key, values in (("over", ("parameters", "representation")), ("per", ("loss", "discipline"))):
        if random.random() < 0.5:
            written[key] = random.choice(values)
    if "primary" in offer.component.model_fields:
        written["primary"] = random.choice(losses)
    return written


def draw_schedules(growth: Growth, written: dict[str, Any]) -> None:
    """Draws schedules of losses and of disciplines, of which one loss is on in every step; often draws none.

    What a schedule means depends on how many steps there are, so the training says it.
    """
    random = growth.random
    if random.random() < 0.75:
        return
    awake = random.choice(list(growth.losses))
    steady = next(owner for owner, losses in _by_discipline(growth).items() if awake in losses)
    for loss, node in growth.losses.items():
        if random.random() < 0.5:
            node["schedule"] = dict(random.choice(_AWAKE if loss == awake else (*_AWAKE, *_RESTING)))
    for owner in _by_discipline(growth):
        if random.random() < 0.2:
            schedules = written.setdefault("objective", {}).setdefault("schedules", {})
            schedules[owner] = dict(random.choice(_AWAKE if owner == steady else (*_AWAKE, *_RESTING)))
    written.setdefault("train", {}).setdefault("max_steps", random.randint(3, 9))


def _balance(growth: Growth) -> Any:
    """Draws a balancer that has something to weigh: one by values or one by gradients, of any plugin."""
    random, losses = growth.random, {name: (name,) for name in growth.losses}
    offers: dict[bool, list[Offer]] = {False: [], True: []}
    for offer in growth.registry.components("balancer"):
        component: Any = offer.component
        assert issubclass(component, Balancer)
        if len(losses) > 1 or not component.needs_several_losses:
            offers[component.needs_shared_parameters].append(offer)
    is_by_gradients = _meet(growth, losses) and random.random() < 0.8
    if is_by_gradients:
        return _by_gradients(growth, offers[True])
    offer = random.choice(offers[False])
    settings = draw_settings(random, offer.component)
    return {"use": offer.name, **settings} if settings or random.random() < 0.5 else offer.name


def _by_gradients(growth: Growth, offers: Iterable[Offer]) -> dict[str, Any]:
    random = growth.random
    ways: dict[str, Objectives] = {"loss": {name: (name,) for name in growth.losses}}
    if len(disciplines := _by_discipline(growth)) > 1:
        ways["discipline"] = disciplines
    per = random.choice(list(ways))
    names = list(ways[per])
    offer = random.choice([one for one in offers if len(names) >= _LEAST.get(one.component.component, 2)])
    component: Any = offer.component
    places = ["parameters"]
    if component.sees is Sees.GRAMIAN and _meet(growth, ways[per]):
        places.append("representation")
    given = {"over": random.choice(places), "per": per}
    fields = component.model_fields
    given = {key: value for key, value in given.items() if value != fields[key].default or random.random() < 0.5}
    settings = draw_settings(random, component)
    settings = {key: value for key, value in settings.items() if key not in ("over", "per")}
    fitted = _FITTED.get(component.component, lambda random, names: {})(random, names)
    return {"use": offer.name, **settings, **fitted, **given}


def _by_discipline(growth: Growth) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, node in growth.losses.items():
        namespace, dot, _ = node["use"].partition(".")
        owner = str(node.get("discipline", namespace if dot else "task"))
        found[owner] = (*found.get(owner, ()), name)
    return found


def _meet(growth: Growth, objectives: Objectives) -> bool:
    """Tells whether two objectives train parameters of one module by the tensors that they read."""
    graph = gradients_of(growth)
    reached = []
    for losses in objectives.values():
        behind = {name for loss in losses for name in nx.ancestors(graph, loss) if name in growth.modules}
        owners = {growth.modules[name].get("share", name) for name in behind}
        reached.append({owner for owner in owners if not is_still(growth.modules[owner])})
    return any(first & second for first, second in combinations(reached, 2))
