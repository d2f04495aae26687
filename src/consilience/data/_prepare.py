"""Prepares the examples of a fusion, and tells every fault of its data at once."""

from __future__ import annotations

from dataclasses import dataclass

from consilience.data._examples import Examples
from consilience.data._fill import open_source
from consilience.data._judge import judge
from consilience.data._leaks import Side
from consilience.data._parts import Part
from consilience.data._plan import DataPlan
from consilience.data._tables import SPLITS
from consilience.errors import DataError, Diagnostic, Severity

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """The examples of each split, and what was found that stops nothing."""

    train: Examples
    validation: Examples
    test: Examples
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def splits(self) -> dict[str, Examples]:
        """The examples by the name of their split; a split may be empty."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def prepare(plan: DataPlan) -> Prepared:
    """Opens every source, fills the fields, and checks the splits; raises `DataError` with every fault of the data."""
    found: list[Diagnostic] = []
    parts: dict[str, list[Part]] = {split: [] for split in SPLITS}
    sides: list[Side] = []
    for name in plan.fusion.sources:
        try:
            filler = open_source(plan, name)
            own, tally = filler.parts()
        except DataError as error:
            found += error.diagnostics
            continue
        found += [fault for told in tally.faults.values() for fault in told]
        sides.append(Side(tally, filler))
        for split, part in own.items():
            parts[split].append(part)
    found += judge(plan, sides)
    faults = [item for item in found if item.severity is Severity.ERROR]
    if faults:
        raise DataError(plan.fusion.locate(faults))
    fields = list(plan.fields)
    train, validation, test = (Examples(parts[split], fields) for split in SPLITS)
    return Prepared(train, validation, test, tuple(plan.fusion.locate(found)))
