"""Turns texts into vectors whose inner product is their similarity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

__all__ = ["Embedder"]

_MOST_TOKENS = 128


class Embedder:
    """Encodes texts by a frozen encoder of transformers: the means of their tokens' states.

    Read are safetensors alone, and no code of the folder's is run.
    """

    def __init__(self, folder: Path) -> None:
        safely = {"local_files_only": True, "trust_remote_code": False}
        with _without_bars():
            self.tokenizer = AutoTokenizer.from_pretrained(str(folder), **safely)
            self.model = AutoModel.from_pretrained(str(folder), use_safetensors=True, **safely).eval()
        self.most = min(_MOST_TOKENS, getattr(self.model.config, "max_position_embeddings", _MOST_TOKENS))

    def __call__(self, text: str) -> Tensor:
        """Gives the vector of a text, of length 1: hidden."""
        return F.normalize(self.means([text])[0], dim=0)

    @torch.inference_mode()
    def means(self, texts: Sequence[str]) -> Tensor:
        """Gives the mean of the states of each text's tokens: text hidden."""
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, max_length=self.most, return_tensors="pt")
        mask = tokens["attention_mask"].unsqueeze(-1)
        hidden: Tensor = self.model(**tokens).last_hidden_state
        mean: Tensor = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        return mean


@contextmanager
def _without_bars() -> Iterator[None]:
    has_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if has_bars:
            logging.enable_progress_bar()
