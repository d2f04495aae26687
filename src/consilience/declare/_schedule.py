"""How the weight of a loss changes while a model is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_serializer

from consilience.declare._documented import Documented
from consilience.declare._validation import refuse

__all__ = ["Schedule"]


def _whole(steps: float) -> float:
    if steps >= 1 and not float(steps).is_integer():
        raise refuse("a whole number of steps, or a share of all steps below 1", f"{{key}}: {math.ceil(steps)}")
    return steps


Steps = Annotated[float, AfterValidator(_whole), Field(ge=0, le=1e9)]
"""A number of optimizer steps; below 1, the share of all steps."""


class Schedule(Documented, BaseModel):
    """How a weight changes from step to step of the optimizer, the first of which is step 0: its factor at each.

    The factor is 0 before `start`, rises to 1, falls to `floor`, and stays there from `stop` on. Steps below 1 are the
    share of all steps, as in transformers' `warmup_steps`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    start: Steps = 0
    """The first step in which the weight counts."""
    stop: Steps | None = None
    """The step from which `floor` of the weight is left; none when left out."""
    rise: Steps = 0
    """Over how many steps from `start` on the weight rises from 0; it is whole after them."""
    fall: Steps = 0
    """Over how many steps before `stop`, or before the end, the weight falls to `floor`."""
    floor: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The share of the weight that is left after the fall; with 0 the loss is off."""
    shape: Literal["linear", "cosine", "exponential"] = "linear"
    """How the weight rises and falls: in a straight line, in half a wave, or a hundredfold at an even rate."""

    def factor(self, step: int, steps: int) -> float:
        """Gives the factor of the weight at a step, counted from 0, of a training of so many steps."""
        start, end = self.count("start", steps), self.end(steps)
        if step < start:
            return 0.0
        if step >= end:
            return self.floor if self.stop is not None else 1.0
        risen = min(1.0, (step - start + 1) / (self.count("rise", steps) + 1))
        left = min(1.0, (end - step) / (self.count("fall", steps) + 1))
        return self._shaped(risen) * (self.floor + (1 - self.floor) * self._shaped(left))

    def count(self, key: Literal["start", "rise", "fall"], steps: int) -> int:
        """Gives the whole steps that a key means in a training of so many."""
        return _count(getattr(self, key), steps)

    def end(self, steps: int) -> int:
        """Gives the step from which `floor` of the weight is left: that after the last one, without a `stop`."""
        return steps if self.stop is None else _count(self.stop, steps)

    def off(self, steps: int) -> list[tuple[int, int]]:
        """Lists the steps in which the factor is 0, as spans from a first step to that after their last."""
        start, end = self.count("start", steps), self.end(steps)
        spans = [(0, min(start, steps))]
        if self.stop is not None and self.floor == 0:
            spans.append((end, steps))
        return [(first, last) for first, last in spans if first < last]

    @property
    def keys(self) -> Mapping[str, Any]:
        """Every key with its value, those that were left out too."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    def _shaped(self, part: float) -> float:
        if self.shape == "cosine":
            return (1 - math.cos(math.pi * part)) / 2
        return (100**part - 1) / 99 if self.shape == "exponential" else part

    @model_serializer(mode="wrap")
    def _write(self, handler: Any) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        kept = {key: value for key, value in written.items() if key in self.model_fields_set and value is not None}
        return {
            key: int(value) if isinstance(value, float) and value.is_integer() else value for key, value in kept.items()
        }


def _count(steps: float, whole: int) -> int:
    return math.ceil(steps * whole) if steps < 1 else int(steps)
