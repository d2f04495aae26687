"""Gives a grown fusion its sources: one that fills every field, and others that fill some."""

from __future__ import annotations

from random import Random
from typing import Any

import networkx as nx
from tests.soundness.growth import Field, Growth
from tests.soundness.targets import graph_of
from tests.soundness.world import HUB, TABLES, column_of

__all__ = ["add_sources"]


def add_sources(growth: Growth) -> None:
    """Adds one to three sources; the first fills all fields, and has validation rows where there are metrics."""
    random = growth.random
    tables = random.sample((*TABLES, HUB), random.choice([1, 1, 2, 3]))
    names = random.sample(["reviews", "comments", "notes", "daily", "parts", "日"], len(tables))
    for index, (name, path) in enumerate(zip(names, tables, strict=True)):
        mapped = growth.labelled if index == 0 else _some_fields(growth)
        source = {"use": "hub" if path == HUB else "table", "path": path, "map": _map(growth, mapped, path)}
        source["map"] |= {weight: "counts" for weight in growth.weights if index == 0 or random.random() < 0.5}
        _choose_rows(random, source, bool(growth.metrics) and index == 0)
        _balance(random, source, mapped)
        growth.sources[name] = source


def _some_fields(growth: Growth) -> list[Field]:
    """Picks the fields that one loss compares with, and some others: rows of which no loss learns are warned of."""
    reading = [name for name, node in growth.losses.items() if "in" in node]
    loss = growth.random.choice(reading or list(growth.losses))
    behind = {loss, *nx.ancestors(graph_of(growth), loss)}
    return [field for field in growth.labelled if field.name in behind or growth.random.random() < 0.4]


def _map(growth: Growth, fields: list[Field], path: str) -> dict[str, Any]:
    tagged = next((field.text for field in fields if field.kind == "token_labels"), None)
    texts = sorted(growth.texts, key=lambda text: text != tagged)  # labels of words are those of the first text
    columns = ["text", "title"] if growth.random.random() < 0.8 or tagged else ["title", "text"]
    written: dict[str, Any] = dict(zip(texts, columns, strict=False))
    for field in fields:
        written[field.name] = _column(growth.random, field, path)
    return written


def _column(random: Random, field: Field, path: str) -> Any:
    if field.kind == "number":
        return random.choice(["number", {"column": "number"}])
    column: Any = column_of(field.kind, field.space)
    keys: dict[str, Any] = {}
    if field.space == "psychology.ekman" and random.random() < 0.5:
        column, keys["space"] = column_of(field.kind, "psychology.goemotions"), "psychology.goemotions"
        if field.kind == "numbers":
            column, keys = column_of(field.kind, field.space), {}
    if field.kind != "category" and not path.endswith((".jsonl", HUB)):
        keys["separator"] = ";"
    return {"column": column, **keys} if keys or random.random() < 0.2 else column


def _balance(random: Random, source: dict[str, Any], mapped: list[Field]) -> None:
    """Lets the labels of a field come equally often, where rows of each of them are sure to be left."""
    few = [field.name for field in mapped if field.kind == "category" and field.size <= 2]
    if few and "where" not in source and "train" not in source.get("split", {}) and random.random() < 0.3:
        source["balance"] = random.choice(few)


def _choose_rows(random: Random, source: dict[str, Any], is_measured: bool) -> None:
    if random.random() < 0.15:
        source["where"] = {"genre": "drama"}
    if random.random() < 0.15:
        source["distinct"] = "text"
    if random.random() < 0.15:
        source["repeat"] = random.randint(1, 3)
    if source["path"].startswith(("daily", HUB)):
        return
    splits: list[dict[str, Any]] = [
        {"validation": 4},
        {"test": 3, "validation": 5},
        {"test": 0.1, "validation": 0.2},
        {"validation": 0.25, "aside": 2},
        {"train": 12, "validation": 4, "test": 2},
    ]
    if not is_measured:
        splits += [{}, {"test": 4}, {"train": 8}]
    source["split"] = random.choice(splits)
    if not source["split"] and random.random() < 0.5:
        del source["split"]
