"""Tells from the files of a tokenizer, without transformers, which special tokens it has and how high its ids go."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["TOKENIZER_FILES", "BrokenTokenizer", "TokenizerFiles"]

_WHOLE, _SETTINGS, _ROLES, _ADDED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
_VOCABULARIES = (
    _WHOLE,
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
TOKENIZER_FILES = (*_VOCABULARIES, _SETTINGS, _ROLES, _ADDED, "merges.txt")
"""The files that a tokenizer may be made of."""

_ROLE_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_LARGEST = 64 * 2**20
"""The most bytes of a file that are read; the largest vocabularies of encoders need half of it."""
_FEW = 100
"""The most tokens that are looked for one by one."""

_BERT = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
_ROBERTA = dict(zip(_ROLE_NAMES, ("<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"), strict=True))
_GPT2 = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
_CLASSES: dict[str, tuple[dict[str, str], str]] = {
    "BertTokenizer": (_BERT, "vocab.txt"),
    "DistilBertTokenizer": (_BERT, "vocab.txt"),
    "ElectraTokenizer": (_BERT, "vocab.txt"),
    "MPNetTokenizer": ({**_ROBERTA, "unk_token": "[UNK]"}, "vocab.txt"),
    "RobertaTokenizer": (_ROBERTA, "vocab.json"),
    "GPT2Tokenizer": (_GPT2, "vocab.json"),
    "XLMRobertaTokenizer": (_ROBERTA, "sentencepiece.bpe.model"),
    "CamembertTokenizer": (_ROBERTA, "sentencepiece.bpe.model"),
    "TokenizersBackend": ({}, _WHOLE),
    "PreTrainedTokenizerFast": ({}, _WHOLE),
}
"""The special tokens that a class takes where no file tells any, and the vocabulary that it reads for want of
tokenizer.json."""
_CLASS_OF = {
    "bert": "BertTokenizer",
    "distilbert": "BertTokenizer",
    "electra": "BertTokenizer",
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "camembert": "CamembertTokenizer",
    "mpnet": "MPNetTokenizer",
    "gpt2": "GPT2Tokenizer",
    "modernbert": "TokenizersBackend",
}
"""The class that transformers takes for a model type where no file names one."""
_SLOW = {
    *("BartphoTokenizer", "BertJapaneseTokenizer", "BertweetTokenizer", "BioGptTokenizer", "ByT5Tokenizer"),
    *("CanineTokenizer", "CTRLTokenizer", "EsmTokenizer", "FlaubertTokenizer", "PerceiverTokenizer"),
    *("PhobertTokenizer", "ProphetNetTokenizer", "RoCBertTokenizer", "TapasTokenizer", "XLMTokenizer"),
}
"""Classes that cannot tell where their tokens stand in the text."""
_ENTRY = rb'",\s*-?\d[-+.\deE]*\s*\]'
"""The end of a token and its score, as vocabularies list them that have no ids."""


class BrokenTokenizer(ValueError):
    """A file of a tokenizer that cannot be read; its text says which, and why."""


class TokenizerFiles:
    """What the files of a tokenizer, by name, tell beside the config.json of its model; they are read once."""

    def __init__(self, files: Mapping[str, Path], config: Mapping[str, Any]) -> None:
        self._files = files
        self._config = config
        self._beyond: dict[int, int | None] = {}

    @cached_property
    def _settings(self) -> Mapping[str, Any]:
        return self._mapping(_SETTINGS)

    @cached_property
    def name(self) -> str | None:
        """The name of its class, or None when no file tells it and it does not follow from the model."""
        named = self._settings.get("tokenizer_class") or self._config.get("tokenizer_class")
        if not isinstance(named, str):
            return _CLASS_OF.get(self._config["model_type"])
        return named if named == "PreTrainedTokenizerFast" else named.removesuffix("Fast")

    @property
    def is_known(self) -> bool:
        """Whether it is of a class whose special tokens and vocabulary follow from the files."""
        return self.name in _CLASSES

    @property
    def is_slow(self) -> bool:
        """Whether it is known to be one that cannot tell where its tokens stand in the text."""
        return self.name in _SLOW

    @cached_property
    def vocabulary(self) -> Path | None:
        """The file that its vocabulary is read from, or None when there is none."""
        wanted = (_WHOLE, _CLASSES[self.name][1]) if self.name in _CLASSES else _VOCABULARIES
        return next((self._files[name] for name in wanted if name in self._files), None)

    @cached_property
    def special_tokens(self) -> Mapping[str, str | None]:
        """The special tokens by role, such as `mask_token`; None is none, and what is not known is left out."""
        known = dict.fromkeys(_ROLE_NAMES) if self.name in _CLASSES else {}
        stated = {**self._settings}
        if "added_tokens_decoder" not in stated:
            stated |= self._mapping(_ROLES)
        told = {role: _text(stated[role]) for role in _ROLE_NAMES if role in stated}
        return {**known, **_CLASSES.get(self.name or "", ({}, ""))[0], **told}

    def ids_beyond(self, size: int) -> int | None:
        """Gives how many ids a model needs for it where these are more than `size`; None where all fit, as is known."""
        if size not in self._beyond:
            self._beyond[size] = self._ids_beyond(size)
        return self._beyond[size]

    def _ids_beyond(self, size: int) -> int | None:
        file = self.vocabulary
        if file is None or file.suffix == ".model" or (raw := _read(file)) is None:
            return None
        added: set[str] = set()
        if file.suffix == ".txt":
            lines = raw.decode("utf-8", "replace").removesuffix("\n").split("\n")
            ids = {line.rstrip("\r"): index for index, line in enumerate(lines)}
        elif _surely_fits(raw, self._extras, size):
            _see_whole(raw, file.name)
            return None
        else:
            ids, added = _ids_and_added(_parse(raw, file.name), file.name)
        needed = max(max(ids.values(), default=-1) + 1, len(ids) + len((self._extras | added) - ids.keys()))
        return needed if needed > size else None

    @cached_property
    def _extras(self) -> set[str]:
        """The tokens that transformers adds to the vocabulary where they are not in it."""
        extras = {token for token in self.special_tokens.values() if token}
        for key in ("extra_special_tokens", "additional_special_tokens"):
            listed = self._settings.get(key)
            tokens = listed.values() if isinstance(listed, dict) else listed if isinstance(listed, list) else ()
            extras.update(_text(token) or "" for token in tokens)
        decoder = self._settings.get("added_tokens_decoder")
        added = decoder.values() if isinstance(decoder, dict) else self._mapping(_ADDED)
        return extras.union(_text(token) or "" for token in added) - {""}

    def _mapping(self, name: str) -> dict[str, Any]:
        raw = _read(self._files[name]) if name in self._files else None
        return _parse(raw, name) if raw is not None else {}


def _see_whole(raw: bytes, name: str) -> None:
    if not raw[:64].lstrip().startswith(b"{") or not raw[-64:].rstrip().endswith(b"}"):
        raise BrokenTokenizer(f"{name}: no JSON, or cut off")
    if name == _WHOLE and b'"vocab"' not in raw:
        raise BrokenTokenizer(f"{name}: not as tokenizers are written")


def _ids_and_added(read: Mapping[str, Any], name: str) -> tuple[dict[str, int], set[str]]:
    """Gives the vocabulary, and the tokens that were added to it."""
    try:
        vocabulary = read["model"]["vocab"] if name == _WHOLE else read
        added = {entry["content"] for entry in read.get("added_tokens", ())} if name == _WHOLE else set()
        if isinstance(vocabulary, list):
            return {entry[0]: index for index, entry in enumerate(vocabulary)}, added
        return {token: index for token, index in vocabulary.items() if type(index) is int}, added
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise BrokenTokenizer(f"{name}: not as tokenizers are written") from error


def _surely_fits(raw: bytes, extras: set[str], size: int) -> bool:
    """Tells, without parsing a file of a megabyte, that no id in it is `size` or more, where that is easily seen."""
    if len(extras) > _FEW or any(json.dumps(token, ensure_ascii=False).encode() not in raw for token in extras):
        return False
    digits = str(size)
    greater = (
        rf"{digits[:place]}[{int(digit) + 1}-9]\d{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if digit != "9"
    )
    beyond = "|".join([rf"\d{{{len(digits) + 1}}}", digits, *greater])
    return not re.search(rf'":\s*(?:{beyond})'.encode(), raw) and len(re.findall(_ENTRY, raw)) <= size


def _text(token: object) -> str | None:
    """Gives the text of a token, written as a text or as a mapping with more of it."""
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) else None


def _read(file: Path) -> bytes | None:
    """Reads a file, or gives None where it is too large to look into."""
    try:
        return file.read_bytes() if file.stat().st_size <= _LARGEST else None
    except OSError as error:
        raise BrokenTokenizer(f"{file.name}: {error.strerror or error}") from error


def _parse(raw: bytes, name: str) -> dict[str, Any]:
    try:
        read = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BrokenTokenizer(f"{name}: no JSON, or cut off") from error
    if not isinstance(read, dict):
        raise BrokenTokenizer(f"{name}: not a mapping")
    return read
