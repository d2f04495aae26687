"""Schedules: the factor of a weight at each step."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from consilience.declare import Schedule


def factors(steps: int, **keys: object) -> list[float]:
    schedule = Schedule.model_validate(keys)
    return [round(schedule.factor(step, steps), 3) for step in range(steps)]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [1, 1, 1, 1, 1, 1, 1, 1]),
        ({"start": 3}, [0, 0, 0, 1, 1, 1, 1, 1]),
        ({"stop": 3}, [1, 1, 1, 0, 0, 0, 0, 0]),
        ({"stop": 3, "floor": 0.5}, [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5]),
        ({"start": 0.25, "stop": 0.5}, [0, 0, 1, 1, 0, 0, 0, 0]),
        ({"rise": 3}, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
        ({"start": 1, "rise": 3}, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]),
        ({"fall": 3}, [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]),
        ({"stop": 4, "fall": 3, "floor": 0.2}, [1, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2, 0.2]),
        ({"rise": 3, "shape": "cosine"}, [0.146, 0.5, 0.854, 1, 1, 1, 1, 1]),
        ({"rise": 1, "shape": "exponential"}, [round(9 / 99, 3), 1, 1, 1, 1, 1, 1, 1]),
        ({"rise": 0.5, "fall": 0.5}, [0.2, 0.4, 0.6, 0.8, 0.8, 0.6, 0.4, 0.2]),
    ],
)
def test_the_factor_at_each_step(keys: dict[str, object], expected: list[float]) -> None:
    assert factors(8, **keys) == expected


@pytest.mark.parametrize("shape", ["linear", "cosine", "exponential"])
def test_a_weight_rises_and_falls_without_a_turn(shape: str) -> None:
    found = factors(100, start=10, stop=90, rise=30, fall=40, floor=0.1, shape=shape)
    assert found[:10] == [0] * 10
    assert found[10:50] == sorted(found[10:50])
    assert found[40:50] == [1] * 10
    assert found[50:] == sorted(found[50:], reverse=True)
    assert found[90:] == [0.1] * 10


@pytest.mark.parametrize(
    "keys", [{"start": -1}, {"rise": 1.5}, {"floor": 1.1}, {"shape": "steep"}, {"until": 3}, {"stop": float("inf")}]
)
def test_what_is_no_schedule(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Schedule.model_validate(keys)


def test_what_was_written_is_written_again() -> None:
    assert Schedule(rise=0.1, floor=0.5).model_dump(mode="json") == {"rise": 0.1, "floor": 0.5}
