"""The standard tuners: which parameters of a module are trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

from consilience.declare import DeclarationError, Diagnostic, Dims, Fault, Field, Module, Tuner, nearest, paste

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
    """Trains low-rank additions to linear layers (Hu et al. 2021, arXiv:2106.09685), and nothing else of the module.

    But for a gate that starts closed, as that of `cross_attention`: frozen at zero, it would keep the additions dead.
    """

    r: int = Field(8, ge=1, le=4096)
    """The rank of the additions."""
    alpha: int = Field(16, ge=1, le=65_536)
    """The additions are scaled by alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """The share of a layer's inputs that the addition drops while training."""
    targets: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = "all-linear"
    """The linear layers that get one: all, or those whose name is, or ends in, one of these, such as [query, value]."""

    def faults_on(self, module: Module, dims: Dims) -> Iterable[Fault]:
        """Tells of a module without linear layers, and of targets that name none, where the module says its layers."""
        layers = module.linear_layers(dims)
        return [] if layers is None else self._faults_among(list(layers))

    def _faults_among(self, layers: Sequence[str]) -> Iterator[Fault]:
        known = list(dict.fromkeys(name.rpartition(".")[2] for name in layers))
        if not known:
            expected = "a module with linear layers, such as a text_encoder"
            yield Fault("CN450", "", "a module without linear layers inside", expected, "tune: full")
        elif lost := [target for target, names in self._matching(layers).items() if not names]:
            meant = [nearest(target, known) if target in lost else target for target in self.targets]
            written = list(dict.fromkeys(filter(None, meant))) or known[:1]
            found, expected = f"{', '.join(lost)}: no linear layer", f"one of {', '.join(known)}"
            yield Fault("CN450", "targets", found, expected, f"targets: {paste(written)}")

    def _matching(self, layers: Sequence[str]) -> dict[str, list[str]]:
        """Gives for every target the layers that it names: by full name, or by the last words of it."""
        if self.targets == "all-linear":
            return {name: [name] for name in layers}
        return {
            target: [name for name in layers if name == target or name.endswith(f".{target}")]
            for target in self.targets
        }

    def apply(self, module: Any) -> None:
        """Freezes the module and adds the low-rank layers; raises `DeclarationError` when a target names no layer."""
        from consilience.standard.built.lora import add_lora, linear_layers

        layers = linear_layers(module)
        for fault in self._faults_among(layers):
            path = ("tune", fault.key) if fault.key else ("tune",)
            raise DeclarationError(Diagnostic(fault.code, path, fault.found, fault.expected, fault.fix))
        names = (name for found in self._matching(layers).values() for name in found)
        add_lora(module, list(dict.fromkeys(names)), self.r, self.alpha, self.dropout)
