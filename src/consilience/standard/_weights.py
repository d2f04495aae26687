"""Tells from the headers of a checkpoint's weights whether they are there, whole, and those of its config.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from consilience.declare import Fault, Location
from consilience.standard._families import Family, family_of
from consilience.standard._hub import is_hub_id
from consilience.standard._json import read_json
from consilience.standard._safetensors import BrokenWeights, read_headers

__all__ = ["WEIGHTS", "WeightFiles"]

WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_MOST_SHARDS = 1000
_WORD_TABLES = ("word_embeddings.weight", "embed_tokens.weight", "shared.weight", "wte.weight")
_FRESH = "weights: fresh   # to start from random ones"

Shape = tuple[int, ...]


class WeightFiles:
    """The weight files of a folder, which the fusion file names by `location`."""

    def __init__(self, folder: Path, location: Location) -> None:
        self._folder = folder
        self._location = location

    @cached_property
    def names(self) -> list[str]:
        """The files that the folder should hold: one, or an index and those that it names."""
        if (self._folder / WEIGHTS).is_file() or not (self._folder / _INDEX).is_file():
            return [WEIGHTS]
        try:
            names = sorted(set(read_json(self._folder / _INDEX)["weight_map"].values()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return [_INDEX, WEIGHTS]
        is_sound = 0 < len(names) <= _MOST_SHARDS and all(map(_is_name, names))
        return [_INDEX, *names] if is_sound else [_INDEX, WEIGHTS]

    @cached_property
    def tensors(self) -> dict[str, Shape]:
        """The shape of each tensor; raises `BrokenWeights` when a file is not whole."""
        return read_headers(self._folder, [name for name in self.names if name != _INDEX])

    def faults(self, config: Mapping[str, Any] | None) -> Iterator[Fault]:
        """Tells of weights that are missing, in a pickle, not whole, or of another model than config.json's."""
        absent = [name for name in self.names if not (self._folder / name).is_file()]
        if absent:
            yield self._absent(absent)
            return
        try:
            tensors = self.tensors
        except BrokenWeights as error:
            expected = "weights that can be read: whole files in the format of safetensors"
            yield Fault("CN606", "path", f"{self._location}: {error}", expected, self._fetch_again())
            return
        wrong = _mismatch(config, tensors) if config is not None else None
        if wrong:
            expected = "the weights of the model that config.json describes"
            yield Fault("CN612", "weights", f"{wrong}, in {self._location}", expected, _FRESH)

    def _absent(self, absent: list[str]) -> Fault:
        pickles = sorted(file.name for file in self._folder.glob("pytorch_model*.bin"))
        found = f"{self._location}: no {', '.join(absent)}"
        if absent == [WEIGHTS] and pickles:
            found = f"{self._location}: weights in a pickle alone ({pickles[0]}), which runs code when it is read"
            return Fault("CN608", "path", found, f"weights in {WEIGHTS}", _conversion(self._folder, pickles[0]))
        if self._is_cached:
            expected = "a hub id that is cached with its weights"
            return Fault("CN605", "path", f"{found} in the cache", expected, f"hf download {self._location}")
        return Fault("CN611", "weights", found, "the weights of the checkpoint", _FRESH)

    @property
    def _is_cached(self) -> bool:
        return is_hub_id(self._location.text) and self._location.fault() is not None

    def _fetch_again(self) -> str:
        if self._is_cached:
            return f"hf download {self._location} --force-download"
        return f"# put whole files into {self._folder}: copy, download or `git lfs pull` them again"


def _is_name(name: object) -> bool:
    """Tells whether a name is one of a file in the folder itself: an index may name any place."""
    return isinstance(name, str) and name != ".." and Path(name).name == name


def _mismatch(config: Mapping[str, Any], tensors: Mapping[str, Shape]) -> str | None:
    """Tells the first thing by which weights are not those of a config.json, as far as that is known."""
    family = family_of(config)
    if family is not None:
        return None if family.fault(config) else _family_mismatch(family, config, tensors)
    tables = {name: shape for name, shape in tensors.items() if name.endswith(_WORD_TABLES) and len(shape) == 2}
    if tables and config["vocab_size"] not in {shape[0] for shape in tables.values()}:
        name, shape = next(iter(tables.items()))
        return f"{name} of {_times(shape)}, and vocab_size: {config['vocab_size']}"
    return None


def _family_mismatch(family: Family, config: Mapping[str, Any], tensors: Mapping[str, Shape]) -> str | None:
    wanted = family.weights(config)
    held = {family.own_name(name): shape for name, shape in tensors.items()}
    lacking = [name for name in wanted if name not in held]
    if lacking:
        return f"no weights for {len(lacking)} parameters, such as {lacking[0]}"
    name = next((name for name, shape in wanted.items() if held[name] != shape), None)
    return f"{name} of {_times(held[name])}, and {_times(wanted[name])} by config.json" if name else None


def _times(shape: Shape) -> str:
    return " x ".join(map(str, shape))


def _conversion(folder: Path, name: str) -> str:
    return (
        f'cd {folder} && python -c "import torch, safetensors.torch as s; '
        f"w = torch.load('{name}', weights_only=True); "
        f"s.save_file({{k: v.clone().contiguous() for k, v in w.items()}}, '{WEIGHTS}', {{'format': 'pt'}})\""
    )
