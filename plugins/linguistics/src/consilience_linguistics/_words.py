"""Declares what brings tokens to words: their states, their labels, their trees and their features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from consilience.declare import (
    Bool,
    Dims,
    Fault,
    Field,
    Float,
    Input,
    Int,
    Labels,
    Module,
    Ports,
    Size,
    Text,
    nearest,
    paste,
)
from consilience_linguistics._spaces import FEATURES

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Morphology", "MorphologyHead", "Tree", "WordLabels", "WordStates", "Words"]


class Words(Input):
    """Says which tokens each word is made of, so that `word_states` can make a state a word of them.

    A word without a token, because the text was cut or the tokenizer knows none of its characters, is masked.
    """

    pooling: Literal["first", "last", "mean"] = "mean"
    """Which tokens of a word speak for it: the first, the last, or all alike (Hewitt and Manning 2019)."""

    inputs = Ports(words=Int["batch seq"])
    outputs = Ports(weights=Float["batch word seq"].within(0, 1), mask=Bool["batch word"])

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable that aligns a batch."""
        from consilience_linguistics.alignment import AlignWords

        return AlignWords(self.pooling)


class WordStates(Module):
    """Makes the states of words of those of their tokens, by the weights that `words` gives."""

    has_parameters = False
    inputs = Ports(hidden=Float["batch seq hidden"], weights=Float["batch word seq"].within(0, 1))
    outputs = Ports(states=Float["batch word hidden"])

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names none."""
        return []

    def build(self, dims: Dims) -> nn.Module:
        """Gives the module."""
        from consilience_linguistics.alignment import WordStates

        return WordStates()


class WordLabels(Input):
    """Gives one label a word, where `words.mask` is wired under `mask`; -100 for a word that no token is left of."""

    inputs = Ports(mask=Bool["batch word"], labels=Labels["batch"].below("classes"))
    outputs = Ports(labels=Int["batch word"].below("classes"), present=Bool["batch"])

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable that aligns a batch."""
        from consilience_linguistics.alignment import label_words

        return label_words


class Tree(Input):
    """Makes of the heads of words what parsers and probes learn: heads, distances and depths in the tree.

    Wire `words.mask` under `mask`. `heads` are those of `words`, 0 for the root, -100 for a word whose head was cut
    off; `candidates` are what may be a head, the root before the words that are there. `distances` count the edges
    between two words, `depths` those above a word (Hewitt and Manning 2019). `counted` is `mask` without the words
    whose tag is skipped, as punctuation is when probes are measured.
    """

    skip: list[Annotated[str, Field(min_length=1)]] = Field(["PUNCT"])
    """The tags whose words are not counted; read where `tags` is wired."""

    inputs = Ports(
        mask=Bool["batch word"], heads=Labels["batch"].below("position"), tags=Labels["batch"].below("tag") | None
    )
    outputs = Ports(
        heads=Int["batch word"].below("word+1"),
        candidates=Bool["batch word+1"],
        distances=Float["batch word word"],
        depths=Float["batch word"],
        mask=Bool["batch word"],
        counted=Bool["batch word"],
        present=Bool["batch"],
    )

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells of heads whose labels are no places of words, and of tags to skip that are none."""
        places = dims.spaces.get("position")
        if places is not None and places.labels != tuple(map(str, range(len(places)))):
            found = f"the labels {places}"
            fix = "# declare the field of heads as {token_labels: linguistics.positions}"
            yield Fault("CN317", "", found, "heads that count words: 0 for the root, 1 for the first word, ...", fix)
        tags = dims.spaces.get("tag")
        for tag in self.skip if tags is not None else []:
            if tags is not None and tags.position(tag) is None:
                near = nearest(tag, tags.labels)
                fix = f"skip: {paste([near])}" if near else "skip: []"
                yield Fault("CN317", "skip", f"the tag {tag}, which is none of {tags}", "tags of the field", fix)

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable that makes the trees of a batch."""
        from consilience_linguistics.alignment import GrowTrees

        tags = dims.spaces.get("tag")
        skipped = [place for tag in self.skip if tags is not None and (place := tags.position(tag)) is not None]
        return GrowTrees(tuple(skipped))


class Morphology(Input):
    """Gives the value of each feature of each word, at the word's first token, from FEATS as CoNLL-U writes them.

    `feats` is a text of one item a word, such as `Number=Sing|Person=3`, or `_`. Value 0 is "has it not"; a value that
    Universal Dependencies does not list is -100.
    """

    features: list[Annotated[str, Field(min_length=1)]] = Field(list(FEATURES))
    """Which features, in this order."""

    inputs = Ports(words=Int["batch seq"], feats=Text["batch"])
    outputs = Ports(labels=Int["batch seq feature"].below("value"), present=Bool["batch"])

    def faults(self) -> Iterable[Fault]:
        """Tells of features that Universal Dependencies has not."""
        for name in self.features:
            if name not in FEATURES:
                near = nearest(name, FEATURES)
                kept = [near if one == name and near else one for one in self.features]
                fix = f"features: {paste(list(dict.fromkeys(one for one in kept if one in FEATURES)) or ['Number'])}"
                yield Fault("CN123", "features", f"the unknown feature {name}", f"of {', '.join(FEATURES)}", fix)
        if not self.features:
            yield Fault("CN123", "features", "no feature", "one feature at least", "features: [Number]")

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States how many features there are, and how many values the richest of them has."""
        values = [len(FEATURES[name]) + 1 for name in self.features if name in FEATURES]
        told = {"feature": Size(len(self.features), "its key features")}
        return {**told, "value": Size(max(values), "its features' values")} if values else told

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable that reads the features of a batch."""
        from consilience_linguistics.alignment import ReadFeatures

        return ReadFeatures({name: FEATURES[name] for name in self.features})


class MorphologyHead(Module):
    """Scores the values of every feature of every token with one linear layer."""

    dropout: float = Field(0.1, ge=0, lt=1)
    """The share of features that are dropped while training."""

    inputs = Ports(hidden=Float["batch seq hidden"])
    outputs = Ports(logits=Float["batch seq feature value"].logits())
    static = ("hidden", "feature", "value")

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names its one layer."""
        return ["projection"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head."""
        from consilience_linguistics.heads import MorphologyHead

        return MorphologyHead(dims["hidden"], dims["feature"], dims["value"], self.dropout)
