"""Leaves tokens out of a WordPiece tokenizer: the files that transformers reads, with new numbers for what stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["CannotTrim", "copy_tokenizer", "needed", "trim"]


class CannotTrim(ValueError):
    """A tokenizer whose tokens cannot be left out one by one."""


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copies a tokenizer's files as they are."""
    for file in source.iterdir():
        is_read = file.suffix in (".json", ".txt", ".model") and not file.name.endswith(".index.json")
        if is_read and file.is_file() and file.name != "config.json":
            shutil.copyfile(file, folder / file.name)


def needed(source: Path) -> set[int]:
    """Gives the tokens that must stay: special ones, and pieces of one letter, of which any word can be made."""
    told = _read(source)
    vocabulary = told["model"]["vocab"]
    kept = {token["id"] for token in told.get("added_tokens") or ()}
    prefix = told["model"].get("continuing_subword_prefix", "##")
    kept |= {number for piece, number in vocabulary.items() if len(piece.removeprefix(prefix)) == 1}
    return kept | {vocabulary[told["model"]["unk_token"]]}


def trim(source: Path, folder: Path, rows: Sequence[int]) -> None:
    """Writes a tokenizer's files with the tokens of these numbers alone, which are numbered anew in their order.

    Raises `CannotTrim` where it is no WordPiece tokenizer in a tokenizer.json, or a special token would go.
    """
    told = _read(source)
    lost = needed(source) - set(rows)
    if lost:
        raise CannotTrim(f"the token {min(lost)} cannot be left out")
    copy_tokenizer(source, folder)
    new = {old: number for number, old in enumerate(rows)}
    told["model"]["vocab"] = _renumbered(told["model"]["vocab"], new)
    for token in told.get("added_tokens") or ():
        token["id"] = new[token["id"]]
    _renumber_template(told.get("post_processor"), new)
    padding = told.get("padding")
    if padding and "pad_id" in padding:
        padding["pad_id"] = new[padding["pad_id"]]
    _write(folder / "tokenizer.json", told)
    _rewrite_companions(source, folder, told["model"]["vocab"], new)


def _rewrite_companions(source: Path, folder: Path, vocabulary: Mapping[str, int], new: Mapping[int, int]) -> None:
    if (source / "vocab.txt").is_file():
        pieces = sorted(vocabulary, key=vocabulary.__getitem__)
        (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    if (source / "added_tokens.json").is_file():
        added = json.loads((source / "added_tokens.json").read_text(encoding="utf-8"))
        _write(folder / "added_tokens.json", _renumbered(added, new))
    if (source / "tokenizer_config.json").is_file():
        config = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
        decoder = config.get("added_tokens_decoder")
        if decoder:
            config["added_tokens_decoder"] = {str(new[int(old)]): token for old, token in decoder.items()}
        _write(folder / "tokenizer_config.json", config)


def _read(source: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotTrim(f"no tokenizer.json that can be read ({error})") from error
    kind = (told.get("model") or {}).get("type")
    if kind != "WordPiece":
        raise CannotTrim(f"a tokenizer of the kind {kind}: tokens of WordPiece alone can be left out one by one")
    return told


def _renumbered(vocabulary: Mapping[str, int], new: Mapping[int, int]) -> dict[str, int]:
    return {piece: new[number] for piece, number in vocabulary.items() if number in new}


def _renumber_template(processor: Any, new: Mapping[int, int]) -> None:
    """Renumbers the special tokens that are put around a text."""
    if not isinstance(processor, dict):
        return
    for part in processor.get("processors") or ():
        _renumber_template(part, new)
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [new[old] for old in token["ids"]]
    for name in ("sep", "cls"):
        if name in processor:
            text, old = processor[name]
            processor[name] = [text, new[old]]


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
