"""Writes what the benchmark of linguistics reads, from ../shared/data, and gives the baselines without training."""

from __future__ import annotations

import csv
import gzip
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["DATA", "Amount", "neighbours", "pair_baselines", "write_cola", "write_layers", "write_pairs", "write_trees"]

DATA = Path(__file__).parents[2] / "shared" / "data"
HELD_BACK = 500
"""The rows of CoLA's training that settings are chosen on: its dev sets are what is measured."""


@dataclass(frozen=True)
class Amount:
    """How much is written, and what is measured; a number of rows of 0 is all."""

    rows: int = 0
    test_rows: int = 0
    pairs: int = 50
    on: str = "test"


def sentences(split: str) -> list[str]:
    """Reads the sentences of the treebank as they are written in CoNLL-U."""
    name = {"train": "train", "validation": "dev", "test": "test"}[split]
    with gzip.open(DATA / "ud_english_ewt" / f"en_ewt-ud-{name}.conllu.gz", "rt", encoding="utf-8") as stream:
        return [block for block in stream.read().split("\n\n") if block.strip()]


def _words(block: str) -> str:
    lines = (line.split("\t") for line in block.splitlines() if not line.startswith("#"))
    return " ".join(cells[1] for cells in lines if cells[0].isdecimal()).lower()


def write_trees(folder: Path, amount: Amount) -> int:
    """Writes what is measured, under `test`, and the training, and gives how many of the latter were left out.

    A sentence of the test or the dev set, whichever is measured, stands in no training: its words in lower case tell.
    """
    measured = _evenly(sentences(amount.on), amount.test_rows)
    known = {_words(block) for split in ("test", "validation") for block in sentences(split)}
    every = sentences("train")
    kept = [block for block in every if _words(block) not in known]
    for split, blocks in (("test", measured), ("train", _evenly(kept, amount.rows))):
        (folder / f"{split}.conllu").write_text("\n\n".join(blocks) + "\n\n", encoding="utf-8")
    return len(every) - len(kept)


def write_cola(folder: Path, amount: Amount) -> None:
    """Writes CoLA's training, and both its dev sets; the training has no sentence of theirs.

    Where settings are chosen, some rows of the training are measured in the place of the dev sets.
    """
    names = {"train": "in_domain_train.tsv.gz", "within": "in_domain_dev.tsv", "outside": "out_of_domain_dev.tsv"}
    read = {part: {row[3].lower(): row for row in _rows(DATA / "cola" / name)} for part, name in names.items()}
    within, outside = read["within"], {text: row for text, row in read["outside"].items() if text not in read["within"]}
    train = [row for text, row in read["train"].items() if text not in within and text not in outside]
    parts = {"cola-test": list(within.values()), "outside-test": list(outside.values()), "cola-train": train}
    if amount.on != "test":
        held_back = _evenly(train, HELD_BACK)
        parts = {"cola-test": held_back, "cola-train": [row for row in train if row not in held_back]}
    for name, rows in parts.items():
        told = [(row[3], "yes" if row[1] == "1" else "no") for row in rows]
        most = amount.rows if name == "cola-train" else amount.test_rows
        _write(folder / f"{name}.csv", ("text", "acceptable"), _evenly(told, most))


def write_pairs(folder: Path, amount: Amount) -> None:
    """Writes the minimal pairs, as many of each paradigm, and sentences of the treebank to learn words from."""
    by_paradigm: dict[str, list[str]] = {}
    with gzip.open(DATA / "blimp" / "blimp_250.jsonl.gz", "rt", encoding="utf-8") as stream:
        for line in stream:
            by_paradigm.setdefault(json.loads(line)["UID"], []).append(line)
    kept = [line for own in by_paradigm.values() for line in _evenly(own, amount.pairs)]
    (folder / "pairs.jsonl").write_text("".join(kept), encoding="utf-8")
    texts = dict.fromkeys(_words(block) for block in sentences("train"))
    _write(folder / "sentences-train.csv", ("text",), [(text,) for text in _evenly(list(texts), amount.rows)])


def pair_baselines(folder: Path) -> dict[str, dict[str, float]]:
    """Gives, by paradigm, how often what knows no grammar is right: the shorter sentence, and that of likelier words.

    Words are counted in the sentences that the model learns from, each once more than it is there; where both sentences
    of a pair are alike to a baseline, it is half right.
    """
    counts = Counter(word for (text,) in _read(folder / "sentences-train.csv") for word in text.split())
    total = counts.total() + len(counts) + 1

    def likelihood(sentence: str) -> float:
        words = sentence.lower().removesuffix(".").split()
        return sum(math.log((counts[word] + 1) / total) for word in words)

    judges: Mapping[str, Callable[[str], float]] = {"shorter": lambda text: -len(text.split()), "unigrams": likelihood}
    right: dict[str, dict[str, list[float]]] = {name: {} for name in judges}
    for line in (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        for name, judge in judges.items():
            good, bad = judge(pair["sentence_good"]), judge(pair["sentence_bad"])
            share = 0.5 if math.isclose(good, bad) else float(good > bad)
            right[name].setdefault(pair["UID"], []).append(share)
    return {name: {uid: sum(own) / len(own) for uid, own in found.items()} for name, found in right.items()}


def _read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))[1:]


def _rows(path: Path) -> list[list[str]]:
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def _write(path: Path, names: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        writer.writerows(rows)


def _evenly(rows: list[Any], most: int) -> list[Any]:
    """Takes so many from the whole: the files stand in some order."""
    return rows if not most or most >= len(rows) else [rows[place * len(rows) // most] for place in range(most)]


def write_layers(folder: Path, encoder: str, layers: int) -> str:
    """Writes the encoder with its first layers alone, so that its last states are those of that layer."""
    from transformers import AutoModel

    from consilience.declare import Location

    source = Location(encoder).path
    target = folder / f"layers-{layers}"
    model = AutoModel.from_pretrained(source, add_pooling_layer=False)
    model.encoder.layer = model.encoder.layer[:layers]
    model.config.num_hidden_layers = layers
    model.save_pretrained(target)
    for file in source.glob("*token*"):
        shutil.copyfile(file, target / file.name)
    for name in ("vocab.txt", "special_tokens_map.json"):
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
    return str(target)


def neighbours(folder: Path) -> float:
    """Gives the UUAS of a tree in which each word hangs on the next, the baseline of every probe."""
    import torch

    from consilience_linguistics.alignment import tree_distances
    from consilience_linguistics.conll import blocks_of, read_tree
    from consilience_linguistics.probing import UndirectedAttachment

    fields = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
    metric = UndirectedAttachment()
    for row in (read_tree(block, fields) for block in blocks_of(folder / "test.conllu")):
        if row is not None:
            true = torch.from_numpy(tree_distances([int(head) for head in row["heads"]])[0])[None]
            place = torch.arange(true.shape[1]).float()
            counted = torch.tensor([[tag != "PUNCT" for tag in row["upos"]]])
            metric.update((place[:, None] - place[None]).abs()[None], counted, true)
    return float(metric.compute())
