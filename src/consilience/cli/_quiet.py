"""Keeps what libraries say to themselves from the user: bars of loading, advice on how to call them."""

from __future__ import annotations

import os
import warnings
from typing import Any

from consilience.errors import ConsilienceWarning

__all__ = ["quiet"]

_shown = warnings.showwarning


def quiet() -> None:
    """Silences the bars and notes of transformers and datasets that tell the user nothing; their errors stay.

    A warning that carries a diagnostic is told as one.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.showwarning = _show
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(torch|transformers|huggingface_hub)\.")
    from transformers.utils import logging

    logging.disable_progress_bar()


def _show(message: Warning | str, *arguments: Any, **options: Any) -> None:
    if isinstance(message, ConsilienceWarning):
        from consilience.cli._tell import tell

        tell([message.diagnostic])
    else:
        _shown(message, *arguments, **options)
