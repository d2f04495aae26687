"""Declares what the study of complexity offers to a fusion: the size of a module as a loss, and its measured cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consilience.declare import Component, hookimpl
from consilience_complexity._declarations import Sparsity

__all__ = ["Sparsity"]


@hookimpl
def consilience_components() -> list[type[Component]]:
    return [Sparsity]


@hookimpl
def consilience_report_section(model: Any, batch: Mapping[str, Any]) -> Mapping[str, object]:
    from consilience_complexity.report import report_section

    return report_section(model, batch)
