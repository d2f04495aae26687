"""Reads what a run was, from the files that stand beside its weights. Light: without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["NoSuchModule", "Trained", "UnreadableRun"]

PLAN = "plan.json"
_MOST = 20_000_000
_HEADS = ("num_attention_heads", "n_heads", "num_heads")
_LAYERS = ("num_hidden_layers", "n_layers", "num_layers")


class UnreadableRun(ValueError):
    """A folder that is none of a trained model."""


class NoSuchModule(ValueError):
    """A model has no such module, or several; `known` are those that there are."""

    def __init__(self, told: str, known: Sequence[str]) -> None:
        super().__init__(told)
        self.known = list(known)


@dataclass(frozen=True)
class Trained:
    """The plan of a saved model, by the names of its nodes."""

    folder: Path

    @classmethod
    def find(cls, folder: Path) -> Trained:
        """Finds the model in the folder of a run, or in its own; raises `UnreadableRun`."""
        found = next((place for place in (folder / "model", folder) if (place / PLAN).is_file()), None)
        if found is None:
            raise UnreadableRun(f"neither {PLAN} nor model/{PLAN} in it")
        trained = cls(found)
        _ = trained.nodes
        return trained

    @cached_property
    def nodes(self) -> Mapping[str, Mapping[str, Any]]:
        """The nodes by name, as `plan.json` has them."""
        try:
            with (self.folder / PLAN).open(encoding="utf-8") as stream:
                text = stream.read(_MOST + 1)
            if len(text) > _MOST:
                raise ValueError(f"more than {_MOST:,} characters")
            return {str(node["name"]): dict(node) for node in json.loads(text)["nodes"]}
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnreadableRun(f"{PLAN}: {error}") from None

    def answer(self, asked: str | None) -> str:
        """Gives the module whose scores of classes a loss reads; raises `NoSuchModule`."""
        read = [
            ref.rpartition(".")[0]
            for node in self._of("losses")
            for refs in node["in"].values()
            for ref in refs
            if ref.endswith(".logits") and self.nodes[ref.rpartition(".")[0]]["labels"]
        ]
        return _chosen("answer", asked, list(dict.fromkeys(read)), "scores classes")

    def encoder(self, asked: str | None) -> str:
        """Gives the module that reads tokens and has states; raises `NoSuchModule`."""
        found = [node["name"] for node in self._of("modules") if {"ids", "mask"} <= node["in"].keys() and _width(node)]
        return _chosen("encoder", asked, found, "reads tokens")

    def labels(self, answer: str) -> tuple[str, ...]:
        """Gives the classes that a module scores, in their order."""
        return tuple(next(iter(self.nodes[answer]["labels"].values())))

    def sizes(self, encoder: str) -> dict[str, int]:
        """Gives an encoder's vocabulary, width, heads and number of states, as far as they are told."""
        node = self.nodes[encoder]
        config = self._config(node)
        layers = _first(config, _LAYERS)
        found = {"wide": _width(node), "vocab": node["dims"].get("vocab"), "head": _first(config, _HEADS)}
        found["depth"] = None if layers is None else layers + 1
        return {name: size for name, size in found.items() if size}

    def tokens(self, encoder: str) -> tuple[str, str]:
        """Names the two tensors that an encoder reads: its ids and its mask."""
        read = self.nodes[encoder]["in"]
        return read["ids"][0], read["mask"][0]

    def reads_beside(self, answer: str, encoder: str) -> list[str]:
        """Lists what the two modules need beside the encoder's tokens."""
        own, found = set(self.tokens(encoder)), set()
        waiting, known = [answer, encoder], {answer, encoder}
        while waiting:
            for refs in self.nodes[waiting.pop()]["in"].values():
                for ref in refs:
                    name = ref if ref in self.nodes else ref.rpartition(".")[0]
                    if self.nodes[name]["section"] == "modules":
                        waiting.extend({name} - known)
                        known.add(name)
                    elif ref not in own:
                        found.add(ref)
        return sorted(found)

    def files(self) -> Iterator[Path]:
        """Lists what tells all this: the plan, and the configuration of each checkpoint."""
        yield self.folder / PLAN
        yield from sorted(self.folder.glob("resources/*/config.json"))

    def _of(self, section: str) -> list[Mapping[str, Any]]:
        return [node for node in self.nodes.values() if node["section"] == section]

    def _config(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        resource = node.get("settings", {}).get("checkpoint")
        try:
            told = json.loads((self.folder / "resources" / str(resource) / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) else {}


def _width(node: Mapping[str, Any]) -> int | None:
    found = node["dims"].get("hidden")
    return found if isinstance(found, int) else None


def _first(config: Mapping[str, Any], names: Sequence[str]) -> int | None:
    return next((config[name] for name in names if isinstance(config.get(name), int)), None)


def _chosen(key: str, asked: str | None, found: list[str], what: str) -> str:
    if asked is not None and asked in found:
        return asked
    if asked is None and len(found) == 1:
        return found[0]
    told = f"{asked}, which is no module that {what}" if asked is not None else f"no {key}, where {len(found)} {what}"
    raise NoSuchModule(told if asked is not None or found else f"no module that {what}", found)
