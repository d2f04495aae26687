"""Declares masking and masked language modelling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from consilience.declare import (
    Bool,
    Checkpoint,
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
    upstream,
)
from consilience_linguistics._own_head import NotBrought, OwnHead, find_own_head

if TYPE_CHECKING:
    from torch import nn
    from torchmetrics import Metric as TorchMetric

__all__ = [
    "Mask",
    "MaskedLMHead",
    "MaskedLMLoss",
    "Perplexity",
    "faults_of_mask_token",
    "faults_of_shares",
    "mask_token_of",
]


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
    static = ("vocab",)

    def faults(self) -> Iterable[Fault]:
        """Tells of shares that add up to more than all the chosen tokens."""
        yield from faults_of_shares(self.replaced, self.random)
        yield from faults_of_mask_token(self.checkpoint)

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable; raises DeclarationError when the checkpoint's tokenizer has no mask token."""
        from consilience_linguistics.masking import Masker

        token = mask_token_of(self.checkpoint)
        return Masker(dims["vocab"], token, self.rate, self.replaced, self.random)


class MaskedLMHead(Module):
    """Scores every word of the vocabulary for each masked token (BERT's head, Devlin et al. 2019).

    It gathers the masked positions first and scores only those: with 15 % masked, a seventh of the work.
    """

    tie: Use[Module]
    """The encoder whose input embeddings are this head's output weights (Press and Wolf 2017)."""
    start: Literal["fresh", "pretrained"] = "fresh"
    """Whether the head's own layers start at random, or as the head that the tied encoder's checkpoint brings.

    A checkpoint whose own weights start fresh brings none: then the head starts fresh too.
    """

    inputs = Ports(hidden=Float["batch seq hidden"], positions=Int["batch masked"].below("seq"))
    outputs = Ports(logits=Float["batch masked vocab"].logits())
    static = ("hidden", "vocab")

    def faults(self) -> Iterable[Fault]:
        """Tells of a tied module that reads no tokens, so that it has no embeddings to share."""
        try:
            tied = self.tie.declared
        except Unsolved:
            return
        if not any(getattr(port, "bound", None) == "vocab" for port in tied.inputs.values()):
            found = f"{self.tie.name}: a {tied.component}, which embeds no tokens"
            fix = "# name under tie the encoder that reads the tokens"
            yield Fault("CN390", "tie", found, "a module that reads token ids", fix)
        elif self.start == "pretrained":
            try:
                self._own_head()
            except NotBrought as reason:
                yield self._not_brought(reason)
            except (Unsolved, DeclarationError):
                return  # told elsewhere: by the wiring, or by the checkpoint itself

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells of a pretrained head for states of another width, or for another vocabulary."""
        if self.start == "fresh":
            return
        try:
            checkpoint, own = self._own_head()
        except NotBrought:
            return  # told by `faults`
        tensors = checkpoint.declared.tensors() or {}
        for parameter, place, dim in (("dense.weight", 1, "hidden"), ("bias", 0, "vocab")):
            shape = tensors.get(own.names.get(parameter, ""), ())
            if len(shape) > place and shape[place] != dims[dim]:
                found = f"{checkpoint.name}, whose head is for a {dim} of {shape[place]}, not {dims[dim]}"
                yield self._not_brought(found)

    def _own_head(self) -> tuple[Use[Checkpoint], OwnHead]:
        """Finds the head that the tied encoder's checkpoint brings; raises `NotBrought` when it brings none."""
        checkpoint = getattr(self.tie.declared, "checkpoint", None)
        if not isinstance(checkpoint, Use) or not isinstance(checkpoint.declared, Checkpoint):
            raise NotBrought(f"{self.tie.name}, which is made from no checkpoint")
        tensors = checkpoint.declared.tensors()
        if tensors is None:
            raise Unsolved(f"the tensors of {checkpoint.name} are not known before they are loaded")
        return checkpoint, find_own_head(str(checkpoint.name), checkpoint.declared.config(), tensors)

    def _not_brought(self, found: object) -> Fault:
        expected = "a checkpoint with its head, as BertForMaskedLM and the like are saved"
        return Fault("CN691", "start", str(found), expected, "start: fresh")

    def dims(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        """States the vocabulary's size where the tied encoder states it."""
        try:
            stated = self.tie.declared.dims(Dims())
        except Unsolved:
            return {}
        return {name: size for name, size in stated.items() if name == "vocab"}

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        """Names its one layer."""
        return ["dense"]

    def build(self, dims: Dims) -> nn.Module:
        """Gives the head; the encoder's embeddings stay the encoder's own parameters."""
        from consilience_linguistics.heads import MaskedLMHead

        encoder = dims.built(self.tie)
        if not hasattr(encoder, "get_input_embeddings"):
            found = f"{self.tie.name}: a {type(encoder).__name__} without get_input_embeddings"
            raise error_of(
                Fault("CN390", "tie", found, "a module that gives its embeddings", "# name under tie a text_encoder")
            )
        if self.start == "fresh":
            return MaskedLMHead(encoder, dims["hidden"], dims["vocab"])
        for fault in (*self.faults(), *self.faults_with(dims)):
            raise error_of(fault)
        checkpoint, own = self._own_head()
        head = MaskedLMHead(encoder, dims["hidden"], dims["vocab"], own.activation, own.epsilon)
        if own.names:
            loaded = checkpoint.declared.load_tensors(own.names.values())
            head.start_from({parameter: loaded[name] for parameter, name in own.names.items()})
        return head


class MaskedLMLoss(Loss):
    """Cross-entropy of the masked tokens; each masked token counts once, not each text."""

    inputs = Ports(logits=Float["batch masked vocab"].logits())
    target = Int["batch masked"].below("vocab")

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss, summed over each text's masked tokens, with their number as its count."""
        from consilience_linguistics.losses import MaskedLMLoss

        return MaskedLMLoss()


class Perplexity(Metric):
    """The perplexity of the masked tokens: between how many words, all alike, the model would be as unsure."""

    inputs = Ports(logits=Float["batch masked vocab"].logits())
    target = Int["batch masked"].below("vocab")

    def build(self, dims: Dims) -> TorchMetric:
        """Gives torchmetrics' perplexity."""
        from consilience_linguistics.metrics import MaskedPerplexity

        return MaskedPerplexity()


def faults_of_shares(replaced: float, random: float) -> Iterable[Fault]:
    """Tells of shares that add up to more than all the chosen tokens."""
    if replaced + random > 1 + 1e-9:
        found, room = f"{random}, with replaced: {replaced}", max(0.0, round(1 - replaced, 6))
        yield Fault("CN123", "random", found, "replaced and random of at most 1 together", f"random: {room}")


def faults_of_mask_token(checkpoint: Use[Checkpoint]) -> Iterable[Fault]:
    """Tells of a checkpoint whose tokenizer has no mask token, as far as its files say so."""
    try:
        tokens = checkpoint.declared.special_tokens()
    except (Unsolved, DeclarationError):
        return  # told elsewhere: by the wiring, or by the checkpoint itself
    if "mask_token" in tokens and tokens["mask_token"] is None:
        yield _no_mask_token(checkpoint.name)


def mask_token_of(checkpoint: Use[Checkpoint]) -> int:
    """Gives the number of the mask token; raises DeclarationError when the tokenizer has none."""
    token: int | None = checkpoint.declared.tokenizer().mask_token_id
    if token is None:
        raise error_of(_no_mask_token(checkpoint.name))
    return token


def _no_mask_token(checkpoint: str | None) -> Fault:
    """Tells of a checkpoint that was not trained to guess masked words."""
    found = f"{checkpoint or 'a checkpoint'}, whose tokenizer has no mask token"
    fix = "# take a checkpoint that was trained to guess masked words, such as a BERT, for tokens and encoder"
    return Fault("CN690", "", found, "a tokenizer with a mask token", fix)


def error_of(fault: Fault) -> DeclarationError:
    """Makes the error of a fault that only building could see."""
    path = (fault.key,) if fault.key else ()
    return DeclarationError(Diagnostic(fault.code, path, fault.found, fault.expected, fault.fix))
