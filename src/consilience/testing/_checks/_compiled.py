"""Reports on what torch can make of a component: one graph to compile, and one to export."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import torch

from consilience.testing._check import Ledger
from consilience.testing._draw import Shape
from consilience.testing._subject import Subject

LEDGER = Ledger()


@LEDGER.reported("module", "loss")
def compiles(subject: Subject) -> str:
    """Reports the breaks in the graph that torch.compile sees; none is best."""
    built = subject.build()
    values = subject.feed(built, Shape(seed=1))
    with _quiet(), torch.no_grad():
        torch._dynamo.reset()
        told = torch._dynamo.explain(built.module)(**values)
        torch._dynamo.reset()
    # `graph_break_count` counts graphs, and misses a break after which nothing is left to compile.
    reasons = [str(one.reason).strip().partition("\n")[0] for one in told.break_reasons if one.graph_break]
    return f"{len(reasons)} graph breaks, the first: {reasons[0]}" if reasons else ""


@LEDGER.reported("module", "loss")
def exports(subject: Subject) -> str:
    """Reports whether torch.export makes one graph of it."""
    built = subject.build()
    values = subject.feed(built, Shape(seed=1))
    with _quiet(), torch.no_grad():
        torch.export.export(built.module, (), kwargs=values)
    return ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what torch writes while it traces off the screen: what matters of it is in the report."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
