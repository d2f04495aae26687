"""Balancers: what weighs the losses against each other, by their values or by their gradients."""

# Not under `from __future__ import annotations`: pydantic would read the class variables' anew for every subclass.
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, ClassVar, Literal

from consilience.declare._component import Component
from consilience.declare._fault import Fault

__all__ = ["Balancer", "GradientBalancer", "Sees"]


class Balancer(Component):
    """Weighs the losses against each other while they are learnt."""

    kind = "balancer"
    needs_shared_parameters: ClassVar[bool] = False
    """Whether it weighs the losses by their gradients in parameters that several of them train."""
    needs_several_losses: ClassVar[bool] = False
    """Whether there is nothing for it to weigh where the fusion has one loss."""
    varies: ClassVar[bool] = True
    """Whether the log is to tell what it gives: False for one whose factors are always 1."""
    idle_epochs: ClassVar[int] = 0
    """How many epochs have to end before it weighs anything: a training of no more gains nothing by it."""

    def faults_on(self, objectives: tuple[str, ...]) -> Iterable[Fault]:
        """Tells what is wrong with balancing these: the losses, or what else it weighs; must stay light.

        Asked of those whose weight in the file is above 0, and only where there are any.
        """
        return ()

    def build(self, losses: tuple[str, ...]) -> Any:
        """Gives an `nn.Module`: from `{loss: weighted value}` to `({loss: factor}, {loss: penalty})`, all `Float[""]`.

        The objective is the sum of factor times value, plus once an optimizer step the penalties of the losses for
        which some example counts. A loss without a penalty is left out of the second mapping.

        The module may have `window_ended(values)`, called once an optimizer step with the exact mean of every weighted
        loss for which something counted, over all its micro-batches and processes, without the factor of its schedule;
        and `epoch_ended()`. What it keeps stands in parameters or buffers: so it is saved, and a resumed run goes on as
        if it had not stopped.
        """
        raise NotImplementedError


class Sees(StrEnum):
    """What a balancer by gradients reads: their products with each other, or every number of them."""

    GRAMIAN = "gramian"
    JACOBIAN = "jacobian"


class GradientBalancer(Balancer):
    """Weighs objectives by the gradients that they have in what they share.

    An objective is a loss, or all losses of a discipline, by its weighted value. What is shared is found from the graph
    of the computation, and never named. The whole window of an optimizer step is one gradient: accumulation and the
    number of processes change nothing. What only one objective trains gets that objective's own gradient.
    """

    over: Literal["parameters", "representation"] = "parameters"
    """Where gradients meet: in the parameters that several objectives train, or in the tensors that these give.

    Over the representation the shared modules run backward once, whatever the number of objectives.
    """
    per: Literal["loss", "discipline"] = "loss"
    """What is weighed: each loss by itself, or the sum of each discipline's."""

    needs_shared_parameters = True
    needs_several_losses = True
    sees: ClassVar[Sees] = Sees.GRAMIAN
    """What the built module reads: a balancer that only sees the Gramian never needs the gradients side by side."""

    def build(self, objectives: tuple[str, ...]) -> Any:
        """Gives an `nn.Module` that is called once an optimizer step, under `torch.no_grad`, on the CPU, in float64.

        Where it sees the Gramian: `forward(gramian: Float["m m"], values: Float["m"], names: tuple[str, ...])` gives
        the weights (`Float["m"]`) by which the gradients are summed. Where it sees the Jacobian: `forward(jacobian:
        Float["m n"], values, names)` gives the summed gradient (`Float["n"]`), on the device and in the type of what it
        got. `names` are those of the m objectives that have a gradient in this step, m at least 1, in the order of
        `objectives`; `values` leave out the factors of schedules, which the gradients have. Random numbers come from
        torch's generator, which is seeded by the run's seed and the step. What the module keeps from step to step
        stands in buffers; a trained parameter would get no gradient.
        """
        raise NotImplementedError
