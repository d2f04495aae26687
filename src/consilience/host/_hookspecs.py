"""The hooks: every way in which a plugin takes part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pluggy import HookspecMarker

from consilience.declare import Component, LabelSpace

hookspec = HookspecMarker("consilience")


@hookspec
def consilience_components() -> Sequence[type[Component]]:  # type: ignore[empty-body]
    """Offers component classes."""


@hookspec
def consilience_label_spaces() -> Sequence[LabelSpace]:  # type: ignore[empty-body]
    """Offers label spaces, for fields to name."""


@hookspec
def consilience_report_section(model: Any, batch: Mapping[str, Any]) -> Mapping[str, object]:  # type: ignore[empty-body]
    """Measures a trained `FusedModel` on one batch of tensors, for a section of the evaluation report."""
