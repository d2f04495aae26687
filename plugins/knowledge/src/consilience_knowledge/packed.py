"""Writes a knowledge graph as one block of safetensors, and reads it back: between processes, and in the cache."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from consilience_knowledge.graphs import KnowledgeGraph

__all__ = ["NotPacked", "pack", "unpack"]

_EDGES = ("heads", "kinds", "tails", "holders", "sorts", "values")


class NotPacked(ValueError):
    """Bytes that no `pack` made, or not whole."""


def pack(graph: KnowledgeGraph) -> bytes:
    """Gives the bytes of a graph; texts hold no line end, so that each list of them is one text of lines."""
    tensors: dict[str, Any] = {name: np.asarray(getattr(graph, name)) for name in _EDGES}
    for name in ("entities", "relations", "properties"):
        tensors[name] = _lines(getattr(graph, name))
    tensors["names"] = _lines([name for of_one in graph.names for name in of_one])
    tensors["named"] = np.array([len(of_one) for of_one in graph.names], dtype=np.int64)
    tensors["counts"] = np.array([len(graph.entities), len(graph.relations), len(graph.properties)], dtype=np.int64)
    return bytes(save(tensors))


def unpack(content: bytes) -> KnowledgeGraph:
    """Gives the graph of `pack`'s bytes; raises `NotPacked`."""
    try:
        tensors = load(content)
        counts = tensors["counts"].tolist()
        lists = [
            _read(tensors, name, count)
            for name, count in zip(("entities", "relations", "properties"), counts, strict=True)
        ]
        named = tensors["named"].tolist()
        names = iter(_read(tensors, "names", sum(named)))
        of_each = tuple(tuple(next(names) for _ in range(count)) for count in named)
        heads, kinds, tails, holders, sorts, values = (_array(tensors[name]) for name in _EDGES)
    except (SafetensorError, KeyError, ValueError, StopIteration) as error:
        raise NotPacked(str(error)) from error
    if len(of_each) != counts[0]:
        raise NotPacked("as many names as entities")
    return KnowledgeGraph(
        lists[0],
        of_each,
        lists[1],
        heads=heads,
        kinds=kinds,
        tails=tails,
        properties=lists[2],
        holders=holders,
        sorts=sorts,
        values=values,
    )


def _lines(texts: Sequence[str]) -> Any:
    return np.frombuffer("\n".join(texts).encode("utf-8", "surrogatepass"), dtype=np.uint8)


def _read(tensors: Mapping[str, Any], name: str, count: int) -> tuple[str, ...]:
    text = tensors[name].tobytes().decode("utf-8", "surrogatepass")
    found = tuple(text.split("\n")) if count else ()
    if len(found) != count:
        raise NotPacked(f"{len(found)} {name}, {count} told")
    return found


def _array(column: Any) -> Any:
    made: array[Any] = array("d" if column.dtype == np.float64 else "q")
    made.frombytes(column.tobytes())
    return made
