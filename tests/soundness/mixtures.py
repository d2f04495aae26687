"""Draws how a grown fusion mixes its sources, and which of them it reads as they come."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.soundness.growth import Growth

__all__ = ["draw_mixing"]

_NEED_ALL = ("split", "distinct", "repeat", "balance")
"""What no stream can have beside it."""


def draw_mixing(growth: Growth, written: dict[str, Any]) -> None:
    """Draws the section `mixing` for several sources, and fits them and the training to it; often draws nothing."""
    random, names = growth.random, list(growth.sources)
    train = written.get("train", {})
    if len(names) < 2 or random.random() < 0.6 or train.get("dataloader_drop_last"):
        return  # of few rows that are cut once more, no batch might be full
    by = random.choice(["size", "proportions", "temperature", "round_robin"])
    mixing: dict[str, Any] = {"by": by}
    if by == "proportions":
        mixing["proportions"] = {name: random.choice([1, 3, 0.25]) for name in names}
    if by == "temperature" and random.random() < 0.5:
        mixing["temperature"] = random.choice([1, 2.0, 5])
    if random.random() < 0.5:
        mixing["batches"] = random.choice(["mixed", "homogeneous"])
    if by != "size":
        for source in growth.sources.values():
            source.pop("repeat", None)  # it would do nothing, which is warned of
    is_kept = any("cache" in node.get("tune", ()) for node in growth.modules.values())  # and a stream's rows are not
    if by in ("proportions", "round_robin") and not is_kept and random.random() < 0.3:
        _stream(random, growth.sources[names[-1]], written)
    else:
        if by != "size" and random.random() < 0.5:
            mixing["until"] = random.choice(["longest", "shortest", *names])
        if random.random() < 0.3:
            mixing["rows"] = random.randint(len(names), 40)
    written["mixing"] = mixing


def _stream(random: Random, source: dict[str, Any], written: dict[str, Any]) -> None:
    for key in _NEED_ALL:
        source.pop(key, None)
    source |= {"streaming": True, "buffer": random.choice([1, 5, 1000])}
    train = {"max_steps": 3, **written.get("train", {})}
    if train.get("train_sampling_strategy") == "group_by_length":
        del train["train_sampling_strategy"]
    written["train"] = train
