"""Keeps what libraries say to themselves from the user: bars of loading, advice on how to call them."""

from __future__ import annotations

import os
import warnings

__all__ = ["quiet"]


def quiet() -> None:
    """Silences the bars and notes of transformers and datasets that tell the user nothing; their errors stay."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(torch|transformers|huggingface_hub)\.")
    from transformers.utils import logging

    logging.disable_progress_bar()
