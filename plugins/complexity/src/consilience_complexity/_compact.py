"""The encoder whose linear layers are factorised or of 8 bits. Light: torch enters in `build`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from consilience.declare import (
    Bool,
    Checkpoint,
    DeclarationError,
    Diagnostic,
    Dims,
    Fault,
    Float,
    Int,
    Module,
    Ports,
    Size,
    Unsolved,
    Use,
    upstream,
)

if TYPE_CHECKING:
    from consilience_complexity.compact import CompactEncoder as Built

__all__ = ["CompactEncoder", "has_torchao"]


class CompactEncoder(Module):
    """Encodes tokens as `text_encoder` does, with linear layers that are factorised or hold 8-bit numbers.

    `consilience complexity compress --low-rank` and `--int8` write it into the fusion of the run that they make; plain
    transformers has no such layers, and loads the whole matrices of the checkpoint instead.
    """

    checkpoint: Use[Checkpoint] = upstream()
    """The checkpoint whose encoder it is; when left out, the one that the tokens were made with."""
    pooling: Literal["cls", "mean", "max"] = "mean"
    """How the states of a text become its vector: that of the first token, their mean, or their largest values."""
    ranks: dict[str, int] = {}  # noqa: RUF012  # pydantic copies a default
    """The rank of each linear layer that is factorised, by its name in the encoder (truncated SVD)."""
    numbers: Literal["float", "int8"] = "float"
    """`int8`: each linear layer holds 8-bit weights, and its inputs are made 8-bit as they come (torchao)."""

    inputs = Ports(ids=Int["batch seq"].below("vocab"), mask=Bool["batch seq"])
    outputs = Ports(hidden=Float["batch seq hidden"], pooled=Float["batch hidden"])

    def faults(self) -> Iterable[Fault]:
        """Tells that torchao is missing."""
        if self.numbers == "int8" and not has_torchao():
            expected = "torchao, which int8 is done with"
            yield Fault(
                "CN785", "numbers", "int8, and no torchao is installed", expected, "pip install torchao==0.18.0"
            )

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States width and vocabulary from config.json."""
        try:
            config = self.checkpoint.declared.config()
        except DeclarationError as error:
            raise Unsolved("the checkpoint's config.json cannot be read") from error
        named = {"hidden": ("hidden_size", "d_model", "dim"), "vocab": ("vocab_size",)}
        source = f"{self.checkpoint.name}'s config.json"
        found = {dim: next((config[key] for key in keys if key in config), None) for dim, keys in named.items()}
        return {dim: Size(size, source) for dim, size in found.items() if isinstance(size, int)}

    def build(self, dims: Dims) -> Built:
        """Loads the encoder and puts the smaller layers in; DeclarationError for a rank of no such layer."""
        from consilience_complexity.compact import CompactEncoder, NoSuchLayer

        checkpoint = self.checkpoint.declared
        # Without weight files, as in a saved model, the factors come with the model: nothing is to be factorised.
        is_fresh = getattr(checkpoint, "weights", "pretrained") == "fresh"
        try:
            return CompactEncoder(checkpoint.model(), self.pooling, self.ranks, self.numbers, is_fresh)
        except NoSuchLayer as error:
            fix = "# leave it out, or name a linear layer of the encoder"
            fault = Diagnostic("CN786", ("ranks",), str(error), "ranks of linear layers, from 1 on", fix)
            raise DeclarationError(fault) from error


def has_torchao() -> bool:
    """Tells whether torchao is installed, without importing it."""
    return find_spec("torchao") is not None
