"""Loads tokenizers and encoders of transformers: quietly, from a local folder, without code or pickles of its own."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import MODEL_MAPPING, AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging

__all__ = ["load_model", "load_tensors", "load_tokenizer"]


def load_tokenizer(folder: Path) -> Any:
    """Loads the tokenizer of a folder."""
    with _quiet():
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)


def load_model(folder: Path, has_weights: bool) -> Any:
    """Loads the encoder of a folder with its weights, or builds it with fresh ones.

    It comes in the default dtype and without the pooler, which no loss would reach. Of an encoder-decoder it is the
    encoder. Raises ValueError when a parameter has no weight in the files: it would be random, and nobody told.
    """
    with _quiet():
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        chosen: dict[str, Any] = {
            "dtype": torch.get_default_dtype(),
            "trust_remote_code": False,
            **_without_pooler(config),
        }
        if not has_weights:
            model = AutoModel.from_config(config, **chosen)
        else:
            model = _load_weights(folder, config=config, **chosen)
    return model.get_encoder() if config.is_encoder_decoder else model


def load_tensors(folder: Path, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Loads tensors by name from the safetensors files of a folder; raises KeyError for one that is in none."""
    wanted, loaded = set(names), {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), "pt") as stored:
            loaded.update({name: stored.get_tensor(name) for name in wanted.intersection(stored.keys())})
    lost = sorted(wanted - loaded.keys())
    if lost:
        raise KeyError(f"no tensor {lost[0]}")
    return loaded


def _load_weights(folder: Path, **chosen: Any) -> Any:
    try:
        model, report = AutoModel.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True, **chosen
        )
    except SafetensorError as error:
        raise ValueError(f"its weights cannot be read: {error}") from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(f"its files hold no weights for {len(missing)} parameters, such as {missing[0]}")
    return model


def _without_pooler(config: Any) -> dict[str, bool]:
    found: Any = MODEL_MAPPING[type(config)]
    model_class = found[0] if isinstance(found, list | tuple) else found
    takes_it = "add_pooling_layer" in inspect.signature(model_class).parameters
    return {"add_pooling_layer": False} if takes_it else {}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the load's progress bars and reports away: what of them matters is raised."""
    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()
