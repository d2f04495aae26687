"""The conformance kit on every component of psychology."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from consilience.testing import conformance

TAXONOMY = 'labels = ["emotion_0", "emotion_1", "calm"]\nopposites = [["emotion_0", "emotion_1"]]\n'
LEXICON = "word\tvalence\tarousal\nfine\t0.8\t0.1\ndull\t-0.5\t-0.6\n"
EMOBANK = 'id,split,V,A,D,text\n1,train,3,3.2,3,"a fine film"\n2,dev,2,3,3,a dull plot\n3,test,4,3,2.5,film\n'
COUNTS = {"counts": {"emotion_0": 90, "emotion_1": 3}}


def a_taxonomy(folder: Path) -> dict[str, Any]:
    (folder / "own.toml").write_text(TAXONOMY)
    return {"path": str(folder / "own.toml")}


def a_lexicon(folder: Path) -> dict[str, Any]:
    (folder / "words.tsv").write_text(LEXICON)
    return {"path": str(folder / "words.tsv"), "format": "table"}


def emobank(folder: Path) -> dict[str, Any]:
    (folder / "emobank.csv").write_text(EMOBANK)
    return {"path": str(folder)}


test_psychology = conformance(
    "psychology",
    examples={
        "psychology.emotion_head": [{"width": 6, "dropout": 0.5}],
        "psychology.affect_head": [{"width": 6}],
        "psychology.emotion_loss": [{"gamma": 2.0, "positive_weight": 3.0}, {"gamma": 0.5}, COUNTS],
        "psychology.asymmetric_loss": [{"gamma_positive": 1.0, "margin": 0.0}, {"gamma_negative": 0.0, **COUNTS}],
        "psychology.affect_loss": [{"huber": 0.5}],
        "psychology.gaussian_loss": [{"beta": 0.5}],
        "psychology.soft_label_loss": [{"over": "classes"}],
        "psychology.lexicon_affect": [{"max_words": 2}],
        "psychology.thresholds": [{"per": "one", "fewest": 1}],
        "psychology.temperature": [{"per": "emotion"}],
        "psychology.taxonomy": [a_taxonomy],
        "psychology.lexicon": [a_lexicon],
        "psychology.emobank": [emobank],
    },
    expected_failures={
        "psychology.gaussian_loss": {
            "gradients_right": "with beta the weight of each term stands still by design (Seitzer et al. 2022)"
        }
    },
    sizes={
        name: {"emotion": 2}
        for name in ("psychology.emotion_loss", "psychology.asymmetric_loss", "psychology.opposition_loss")
    },
)
