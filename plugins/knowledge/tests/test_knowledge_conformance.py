"""The conformance kit on every component of knowledge."""

from pathlib import Path
from typing import Any

from consilience.testing import conformance

TURTLE = """\
@prefix : <http://example.org/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:film rdfs:label "film"@en ; :has :plot .
:plot rdfs:label "plot"@en ; :in :film .
"""


def a_graph(folder: Path) -> dict[str, Any]:
    (folder / "film.ttl").write_text(TURTLE, encoding="utf-8")
    return {"path": str(folder / "film.ttl")}


test_knowledge = conformance(
    "knowledge",
    examples={
        "knowledge.graph": [a_graph],
        "knowledge.mentions": [{"inflection": "none"}],
        "knowledge.injection": [{"vectors": "fixed"}, {"vectors": "none"}],
        "knowledge.rgcn": [{"bases": 2, "layers": 3}, {"width": 1, "layers": 1}],
    },
)
