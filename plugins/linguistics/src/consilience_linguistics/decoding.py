"""Finds the best dependency tree of a table of scores, exactly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["best_tree", "greedy_heads"]

Scores = npt.NDArray[np.float64]
Heads = npt.NDArray[np.int64]


def greedy_heads(scores: Scores) -> Heads:
    """Gives each word its best head, whether or not they make a tree: scores [word word+1] -> heads [word]."""
    heads: Heads = _without_self(scores).argmax(axis=1)
    return heads


def best_tree(scores: Scores) -> Heads:
    """Gives the heads of the tree of the largest sum of scores in which one word alone hangs on the root.

    scores [word word+1], column 0 being the root -> heads [word]. Chu and Liu (1965), Edmonds (1967); that one word
    alone hangs on the root comes from a penalty on its arcs above any sum of others, as every tree has one at least.

        >>> best_tree(np.array([[0.0, 0.0, 2.0], [1.0, 4.0, 0.0]])).tolist()
        [0, 1]
    """
    size = len(scores)
    if not size:
        return np.zeros(0, np.int64)
    table = np.full((size + 1, size + 1), -np.inf)  # [dependent head], the root being node 0
    table[1:] = _without_self(scores.astype(np.float64))
    finite = table[np.isfinite(table)]
    table[1:, 0] -= (finite.max() - finite.min() + 1) * (size + 1)
    return _arborescence(table)[1:]


def _without_self(scores: Scores) -> Scores:
    table = np.array(scores, dtype=np.float64)
    own = np.arange(len(table))
    table[own, own + 1] = -np.inf
    return table


def _arborescence(table: Scores) -> Heads:
    """Gives the best head of each node but 0, [dependent head] -> [node]: contracts a circle, solves, and opens it."""
    heads: Heads = table.argmax(axis=1)
    heads[0] = -1
    circle = _circle(heads)
    if circle is None:
        return heads
    inside = np.zeros(len(table), bool)
    inside[circle] = True
    outside = np.flatnonzero(~inside)
    kept = table[circle, heads[circle]]
    entering = table[np.ix_(circle, outside)] - kept[:, None]  # what is gained when a word's head is an outer one
    leaving = table[np.ix_(outside, circle)]
    size = len(outside)
    smaller = np.full((size + 1, size + 1), -np.inf)
    smaller[:size, :size] = table[np.ix_(outside, outside)]
    smaller[:size, size] = leaving.max(axis=1)
    smaller[size, :size] = entering.max(axis=0)
    found = _arborescence(smaller)
    solved = heads.copy()
    for place, node in enumerate(outside):
        head = found[place]
        if node:
            solved[node] = circle[leaving[place].argmax()] if head == size else outside[head]
    entry = found[size]
    solved[circle[entering[:, entry].argmax()]] = outside[entry]
    return solved


def _circle(heads: Heads) -> Heads | None:
    """Finds nodes that are heads of each other in a circle."""
    state = np.zeros(len(heads), np.int64)
    for start in range(1, len(heads)):
        path, node = [], start
        while node > 0 and state[node] == 0:
            state[node] = start
            path.append(node)
            node = heads[node]
        if node > 0 and state[node] == start:
            return np.array(path[path.index(node) :])
    return None
