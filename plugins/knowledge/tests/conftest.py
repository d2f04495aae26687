from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from consilience.declare import Location, Use
from consilience_knowledge import Graph

TURTLE = """\
@prefix : <https://example.org/film#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .

:scheme a skos:ConceptScheme ; rdfs:label "all of it" .
:evokes a owl:ObjectProperty ; rdfs:label "evokes" .
:genre a skos:Concept ; skos:prefLabel "genre" ; skos:inScheme :scheme .
:noir a skos:Concept ; skos:prefLabel "film noir"@en, "Kriminalfilm"@de ; skos:altLabel "noir" ;
    skos:broader :genre ; :evokes :dread ; :year 1941 .
:comedy a skos:Concept ; skos:prefLabel "comedy" ; skos:altLabel "funny film", "noir" ;
    skos:broader :genre ; :evokes :joy .
:joy skos:prefLabel "joy" ; skos:altLabel "delight" .
:dread skos:prefLabel "dread" ; skos:related :joy ; skos:note [ rdfs:label "a blank node" ] .
"""

WriteGraph = Callable[..., Graph]


@pytest.fixture
def write_graph(tmp_path: Path) -> WriteGraph:
    def write(content: str | bytes = TURTLE, name: str = "film.ttl", **keys: object) -> Graph:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Graph(path=Location(str(path)), **keys)  # type: ignore[arg-type]

    return write


@pytest.fixture
def film(write_graph: WriteGraph) -> Use[Graph]:
    return Use("film", write_graph())
