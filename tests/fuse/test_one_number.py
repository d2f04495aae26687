"""A loss of one number that compares with a target sees the rows that have it, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from torch import Tensor, nn

from consilience import Fusion, check
from consilience.data import prepare
from consilience.declare import Dims, Float, Loss, Port, Ports, hookimpl
from consilience.fuse import build_collator, fuse
from consilience.host import Registry


class Whole(nn.Module):
    def forward(self, value: Tensor, target: Tensor) -> Tensor:
        return target.mean() + 0 * value.sum() + 10 * len(value)


class Spread(Loss):
    """Gives one number of all the rows that it sees."""

    inputs = Ports(value=Float["batch"])
    target = Float["batch"]
    value: ClassVar[Port] = Float[""]

    def build(self, dims: Dims) -> Any:
        return Whole()


class Lab:
    @hookimpl
    def consilience_components(self) -> list[type]:
        return [Spread]


@pytest.mark.parametrize(("marks", "expected"), [(["2", "", "4"], 23.0), (["1", "2", "6"], 33.0)])
def test_sees_the_rows_that_have_its_target(tiny: Path, tmp_path: Path, marks: list[str], expected: float) -> None:
    (tmp_path / "rows.csv").write_text("text,mark\n" + "".join(f"film {mark}x,{mark}\n" for mark in marks))
    registry = Registry()
    registry.register(Lab(), "lab")
    fusion = Fusion(
        base=tmp_path,
        name="one",
        resources={"tiny": {"use": "checkpoint", "path": str(tiny)}},
        fields={"text": "text", "mark": "number"},
        sources={"rows": {"use": "table", "path": "rows.csv", "map": {"text": "text", "mark": "mark"}}},
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny"}},
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "rating": {"use": "regressor", "in": "encoder.pooled"},
        },
        losses={"loss": {"use": "lab.spread", "in": "rating", "target": "mark"}},
    )
    plan = check(fusion, registry)
    rows = prepare(plan).train
    batch = build_collator(plan, ["loss"])([rows[place] for place in range(3)])
    assert fuse(plan)(batch, outputs=["loss"]).losses["loss"].item() == pytest.approx(expected)
