"""Writes fusions of as many nodes as one likes, whole or with faults, and the small files that they name."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["FAULTS", "write_fusion"]

_HEAD = """\
consilience: 1
name: {name}
resources:
  tiny: {{use: checkpoint, path: tiny, weights: fresh}}
fields:
  text: text
  mood: {{category: [dull, fine]}}
  feelings: {{categories: psychology.ekman}}
  stars: number
sources:
  rows:
    use: table
    path: rows.csv
    map: {{text: text, mood: mood, feelings: feelings, stars: stars}}
    split: {{test: 0.2}}
inputs:
  tokens: {{use: tokens, in: text, checkpoint: tiny, max_length: 64}}
modules:
  encoder: {{use: text_encoder, in: tokens}}
"""
_MODULES = """\
  gate_{k}: {{use: gated, in: [{above}, encoder.pooled], width: 64}}
  joined_{k}: {{use: concat, in: [gate_{k}, encoder.pooled]}}
  opinion_{k}: {{use: classifier, in: joined_{k}, dropout: 0.2}}
  rating_{k}: {{use: regressor, in: gate_{k}}}
  feeling_{k}:
    use: psychology.emotion_head
    in: joined_{k}
    tune: full
"""
_LOSSES = """\
  opinion_loss_{k}: {{use: cross_entropy, in: opinion_{k}, target: mood, weight: 0.5}}
  rating_loss_{k}: {{use: mse, in: rating_{k}, target: stars}}
  feeling_loss_{k}: {{use: psychology.emotion_loss, in: feeling_{k}, target: feelings, weight: 0.1}}
"""
_METRIC = "  accuracy_{k}: {{use: accuracy, in: opinion_0, target: mood}}\n"
_OUTSIDE, _IN_A_BLOCK = 2, 8

FAULTS = (
    ("in: joined_{k}, dropout", "in: joind_{k}, dropout"),
    ("use: gated", "use: gatde"),
    ("dropout: 0.2", "dropout: 2.0"),
    ("tune: full", "tunes: full"),
    ("encoder.pooled]}}", "encoder.poled]}}"),
    ("target: mood", "target: moood"),
    ("weight: 0.5", "weight: -0.5"),
    ("use: mse, in: rating_{k}", "use: mse, in: joined_{k}"),
)
"""What a block says, and a fault in its place: of names, of values, of keys, of shapes."""


def write_fusion(folder: Path, count: int, faults: int = 0) -> Path:
    """Writes a fusion of exactly `count` nodes, 10 or more, one block of each `count / faults` at fault.

    A block mixes what the one above it gives with the encoder's, and teaches three heads; the chain is as long as
    there are blocks. What is left to the count are metrics.
    """
    _write_files(folder)
    blocks, rest = divmod(count - _OUTSIDE, _IN_A_BLOCK)
    at_fault = {number * blocks // faults: FAULTS[number % len(FAULTS)] for number in range(faults)}
    name = f"of-{count}-nodes" + (f"-{faults}-at-fault" if faults else "")
    parts = [_HEAD.format(name=name)]
    for head, block in (("", _MODULES), ("losses:\n", _LOSSES)):
        parts.append(head)
        for number in range(blocks):
            above = f"gate_{number - 1}" if number else "encoder.pooled"
            parts.append(block.replace(*at_fault.get(number, ("", ""))).format(k=number, above=above))
    parts += ["metrics:\n", *(_METRIC.format(k=number) for number in range(rest))] if rest else []
    path = folder / f"{name}.yaml"
    path.write_text("".join(parts), encoding="utf-8")
    return path


def _write_files(folder: Path) -> None:
    tiny = folder / "tiny"
    tiny.mkdir(parents=True, exist_ok=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film"]
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = {"model_type": "bert", "vocab_size": len(words), "max_position_embeddings": 512, **sizes}
    (tiny / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tiny / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}), encoding="utf-8")
    (tiny / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "rows.csv").write_text("text,mood,feelings,stars\nfilm,fine,joy,3\n", encoding="utf-8")
