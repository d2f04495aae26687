"""The resource that holds measured latencies. Light: it is read without torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from consilience.declare import DeclarationError, Diagnostic, Fault, Location, Resource

__all__ = ["LatencyTable"]

Curve = list[tuple[float, float]]
_MOST = 1_000_000


class LatencyTable(Resource):
    """The milliseconds that a layer of an encoder takes on some machine, by its heads and its neurons.

    `consilience complexity profile CHECKPOINT` measures them and writes the file: JSON with `heads` and `neurons`, each
    a list of pairs [number, milliseconds] of the whole layer, in rising order, with at least two pairs.
    """

    path: Location
    """The file that `consilience complexity profile` wrote."""

    def faults(self) -> Iterable[Fault]:
        """Tells of a file that is missing, or that holds no such table."""
        fault = self.path.fault(wanted="a table of latencies", form="file")
        if fault is not None:
            yield fault
            return
        try:
            self._read()
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            yield self._unfit(str(error) or type(error).__name__)

    def files(self) -> Iterable[Path]:
        """Gives the file."""
        return [self.path.path]

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Copies the file: the cost of a saved model's gates is told by it."""
        return {"path": self.path.copy_into(folder, "latency.json")}

    def curves(self) -> Mapping[str, Curve]:
        """Gives the pairs [number of units, milliseconds] of `heads` and `neurons`; raises `DeclarationError`."""
        try:
            return self._read()
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            fault = self._unfit(str(error))
            raise DeclarationError(Diagnostic(fault.code, (), fault.found, fault.expected, fault.fix)) from None

    def _read(self) -> Mapping[str, Curve]:
        with self.path.path.open(encoding="utf-8") as stream:
            text = stream.read(_MOST + 1)
        if len(text) > _MOST:
            raise ValueError(f"more than {_MOST:,} characters")
        told = json.loads(text)
        return {kind: _curve(kind, told[kind]) for kind in ("heads", "neurons")}

    def _unfit(self, reason: str) -> Fault:
        fix = f"consilience complexity profile CHECKPOINT --output {self.path}"
        return Fault("CN442", "path", f"{self.path}: {reason}", "a table of measured latencies", fix)


def _curve(kind: str, pairs: Any) -> Curve:
    curve = [(float(units), float(milliseconds)) for units, milliseconds in pairs]
    rising = all(before < after for (before, _), (after, _) in pairwise(curve))
    if len(curve) < 2 or not rising or not all(math.isfinite(each) and each > 0 for pair in curve for each in pair):
        raise ValueError(f"{kind} are no two or more pairs of positive numbers in rising order")
    return curve
