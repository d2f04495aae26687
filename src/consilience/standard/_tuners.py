"""The standard tuners: which parameters of a module are trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from consilience.declare import DeclarationError, Diagnostic, Field, Tuner, nearest

__all__ = ["Frozen", "Full", "Lora"]


class Full(Tuner):
    """Trains every parameter."""

    def apply(self, module: Any) -> None:
        """Lets every parameter take gradients."""
        module.requires_grad_(True)


class Frozen(Tuner):
    """Trains no parameter."""

    trains = False

    def apply(self, module: Any) -> None:
        """Keeps every parameter as it is."""
        module.requires_grad_(False)


class Lora(Tuner):
    """Trains low-rank additions to linear layers, and nothing else of the module (Hu et al. 2021, arXiv:2106.09685)."""

    r: int = Field(8, ge=1)
    """The rank of the additions."""
    alpha: int = Field(16, ge=1)
    """The additions are scaled by alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """The share of a layer's inputs that the addition drops while training."""
    targets: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = "all-linear"
    """The linear layers that get one: all, or those whose name is, or ends in, one of these, such as [query, value]."""

    def apply(self, module: Any) -> None:
        """Freezes the module and adds the low-rank layers; raises `DeclarationError` when a target names no layer."""
        from consilience.standard.built.lora import add_lora, linear_layers, matching

        layers = linear_layers(module)
        found = matching(layers, layers if self.targets == "all-linear" else self.targets)
        lost = [target for target, names in found.items() if not names]
        if lost or not layers:
            known = list(dict.fromkeys(name.rpartition(".")[2] for name in layers))
            near = nearest(lost[0], known) if lost else None
            raise DeclarationError(
                Diagnostic(
                    "CN450",
                    (),
                    f"no linear layer {', '.join(lost)}" if lost else "a module without linear layers inside",
                    f"one of {', '.join(known)}" if known else "a module with linear layers, such as a text_encoder",
                    f"targets: [{near or known[0]}]" if known else "tune: full",
                )
            )
        add_lora(
            module,
            list(dict.fromkeys(name for names in found.values() for name in names)),
            self.r,
            self.alpha,
            self.dropout,
        )
