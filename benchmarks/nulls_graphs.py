"""Writes the graphs of `benchmarks/nulls/*.yaml` out of the shared data: diseases, WordNet's emotions, tagged sentences.

Each graph is a table of triples between tabs, which `knowledge.graph` reads. What is written lies under `runs/nulls`, and
is no part of the repository: the data have licences of their own.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

DATA = Path(__file__).parents[2] / "shared" / "data"
MADE = Path(__file__).parents[1] / "runs" / "nulls"
LABEL, SYNONYM = "rdfs:label", "skos:altLabel"
UPWARDS = ("hypernym", "similar", "attribute", "pertainym")
"""The relations of WordNet that lead to something more general, or to the noun that an adjective speaks of."""


def lines_of(path: Path) -> Iterator[list[str]]:
    """Reads a gzipped table without its header."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        next(stream)
        yield from (line.rstrip("\n").split("\t") for line in stream)


def diseases() -> Iterator[Sequence[str]]:
    """Gives the disease ontology: labels, exact synonyms and all relations but those into other ontologies."""
    for entity, label, _, synonyms in lines_of(DATA / "disease_ontology" / "terms.tsv.gz"):
        yield entity, LABEL, label
        yield from ((entity, SYNONYM, one) for one in filter(None, synonyms.split("|")))
    for head, relation, tail in lines_of(DATA / "disease_ontology" / "triples.tsv.gz"):
        if relation != "xref":
            yield head, relation, tail.removeprefix("label:")


def affects() -> Iterator[Sequence[str]]:
    """Gives WordNet's synsets of affect, their words, their relations, and the file of each (`noun.feeling`)."""
    with gzip.open(DATA / "wordnet_affect_subset" / "synsets.jsonl.gz", "rt", encoding="utf-8") as stream:
        for synset in map(json.loads, stream):
            first, *others = synset["members"]
            yield synset["id"], LABEL, first
            yield from ((synset["id"], SYNONYM, one) for one in others)
            yield synset["id"], "file", synset["lex"]
    for source, relation, target, *_ in lines_of(DATA / "wordnet_affect_subset" / "relations.tsv.gz"):
        yield source, relation, target


def write(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Writes triples between tabs, gzipped and without a time, so that the same data make the same bytes."""
    text = "".join("\t".join(row) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{path}: {text.count(chr(10)):,} triples")


def main() -> None:
    """Writes what is missing."""
    for name, rows in (("diseases", diseases()), ("affects", affects())):
        write(MADE / f"{name}.tsv.gz", rows)


if __name__ == "__main__":
    main()
