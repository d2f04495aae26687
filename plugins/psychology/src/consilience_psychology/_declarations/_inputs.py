"""The inputs: what lexicons say of a text, and who annotated it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from consilience.declare import Bool, Dims, Fault, Field, Float, Input, Int, LabelSpace, Ports, Severity, Text, Use
from consilience_psychology._declarations._resources import Lexicon

__all__ = ["LexiconAffect", "LexiconScores", "Rater"]

_ENOUGH = 50
"""The texts from which on it says something that a lexicon knows no word of them."""


class LexiconAffect(Input):
    """Reads how pleasant a text is, from -1 to 1, by the VADER lexicon and rules (Hutto and Gilbert 2014).

    It is English, and needs no network. Where no word of the lexicon bears on the text, the lexicon knows nothing of
    it, which is not the same as 0: such an example is not `present`, and no loss on the valence counts it.
    """

    max_words: int = Field(512, ge=1, le=100_000)
    """How many words are read from the start of a text: VADER's time grows with the square of them."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(valence=Float["batch"].within(-1, 1), present=Bool["batch"])

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the reader; each process loads the lexicon when it reads its first text."""
        from consilience_psychology.lexicon import ValenceReader

        return ValenceReader(self.max_words)


class LexiconScores(Input):
    """Scores a text by the mean over the words that a lexicon has, in each of its dimensions.

    Where it has none of the words it knows nothing of the text: such an example is not `present`, its scores are 0, and
    no loss on them counts it.
    """

    lexicon: Use[Lexicon]
    """The lexicon."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(scores=Float["batch dimension"], coverage=Float["batch"].within(0, 1), present=Bool["batch"])

    def dims(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        """States the dimensions of the lexicon."""
        lexicon = self.lexicon.declared
        if list(lexicon.faults()):
            return {}
        space = lexicon.label_space()
        return {"dimension": len(lexicon.words().dimensions)} if space is None else {"dimension": space}

    def examine(self, sample: Mapping[str, Sequence[Any]]) -> Iterable[Fault]:
        """Warns of texts of which the lexicon knows no word."""
        texts = sample.get("text", ())
        lexicon = self.lexicon.declared
        if len(texts) < _ENOUGH or list(lexicon.faults()):
            return
        known = self._reader()(list(texts))[2]
        if not known.any():
            found = f"{len(texts)} texts, and {self.lexicon.name} has no word of them"
            fix = "# name a lexicon of the language of the texts"
            yield Fault("CN552", "lexicon", found, "texts with words of the lexicon", fix, Severity.WARNING)

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the reader; each process reads the file when it scores its first text."""
        return self._reader()

    def _reader(self) -> Callable[..., Any]:
        from consilience_psychology.lexicons import LexiconScores

        return LexiconScores(self.lexicon.declared.path.path, self.lexicon.declared.format)


class Rater(Input):
    """Gives a head the annotator of each example: a category whose labels are the annotators."""

    inputs = Ports(rater=Int["batch"].below("rater"))
    outputs = Ports(rater=Int["batch"].below("rater"))

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives what passes the annotators on."""
        from consilience_psychology.disagreement import read_rater

        return read_rater
