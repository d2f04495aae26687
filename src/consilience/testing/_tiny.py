"""Tiny stand-ins for what is large: a BERT of a few kilobytes with random weights, and a table of a few rows."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

__all__ = ["ROWS", "scratch", "write_encoder", "write_table"]

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_WORDS = ("a", "fine", "film", "dull", "plot", "but", "##s", "##ly", "don", "'", "t", "!", ",", ".", "the", "was")
ROWS = 12
"""How many rows the table has."""


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="consilience-testing-")


def scratch() -> Path:
    """Gives the folder that lasts as long as the process."""
    return Path(_folder().name)


@cache
def write_encoder() -> Path:
    """Writes a BERT of width 16 with its tokenizer, once a process; gives its folder. Downloads nothing."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = scratch() / "tiny-encoder"
    words = (*_SPECIAL, *_WORDS)
    config = BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        vocab_size=len(words),
        max_position_embeddings=64,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(str(folder))
    BertTokenizer(vocab={word: index for index, word in enumerate(words)}).save_pretrained(str(folder))
    return folder


@cache
def write_table() -> Path:
    """Writes a table with a column for every type of field, once a process; gives the file."""
    lines = ["text,label,labels,number,numbers,words"]
    for row in range(ROWS):
        label = "first" if row % 2 else "second"
        text = f"{'a fine film' if row % 2 else 'the dull plot'} {row}"
        words = " ".join(["first", "second"][place % 2] for place in range(len(text.split())))
        lines.append(f"{text},{label},first;second,{row / ROWS},{row / ROWS} {-row / ROWS},{words}")
    path = scratch() / "rows.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
