"""Reports on what torch can make of a component: one graph to compile, and one to export."""

from __future__ import annotations

import warnings

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
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch._dynamo.reset()
        told = torch._dynamo.explain(built.module)(**values)
        torch._dynamo.reset()
    if not told.graph_break_count:
        return ""
    reason = str(told.break_reasons[0].reason).strip().partition("\n")[0] if told.break_reasons else "no reason told"
    return f"{told.graph_break_count} graph breaks: {reason}"


@LEDGER.reported("module", "loss")
def exports(subject: Subject) -> str:
    """Reports whether torch.export makes one graph of it."""
    built = subject.build()
    values = subject.feed(built, Shape(seed=1))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.export.export(built.module, (), kwargs=values)
    return ""
