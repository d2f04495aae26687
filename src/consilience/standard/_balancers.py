"""The standard balancers."""

from __future__ import annotations

from typing import Any, Literal

from consilience.declare import Balancer, Field, GradientBalancer

__all__ = ["DynamicWeightAverage", "Fixed", "GradNorm", "RandomWeighting", "Uncertainty"]


class Fixed(Balancer):
    """Sums the losses with the weights of the file."""

    varies = False

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


class DynamicWeightAverage(Balancer, name="dwa"):
    """Gives more weight to the losses that fell least from one epoch to the next (Liu et al. 2019, arXiv:1803.10704).

    The first two epochs weigh all alike: a run of fewer than three gains nothing by it.
    """

    temperature: float = Field(2.0, gt=0, le=1e6)
    """How even the weights are: the larger, the more alike."""

    needs_several_losses = True
    idle_epochs = 2

    def build(self, losses: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience.standard.built.balancers import DynamicWeightAverage

        return DynamicWeightAverage(losses, self.temperature)


class RandomWeighting(Balancer, name="random"):
    """Draws the weights anew for every step: what a method has to beat (Lin et al. 2022, arXiv:2111.10603)."""

    needs_several_losses = True

    def build(self, losses: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience.standard.built.balancers import RandomWeighting

        return RandomWeighting(losses)


class GradNorm(GradientBalancer, name="gradnorm"):
    """Learns weights that make each gradient as long as its objective's pace asks (Chen et al. 2018, arXiv:1711.02257).

    The paper measures at the last shared layer. The representation is what that layer gives, and costs next to nothing.
    """

    over: Literal["parameters", "representation"] = "representation"
    """Where gradients are measured."""
    alpha: float = Field(1.5, ge=0, le=10)
    """How strongly an objective that learns slowly is pulled up; 0 makes all gradients as long as each other."""
    learning_rate: float = Field(0.025, gt=0, le=1)
    """How fast the weights are learnt."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Builds the balancer."""
        from consilience.standard.built.balancers import GradNorm

        return GradNorm(objectives, self.alpha, self.learning_rate)
