"""Grows the inputs and modules of a valid fusion, and knows what each gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.soundness.settings import draw_settings
from tests.soundness.spelling import Wanted, spell
from tests.soundness.world import CHECKPOINTS, GRAPHS, MOST_TOKENS

from consilience.host import Registry

__all__ = ["Field", "Growth", "Sequence", "Vector"]

_NAMES = ("é", "模型", "keys", "items", "forward", "training", "self", "target_", "loss", "losses_", "labels", "T_1")
_COMPONENTS = (
    "classifier",
    "cross_entropy",
    "token_labels",
    "accuracy",
    "text_encoder",
    "checkpoint",
    "gated",
    "regressor",
)
_MOST_WIDTH = 160


@dataclass(frozen=True)
class Vector:
    """A port `Float["batch width"]`."""

    ref: str
    width: int


@dataclass(frozen=True)
class Sequence:
    """A port `Float["batch seq width"]`; `along` names the input whose sequence it follows, `mask` what admits it."""

    ref: str
    width: int
    along: str
    mask: str


@dataclass(frozen=True)
class Field:
    """A declared field that a loss compares with: its type, and its label space or the number of its labels."""

    name: str
    kind: str
    space: str | int = 0
    size: int = 0
    text: str = ""
    """The text whose words it labels."""


class Growth:
    """A fusion that grows."""

    def __init__(self, random: Random, registry: Registry) -> None:
        self.random = random
        self.registry = registry
        self.resources: dict[str, dict[str, Any]] = {}
        self.fields: dict[str, Any] = {}
        self.sources: dict[str, dict[str, Any]] = {}
        self.inputs: dict[str, dict[str, Any]] = {}
        self.modules: dict[str, dict[str, Any]] = {}
        self.losses: dict[str, dict[str, Any]] = {}
        self.metrics: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, tuple[str, ...]] = {}
        self.texts: list[str] = []
        self.labelled: list[Field] = []
        self.weights: list[str] = []
        """The fields of numbers that weigh examples."""
        self.vectors: list[Vector] = []
        self.sequences: list[Sequence] = []
        self.tokens: dict[str, tuple[str, str]] = {}
        """By name, the text and the checkpoint of every input of tokens."""
        self.masked: dict[str, str] = {}
        """By name, the tokens behind every input of hidden tokens."""
        self.mentions: dict[str, str] = {}
        """By name, the graph of every input of mentions."""
        self.valences: list[str] = []
        self.encoders: dict[str, tuple[str, int]] = {}
        """By name, the checkpoint and the width of every text encoder that is no shared one."""
        self.reads: dict[str, set[str]] = {}
        """By node, the nodes that it reads or refers to."""

    @property
    def size(self) -> int:
        """How many inputs, modules, losses and metrics there are."""
        return len(self.inputs) + len(self.modules) + len(self.losses) + len(self.metrics)

    def begin(self) -> None:
        """Plants a text, and tokens with an encoder or mentions with an encoder of the graph."""
        self.text()
        if self.random.random() < 0.85:
            self.add_tokens()
            self.add_encoder()
        else:
            self.add_mentions()
            self.add_rgcn()

    def step(self) -> None:
        """Adds one input or module of a kind that finds what it needs."""
        able = [
            *(self.add_tokens, self.add_mentions, self.add_valence),
            *([self.add_encoder] * 2 + [self.add_mask] * 2 if self.tokens else []),
            *([self.share_encoder] if self.encoders else []),
            *([self.add_rgcn] if self.mentions else []),
            *([self.add_injection] * 2 if self.mentions and self.along_tokens() else []),
            *([self.add_cross_attention] * 2 if self.sequences else []),
            *([self.add_concat, self.add_gated] if self.vectors else []),
        ]
        self.random.choice(able)()

    # names and settings

    def name(self, word: str) -> str:
        """Gives a name that is free: mostly the word, sometimes one that a careless program trips over."""
        taken = {*self.resources, *self.fields, *self.outputs, *self.losses, *self.metrics}
        free = [name for name in (*_NAMES, *_COMPONENTS) if name not in taken]
        if free and self.random.random() < 0.12:
            return self.random.choice(free)
        return next(name for name in (word, *(f"{word}_{number}" for number in range(2, 99))) if name not in taken)

    def add(
        self, section: dict[str, dict[str, Any]], word: str, use: str, wanted: Wanted | None = None, **settings: Any
    ) -> str:
        """Adds a node of a component with drawn settings, wired as wanted; those given stand over those drawn."""
        offer = self.registry.component(use)
        assert offer is not None, use
        component = offer.component
        node = {"use": use} | draw_settings(self.random, component) | settings
        node = {key: value for key, value in node.items() if value is not ...}
        if wanted:
            node["in"] = spell(self.random, wanted, getattr(component, "inputs", {}), self.outputs)
        name = self.name(word)
        section[name] = node
        self.outputs[name] = tuple(getattr(component, "outputs", {}))
        self.reads[name] = {
            ref.partition(".")[0]
            for refs in (wanted or {}).values()
            for ref in (refs if isinstance(refs, list) else [refs])
        }
        return name

    def pick(self, make: Callable[[], str], known: list[str], chance: float = 0.2) -> str:
        """Takes one of those that there are, or now and then makes a new one."""
        return make() if not known or self.random.random() < chance else self.random.choice(known)

    # resources and fields

    def text(self) -> str:
        """Gives a field of text."""
        has_words = any(field.kind == "token_labels" for field in self.labelled)
        if not self.texts or (len(self.texts) < 2 and not has_words and self.random.random() < 0.15):
            name = self.name("text" if not self.texts else "title")
            self.fields[name], self.outputs[name] = "text", ("",)
            self.texts.append(name)
        return self.random.choice(self.texts)

    def example_weight(self) -> str:
        """Gives a field of numbers that weighs examples."""
        if not self.weights or self.random.random() < 0.2:
            name = self.name("counts")
            self.fields[name], self.outputs[name] = "number", ("",)
            self.weights.append(name)
        return self.random.choice(self.weights)

    def checkpoint(self) -> str:
        """Gives a checkpoint."""

        def make() -> str:
            path = self.random.choice(list(CHECKPOINTS))
            return self.add(self.resources, path, "checkpoint", path=path)

        return self.pick(make, [name for name, node in self.resources.items() if node["use"] == "checkpoint"], 0.1)

    def graph(self) -> str:
        """Gives a knowledge graph."""

        def make() -> str:
            path = self.random.choice(GRAPHS)
            return self.add(self.resources, path.partition(".")[0], "knowledge.graph", path=path)

        return self.pick(make, [name for name, node in self.resources.items() if "graph" in node["use"]], 0.1)

    def width_of(self, checkpoint: str) -> int:
        """Gives the width of a checkpoint's states."""
        return CHECKPOINTS[self.resources[checkpoint]["path"]]

    # inputs

    def add_tokens(self) -> str:
        text, checkpoint = self.text(), self.checkpoint()
        multiple = self.random.choice([1, 1, 1, 2, 4, 8])
        most = multiple * self.random.randint(-(-4 // multiple), MOST_TOKENS // multiple)
        lengths = {"max_length": most} if self.random.random() < 0.6 else {}
        lengths |= {"pad_to_multiple_of": multiple} if multiple > 1 else {}
        name = self.add(self.inputs, "tokens", "tokens", {"text": text}, checkpoint=checkpoint, **lengths)
        self.tokens[name] = (text, checkpoint)
        return name

    def add_mask(self) -> str:
        tokens = self.random.choice(list(self.tokens))
        replaced = round(self.random.random(), 2)
        shares = {"replaced": replaced, "random": round((1 - replaced) * self.random.random(), 3)}
        given: dict[str, Any] = shares if self.random.random() < 0.4 else {}
        if self.random.random() < 0.2:
            given["checkpoint"] = self.tokens[tokens][1]
        wanted = {port: f"{tokens}.{port}" for port in ("ids", "mask", "special")}
        name = self.add(self.inputs, "masked", "linguistics.mask", wanted, **given)
        self.masked[name] = tokens
        return name

    def add_mentions(self) -> str:
        graph = self.graph()
        name = self.add(self.inputs, "mentions", "knowledge.mentions", {"text": self.text()}, graph=graph)
        self.mentions[name] = graph
        return name

    def add_valence(self) -> str:
        name = self.add(self.inputs, "valence", "psychology.lexicon_affect", {"text": self.text()})
        self.valences.append(name)
        return name

    # modules

    def ids_and_mask(self, checkpoint: str | None = None) -> dict[str, str]:
        """Gives the ports of tokens that an encoder reads, whole or hidden in part."""
        inputs = [*self.tokens, *self.masked]
        fitting = [name for name in inputs if checkpoint in (None, self.tokens[self.masked.get(name, name)][1])]
        source = self.random.choice(fitting)
        return {"ids": f"{source}.ids", "mask": f"{source}.mask"}

    def add_encoder(self) -> str:
        wanted = self.ids_and_mask()
        source = wanted["ids"].partition(".")[0]
        checkpoint = self.tokens[self.masked.get(source, source)][1]
        given = {"checkpoint": checkpoint} if self.random.random() < 0.3 else {}
        name = self.add(self.modules, "encoder", "text_encoder", wanted, **given)
        self.encoders[name] = (checkpoint, self.width_of(checkpoint))
        self.gives_states(name, self.width_of(checkpoint), source, f"{source}.mask")
        return name

    def share_encoder(self) -> str:
        owner = self.random.choice(list(self.encoders))
        wanted = self.ids_and_mask(self.encoders[owner][0])
        source = wanted["ids"].partition(".")[0]
        name = self.add_share("reread", owner, wanted)
        self.gives_states(name, self.encoders[owner][1], source, f"{source}.mask")
        return name

    def add_share(self, word: str, owner: str, wanted: Wanted) -> str:
        """Adds another application of a module."""
        name = self.add(self.modules, word, self.modules[owner]["use"], wanted)
        self.modules[name] = {"share": owner, "in": self.modules[name]["in"]}
        self.reads[name].add(owner)
        return name

    def gives_states(self, name: str, width: int, source: str, mask: str) -> None:
        """Notes that a node gives `hidden` and `pooled`."""
        self.sequences.append(Sequence(f"{name}.hidden", width, self.masked.get(source, source), mask))
        self.vectors.append(Vector(f"{name}.pooled", width))

    def along_tokens(self) -> list[Sequence]:
        """Lists the sequences that follow tokens."""
        return [sequence for sequence in self.sequences if sequence.along in self.tokens]

    def add_rgcn(self) -> str:
        mentions = self.random.choice(list(self.mentions))
        given = {"graph": self.mentions[mentions]} if self.random.random() < 0.3 else {}
        width = self.random.randint(1, 20)
        name = self.add(
            self.modules, "concepts", "knowledge.rgcn", {"entities": f"{mentions}.entities"}, width=width, **given
        )
        self.modules[name]["layers"] = self.random.randint(1, 3)
        self.vectors.append(Vector(f"{name}.pooled", width))
        self.sequences.append(Sequence(f"{name}.mentions", width, mentions, f"{mentions}.mention_mask"))
        return name

    def add_injection(self) -> str:
        states = self.random.choice(self.along_tokens())
        mentions = self.random.choice(list(self.mentions))
        given = {"graph": self.mentions[mentions]} if self.random.random() < 0.3 else {}
        wanted = {"hidden": states.ref, "spans": f"{states.along}.spans", "entities": f"{mentions}.entities"}
        wanted["entity_spans"] = f"{mentions}.entity_spans"
        if self.random.random() < 0.5:
            wanted["mask"] = states.mask
        name = self.add(self.modules, "known", "knowledge.injection", wanted, **given)
        self.gives_states(name, states.width, states.along, states.mask)
        return name

    def add_cross_attention(self) -> str:
        queries, states = self.random.choice(self.sequences), self.random.choice(self.sequences)
        wanted = {"queries": queries.ref, "states": states.ref}
        if self.random.random() < 0.6:
            wanted["mask"] = states.mask
        if self.random.random() < 0.5:
            wanted["query_mask"] = queries.mask
        heads = {"heads": self.random.randint(1, 4), "head_width": self.random.randint(1, 9)}
        name = self.add(self.modules, "reading", "cross_attention", wanted, **heads)
        self.sequences.append(Sequence(f"{name}.hidden", queries.width, queries.along, queries.mask))
        self.vectors.append(Vector(f"{name}.pooled", queries.width))
        return name

    def some_vectors(self) -> list[Vector]:
        """Picks one to four vectors, at times one of them twice."""
        count = min(self.random.choice([1, 2, 2, 2, 3, 4]), 1 + len(self.vectors))
        return [self.random.choice(self.vectors) for _ in range(count)]

    def add_concat(self) -> str | None:
        parts = self.some_vectors()
        width = sum(part.width for part in parts)
        if width > _MOST_WIDTH:
            return None
        name = self.add(self.modules, "together", "concat", {"parts": [part.ref for part in parts]})
        self.vectors.append(Vector(f"{name}.fused", width))
        return name

    def add_gated(self) -> str:
        parts = self.some_vectors()
        width = self.random.randint(2, 20)
        given: dict[str, Any] = {"width": width if self.random.random() < 0.6 else ...}
        name = self.add(self.modules, "fused", "gated", {"parts": [part.ref for part in parts]}, **given)
        written = self.modules[name].get("width")
        self.vectors.append(Vector(f"{name}.fused", written or parts[0].width))
        return name
