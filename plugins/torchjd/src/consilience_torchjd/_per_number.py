"""The declarations of what looks at every number of the gradients by itself, or at whole gradients that lie far off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from consilience.declare import Fault, Field, GradientBalancer, Sees

__all__ = ["GradDrop", "Krum", "TrimmedMean"]


class GradDrop(GradientBalancer, name="graddrop"):
    """Keeps of each number the gradients of one sign, drawn at random (Chen et al. 2020, arXiv:2010.06808)."""

    leak: float = Field(0.0, ge=0, le=1)
    """How much of what is dropped passes all the same."""

    sees = Sees.JACOBIAN

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience_torchjd.weightings import Multiplied

        return Multiplied(self._dropping)

    def _dropping(self, rows: int) -> Any:
        import torch
        from torchjd.aggregation import GradDrop

        return GradDrop(leak=torch.full((rows,), self.leak))


class TrimmedMean(GradientBalancer, name="trimmed_mean"):
    """Takes the mean of each number without its extremes (Yin et al. 2018, arXiv:1803.01498)."""

    trim_number: int = Field(1, ge=0, le=1_000)
    """How many of the largest, and of the smallest, are left out."""

    sees = Sees.JACOBIAN

    def faults_on(self, objectives: tuple[str, ...]) -> Iterable[Fault]:
        """Tells that there are too few objectives for so many to be left out."""
        least = 2 * self.trim_number + 1
        if len(objectives) < least:
            found = f"{self.trim_number} to leave out at each end of {len(objectives)} gradients"
            fix = f"trim_number: {(len(objectives) - 1) // 2}"
            yield Fault("CN490", "trim_number", found, f"at least {least} objectives", fix)

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience_torchjd.weightings import Multiplied

        return Multiplied(self._trimming, 2 * self.trim_number + 1)

    def _trimming(self, rows: int) -> Any:
        from torchjd.aggregation import TrimmedMean

        return TrimmedMean(self.trim_number)


class Krum(GradientBalancer, name="krum"):
    """Keeps the gradients that lie closest to the others (Blanchard et al. 2017, arXiv:1703.02757)."""

    n_byzantine: int = Field(0, ge=0, le=1_000)
    """How many gradients may be far off."""
    n_selected: int = Field(1, ge=1, le=1_000)
    """How many are kept."""

    def faults_on(self, objectives: tuple[str, ...]) -> Iterable[Fault]:
        """Tells that there are too few objectives to choose from."""
        count = len(objectives)
        if count < 3:
            found = f"krum of {count} objectives"
            yield Fault("CN490", "", found, "at least 3 objectives", "use: torchjd.mean")
        elif count < self.n_byzantine + 3:
            found = f"{self.n_byzantine} of {count} gradients that may be far off"
            yield Fault("CN490", "n_byzantine", found, f"at most {count - 3}", f"n_byzantine: {count - 3}")
        elif count < self.n_selected:
            found = f"{self.n_selected} to keep of {count} gradients"
            yield Fault("CN490", "n_selected", found, f"at most {count}", f"n_selected: {count}")

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience_torchjd.weightings import Selected

        return Selected(self.n_byzantine, self.n_selected)
