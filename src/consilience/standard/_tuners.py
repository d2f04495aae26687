"""The standard tuners that choose among a module's own parameters which are trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from consilience.declare import DeclarationError, Diagnostic, Dims, Fault, Field, Module, Tuner
from consilience.standard._encoders import family_behind

__all__ = ["Bitfit", "Frozen", "Full", "LastN", "raise_fault"]


class Full(Tuner):
    """Trains every parameter."""

    def apply(self, module: Any) -> None:
        """Lets every parameter take gradients."""
        module.requires_grad_(True)


class Frozen(Tuner):
    """Trains no parameter."""

    cache: bool = False
    """Whether what the module gives of each example is computed once, kept on disk, and read again in every epoch."""

    trains = False

    @property
    def keeps_features(self) -> bool:
        """As the key `cache` says."""
        return self.cache

    def apply(self, module: Any) -> None:
        """Keeps every parameter as it is."""
        module.requires_grad_(False)


class Bitfit(Tuner):
    """Trains the biases of a module, those of its norms included, and nothing else (Ben Zaken et al. 2022).

    But for a gate that starts closed, as that of `cross_attention`: frozen at zero, it would keep them from learning.
    """

    def faults_on(self, module: Module, dims: Dims) -> Iterable[Fault]:
        """Tells of an encoder of a family that has no biases, as ModernBERT mostly."""
        config, family = family_behind(module)
        if family is not None and not any(name.endswith(".bias") for name in family.weights(config)):
            yield _no_biases()

    def apply(self, module: Any) -> None:
        """Freezes all but the biases; raises `DeclarationError` where there are none."""
        names = {name for name, _ in module.named_parameters() if name.rpartition(".")[2] == "bias"}
        if not names:
            raise_fault(_no_biases())
        names.update(getattr(module, "starts_closed", ()))
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name in names)


class LastN(Tuner):
    """Trains the last layers of a module, and what comes after them, such as a last norm."""

    n: int = Field(1, ge=1, le=4096)
    """How many layers."""

    def faults_on(self, module: Module, dims: Dims) -> Iterable[Fault]:
        """Tells of a module without a stack of layers, or with fewer of them."""
        layers = module.layer_stack(dims)
        return [] if layers is None else self._faults_among(list(layers))

    def _faults_among(self, layers: list[str]) -> Iterable[Fault]:
        if not layers:
            yield Fault(
                "CN451", "", "a module without a stack of layers", "a module such as text_encoder", "tune: full"
            )
        elif self.n > len(layers):
            found = f"{self.n}, where the module has {len(layers)}"
            yield Fault("CN451", "n", found, f"at most {len(layers)} layers", f"n: {len(layers)}")

    def apply(self, module: Any) -> None:
        """Freezes what comes before; raises `DeclarationError` where there are fewer layers."""
        from consilience.standard.built.stack import layers_of, train_last

        layers = layers_of(module)
        for fault in self._faults_among(layers):
            raise_fault(fault)
        train_last(module, layers, self.n)


def _no_biases() -> Fault:
    return Fault("CN453", "", "a module without biases", "a module with biases to train", "tune: {use: lora}")


def raise_fault(fault: Fault) -> None:
    """Raises what was found once a module is built, at the key of the file that asks for the tuner."""
    path = ("tune", fault.key) if fault.key else ("tune",)
    raise DeclarationError(Diagnostic(fault.code, path, fault.found, fault.expected, fault.fix))
