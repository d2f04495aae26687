"""The standard balancers."""

from __future__ import annotations

from typing import Any

from consilience.declare import Balancer

__all__ = ["Fixed", "Uncertainty"]


class Fixed(Balancer):
    """Sums the losses with the weights of the file."""

    def build(self, losses: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience.standard.built.balancers import Fixed

        return Fixed()


class Uncertainty(Balancer):
    """Learns how much each loss counts from how well it can be fitted (Kendall et al. 2018, arXiv:1705.07115)."""

    needs_several_losses = True

    def build(self, losses: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience.standard.built.balancers import Uncertainty

        return Uncertainty(losses)
