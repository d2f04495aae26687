"""Declares what is learnt from text alone beside single masked tokens: spans, replaced tokens, order, two readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from consilience.declare import (
    Bool,
    Checkpoint,
    Dims,
    Fault,
    Field,
    Float,
    Input,
    Int,
    LabelSpace,
    Loss,
    Module,
    Ports,
    Use,
    upstream,
)
from consilience_linguistics._language_model import faults_of_mask_token, faults_of_shares, mask_token_of
from consilience_linguistics._spaces import REPLACED, SENTENCE_ORDER
from consilience_linguistics._two_parts import TwoParts

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "GeneratorSamples",
    "MaskSpans",
    "ReplaceTokens",
    "ReplacedTokenHead",
    "ReplacedTokenLoss",
    "SentenceOrder",
    "SimCSELoss",
]


class MaskSpans(Input):
    """Hides whole words, spans or n-grams of words, for a model to guess them from the others.

    Spans are hidden in random order while they fit into the share of tokens that is to be hidden; the first one always
    is. It gives what `mask` gives.
    """

    unit: Literal["word", "ngram", "span"] = "word"
    """Single words (whole word masking); n-grams whose length n has a share as 1/n (Lan et al. 2020); or spans whose
    length is drawn from a geometric distribution, all alike disguised (SpanBERT, Joshi et al. 2020)."""
    longest: int = Field(10, ge=1, le=100)
    """The most words of a span or an n-gram: 10 in SpanBERT, 3 in ALBERT."""
    stop: float = Field(0.2, gt=0, lt=1)
    """Of spans: the chance that one ends after a word; 0.2 makes them 3.8 words long on the average."""
    rate: float = Field(0.15, gt=0, le=1)
    """The share of a text's tokens that are to be hidden."""
    replaced: float = Field(0.8, ge=0, le=1)
    """Of what is chosen, the share that the mask token replaces."""
    random: float = Field(0.1, ge=0, le=1)
    """Of what is chosen, the share that tokens drawn from the whole vocabulary replace; the rest stay."""
    checkpoint: Use[Checkpoint] = upstream()
    """Whose mask token it is: that of the tokens read here, when left out."""

    is_random = True
    inputs = Ports(
        ids=Int["batch seq"].below("vocab"), mask=Bool["batch seq"], special=Bool["batch seq"], words=Int["batch seq"]
    )
    outputs = Ports(
        ids=Int["batch seq"].below("vocab"),
        mask=Bool["batch seq"],
        positions=Int["batch masked"].below("seq"),
        labels=Int["batch masked"].below("vocab"),
    )
    static = ("vocab",)

    def faults(self) -> Iterable[Fault]:
        """Tells of shares that add up to more than all, and of a tokenizer without a mask token."""
        yield from faults_of_shares(self.replaced, self.random)
        yield from faults_of_mask_token(self.checkpoint)

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable; raises DeclarationError when the checkpoint's tokenizer has no mask token."""
        from consilience_linguistics.spans import SpanMasker, lengths_of

        token = mask_token_of(self.checkpoint)
        lengths = lengths_of(self.unit, self.longest, self.stop)
        return SpanMasker(dims["vocab"], token, lengths, self.rate, self.replaced, self.random, self.unit == "span")


class ReplaceTokens(Input):
    """Replaces some tokens of each text by others drawn from the vocabulary, for a model to find them.

    The corruption of ELECTRA (Clark et al. 2020) with a generator that knows nothing; `generator_samples` draws from
    one that learns. A token that is drawn again counts as original; special tokens are -100.
    """

    rate: float = Field(0.15, gt=0, le=1)
    """The share of a text's tokens that are drawn anew, rounded, at least one."""

    is_random = True
    inputs = Ports(ids=Int["batch seq"].below("vocab"), mask=Bool["batch seq"], special=Bool["batch seq"])
    outputs = Ports(
        ids=Int["batch seq"].below("vocab"), mask=Bool["batch seq"], labels=Int["batch seq"].below("decision")
    )
    static = ("vocab",)

    def dims(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        """States what may be said of a token."""
        return {"decision": REPLACED}

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable."""
        from consilience_linguistics.corruption import Replacer

        return Replacer(dims["vocab"], self.rate)


class GeneratorSamples(Module):
    """Puts in place of masked tokens what a masked-LM head guesses, for a discriminator to find (Clark et al. 2020).

    In training it draws from the head's distribution, in evaluation it takes the likeliest token. No gradient flows
    back: the generator learns from its own loss alone.
    """

    has_parameters = False
    inputs = Ports(
        ids=Int["batch seq"].below("vocab"),
        special=Bool["batch seq"],
        positions=Int["batch masked"].below("seq"),
        truth=Int["batch masked"].below("vocab"),
        logits=Float["batch masked vocab"].logits(),
    )
    outputs = Ports(ids=Int["batch seq"].below("vocab"), labels=Int["batch seq"].below("decision"))

    def dims(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        """States what may be said of a token."""
        return {"decision": REPLACED}

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names none."""
        return []

    def build(self, dims: Dims) -> nn.Module:
        """Gives the module."""
        from consilience_linguistics.corruption import GeneratorSamples

        return GeneratorSamples()


class ReplacedTokenHead(Module):
    """Scores for every token how likely it was replaced: ELECTRA's discriminator (Clark et al. 2020)."""

    inputs = Ports(hidden=Float["batch seq hidden"])
    outputs = Ports(logits=Float["batch seq"].logits())
    static = ("hidden",)

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names its two layers."""
        return ["dense", "score"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head."""
        from consilience_linguistics.corruption import ReplacedTokenHead

        return ReplacedTokenHead(dims["hidden"])


class ReplacedTokenLoss(Loss):
    """The binary cross-entropy of what was replaced, the mean over a text's tokens (Clark et al. 2020).

    Of `replace_tokens` or of `generator_samples`: wire their `labels`. A token of -100 is not looked at.
    """

    inputs = Ports(logits=Float["batch seq"].logits(), labels=Int["batch seq"].below("decision"))

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_linguistics.corruption import ReplacedTokenLoss

        return ReplacedTokenLoss()


class SentenceOrder(TwoParts):
    """Cuts each text in two at the end of a sentence, and swaps the parts of half of them (ALBERT, Lan et al. 2020).

    The parts are tokenized as a pair, as BERT's next sentences are. A text of one sentence is not present.
    """

    swapped: float = Field(0.5, gt=0, lt=1)
    """The share of texts whose parts change places."""

    outputs = Ports(
        ids=Int["batch seq"].below("vocab"),
        mask=Bool["batch seq"],
        order=Int["batch"].below("order"),
        present=Bool["batch"],
    )

    def dims(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        """States what may be said of two parts, and the size of the vocabulary where config.json has it."""
        return self.dims_of(SENTENCE_ORDER, "order")

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable."""
        from consilience_linguistics.pairing import OrderPairs

        return OrderPairs(self.checkpoint.declared.tokenizer(), self.max_length, self.swapped)


class SimCSELoss(Loss, name="simcse_loss"):
    """Asks two readings of a text to be nearer to each other than to the other texts of the batch (Gao et al. 2021).

    The two readings are those of one encoder under two draws of dropout, or of a text and its paraphrase. It is one
    number for the batch, as each text is compared with all others.
    """

    temperature: float = Field(0.05, gt=0, le=10)
    """What cosines are divided by."""

    inputs = Ports(first=Float["batch hidden"], second=Float["batch hidden"])
    value = Float[""]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_linguistics.contrast import SimCSELoss

        return SimCSELoss(self.temperature)
