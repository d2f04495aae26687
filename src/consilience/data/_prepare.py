"""Prepares the examples of a fusion, and tells every fault of its data at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from consilience.data._examples import Examples, Part
from consilience.data._fill import Filler
from consilience.data._overlap import Hashes, shared_rows
from consilience.data._plan import DataPlan
from consilience.data._select import SPLITS, hash_rows, select
from consilience.data._tables import open_tables
from consilience.data._values import Rows
from consilience.declare import show
from consilience.errors import DataError, Diagnostic, Severity

__all__ = ["Prepared", "prepare"]

_SHOWN = 3


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
    faults: list[Diagnostic] = []
    parts: dict[str, list[Part]] = {split: [] for split in SPLITS}
    for number, name in enumerate(plan.fusion.sources):
        try:
            for split, part in _read(plan, name, number).items():
                parts[split].append(part)
        except DataError as error:
            faults += error.diagnostics
    faults += _shared_texts(parts)
    if not faults and not parts["train"]:
        found = "no source gives rows to train" if plan.fusion.sources else "no source"
        faults.append(Diagnostic("CN506", ("sources",), found, "at least one training row", "split: {test: 0.2}"))
    if faults:
        raise DataError(plan.fusion.locate(faults))
    fields = list(plan.fields)
    train, validation, test = (Examples(parts[split], fields) for split in SPLITS)
    return Prepared(train, validation, test, tuple(plan.fusion.locate(list(_unseen_labels(plan, parts["train"])))))


def _read(plan: DataPlan, name: str, number: int) -> Mapping[str, Part]:
    node = plan.fusion.sources[name]
    tables = open_tables(name, plan.sources[name], node.use)
    chosen = select(("sources", name), node, tables)
    return Filler(plan, name, number, tables, chosen).parts()


def _hash(part: Part) -> Hashes:
    return hash_rows(part.table, part.rows, [text.name for text in part.texts.values()])


def _shared_texts(parts: Mapping[str, list[Part]]) -> Iterator[Diagnostic]:
    hashes = {(split, part.source): _hash(part) for split in SPLITS for part in parts[split]}
    for earlier, later in combinations(SPLITS, 2):
        for other in parts[earlier]:
            for part in parts[later]:
                shared = shared_rows(hashes[later, part.source], hashes[earlier, other.source])
                if len(shared.rows):
                    yield _leak((later, part), (earlier, other), shared.rows, shared.twins)


def _leak(here: tuple[str, Part], there: tuple[str, Part], rows: Rows, twins: Rows) -> Diagnostic:
    (split, part), (other_split, other) = here, there
    fields = [field for field in part.texts if field in other.texts] or list(part.texts)
    examples = [
        f"{show(example[fields[0]])} (row {part.rows[place] + 1} and row {other.rows[twin] + 1})"
        for place, twin, example in zip(rows[:_SHOWN], twins[:_SHOWN], part.read(rows[:_SHOWN]), strict=True)
    ]
    more = f"\nand {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    whose = f" of {other.source}" if other.source != part.source else ""
    found = (
        f"{len(rows)} of {len(part.rows)} {split} texts stand in {other_split}{whose} too:\n"
        + "\n".join(examples)
        + more
    )
    expected = "no text in two splits (case and white space aside)"
    if other.source == part.source:
        return Diagnostic("CN504", ("sources", part.source), found, expected, f"distinct: {part.texts[fields[0]].name}")
    fix = f"take these rows out of what {other.source} reads"
    return Diagnostic("CN504", ("sources", other.source), found, expected, fix)


def _unseen_labels(plan: DataPlan, parts: list[Part]) -> Iterator[Diagnostic]:
    for field, kind in plan.fields.items():
        space = plan.labels(field) if kind.word in ("category", "categories", "token_labels") else None
        arrays = [part.values[field] for part in parts if field in part.values]
        if space is None or not arrays:
            continue
        counts = np.zeros(len(space), np.int64)
        for array in arrays:
            labels = (array if kind.word == "category" else array.flatten()).drop_null().to_numpy(zero_copy_only=False)
            counts += np.bincount(labels[labels >= 0].astype(np.int64), minlength=len(space))
        unseen = [label for label, count in zip(space.labels, counts, strict=True) if not count]
        if unseen:
            found = f"no training row for {', '.join(unseen[:5])}" + (
                f" and {len(unseen) - 5} more" if unseen[5:] else ""
            )
            expected, fix = "a training row for each label", f"leave {unseen[0]} out, or add a source that has it"
            yield Diagnostic("CN509", ("fields", field), found, expected, fix, severity=Severity.WARNING)
