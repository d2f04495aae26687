"""Lays the rows of an epoch out in batches: rows of several sources in their shares, of like length where asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from consilience.data._values import Rows

__all__ = ["by_length", "cut", "interleaved", "like_length"]

_WINDOW = 50
"""The most batches that are sorted by length together, as transformers does it."""


def interleaved(counts: Sequence[int], random: np.random.RandomState | None) -> Rows:
    """Orders the items of several heaps, one after the other in number, so that every stretch has them in their shares.

    The j-th of n items of a heap stands somewhere in the j-th n-th of the whole: at random, or else in its middle.
    """
    drawn = [np.full(count, 0.5) if random is None else random.random_sample(count) for count in counts]
    places = [(np.arange(count) + own) / count for count, own in zip(counts, drawn, strict=True)]
    return np.argsort(np.concatenate([np.zeros(0), *places]), kind="stable").astype(np.int64)


def cut(items: Rows, size: int) -> list[Rows]:
    """Cuts items into batches; the last may be smaller."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def by_length(items: Rows, lengths: Rows, size: int, random: np.random.RandomState) -> list[Rows]:
    """Gives batches of like length out of the items of one source, in a random order."""
    batches = [
        batch
        for window in cut(items, _window(len(items), size) * size)
        for batch in cut(_sorted(window, lengths), size)
    ]
    return [batches[place] for place in random.permutation(len(batches))]


def like_length(items: Rows, lengths: Rows, owners: Rows, size: int, random: np.random.RandomState) -> Iterator[Rows]:
    """Gives batches of like length out of items in their order; the longest item of all comes in the first batch.

    Only the items of a window of at most 50 batches change places, so that each window keeps the shares of the sources;
    within it the batches follow each other so that what came so far has these shares as near as can be.
    """
    items = _longest_early(items, lengths, owners, size)
    sources = int(owners.max()) + 1
    windows = cut(items, _window(len(items), size) * size)
    for number, window in enumerate(windows):
        batches = cut(_sorted(window, lengths), size)
        held = np.stack([np.bincount(owners[batch], minlength=sources) for batch in batches])
        for place in _evenly(held, random, starts=number == 0):
            yield batches[place]


def _window(count: int, size: int) -> int:
    return max(1, min(count // (size * 4), _WINDOW))


def _sorted(window: Rows, lengths: Rows) -> Rows:
    return window[np.argsort(-lengths[window], kind="stable")]


def _longest_early(items: Rows, lengths: Rows, owners: Rows, size: int) -> Rows:
    """Brings the longest item into the first window: what does not fit into memory then fails at once."""
    longest = int(np.argmax(lengths[items]))
    first = items[: _window(len(items), size) * size]
    if longest < len(first):
        return items
    same = np.flatnonzero(owners[first] == owners[items[longest]])
    other = int(same[0]) if len(same) else 0
    moved = items.copy()
    moved[[other, longest]] = moved[[longest, other]]
    return moved


def _evenly(held: Rows, random: np.random.RandomState, starts: bool) -> Iterator[int]:
    """Orders batches that hold so many rows of each source; a batch that is not full stays last."""
    sizes = held.sum(axis=1)
    full = len(held) - int(sizes[-1] < sizes[0])
    order = random.permutation(full)
    if starts:
        order = np.concatenate([order[order == 0], order[order != 0]])
    if held.shape[1] > 1:
        # How far each batch leads away from the shares; the next is the one that leads back from where we are.
        steps = held[order] - sizes[order, None] * (held.sum(axis=0) / sizes.sum())
        order = order[_led_back(steps, starts)]
    yield from order.tolist()
    yield from range(full, len(held))


def _led_back(steps: npt.NDArray[np.float64], starts: bool) -> list[int]:
    """Orders steps so that their sum stays as near to zero as it can at each; keeps the first if it `starts`."""
    lengths = (steps * steps).sum(axis=1)
    off = np.zeros(steps.shape[1])
    order = []
    for number in range(len(steps)):
        place = 0 if starts and not number else int((2 * (steps @ off) + lengths).argmin())
        order.append(place)
        off = off + steps[place]
        lengths[place] = np.inf
    return order
