"""Tries a tokenizer on a text without transformers, whose import takes seconds."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

__all__ = ["ids_of"]


def ids_of(folder: Path, text: str) -> list[int]:
    """Gives the ids that the tokenizer.json of a folder makes of a text."""
    ids: list[int] = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids
    return ids
