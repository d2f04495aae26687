"""Declares what judges sentences: pseudo-log-likelihoods, and how often the better one of a pair has the larger."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from consilience.declare import (
    Bool,
    Checkpoint,
    DeclarationError,
    Dims,
    Fault,
    Float,
    Int,
    Metric,
    Module,
    Ports,
    Unsolved,
    Use,
    upstream,
)
from consilience_linguistics._language_model import MaskedLMHead, faults_of_mask_token, mask_token_of

if TYPE_CHECKING:
    from torch import nn
    from torchmetrics import Metric as TorchMetric

__all__ = ["MinimalPairAccuracy", "ParadigmAccuracy", "PseudoLogLikelihood"]


class PseudoLogLikelihood(Module):
    """Scores a text by the log-probabilities of its tokens, each hidden in its turn (Salazar et al. 2020), in nats.

    It reads the text once for each place: its cost is that of as many texts as there are tokens in the longest.
    """

    head: Use[Module]
    """The `masked_lm_head` that guesses; the encoder that it is tied to reads."""
    hide: Literal["token", "rest_of_word"] = "token"
    """What is hidden beside the token itself: nothing, or the tokens of its word that follow (Kauf and Ivanova 2023),
    for which `words` is to be wired."""
    checkpoint: Use[Checkpoint] = upstream()
    """Whose mask token it is: that of the tokens read here, when left out."""

    has_parameters = False
    inputs = Ports(
        ids=Int["batch seq"].below("vocab"),
        mask=Bool["batch seq"],
        special=Bool["batch seq"],
        words=Int["batch seq"] | None,
    )
    outputs = Ports(score=Float["batch"])

    def faults(self) -> Iterable[Fault]:
        """Tells of a head that guesses no words, and of a tokenizer without a mask token."""
        try:
            if not isinstance(self.head.declared, MaskedLMHead):
                found = f"{self.head.name}: a {self.head.declared.component}"
                fix = "# name under head a linguistics.masked_lm_head"
                yield Fault("CN319", "head", found, "a linguistics.masked_lm_head", fix)
        except (Unsolved, DeclarationError):
            return  # told elsewhere: by the wiring, or by the checkpoint itself
        yield from faults_of_mask_token(self.checkpoint)

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names none: those of the head are the head's."""
        return []

    def build(self, dims: Dims) -> nn.Module:
        """Gives the module; raises DeclarationError when the checkpoint's tokenizer has no mask token."""
        from consilience_linguistics.likelihood import PseudoLogLikelihood

        token = mask_token_of(self.checkpoint)
        return PseudoLogLikelihood(dims.built(self.head), token, self.hide == "rest_of_word")


class MinimalPairAccuracy(Metric):
    """The share of pairs of which the acceptable sentence has the larger score (BLiMP, Warstadt et al. 2020)."""

    average: Literal["macro", "micro"] = "macro"
    """The mean over the paradigms, or over the pairs."""

    inputs = Ports(good=Float["batch"], bad=Float["batch"])
    target = Int["batch"].below("paradigm")
    static = ("paradigm",)

    def build(self, dims: Dims) -> TorchMetric:
        """Gives the accuracy."""
        from consilience_linguistics.metrics import PairAccuracy

        return PairAccuracy(dims["paradigm"], self.average)


class ParadigmAccuracy(Metric):
    """The accuracy of minimal pairs for each paradigm by itself."""

    inputs = Ports(good=Float["batch"], bad=Float["batch"])
    target = Int["batch"].below("paradigm")
    static = ("paradigm",)
    is_number = False

    def build(self, dims: Dims) -> TorchMetric:
        """Gives the accuracies."""
        from consilience_linguistics.metrics import PairAccuracy

        return PairAccuracy(dims["paradigm"], "none")
