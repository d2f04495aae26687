"""The conformance kit on every component of psychology."""

from consilience.testing import conformance

test_psychology = conformance(
    "psychology",
    examples={
        "psychology.emotion_head": [{"width": 6, "dropout": 0.5}],
        "psychology.affect_head": [{"width": 6}],
        "psychology.emotion_loss": [{"gamma": 2.0, "positive_weight": 3.0}, {"gamma": 0.5}],
        "psychology.affect_loss": [{"huber": 0.5}],
        "psychology.lexicon_affect": [{"max_words": 2}],
    },
)
