"""Measures what batches of like length save, and how well they keep the mix of the sources."""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from measuring import Row, machine, show
from transformers.trainer_pt_utils import get_length_grouped_indices

from consilience.data._decks import seeded
from consilience.data._layout import cut, interleaved, like_length

Rows = npt.NDArray[np.int64]
Order = Callable[[int], Sequence[Rows]]

_WINDOWS = (1, 4, 16)
"""The batches over which the shares of the sources are compared with those of the whole."""


def read_lengths(folder: Path) -> dict[str, list[int]]:
    """Gives the characters of each text of GoEmotions, EmoBank and CoLA."""
    comments = _cells(folder / "goemotions/train.tsv.gz", "\t", "text")
    sentences = _cells(folder / "emobank/emobank.csv.gz", ",", "text")
    with gzip.open(folder / "cola/in_domain_train.tsv.gz", "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    texts = {"comments": comments, "sentences": sentences, "judged": [line.split("\t")[-1] for line in lines]}
    return {name: [len(text) for text in own] for name, own in texts.items()}


def _cells(path: Path, delimiter: str, column: str) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return [row[column] for row in csv.DictReader(lines, delimiter=delimiter)]


def drawn_lengths(rows: int) -> dict[str, list[int]]:
    """Gives sources whose lengths lie far apart: titles, and paragraphs."""
    random = seeded(0)
    return {
        "titles": random.lognormal(3.5, 0.4, rows).astype(int).tolist(),
        "paragraphs": random.lognormal(6.0, 0.4, rows * 2 // 5).astype(int).tolist(),
    }


def orders_of(lengths: Rows, owners: Rows, size: int) -> dict[str, Order]:
    """Gives the orders that are compared: batches of an epoch, by its number."""
    counts = np.bincount(owners).tolist()

    def grouped(epoch: int) -> list[Rows]:
        random = seeded(0, epoch)
        return list(like_length(interleaved(counts, random), lengths, owners, size, random))

    def plain(epoch: int) -> list[Rows]:
        generator = torch.Generator().manual_seed(epoch)
        rows = get_length_grouped_indices(lengths.tolist(), size, generator=generator)
        batches = cut(np.array(rows), size)
        return [batches[place] for place in torch.randperm(len(batches), generator=generator).tolist()]

    return {
        "random rows": lambda epoch: cut(seeded(0, epoch).permutation(len(lengths)), size),
        "plain length grouping": plain,
        "shares kept, random": lambda epoch: cut(interleaved(counts, seeded(0, epoch)), size),
        "shares kept, of like length": grouped,
    }


def measure(name: str, sources: dict[str, list[int]], size: int, epochs: int) -> Iterator[Row]:
    """Gives the share of padding, and how far the shares in windows of batches lie from those of the epoch."""
    lengths = np.concatenate([np.array(own) for own in sources.values()])
    owners = np.repeat(np.arange(len(sources)), [len(own) for own in sources.values()])
    share = np.bincount(owners) / len(owners)
    for order, batches_of in orders_of(lengths, owners, size).items():
        padding, off = [], {window: [] for window in _WINDOWS}
        for epoch in range(epochs):
            batches = batches_of(epoch)
            full = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
            padding.append(1 - int(lengths.sum()) / full)
            held = np.stack(
                [np.bincount(owners[batch], minlength=len(sources)) for batch in batches if len(batch) == size]
            )
            for window in _WINDOWS:
                whole = held[: len(held) // window * window].reshape(-1, window, len(sources)).sum(axis=1)
                off[window].append(np.abs(whole / (size * window) - share).sum(axis=1).mean() / 2)
        yield Row(f"{name}: {order}, padding", round(100 * float(np.mean(padding)), 2), "% of characters")
        for window in _WINDOWS:
            of = f"{window} batch{'es' * (window > 1)}"
            yield Row(f"{name}: {order}, off the mix in {of}", round(100 * float(np.mean(off[window])), 2), "% of rows")


def main() -> None:
    """Reads the settings and prints the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="the folder of GoEmotions, EmoBank and CoLA; drawn lengths without it"
    )
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000, help="how many titles are drawn")
    parser.add_argument("--json", action="store_true")
    settings = parser.parse_args()
    rows = list(machine())
    rows += measure("far apart", drawn_lengths(settings.rows), settings.batch_size, settings.epochs)
    if settings.data:
        rows += measure("three data sets", read_lengths(settings.data), settings.batch_size, settings.epochs)
    show(rows, settings.json)


if __name__ == "__main__":
    main()
