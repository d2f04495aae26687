"""The resource `checkpoint`: a pretrained model's folder, on disk, in an installed package or in the hub's cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from consilience.declare import Checkpoint as DeclaredCheckpoint
from consilience.declare import DeclarationError, Diagnostic, Fault, Location, Unsolved
from consilience.standard._hub import cache_folder, find_snapshot, is_hub_id, snapshot_in

__all__ = ["TOKENIZER_FILES", "Checkpoint", "error_of", "longest_text", "sizes"]

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
Found = TypeVar("Found")
# The families of transformers give one size several names.
_HIDDEN = ("hidden_size", "d_model", "dim", "n_embd")
_POSITIONS = ("max_position_embeddings", "n_positions")
# These count their positions from the padding's index on, so that many fewer are left for tokens.
_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "mpnet", "data2vec-text")


class Checkpoint(DeclaredCheckpoint, name="checkpoint"):
    """A pretrained model's folder in the format of transformers: config.json, tokenizer and safetensors weights.

    Nothing is downloaded: a hub id is looked up in the local cache. Code and pickles that a folder holds are never run.
    """

    path: Location
    """A folder, `pkg:package/path` in an installed package, or a hub id; a folder that exists wins over a hub id."""
    revision: str = "main"
    """The branch, tag or commit of a hub id."""
    weights: Literal["pretrained", "fresh"] = "pretrained"
    """`fresh` takes the architecture alone and starts from random weights, for training from scratch."""

    def faults(self) -> Iterable[Fault]:
        """Tells of a folder that is missing, not cached, or not a checkpoint that can be read safely."""
        folder = self._find()
        if isinstance(folder, Fault):
            return [folder]
        config = _read_config(folder)
        faults = [config] if isinstance(config, Fault) else []
        if self.weights == "pretrained":
            faults += _weight_faults(folder, self.path)
        return faults

    def folder(self) -> Path:
        """Finds the folder; raises `DeclarationError` when there is none here."""
        return _or_raise(self._find())

    def config(self) -> Mapping[str, Any]:
        """Reads its `config.json`, without transformers; raises `DeclarationError` when it cannot be read."""
        if "config" not in self._cache:
            self._cache["config"] = _or_raise(_read_config(self.folder()))
        config: Mapping[str, Any] = self._cache["config"]
        return config

    def files(self) -> Iterator[Path]:
        """Lists config, tokenizer and weights, as far as they are there."""
        folder = self.folder()
        shards = _shards(folder) if self.weights == "pretrained" else []
        for name in (CONFIG, *TOKENIZER_FILES, *shards):
            if (folder / name).is_file():
                yield folder / name

    def tokenizer(self) -> Any:
        """Loads its tokenizer, once."""
        if "tokenizer" not in self._cache:
            from consilience.standard.built.pretrained import load_tokenizer

            self._cache["tokenizer"] = self._load(load_tokenizer)
        return self._cache["tokenizer"]

    def model(self) -> Any:
        """Loads its encoder, afresh at every call: modules share parameters only where the file says so."""
        from consilience.standard.built.pretrained import load_model

        return self._load(load_model, self.weights == "pretrained")

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Copies config and tokenizer into `folder`, not the weights, which a saved model keeps itself."""
        folder.mkdir(parents=True, exist_ok=True)
        for file in self.files():
            copy = folder / file.name
            is_needed = file.name == CONFIG or file.name in TOKENIZER_FILES
            if is_needed and not (copy.exists() and copy.samefile(file)):
                shutil.copyfile(file, copy)
        return {"path": ".", "weights": "fresh"}

    def _load(self, load: Any, *arguments: Any) -> Any:
        _or_raise(next(iter(self.faults()), self))
        try:
            return load(self.folder(), *arguments)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0]
            fix = "path: a checkpoint of a text encoder that transformers has built in, with complete files"
            raise error_of(
                Fault("CN606", "path", f"{self.path}: {reason}", "a checkpoint that transformers loads", fix)
            ) from error

    def _find(self) -> Path | Fault:
        text, place = self.path.text, self.path
        fault = place.fault(wanted="a checkpoint's folder")
        if fault is None:
            folder = place.path
            if not folder.is_dir():
                found = f"{text}: a file"
                return Fault("CN601", "path", found, "a checkpoint's folder", f"path: {Path(text).parent}")
            return (snapshot_in(folder, self.revision) if (folder / "snapshots").is_dir() else None) or folder
        # A misspelt folder beside others looks like a hub id; its neighbours tell what it is.
        is_local = place.package is not None or ("/" in text and place.path.parent.is_dir())
        if is_local or not is_hub_id(text):
            return fault
        return find_snapshot(text, self.revision) or self._not_cached()

    def _not_cached(self) -> Fault:
        branch = "" if self.revision == "main" else f" --revision {self.revision}"
        found = f"{self.path}: no folder of that path, and not cached in {cache_folder()}"
        return Fault("CN605", "path", found, "a folder, or a hub id that is cached", f"hf download {self.path}{branch}")


def sizes(checkpoint: DeclaredCheckpoint, *names: str) -> dict[str, int]:
    """Gives the sizes `hidden` and `vocab` that config.json states; raises `Unsolved` when it cannot be read."""
    try:
        config = checkpoint.config()
    except DeclarationError as error:
        raise Unsolved("the checkpoint's config.json cannot be read") from error
    found = {"hidden": _first(config, _HIDDEN), "vocab": _first(config, ("vocab_size",))}
    return {name: size for name in names if (size := found[name]) is not None}


def longest_text(checkpoint: DeclaredCheckpoint) -> int | None:
    """Gives the number of tokens that the checkpoint has positions for, or None when it has no such bound."""
    config = checkpoint.config()
    positions = _first(config, _POSITIONS)
    if positions is not None and config.get("model_type") in _OFFSET_POSITIONS:
        return positions - int(config.get("pad_token_id") or 0) - 1
    return positions


def _read_config(folder: Path) -> dict[str, Any] | Fault:
    wanted = "a config.json with model_type, hidden_size and vocab_size, as transformers writes it"
    fix = "path: a folder that transformers' save_pretrained wrote"
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Fault("CN606", "path", f"no {CONFIG} in {folder}", wanted, fix)
    except (OSError, ValueError, RecursionError) as error:
        return Fault("CN606", "path", f"{folder / CONFIG}: {error}", wanted, fix)
    if not isinstance(config, dict):
        return Fault("CN606", "path", f"{folder / CONFIG}: not a mapping", wanted, fix)
    missing = [keys[0] for keys in (_HIDDEN, ("vocab_size",)) if _first(config, keys) is None]
    missing += [] if isinstance(config.get("model_type"), str) else ["model_type"]
    if missing:
        return Fault("CN606", "path", f"{folder / CONFIG}: no {', '.join(missing)}", wanted, fix)
    return config


def _weight_faults(folder: Path, location: Location) -> Iterator[Fault]:
    absent = [name for name in _shards(folder) if not (folder / name).is_file()]
    if not absent:
        return
    pickles = sorted(file.name for file in folder.glob("pytorch_model*.bin"))
    if absent == [WEIGHTS] and pickles:
        found = f"{location}: weights in a pickle alone ({pickles[0]}), which runs code when it is read"
        yield Fault("CN608", "path", found, f"weights in {WEIGHTS}", _conversion(folder, pickles[0]))
    elif absent == [WEIGHTS] and is_hub_id(location.text) and not location.path.exists():
        found = f"{location}: no {WEIGHTS} in the cache"
        yield Fault("CN605", "path", found, "a hub id that is cached with its weights", f"hf download {location}")
    else:
        found = f"{location}: no {', '.join(absent)}"
        yield Fault(
            "CN611", "weights", found, "the weights of the checkpoint", "weights: fresh   # to start from random ones"
        )


def _conversion(folder: Path, name: str) -> str:
    return (
        f'cd {folder} && python -c "import torch, safetensors.torch as s; '
        f"w = torch.load('{name}', weights_only=True); "
        f"s.save_file({{k: v.clone().contiguous() for k, v in w.items()}}, '{WEIGHTS}', {{'format': 'pt'}})\""
    )


def _shards(folder: Path) -> list[str]:
    """Lists the weight files that the folder should hold."""
    if (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        return [WEIGHTS]
    try:
        names = sorted(set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [INDEX, WEIGHTS]
    return [INDEX, *(str(name) for name in names)]


def _first(config: Mapping[str, Any], names: Iterable[str]) -> int | None:
    values = (config.get(name) for name in names)
    return next((value for value in values if type(value) is int and value > 0), None)


def _or_raise(found: Found | Fault) -> Found:
    if isinstance(found, Fault):
        raise error_of(found)
    return found


def error_of(fault: Fault) -> DeclarationError:
    """Makes of a fault, found while something is built, what can be raised."""
    # Without a path: whoever builds a node of it knows where that stands.
    return DeclarationError(Diagnostic(fault.code, (), fault.found, fault.expected, fault.fix))
