"""Emotion taxonomies as label spaces, with the mappings of Demszky et al. (2020) between them."""

from __future__ import annotations

from consilience.declare import LabelSpace

__all__ = ["EKMAN", "GOEMOTIONS", "SENTIMENT"]

_EKMAN_OF_GOEMOTIONS = {
    "admiration": "joy",
    "amusement": "joy",
    "anger": "anger",
    "annoyance": "anger",
    "approval": "joy",
    "caring": "joy",
    "confusion": "surprise",
    "curiosity": "surprise",
    "desire": "joy",
    "disappointment": "sadness",
    "disapproval": "anger",
    "disgust": "disgust",
    "embarrassment": "sadness",
    "excitement": "joy",
    "fear": "fear",
    "gratitude": "joy",
    "grief": "sadness",
    "joy": "joy",
    "love": "joy",
    "nervousness": "fear",
    "optimism": "joy",
    "pride": "joy",
    "realization": "surprise",
    "relief": "joy",
    "remorse": "sadness",
    "sadness": "sadness",
    "surprise": "surprise",
    "neutral": "neutral",
}
_SENTIMENT_OF_EKMAN = {
    "anger": "negative",
    "disgust": "negative",
    "fear": "negative",
    "joy": "positive",
    "neutral": "neutral",
    "sadness": "negative",
    "surprise": "ambiguous",
}

GOEMOTIONS = LabelSpace(name="goemotions", labels=tuple(_EKMAN_OF_GOEMOTIONS))
"""The 27 emotions of GoEmotions and neutral."""

EKMAN = LabelSpace(name="ekman", labels=tuple(_SENTIMENT_OF_EKMAN), maps={"goemotions": dict(_EKMAN_OF_GOEMOTIONS)})
"""The six basic emotions of Ekman (1992) and neutral."""

SENTIMENT = LabelSpace(
    name="sentiment",
    labels=("ambiguous", "negative", "neutral", "positive"),
    maps={
        "ekman": dict(_SENTIMENT_OF_EKMAN),
        # In the paper, every emotion of one of Ekman's groups has that group's sentiment.
        "goemotions": {label: _SENTIMENT_OF_EKMAN[basic] for label, basic in _EKMAN_OF_GOEMOTIONS.items()},
    },
)
"""The sentiment groups of GoEmotions: surprise and its kin are ambiguous, for they may be either."""
