"""Writes what `benchmarks/nulls/*.yaml` read out of the shared data: diseases, WordNet's feelings, and comments.

Each graph is a table of triples between tabs, which `knowledge.graph` reads. What is written lies under `runs/nulls`,
and is no part of the repository: the data have licences of their own.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "shared" / "data"
MADE = Path(__file__).parents[1] / "runs" / "nulls"
LABEL, SYNONYM = "rdfs:label", "skos:altLabel"
FEELINGS = ("noun.feeling", "verb.emotion")
"""The files of WordNet that hold what is felt."""
UPWARDS = ("hypernym", "similar", "attribute", "pertainym")
"""The relations of WordNet that lead to something more general, or from a quality to what it is a quality of."""
Triple = tuple[str, str, str]


def lines_of(path: Path) -> Iterator[list[str]]:
    """Reads a gzipped table without its header."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        next(stream)
        yield from (line.rstrip("\n").split("\t") for line in stream)


def diseases() -> Iterator[Triple]:
    """Gives the disease ontology: labels, exact synonyms and all relations but those into other ontologies."""
    for entity, label, _, synonyms in lines_of(DATA / "disease_ontology" / "terms.tsv.gz"):
        yield entity, LABEL, label
        yield from ((entity, SYNONYM, one) for one in filter(None, synonyms.split("|")))
    for head, relation, tail in lines_of(DATA / "disease_ontology" / "triples.tsv.gz"):
        if relation != "xref":
            yield head, relation, tail.removeprefix("label:")


@cache
def synsets_of() -> dict[str, dict[str, Any]]:
    """Reads the synsets of WordNet's affect by their numbers."""
    with gzip.open(DATA / "wordnet_affect_subset" / "synsets.jsonl.gz", "rt", encoding="utf-8") as stream:
        return {synset["id"]: synset for synset in map(json.loads, stream)}


def edges_of() -> list[Triple]:
    """Reads the relations between them."""
    return [(row[0], row[1], row[2]) for row in lines_of(DATA / "wordnet_affect_subset" / "relations.tsv.gz")]


def affects() -> Iterator[Triple]:
    """Gives what WordNet knows of feelings: nouns and verbs of feeling, what is derived from or like them, and above.

    `expresses` leads from an adjective, adverb or verb to the noun that it is derived from. What only stands above has
    no label, so that no text mentions it.
    """
    synsets, edges = synsets_of(), edges_of()
    felt = {one for one, synset in synsets.items() if synset["lex"] in FEELINGS}
    for relations in (("derivation", "pertainym", "attribute"), ("similar", "pertainym")):
        found = ({head, tail} for head, relation, tail in edges if relation in relations)
        felt |= set().union(*(pair for pair in found if pair & felt))
    kept, above = set(felt), set(felt)
    while above:
        above = {tail for head, relation, tail in edges if relation in UPWARDS and head in above} - kept
        kept |= above
    for one in sorted(felt):
        first, *others = synsets[one]["members"]
        yield one, LABEL, first
        yield from ((one, SYNONYM, other) for other in others)
        yield one, "file", synsets[one]["lex"]
    for head, relation, tail in edges:
        if head in kept and tail in kept:
            yield head, relation, tail
            if relation == "derivation" and not head.endswith("-n") and tail.endswith("-n"):
                yield head, "expresses", tail


def comments(split: str) -> Iterator[tuple[str, ...]]:
    """Gives the comments of one basic emotion, each text once; those of the test lie in no other split."""
    rows = {name: list(lines_of(DATA / "goemotions" / f"{name}.tsv.gz")) for name in ("test", "dev", "train")}
    seen: set[str] = set()
    yield "text", "emotion"
    for name, told in rows.items():
        for _, text, _, emotion, _ in told:
            folded = " ".join(text.lower().split())
            if folded not in seen and "," not in emotion and name == split:
                yield text, emotion
            seen.add(folded)


def write(name: str, rows: Iterable[Sequence[str]]) -> None:
    """Writes rows between tabs, gzipped and without a time, so that the same data make the same bytes."""
    text = "".join("\t".join(row) + "\n" for row in rows)
    MADE.mkdir(parents=True, exist_ok=True)
    (MADE / name).write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{MADE / name}: {text.count(chr(10)):,} lines")


def main() -> None:
    """Writes all of them."""
    write("diseases.tsv.gz", diseases())
    write("affects.tsv.gz", affects())
    for split in ("train", "dev", "test"):
        write(f"comments_{split}.tsv.gz", comments(split))


if __name__ == "__main__":
    main()
