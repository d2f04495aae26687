"""Declares what linguistics offers to a fusion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from consilience.declare import (
    Bool,
    Checkpoint,
    Component,
    DeclarationError,
    Diagnostic,
    Dims,
    Fault,
    Field,
    Float,
    Input,
    Int,
    LabelSpace,
    Loss,
    Metric,
    Module,
    Ports,
    Unsolved,
    Use,
    hookimpl,
    upstream,
)

if TYPE_CHECKING:
    from torch import nn
    from torchmetrics import Metric as TorchMetric

__all__ = ["Mask", "MaskedLMHead", "MaskedLMLoss", "Perplexity", "consilience_components"]


class Mask(Input):
    """Hides some tokens of each text, for a model to guess them from the others (BERT's scheme, Devlin et al. 2019).

    Special tokens are never chosen; a text with any other token has at least one chosen. `positions` and `labels` list
    the chosen tokens alone, padded with 0 and -100, so that a head need not score the whole vocabulary everywhere.
    """

    rate: float = Field(0.15, gt=0, le=1)
    """The share of a text's tokens that are chosen, rounded to whole tokens."""
    replaced: float = Field(0.8, ge=0, le=1)
    """Of the chosen tokens, the share that the mask token replaces."""
    random: float = Field(0.1, ge=0, le=1)
    """Of the chosen tokens, the share that a token drawn from the whole vocabulary replaces; the rest stay."""
    checkpoint: Use[Checkpoint] = upstream()
    """Whose mask token it is: that of the tokens read here, when left out."""

    is_random = True
    inputs = Ports(ids=Int["batch seq"].below("vocab"), mask=Bool["batch seq"], special=Bool["batch seq"])
    outputs = Ports(
        ids=Int["batch seq"].below("vocab"),
        mask=Bool["batch seq"],
        positions=Int["batch masked"].below("seq"),
        labels=Int["batch masked"].below("vocab"),
    )

    def faults(self) -> Iterable[Fault]:
        """Tells of shares that add up to more than all the chosen tokens."""
        if self.replaced + self.random > 1 + 1e-9:
            found, room = f"{self.random}, with replaced: {self.replaced}", max(0.0, round(1 - self.replaced, 6))
            yield Fault("CN123", "random", found, "replaced and random of at most 1 together", f"random: {room}")

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable; raises DeclarationError when the checkpoint's tokenizer has no mask token."""
        from consilience_linguistics.masking import Masker

        token = self.checkpoint.declared.tokenizer().mask_token_id
        if token is None:
            found = f"{self.checkpoint.name or 'a checkpoint'}, whose tokenizer has no mask token"
            fix = "checkpoint: one that was trained to guess masked words, such as a BERT"
            raise DeclarationError(Diagnostic("CN690", (), found, "a tokenizer with a mask token", fix))
        return Masker(dims["vocab"], token, self.rate, self.replaced, self.random)


class MaskedLMHead(Module):
    """Scores every word of the vocabulary for each masked token (BERT's head, Devlin et al. 2019).

    It gathers the masked positions first and scores only those: with 15 % masked, a seventh of the work.
    """

    tie: Use[Module]
    """The encoder whose input embeddings are this head's output weights (Press and Wolf 2017)."""

    inputs = Ports(hidden=Float["batch seq hidden"], positions=Int["batch masked"].below("seq"))
    outputs = Ports(logits=Float["batch masked vocab"])

    def faults(self) -> Iterable[Fault]:
        """Tells of a tied module that reads no tokens, so that it has no embeddings to share."""
        try:
            tied = self.tie.declared
        except Unsolved:
            return
        if not any(getattr(port, "bound", None) == "vocab" for port in tied.inputs.values()):
            found = f"{self.tie.name}: a {tied.component}, which embeds no tokens"
            yield Fault(
                "CN390", "tie", found, "a module that reads token ids", "tie: # the encoder that reads the tokens"
            )

    def dims(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        """States the vocabulary's size where the tied encoder states it."""
        try:
            stated = self.tie.declared.dims(Dims())
        except Unsolved:
            return {}
        return {name: size for name, size in stated.items() if name == "vocab"}

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head; the encoder's embeddings stay the encoder's own parameters."""
        from consilience_linguistics.heads import MaskedLMHead

        return MaskedLMHead(dims.built(self.tie), dims["hidden"], dims["vocab"])


class MaskedLMLoss(Loss):
    """Cross-entropy of the masked tokens; each masked token counts once, not each text."""

    inputs = Ports(logits=Float["batch masked vocab"])
    target = Int["batch masked"].below("vocab")

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss, summed over each text's masked tokens, with their number as its count."""
        from consilience_linguistics.losses import MaskedLMLoss

        return MaskedLMLoss()


class Perplexity(Metric):
    """The perplexity of the masked tokens: between how many words, all alike, the model would be as unsure."""

    inputs = Ports(logits=Float["batch masked vocab"])
    target = Int["batch masked"].below("vocab")

    def build(self, dims: Dims) -> TorchMetric:
        """Gives torchmetrics' perplexity."""
        from consilience_linguistics.metrics import MaskedPerplexity

        return MaskedPerplexity()


@hookimpl
def consilience_components() -> list[type[Component]]:
    return [Mask, MaskedLMHead, MaskedLMLoss, Perplexity]
