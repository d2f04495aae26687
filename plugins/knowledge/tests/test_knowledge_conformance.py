"""The conformance kit on every component of knowledge."""

from pathlib import Path
from typing import Any

import torch

from consilience.testing import conformance
from consilience_knowledge.vectors import write_vectors

TURTLE = """\
@prefix : <http://example.org/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:film rdfs:label "film"@en ; :has :plot .
:plot rdfs:label "plot"@en ; :in :film .
"""


def a_graph(folder: Path) -> dict[str, Any]:
    (folder / "film.ttl").write_text(TURTLE, encoding="utf-8")
    return {"path": str(folder / "film.ttl")}


def some_vectors(folder: Path) -> dict[str, Any]:
    write_vectors(folder / "film.safetensors", ["http://example.org/film"], torch.zeros(1, 64))
    return {"path": str(folder / "film.safetensors")}


def an_encoder(folder: Path) -> dict[str, Any]:
    for name in ("config.json", "tokenizer.json", "model.safetensors"):  # what is in them, other tests see
        (folder / name).write_text("{}", encoding="utf-8")
    return {"path": str(folder)}


test_knowledge = conformance(
    "knowledge",
    examples={
        "knowledge.graph": [a_graph],
        "knowledge.vectors": [some_vectors],
        "knowledge.sentence_encoder": [an_encoder],
        "knowledge.mentions": [{"inflection": "none"}, {"ambiguity": "context", "control": "random"}],
        "knowledge.injection": [{"vectors": "fixed"}, {"vectors": "none"}],
        "knowledge.rgcn": [{"bases": 2, "layers": 3}, {"width": 1, "layers": 1}],
        "knowledge.compgcn": [{"bases": 2, "composition": "subtract"}],
        "knowledge.link_prediction": [{"scorer": "rotate", "method": "self_adversarial", "edges": 1}],
    },
    build_with={
        "knowledge.link_prediction": {"of": "knowledge.embedding"},
        "knowledge.link_scorer": {"of": "knowledge.embedding"},
        "knowledge.alignment": {"of": "knowledge.embedding"},
    },
)
