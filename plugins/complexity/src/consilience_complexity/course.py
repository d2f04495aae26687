"""How the share that the gates keep went, step by step. Plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from consilience_complexity.budget import BudgetLoss
from consilience_complexity.gates import expected_share, gates_of

__all__ = ["Course", "course_of", "follow", "note"]

_MOST = 200
"""How many points are kept: beyond, every second one is let go, and those to come are taken half as often."""
_ATTRIBUTE = "complexity_course"


class Course:
    """Points (step, share), at most 200 of them, evenly spaced whatever the number of steps."""

    def __init__(self) -> None:
        self.every = 1
        self.steps: list[int] = []
        self._shares: list[Tensor | float] = []

    def add(self, step: int, share: Tensor | float) -> None:
        """Takes in the share after a step, Float[]; no device is waited for before the shares are asked for."""
        if step % self.every:
            return
        self.steps.append(step)
        self._shares.append(share)
        if len(self.steps) > _MOST:
            self.every *= 2
            kept = [index for index, one in enumerate(self.steps) if one % self.every == 0]
            self.steps = [self.steps[index] for index in kept]
            self._shares = [self._shares[index] for index in kept]

    @property
    def shares(self) -> list[float]:
        """The shares, 0 to 1, at `steps`."""
        self._shares = [float(share) for share in self._shares]
        return self._shares  # type: ignore[return-value]  # floats by now

    def state(self) -> dict[str, Any]:
        """Gives the course in values that JSON can write."""
        return {"every": self.every, "steps": self.steps, "shares": self.shares}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Course:
        """Makes the course that `state` gave."""
        course = cls()
        course.every, course.steps = int(state["every"]), [int(step) for step in state["steps"]]
        course._shares = [float(share) for share in state["shares"]]
        return course


def follow(model: nn.Module, course: Course | None = None) -> None:
    """Lets a model that has gates keep their course, from its start or from one that was kept."""
    if next(gates_of(model), None) is not None:
        setattr(model, _ATTRIBUTE, course or Course())


def course_of(model: nn.Module) -> Course | None:
    """Gives the course of a model that is followed, or None."""
    return getattr(model, _ATTRIBUTE, None)


def note(model: nn.Module, step: int) -> dict[str, Tensor]:
    """Notes the share after a step, and gives it for the log, with that of each budget's cost; budgets go on."""
    course = course_of(model)
    if course is None:
        return {}
    share = expected_share(gates_of(model)).detach()
    course.add(step, share)
    told = {"share_kept": share}
    for budget in (module for module in model.modules() if isinstance(module, BudgetLoss)):
        budget.step(step)
        told |= {
            "cost_kept": budget.share().detach(),
            "cost_asked": budget.target(),
            "pressure": budget.pressure.clone(),
        }
    return told
