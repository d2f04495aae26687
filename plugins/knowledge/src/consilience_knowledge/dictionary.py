"""Finds in a text the names of entities, by a dictionary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from consilience_knowledge.graphs import KnowledgeGraph

__all__ = ["Dictionary", "Inflection", "Mention", "is_mentionable"]

Inflection = Literal["none", "plural"]

_TOKEN = re.compile(r"\w+|[^\w\s]")
_WORD = re.compile(r"\w")
_MOST_TOKENS = 32
"""The longest name, in words: a longer one is a description, and each word deepens the trie that workers receive."""
_END = ""
"""The key under which a trie's node holds the entity of the name that ends there; no word is empty."""


class Mention(NamedTuple):
    """An entity named in a text, from character `start` up to `end`."""

    entity: int
    start: int
    end: int


class Dictionary:
    """Links the names of a graph in a text: whole words, case-folded, the leftmost and of these the longest.

    Space between words does not matter, punctuation does. A name that several entities have stands for the one that has
    it as its preferred label, and of these for the first in the graph's order; names of one character are left out.

    >>> Dictionary([(1, ("film noir",)), (2, ("film",))]).find("A film, a Film Noir.")
    [Mention(entity=2, start=2, end=6), Mention(entity=1, start=10, end=19)]
    """

    def __init__(self, names: Iterable[tuple[int, Sequence[str]]], inflection: Inflection = "none") -> None:
        ranked = sorted((rank > 0, entity, name) for entity, all_names in names for rank, name in enumerate(all_names))
        words = [(entity, _read(name)[0]) for _, entity, name in ranked]
        self._trie: dict[str, Any] = {}
        for entity, name in words:
            self._add(name, entity)
        if inflection == "plural":
            for entity, name in words:
                self._add([*name[:-1], *map(_plural, name[-1:])], entity)

    @classmethod
    def of(cls, graph: KnowledgeGraph, inflection: Inflection = "none") -> Dictionary:
        """Makes the dictionary of all names in a graph."""
        return cls(enumerate(graph.names), inflection)

    def _add(self, words: list[str], entity: int) -> None:
        if not _is_name(words):
            return
        node = self._trie
        for word in words:
            node = node.setdefault(word, {})
        node.setdefault(_END, entity)

    def find(self, text: str) -> list[Mention]:
        """Gives the mentions in a text, from left to right; none overlap."""
        words, placed = _read(text)
        found = list(self._find_words(words))
        if not found:
            return []
        spans = [match.span() for match in _TOKEN.finditer(placed)]
        return [Mention(entity, spans[first][0], spans[last][1]) for entity, first, last in found]

    def _find_words(self, words: list[str]) -> Iterator[tuple[int, int, int]]:
        trie, at, count = self._trie, 0, len(words)
        while at < count:
            node = trie.get(words[at])
            first, at = at, at + 1
            if node is None:
                continue
            entity, after = node.get(_END), at
            end = after
            while after < count and (node := node.get(words[after])) is not None:
                after += 1
                if _END in node:
                    entity, end = node[_END], after
            if entity is not None:
                yield entity, first, end - 1
                at = end


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


def _plural(word: str) -> str:
    """Writes the regular English plural."""
    if not word.isalpha() or len(word) < 3:
        return word
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word[-1] == "y" and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"
