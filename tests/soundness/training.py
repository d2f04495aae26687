"""Draws how a grown fusion is trained."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.soundness.growth import Growth
from tests.soundness.objectives import draw_objective, draw_schedules

__all__ = ["draw_training", "give_epochs"]


def draw_training(growth: Growth) -> dict[str, Any]:
    """Draws the sections `objective` and `train`; either may be left out."""
    random = growth.random
    written: dict[str, Any] = {}
    objective = draw_objective(growth)
    if objective or random.random() < 0.1:
        written["objective"] = objective
    if random.random() < 0.8:
        written["train"] = _train(random)
    draw_schedules(growth, written)
    return written


def give_epochs(growth: Growth, written: dict[str, Any]) -> None:
    """Lets a balancer that compares epochs have some: that it never begins to weigh is warned of."""
    objective, train = written.get("objective", {}), written.get("train", {})
    balance = objective.get("balance", "fixed")
    offer = growth.registry.component(balance if isinstance(balance, str) else balance["use"])
    idle = getattr(offer.component, "idle_epochs", 0) if offer else 0
    if idle and any(source.get("streaming") for source in written["sources"].values()):
        objective["balance"] = "uncertainty"
    elif idle and "max_steps" not in train and train.get("epochs", 3) <= idle:
        train["epochs"] = idle + 1


def _train(random: Random) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "epochs": random.choice([1, 3, 0.5]),
        "batch_size": random.randint(1, 8),
        "learning_rate": random.choice([1e-3, 5.0e-5, 0.01]),
        "seed": random.randint(0, 2**32 - 1),
        "max_steps": random.randint(3, 9),
        "gradient_accumulation_steps": random.randint(1, 3),
        "lr_scheduler_type": random.choice(["linear", "cosine", "constant_with_warmup", "inverse_sqrt"]),
        "warmup_steps": random.choice([1, 0.1]),
        "weight_decay": random.choice([0, 0.01]),
        "max_grad_norm": random.choice([0, 1, 0.3]),
        "optim": random.choice(["adamw_torch", "adafactor", "sgd", "adagrad", "rmsprop"]),
        "train_sampling_strategy": random.choice(["group_by_length", "random", "sequential"]),
        "data_seed": random.randint(0, 99),
        "dataloader_drop_last": random.random() < 0.5,
        "logging_steps": random.randint(1, 20),
        "logging_first_step": random.random() < 0.5,
    }
    kept = [key for key in drawn if random.random() < (0.6 if key in ("batch_size", "epochs") else 0.15)]
    written = {key: drawn[key] for key in kept}
    if written.get("train_sampling_strategy") == "sequential":
        written.pop("data_seed", None)  # nothing is drawn by it, which is warned of
    if written.get("dataloader_drop_last"):
        written["batch_size"] = drawn["batch_size"]  # of the usual 16, some fusions have too few rows
    if random.random() < 0.1:  # half precision without it asks for a GPU
        written |= {"use_cpu": True, "bf16": random.random() < 0.5}
    return written
