"""The losses that make weights sparse by groups, low in rank, or smooth. Light: torch enters in `build`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from consilience.declare import DeclarationError, Diagnostic, Dims, Fault, Field, Float, Loss, Module, Use

if TYPE_CHECKING:
    from consilience_complexity.norms import GroupNorm, SpectrumNorm

__all__ = ["GroupLasso", "NuclearNorm", "SpectralNorm"]


class GroupLasso(Loss):
    """Is the group lasso of a module's heads and neurons (Yuan and Lin 2006): it drives whole units to zero.

    The groups are the weights that serve one unit alone: a head's rows of query, key and value and its columns of the
    output, a neuron's row up and column down. The value is the sum over groups of √(size) times the Euclidean norm,
    over the number of weights: 1 where every weight is ±1. `consilience complexity compress --below` takes out what it
    left.
    """

    of: Use[Module]
    """The module whose weights it is of: one with a transformer inside."""
    groups: list[Literal["heads", "neurons"]] = Field(["heads", "neurons"], min_length=1, max_length=2)
    """What a group is."""

    value = Float[""]

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells of a module without linear layers, where the module says what it has."""
        yield from _without_layers(self.of, dims)

    def build(self, dims: Dims) -> GroupNorm:
        """Finds the groups; DeclarationError where the module has none."""
        from consilience_complexity.anatomy import NothingToGate, find_projections
        from consilience_complexity.norms import GroupNorm

        try:
            found = [one for one in find_projections(dims.built(self.of)) if one.kind in self.groups]
        except NothingToGate as reason:
            raise _told(self.of, str(reason)) from reason
        if not found:
            raise _told(self.of, f"it has no {' and no '.join(self.groups)}")
        return GroupNorm(found)


class _Spectrum(Loss):
    of: Use[Module]
    """The module whose linear layers it is of."""
    sample: int | None = Field(None, ge=1)
    """How many of its matrices a training step looks at, drawn anew each time; all of them when left out."""

    value = Float[""]

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells of a module without linear layers, where the module says what it has."""
        yield from _without_layers(self.of, dims)

    def _matrices(self, dims: Dims) -> list[Any]:
        from consilience_complexity.norms import matrices_of

        found = matrices_of(dims.built(self.of))
        if not found:
            raise _told(self.of, f"{type(dims.built(self.of)).__name__} has no linear layer")
        return found


class NuclearNorm(_Spectrum):
    """Is the nuclear norm of a module's matrices: it makes them low in rank (Fazel, Hindi, Boyd 2001).

    The value is the mean over the linear layers of the sum of the singular values, over the root of the smaller side
    times the Frobenius norm: 1 where all singular values are equal, and 1/√(smaller side) where only one is above zero.
    So it tells the shape of the spectrum, and shrinking all weights alike does not lower it.
    """

    def build(self, dims: Dims) -> SpectrumNorm:
        """Finds the matrices; DeclarationError where the module has none."""
        from consilience_complexity.norms import SpectrumNorm

        return SpectrumNorm(self._matrices(dims), "nuclear", self.sample)


class SpectralNorm(_Spectrum):
    """Is the spectral norm of a module's matrices: half the mean square of the largest singular value of each.

    It keeps small changes of the input from becoming large ones of the output (Yoshida and Miyato 2017).
    """

    def build(self, dims: Dims) -> SpectrumNorm:
        """Finds the matrices; DeclarationError where the module has none."""
        from consilience_complexity.norms import SpectrumNorm

        return SpectrumNorm(self._matrices(dims), "spectral", self.sample)


def _without_layers(of: Use[Module], dims: Dims) -> Iterable[Fault]:
    layers = of.declared.linear_layers(dims.of(of))
    if layers is not None and not list(layers):
        yield _nothing(of, f"a {of.declared.component} has no linear layer")


def _nothing(of: Use[Module], reason: str) -> Fault:
    expected = "a module with weights of linear layers, such as a text_encoder"
    return Fault("CN447", "of", f"{of.name}, but {reason}", expected, f"# name under of {expected}")


def _told(of: Use[Module], reason: str) -> DeclarationError:
    fault = _nothing(of, reason)
    return DeclarationError(Diagnostic(fault.code, (fault.key,), fault.found, fault.expected, fault.fix))
