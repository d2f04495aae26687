"""How the rows of several sources are mixed: the keys under `mixing:`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from consilience.declare._nodes import Declared

__all__ = ["Mixing"]

Proportion = Annotated[float, Field(gt=0, le=1e6)]
Temperature = Annotated[float, Field(gt=0, le=1e3)]


class Mixing(Declared):
    """How the training rows of several sources are mixed, and when an epoch ends."""

    by: Literal["size", "proportions", "temperature", "round_robin"] = "size"
    """What the shares of the sources go by.

    `size` gives every row of every source once an epoch (`repeat` times), `proportions` what that key says,
    `temperature` n^(1/T) of n rows, `round_robin` each source as often as any other, in turn.
    """
    proportions: dict[str, Proportion] = Field(default={}, examples=[{"reviews": 3, "comments": 1}])
    """How often each source comes, relative to the others: `{reviews: 3, comments: 1}`."""
    temperature: Temperature = 2.0
    """T of `by: temperature`: 1 mixes by size, and the larger it is, the more alike are the shares."""
    until: str = "longest"
    """When an epoch ends: with the source that lasts `longest`, or `shortest`, at these shares, or with the one named.

    It gives each of its rows once; sources that end earlier begin again in a new order, others go on in the next epoch.
    """
    batches: Literal["mixed", "homogeneous"] = "mixed"
    """Whether the rows of a micro-batch are of any sources, or all of one."""
    rows: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """The most rows of an epoch; the next one goes on where it ended."""
