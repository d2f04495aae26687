"""Declares what is counted in a text without a model: negation and readability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from consilience.declare import Bool, Dims, Float, Input, Int, LabelSpace, Ports, Text

__all__ = ["NEGATION", "READABILITY", "Negation", "Readability"]

NEGATION = LabelSpace(name="negation", labels=("cues", "scope"))
"""What is counted of negation."""

READABILITY = LabelSpace(
    name="readability",
    labels=(
        "flesch_reading_ease",
        "flesch_kincaid_grade",
        "gunning_fog",
        "automated_readability_index",
        "words_a_sentence",
        "syllables_a_word",
        "letters_a_word",
        "type_token_ratio",
    ),
)
"""What is counted of readability."""


class Negation(Input):
    """Finds the cues of negation in English (`not`, `n't`, `never`, `without`) and what stands in their scope.

    The scope goes from behind a cue to the next punctuation or `but` (Das and Chen 2001; Pang et al. 2002). `tokens`
    marks it; `features` are the shares of a text's words that are cues, and that stand in a scope.
    """

    inputs = Ports(text=Text["batch"], spans=Int["batch seq 2"])
    outputs = Ports(tokens=Bool["batch seq"], features=Float["batch negation"].within(0, 1))

    def dims(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        """States what is counted."""
        return {"negation": NEGATION}

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable."""
        from consilience_linguistics.style import find_negation

        return find_negation


class Readability(Input):
    """Measures how hard a text of English is to read, by the formulas of its field, in their own units.

    Flesch (1948), Kincaid et al. (1975), Gunning (1952), Smith and Senter (1967); syllables are counted by vowels. Each
    value is kept within -100 to 200; a text without a word has zeros.
    """

    inputs = Ports(text=Text["batch"])
    outputs = Ports(features=Float["batch readability"].within(-100, 200))

    def dims(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        """States what is counted."""
        return {"readability": READABILITY}

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable."""
        from consilience_linguistics.style import measure_readability

        return measure_readability
