"""Finds in a text the names of entities, by a dictionary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress, islice, pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from consilience_knowledge.context import Context, SharedWords, Similarity, connections, described, words_around
from consilience_knowledge.graphs import KnowledgeGraph

if TYPE_CHECKING:
    from consilience_knowledge.similarity import Embedder

__all__ = ["Ambiguity", "Dictionary", "Inflection", "Mention", "is_mentionable"]

Inflection = Literal["none", "plural", "english"]
Ambiguity = Literal["preferred", "connected", "context"]

_TOKEN = re.compile(r"\w+|[^\w\s]")
_WORD = re.compile(r"\w")
_MOST_TOKENS = 32
"""The longest name, in words: a longer one is a description, and each word deepens what workers receive."""
_END = ""
"""The key under which a node holds the entity of the name that ends there; no word is empty."""
_RIVALS = " "
"""The key under which it holds all entities of the name, where there are several; no word is a space."""


class Mention(NamedTuple):
    """An entity named in a text, from character `start` up to `end`."""

    entity: int
    start: int
    end: int


class Dictionary:
    """Links the names of a graph in a text: whole words, case-folded, the leftmost and of these the longest.

    Space between words does not matter, punctuation does. Names of one character are left out. A name that several
    entities have stands for the one that has it as its preferred label, and of these for the first in the order;
    `prior` (a number for each entity) puts the highest before that, and `context` the one that it weighs most in the
    text.

    >>> Dictionary([(1, ("film noir",)), (2, ("film",))]).find("A film, a Film Noir.")
    [Mention(entity=2, start=2, end=6), Mention(entity=1, start=10, end=19)]
    """

    def __init__(
        self,
        names: Iterable[tuple[int, Sequence[str]]],
        inflection: Inflection = "none",
        prior: Sequence[int] | None = None,
        context: Context | None = None,
    ) -> None:
        ranked = sorted((rank > 0, entity, name) for entity, all_names in names for rank, name in enumerate(all_names))
        if prior is not None:
            ranked.sort(key=lambda row: -prior[row[1]])
        words = [(entity, _read(name)[0]) for _, entity, name in ranked]
        # By their first word, and by their first two: so each place of a text is ruled out by two look-ups that no line
        # of Python runs for. What follows the two hangs on them as a trie.
        self._single: dict[str, dict[str, Any]] = {}
        self._double: dict[tuple[str, ...], dict[str, Any]] = {}
        self._context = context
        for entity, name in words:
            self._add(name, entity)
        for form in _FORMS[inflection]:
            for entity, name in words:
                self._add([*name[:-1], *map(form, name[-1:])], entity)

    @classmethod
    def of(
        cls,
        graph: KnowledgeGraph,
        inflection: Inflection = "none",
        ambiguity: Ambiguity = "preferred",
        encoder: Callable[[], Embedder] | None = None,
    ) -> Dictionary:
        """Makes the dictionary of all names in a graph; `connected` goes by its edges, `context` by its neighbours.

        An `encoder`, which is loaded where it is first needed, weighs similarity beside these.
        """
        names = enumerate(graph.names)
        edges = connections(graph) if ambiguity == "connected" else None
        shared = SharedWords(words_around(graph, _words_of)) if ambiguity == "context" else None
        if encoder is None:
            return cls(names, inflection, edges, shared)
        priors = None if edges is None else [1.0 + count for count in edges]
        return cls(names, inflection, edges, Similarity(encoder, described(graph), priors, shared))

    def _add(self, words: list[str], entity: int) -> None:
        if not _is_name(words):
            return
        if len(words) == 1:
            node = self._single.setdefault(words[0], {})
        else:
            node = self._double.setdefault(tuple(words[:2]), {})
        for word in words[2:]:
            node = node.setdefault(word, {})
        first = node.setdefault(_END, entity)
        if self._context is not None and first != entity:
            rivals = node.setdefault(_RIVALS, [first])
            if entity not in rivals:
                rivals.append(entity)

    def find(self, text: str) -> list[Mention]:
        """Gives the mentions in a text, from left to right; none overlap."""
        words, placed = _read(text)
        found = list(self._find_words(words))
        if not found:
            return []
        places = list(islice(_TOKEN.finditer(placed), found[-1][2] + 1))
        meant = self._resolver(text, words)
        return [Mention(meant(node), places[first].start(), places[last].end()) for node, first, last in found]

    def _resolver(self, text: str, words: list[str]) -> Callable[[dict[str, Any]], int]:
        """Tells which of a node's entities is meant: the first of those that fit best into the text."""
        context = self._context
        if context is None:
            return lambda node: int(node[_END])
        folded = frozenset(words)

        def resolve(node: dict[str, Any]) -> int:
            rivals = node.get(_RIVALS)
            if not rivals:
                return int(node[_END])
            weights = context.weigh(text, folded, rivals)
            return int(rivals[weights.index(max(weights))])

        return resolve

    def _find_words(self, words: list[str]) -> Iterator[tuple[dict[str, Any], int, int]]:
        """Gives what each mention is a name of, and its first and last word."""
        places = range(len(words))
        starts = {*compress(places, map(self._single.__contains__, words))}
        starts.update(compress(places, map(self._double.__contains__, pairwise(words))))
        free = 0
        for first in sorted(starts):
            if first < free:
                continue  # within the mention before
            found, after = self._longest(words, first)
            if found is not None:
                yield found, first, after - 1
                free = after

    def _longest(self, words: list[str], first: int) -> tuple[dict[str, Any] | None, int]:
        """Gives the longest name that begins with a word, and the word after it."""
        longest, end = self._single.get(words[first]), first + 1
        node, after = self._double.get(tuple(words[first : first + 2])), first + 2
        while node is not None:
            if _END in node:
                longest, end = node, after
            node = node.get(words[after]) if after < len(words) else None
            after += 1
        return longest, end


def is_mentionable(name: str) -> bool:
    """Tells whether a text could name something so: an IRI, one character or a description of many words is no name."""
    return "://" not in name and not name.startswith("urn:") and _is_name(_read(name)[0])


def _is_name(words: list[str]) -> bool:
    return 0 < len(words) <= _MOST_TOKENS and len("".join(words)) > 1 and any(map(_WORD.match, words))


def _read(text: str) -> tuple[list[str], str]:
    """Splits into words and marks, folded; gives also the text whose matches, one a word, stand where the words do."""
    text = text.replace("\u2019", "'")
    folded = text.casefold()
    if len(folded) == len(text):  # folding only ever lengthens: here each character kept its place
        return _TOKEN.findall(folded), folded
    return [word.casefold() for word in _TOKEN.findall(text)], text


def _words_of(name: str) -> list[str]:
    return _read(name)[0]


def _past(word: str) -> str:
    """Writes the regular English form in -ed."""
    if not word.isalpha() or len(word) < 3:
        return word
    if word.endswith("e"):
        return word + "d"
    return word[:-1] + "ied" if word[-1] == "y" and word[-2] not in "aeiou" else word + "ed"


def _gerund(word: str) -> str:
    """Writes the regular English form in -ing."""
    if not word.isalpha() or len(word) < 3:
        return word
    return word[:-1] + "ing" if word.endswith("e") and not word.endswith("ee") else word + "ing"


def _plural(word: str) -> str:
    """Writes the regular English plural."""
    if not word.isalpha() or len(word) < 3:
        return word
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word[-1] == "y" and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


_FORMS: Mapping[Inflection, tuple[Callable[[str], str], ...]] = {
    "none": (),
    "plural": (_plural,),
    "english": (_plural, _past, _gerund),
}
