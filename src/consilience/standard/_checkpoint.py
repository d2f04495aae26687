"""The resource `checkpoint`: a pretrained model's folder, on disk, in an installed package or in the hub's cache."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from consilience.declare import Checkpoint as DeclaredCheckpoint
from consilience.declare import DeclarationError, Diagnostic, Fault, Location, Size, Unsolved
from consilience.standard._families import family_of, unknown_model_type
from consilience.standard._hub import cache_folder, find_snapshot, is_hub_id, snapshot_in
from consilience.standard._json import read_json
from consilience.standard._safetensors import BrokenWeights
from consilience.standard._tokenizer import TOKENIZER_FILES, BrokenTokenizer, TokenizerFiles
from consilience.standard._weights import WeightFiles

__all__ = ["Checkpoint", "error_of", "longest_text", "sizes", "tokenizer_files"]

CONFIG = "config.json"
_PROBE = "A probe: naïve 5 %, 中."
_OTHER_TOKENIZER = "# take a checkpoint under path whose tokenizer and config.json belong together"
Found = TypeVar("Found")
# The families of transformers give one size several names.
_HIDDEN = ("hidden_size", "d_model", "dim", "n_embd")
_POSITIONS = ("max_position_embeddings", "n_positions")
# These count their positions from the padding's index on, so that many fewer are left for tokens.
_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "mpnet", "data2vec-text")
_THEIR_PADDING = 1
_PADDING_TYPES = (int, type(None))


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
        lost = self._lost_links(folder)
        if lost:
            return [lost]
        config = _read_config(folder)
        faults = [config] if isinstance(config, Fault) else list(_config_faults(folder, config))
        if self.weights == "pretrained":
            faults += self._weights(folder).faults(None if isinstance(config, Fault) else config)
        return faults

    def folder(self) -> Path:
        """Finds the folder, once; raises `DeclarationError` when there is none here."""
        if "folder" not in self._cache:
            self._cache["folder"] = _or_raise(self._find())
        folder: Path = self._cache["folder"]
        return folder

    def config(self) -> Mapping[str, Any]:
        """Reads its `config.json`, without transformers; raises `DeclarationError` when it cannot be read."""
        if "config" not in self._cache:
            self._cache["config"] = _or_raise(_read_config(self.folder()))
        config: Mapping[str, Any] = self._cache["config"]
        return config

    def files(self) -> Iterator[Path]:
        """Lists config, tokenizer and weights, as far as they are there."""
        folder = self.folder()
        for name in self._names(folder):
            if (folder / name).is_file():
                yield folder / name

    def tensors(self) -> Mapping[str, tuple[int, ...]] | None:
        """Reads the shapes of its weights from the headers of their files; None when these are not whole."""
        if self.weights == "fresh":
            return {}
        try:
            return self._weights(self.folder()).tensors
        except BrokenWeights:
            return None

    def load_tensors(self, names: Iterable[str]) -> Mapping[str, Any]:
        """Loads tensors by the names that its files give them."""
        from consilience.standard.built.pretrained import load_tensors

        loaded: Mapping[str, Any] = self._load(load_tensors, list(names))
        return loaded

    def special_tokens(self) -> Mapping[str, str | None]:
        """Reads the special tokens from the tokenizer's files."""
        try:
            return tokenizer_files(self).special_tokens
        except BrokenTokenizer:
            return {}

    def examine(self) -> Iterator[Fault]:
        """Reads every file to its end, tries the tokenizer, and loads the model where the headers leave doubts."""
        for file in self.files():
            reason = _unreadable(file)
            if reason:
                found, fix = f"{self.path}: {file.name}: {reason}", f"# put a whole {file.name} into {file.parent}"
                yield Fault("CN606", "path", found, "files that can be read to their end", fix)
                return
        try:
            yield from self._examine_tokenizer()
            if family_of(self.config()) is None:
                self.model()
        except DeclarationError as error:
            for item in error.diagnostics:
                yield Fault(item.code, "path", item.found, item.expected, item.fix)

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

    def _examine_tokenizer(self) -> Iterator[Fault]:
        files = tokenizer_files(self)
        if files.vocabulary is None:
            return  # it may serve a model that reads no text; who asks for tokens is told
        if files.is_known and files.vocabulary.name == "tokenizer.json":
            from consilience.standard.built.probe import ids_of

            ids: list[int] = self._load(ids_of, _PROBE)
        else:
            ids = self.tokenizer()(_PROBE)["input_ids"]
        vocabulary = sizes(self, "vocab").get("vocab", 0)
        if not ids or max(ids) >= vocabulary:
            found = f"{self.path}: its tokenizer gives the ids {ids}, and its model has embeddings for {vocabulary}"
            yield Fault("CN609", "path", found, "a tokenizer of the model's vocabulary", _OTHER_TOKENIZER)

    def _names(self, folder: Path) -> list[str]:
        shards = self._weights(folder).names if self.weights == "pretrained" else []
        return [CONFIG, *TOKENIZER_FILES, *shards]

    def _weights(self, folder: Path) -> WeightFiles:
        if "weights" not in self._cache:
            self._cache["weights"] = WeightFiles(folder, self.path)
        files: WeightFiles = self._cache["weights"]
        return files

    def _lost_links(self, folder: Path) -> Fault | None:
        """Tells of links that lead nowhere, as an interrupted download leaves them in the hub's cache."""
        lost = [name for name in self._names(folder) if (folder / name).is_symlink() and not (folder / name).is_file()]
        if not lost:
            return None
        found = f"{self.path}: {', '.join(lost)}, a link to a file that is not there"
        fix = self._fetch() if self.path.fault() else f"# put whole files into {folder}"
        return Fault("CN605", "path", found, "a checkpoint with all its files", fix)

    def _load(self, load: Any, *arguments: Any) -> Any:
        _or_raise(next(iter(self.faults()), self))
        try:
            return load(self.folder(), *arguments)
        except Exception as error:  # transformers raises what comes of an odd file, down to AssertionError
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            fix = "# name under path a checkpoint of a text encoder that transformers has built in, with complete files"
            raise error_of(
                Fault("CN606", "path", f"{self.path}: {reason}", "a checkpoint that transformers loads", fix)
            ) from error

    def _find(self) -> Path | Fault:
        text, place = self.path.text, self.path
        fault = place.fault(wanted="a checkpoint's folder", form="folder")
        if fault is None:
            folder = place.path
            return (snapshot_in(folder, self.revision) if (folder / "snapshots").is_dir() else None) or folder
        # A misspelt folder beside others looks like a hub id; its neighbours tell what it is.
        is_local = fault.code != "CN601" or place.package is not None or ("/" in text and place.path.parent.is_dir())
        if is_local or not is_hub_id(text):
            return fault
        return find_snapshot(text, self.revision) or self._not_cached()

    def _not_cached(self) -> Fault:
        found = f"{self.path}: no folder of that path, and not cached in {cache_folder()}"
        return Fault("CN605", "path", found, "a folder, or a hub id that is cached", self._fetch())

    def _fetch(self) -> str:
        return f"hf download {self.path}" + ("" if self.revision == "main" else f" --revision {self.revision}")


def sizes(checkpoint: DeclaredCheckpoint, *names: str, owner: str | None = None) -> dict[str, int]:
    """Gives the sizes `hidden` and `vocab` that config.json states; raises `Unsolved` when it cannot be read.

    `owner` is what the file calls the checkpoint.
    """
    try:
        config = checkpoint.config()
    except DeclarationError as error:
        raise Unsolved("the checkpoint's config.json cannot be read") from error
    found = {"hidden": _first(config, _HIDDEN), "vocab": _first(config, ("vocab_size",))}
    source = f"{owner}'s {CONFIG}" if owner else CONFIG
    return {name: Size(size, source) for name in names if (size := found[name]) is not None}


def tokenizer_files(checkpoint: DeclaredCheckpoint) -> TokenizerFiles:
    """Gives what the files of a checkpoint's tokenizer tell; raises `DeclarationError` without a config.json."""
    # Many nodes may ask, and the files have megabytes.
    if "tokenizer_files" not in checkpoint._cache:
        files = {file.name: file for file in checkpoint.files()}
        checkpoint._cache["tokenizer_files"] = TokenizerFiles(files, checkpoint.config())
    known: TokenizerFiles = checkpoint._cache["tokenizer_files"]
    return known


def longest_text(checkpoint: DeclaredCheckpoint) -> int | None:
    """Gives the number of tokens that the checkpoint has positions for, or None when it has no such bound."""
    config = checkpoint.config()
    positions = _first(config, _POSITIONS)
    if positions is not None and config.get("model_type") in _OFFSET_POSITIONS:
        return positions - _padding(config) - 1
    return positions


def _padding(config: Mapping[str, Any]) -> int:
    """Gives the index that positions are counted from; theirs where the config tells none that is one."""
    stated = config.get("pad_token_id", _THEIR_PADDING)
    if config["model_type"] == "mpnet" or type(stated) not in _PADDING_TYPES:
        return _THEIR_PADDING
    return stated or 0


def _unreadable(file: Path) -> str | None:
    """Tells why a file cannot be read to its end."""
    try:
        with file.open("rb") as stream:
            while stream.read(2**20):
                pass
    except OSError as error:
        return error.strerror or str(error)
    return None


def _read_config(folder: Path) -> dict[str, Any] | Fault:
    wanted = "a config.json with model_type, hidden_size and vocab_size, as transformers writes it"
    fix = "# name under path a folder that transformers' save_pretrained wrote"
    try:
        config = read_json(folder / CONFIG)
    except FileNotFoundError:
        return Fault("CN606", "path", f"no {CONFIG} in {folder}", wanted, fix)
    except (OSError, ValueError) as error:
        return Fault("CN606", "path", f"{folder / CONFIG}: {error}", wanted, fix)
    if not isinstance(config, dict):
        return Fault("CN606", "path", f"{folder / CONFIG}: not a mapping", wanted, fix)
    missing = [keys[0] for keys in (_HIDDEN, ("vocab_size",)) if _first(config, keys) is None]
    missing += [] if isinstance(config.get("model_type"), str) else ["model_type"]
    if missing:
        return Fault("CN606", "path", f"{folder / CONFIG}: no {', '.join(missing)}", wanted, fix)
    return config


def _config_faults(folder: Path, config: Mapping[str, Any]) -> Iterator[Fault]:
    """Tells why transformers cannot build the model that a config.json describes, as far as that is known."""
    family = family_of(config)
    wrong = family.fault(config) if family else unknown_model_type(config["model_type"]) or _padding_fault(config)
    if wrong:
        fix = f"# mend {folder / CONFIG}, or take another checkpoint under path"
        yield Fault("CN606", "path", f"{folder / CONFIG}: {wrong}", "a model that transformers builds", fix)


def _padding_fault(config: Mapping[str, Any]) -> str | None:
    stated = config.get("pad_token_id")
    is_read = config["model_type"] in _OFFSET_POSITIONS
    return f"pad_token_id is {stated!r}" if is_read and type(stated) not in _PADDING_TYPES else None


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
