"""The hooks: every way in which a plugin takes part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pluggy import HookspecMarker

from consilience.declare import Component, LabelSpace

if TYPE_CHECKING:
    import click

hookspec = HookspecMarker("consilience")


@hookspec
def consilience_components() -> Sequence[type[Component]]:  # type: ignore[empty-body]
    """Offers component classes."""


@hookspec
def consilience_label_spaces() -> Sequence[LabelSpace]:  # type: ignore[empty-body]
    """Offers label spaces, for fields to name."""


@hookspec
def consilience_commands() -> Sequence[click.Command]:  # type: ignore[empty-body]
    """Offers commands, which people call by the namespace: `consilience psychology ...`."""


@hookspec
def consilience_model_built(model: Any) -> None:
    """Is handed every `FusedModel` that is built or loaded, before it is trained or asked."""


@hookspec
def consilience_step_ended(model: Any, step: int) -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Is told that an optimizer step ended, and gives numbers for the log."""


@hookspec
def consilience_report_section(model: Any, batch: Mapping[str, Any]) -> Mapping[str, object]:  # type: ignore[empty-body]
    """Measures a trained `FusedModel` on one batch of tensors, for a section of the evaluation report."""


@hookspec
def consilience_state(model: Any) -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Gives what a checkpoint keeps of the plugin beside the weights, in values that JSON can write."""


@hookspec
def consilience_state_restored(model: Any, state: Mapping[str, Any]) -> None:
    """Takes back what `consilience_state` gave, when a checkpoint is loaded."""
