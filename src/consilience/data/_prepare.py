"""Prepares the examples of a fusion, and tells every fault of its data at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tqdm import tqdm

from consilience.data._examples import Examples
from consilience.data._fill import Watch, open_source
from consilience.data._judge import judge
from consilience.data._leaks import Side
from consilience.data._parts import Part
from consilience.data._plan import DataPlan
from consilience.data._streams import RowStream, open_stream
from consilience.data._tables import SPLITS
from consilience.errors import DataError, Diagnostic, Severity

__all__ = ["Prepared", "prepare"]

_PATIENCE = 2.0
"""The seconds after which a bar is shown."""


@dataclass(frozen=True)
class Prepared:
    """The examples of each split, and what was found that stops nothing."""

    train: Examples
    validation: Examples
    test: Examples
    warnings: tuple[Diagnostic, ...] = ()
    streams: Mapping[str, RowStream] = field(default_factory=dict)
    """The sources whose training rows are read as they come: `train` has none of theirs."""

    @property
    def splits(self) -> dict[str, Examples]:
        """The examples by the name of their split; a split may be empty."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def prepare(plan: DataPlan, progress: bool = False) -> Prepared:
    """Opens every source, fills the fields, and checks the splits; raises `DataError` with every fault of the data.

    With `progress` a bar on a terminal's standard error tells how many rows are read, when that takes longer than two
    seconds.
    """
    hidden = None if progress else True  # None: where there is no terminal
    with tqdm(desc="reading", unit="row", unit_scale=True, delay=_PATIENCE, leave=False, disable=hidden) as bar:
        return _prepared(plan, bar.update)


def _prepared(plan: DataPlan, watch: Watch) -> Prepared:
    found: list[Diagnostic] = []
    parts: dict[str, list[Part]] = {split: [] for split in SPLITS}
    sides: list[Side] = []
    streams: dict[str, RowStream] = {}
    for name, node in plan.fusion.sources.items():
        try:
            stream, filler = open_stream(plan, name) if node.streaming else (None, open_source(plan, name))
            streams |= {name: stream} if stream else {}
            if filler is None:
                continue
            own, tally = filler.parts(watch)
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
    return Prepared(train, validation, test, tuple(plan.fusion.locate(found)), streams)
