"""The standard tuners that train virtual tokens, which an encoder reads beside the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from consilience.declare import Dims, Fault, Field, Module, Tuner
from consilience.standard._encoders import family_behind
from consilience.standard._tuners import raise_fault

__all__ = ["Prefix", "Prompt"]


class _VirtualTokens(Tuner):
    """Trains vectors that an encoder of transformers reads in front of every text."""

    keeps_start = False
    families: ClassVar[tuple[str, ...]] = ()
    """The model types that this works with."""

    tokens: int = Field(16, ge=1, le=512)
    """How many virtual tokens; each makes every text that much longer."""

    def faults_on(self, module: Module, dims: Dims) -> Iterable[Fault]:
        """Tells of a module that runs no encoder, or one of a family for which this is not known to work."""
        layers = module.layer_stack(dims)
        if layers is not None and not list(layers):
            yield _no_encoder()
            return
        config, _ = family_behind(module)
        if config and config["model_type"] not in self.families:
            yield self._other_family(config["model_type"])

    def _encoder_in(self, module: Any) -> Any:
        """Finds the encoder in a built module; raises `DeclarationError` where there is none that this works with."""
        from consilience.standard.built.virtual_tokens import encoder_in

        encoder = encoder_in(module)
        if encoder is None:
            raise_fault(_no_encoder())
        elif encoder.config.model_type not in self.families:
            raise_fault(self._other_family(encoder.config.model_type))
        return encoder

    def _other_family(self, model_type: str) -> Fault:
        expected = f"an encoder of one of {', '.join(self.families)}"
        return Fault("CN452", "", f"an encoder of the type {model_type}", expected, "tune: {use: lora}")


class Prompt(_VirtualTokens):
    """Trains virtual tokens in front of the first layer (prompt tuning, Lester et al. 2021, arXiv:2104.08691).

    They take no position from the text, and no states of theirs are given on. Each starts as some word's.
    """

    families = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "mpnet", "modernbert")

    def apply(self, module: Any) -> None:
        """Freezes the module and adds the virtual tokens."""
        from consilience.standard.built.virtual_tokens import add_prompt

        add_prompt(module, self._encoder_in(module), self.tokens)


class Prefix(_VirtualTokens):
    """Trains keys and values that every layer attends to beside the text's (prefix tuning, Li and Liang 2021).

    arXiv:2101.00190, without the network that makes them there, as in P-tuning v2 (Liu et al. 2022).
    """

    families = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "modernbert")

    def apply(self, module: Any) -> None:
        """Freezes the module and adds keys and values to each of its layers."""
        from consilience.standard.built.virtual_tokens import add_prefix

        add_prefix(module, self._encoder_in(module), self.tokens)


def _no_encoder() -> Fault:
    expected = "a module that runs an encoder, such as a text_encoder"
    return Fault("CN452", "", "a module without an encoder that reads tokens", expected, "tune: full")
