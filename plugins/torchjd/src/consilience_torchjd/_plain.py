"""The declarations of what the other methods have to beat."""

from __future__ import annotations

from typing import Any

from consilience.declare import GradientBalancer

__all__ = ["Mean", "Random", "Sum"]


class Mean(GradientBalancer, name="mean"):
    """Takes the mean of the gradients: what the other methods have to beat."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from torchjd.aggregation import MeanWeighting

        from consilience_torchjd.weightings import Weighed

        return Weighed(MeanWeighting())


class Sum(GradientBalancer, name="sum"):
    """Adds the gradients, as `fixed` does, and logs how they conflict."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from torchjd.aggregation import SumWeighting

        from consilience_torchjd.weightings import Weighed

        return Weighed(SumWeighting())


class Random(GradientBalancer, name="random"):
    """Draws the weights of the gradients anew for every step (Lin et al. 2022, arXiv:2111.10603)."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from torchjd.aggregation import RandomWeighting

        from consilience_torchjd.weightings import Weighed

        return Weighed(RandomWeighting())
