"""Tells of texts that stand in two splits, within a source or across two: those that are equal, and those nearly so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from consilience.data._fill import Filler
from consilience.data._overlap import Index, Shared
from consilience.data._tables import SPLITS
from consilience.data._tally import Tally
from consilience.declare import show
from consilience.errors import Diagnostic, Related

__all__ = ["Side", "shared_texts"]

_SHOWN = 3


@dataclass(frozen=True)
class Side:
    """What was counted in one source, and where its texts can be read again."""

    tally: Tally
    filler: Filler

    @property
    def name(self) -> str:
        """The source's name."""
        return self.tally.source


def shared_texts(sides: Sequence[Side]) -> Iterator[Diagnostic]:
    """Tells, for every pair of splits and of sources, which texts stand in both.

    What is held is 16 bytes for each row of a text, and 8 for each row of the split that is compared with.
    """
    for number, earlier in enumerate(SPLITS[:-1], start=1):
        for there in sides:
            if earlier not in there.tally.normal:
                continue
            index = Index(there.tally.normal[earlier])
            for later, here in product(SPLITS[number:], sides):
                if later not in here.tally.normal:
                    continue
                shared = index.shared_rows(here.tally.normal[later])
                if len(shared.rows):
                    yield _leak((later, here), (earlier, there), shared)


def _leak(here: tuple[str, Side], there: tuple[str, Side], shared: Shared) -> Diagnostic:
    (split, one), (other_split, other) = here, there
    rows, twins = one.tally.chosen[split].rows, other.tally.chosen[other_split].rows
    first, count = shared.rows[:_SHOWN], len(shared.rows)
    lines = [
        f"{show(text)} (row {rows[place] + 1} and row {twins[twin] + 1})"
        for place, twin, text in zip(first, shared.twins, one.filler.texts_at(split, first), strict=False)
    ]
    exact = int(np.isin(one.tally.exact[split][shared.rows], other.tally.exact[other_split]).sum())
    here_of, there_of = (f" of {one.name}", f" of {other.name}") if other is not one else ("", "")
    kinds = [f"{exact} word for word"] * (exact > 0)
    kinds += [f"{count - exact} but for case and white space"] * (exact < count)
    found = (
        f"{count} of {len(rows)} {split} texts{here_of} stand in {other_split}{there_of} too, {' and '.join(kinds)}:"
    )
    more = [f"and {count - len(lines)} more"] * (count > len(lines))
    found, expected = "\n".join([found, *lines, *more]), "no text in two splits (case and white space aside)"
    if other is one:
        text = next(field for field in one.tally.texts)
        return Diagnostic("CN504", ("sources", one.name), found, expected, f"distinct: {one.filler.column(text)}")
    fix = f"# take these rows out of what {other.name} reads"
    related = (Related(("sources", one.name), f"its {split} texts"),)
    return Diagnostic("CN504", ("sources", other.name), found, expected, fix, related=related)
