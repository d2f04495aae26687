"""Emotion taxonomies as label spaces, with the mappings that were published between them, and what is opposite."""

from __future__ import annotations

from collections.abc import Iterable

from consilience.declare import LabelSpace

__all__ = ["APPRAISAL", "EKMAN", "GOEMOTIONS", "PLUTCHIK", "SENTIMENT", "VAD", "members_of", "opposites_in"]

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

_ON_THE_WHEEL = {
    "admiration": "trust",
    "anger": "anger",
    "annoyance": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "grief": "sadness",
    "joy": "joy",
    "sadness": "sadness",
    "surprise": "surprise",
}

PLUTCHIK = LabelSpace(
    name="plutchik",
    labels=("joy", "trust", "fear", "surprise", "sadness", "disgust", "anger", "anticipation"),
    aliases={"trust": ("acceptance",), "anticipation": ("interest", "expectation")},
    maps={
        "ekman": {label: None if label == "neutral" else label for label in EKMAN.labels},
        # The wheel names these, as an emotion or a degree of one; the others it makes of two, or not at all.
        "goemotions": {label: _ON_THE_WHEEL.get(label) for label in GOEMOTIONS.labels},
    },
)
"""The eight primary emotions of Plutchik's wheel (Plutchik 1980, 2001), in its order: each is opposite the fourth on.

The file `data/plutchik.toml` has it with its opposites."""

VAD = LabelSpace(
    name="vad",
    labels=("valence", "arousal", "dominance"),
    aliases={"valence": ("V", "pleasure"), "arousal": ("A", "activation"), "dominance": ("D", "power")},
)
"""The three dimensions of affect (Russell and Mehrabian 1977)."""

APPRAISAL = LabelSpace(
    name="appraisal",
    labels=("attention", "certainty", "effort", "pleasantness", "responsibility", "control", "circumstance"),
)
"""The dimensions along which an event is judged: those of Smith and Ellsworth (1985), as Hofmann et al. (2020) took
them up for texts, with control split into one's own and that of the circumstances."""


def opposites_in(space: LabelSpace, pairs: Iterable[tuple[str, str]]) -> tuple[tuple[int, int], ...]:
    """Gives the positions of each two labels of a space that are opposite, by their names or aliases.

    >>> opposites_in(EKMAN, [("joy", "sadness"), ("trust", "disgust")])
    ((3, 5),)
    """
    found = ((space.position(one), space.position(other)) for one, other in pairs)
    return tuple((one, other) for one, other in found if one is not None and other is not None)


def members_of(groups: LabelSpace, labels: LabelSpace) -> list[list[int]]:
    """Gives, for each group, the positions of the labels that the declared mapping puts there.

    >>> members_of(SENTIMENT, EKMAN)
    [[6], [0, 1, 2, 5], [4], [3]]
    """
    mapping = groups.mapping_from(labels) or {}
    return [
        [place for place, label in enumerate(labels.labels) if mapping.get(label) == group] for group in groups.labels
    ]
