"""Declares what psychology offers to a fusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consilience.declare import Component, LabelSpace, hookimpl
from consilience_psychology._declarations import _heads, _inputs, _losses, _metrics, _resources
from consilience_psychology._declarations._heads import AffectHead, EmotionHead
from consilience_psychology._declarations._inputs import LexiconAffect
from consilience_psychology._declarations._losses import AffectLoss, EmotionLoss
from consilience_psychology.taxonomies import APPRAISAL, EKMAN, GOEMOTIONS, PLUTCHIK, SENTIMENT, VAD

if TYPE_CHECKING:
    import click

__all__ = [
    "APPRAISAL",
    "EKMAN",
    "GOEMOTIONS",
    "PLUTCHIK",
    "SENTIMENT",
    "VAD",
    "AffectHead",
    "AffectLoss",
    "EmotionHead",
    "EmotionLoss",
    "LexiconAffect",
    "consilience_components",
    "consilience_label_spaces",
]

_ROOMS = (_resources, _inputs, _heads, _losses, _metrics)


@hookimpl
def consilience_components() -> list[type[Component]]:
    return [getattr(room, name) for room in _ROOMS for name in room.__all__]


@hookimpl
def consilience_label_spaces() -> list[LabelSpace]:
    return [GOEMOTIONS, EKMAN, SENTIMENT, PLUTCHIK, VAD, APPRAISAL]


@hookimpl
def consilience_commands() -> list[click.Command]:
    from consilience_psychology.commands import agreement, counts

    return [agreement, counts]
