"""Hostile graph files, one by one: each is refused with what is wrong, or read without a reach beyond the file.

Other files of tests hold the rest of the list: bombs of XML entities, a decimal of a thousand million digits, nested
blank nodes, deep JSON and remote contexts in each of their forms, files that are too large once decompressed, and the
bounds of the process itself.
"""

from __future__ import annotations

import builtins
import os
import socket
from array import array
from contextlib import suppress

import pytest

from consilience.declare import Location
from consilience_knowledge import Graph
from consilience_knowledge.child import _SMALL, answer
from consilience_knowledge.graphs import UnreadableGraph
from consilience_knowledge.packed import unpack
from consilience_knowledge.reading import read_graph, taken
from consilience_knowledge.statements import ENGINES

LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"
XSD = "http://www.w3.org/2001/XMLSchema#"
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:x="urn:x:"'
BEE = f'<rdf:RDF {RDF}><rdf:Description rdf:about="urn:x:bee"><x:eats rdf:resource="urn:x:nectar"/></rdf:Description>'
CONTEXT = "file:///etc/hostname"

REFUSED = {
    "a query of another service": ("turtle", "SELECT * WHERE { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }"),
    "a LOAD of a file": ("turtle", f"LOAD <{CONTEXT}> INTO GRAPH <urn:x:g>"),
    "a query FROM a file": ("nt", f"SELECT * FROM <{CONTEXT}> WHERE {{ ?s ?p ?o }}"),
    "an external subset": ("xml", f'<!DOCTYPE r SYSTEM "{CONTEXT}">\n{BEE}</rdf:RDF>'),
    "a parameter entity": ("xml", f'<!DOCTYPE r [<!ENTITY % a SYSTEM "{CONTEXT}"> %a;]>\n{BEE}</rdf:RDF>'),
    "an entity that nobody declared": ("xml", f"{BEE}<rdf:Description>&bomb;</rdf:Description></rdf:RDF>"),
    "a context in a file": ("jsonld", f'{{"@context": "{CONTEXT}", "@id": "urn:x:bee"}}'),
    "one inside a graph": ("jsonld", f'{{"@graph": [{{"@id": "urn:x:a", "x": {{"@context": "{CONTEXT}"}}}}]}}'),
    "a number without end": ("jsonld", '{"@id": "urn:x:bee", "urn:x:legs": -Infinity}'),
    "bytes of another encoding": ("turtle", b"<urn:x:bee> <urn:x:eats> <urn:x:n\xe9ctar> ."),
}
HARMLESS = {
    "imports of a file": (
        "turtle",
        f"<urn:x:o> <http://www.w3.org/2002/07/owl#imports> <{CONTEXT}> . <urn:x:bee> <urn:x:eats> <urn:x:nectar> .",
    ),
    "a file's address for an entity": ("nt", f"<{CONTEXT}> <urn:x:eats> <urn:x:nectar> ."),
    "an included document": (
        "xml",
        f'{BEE}<rdf:Description rdf:about="urn:x:a"><x:b xmlns:xi="http://www.w3.org/2001/XInclude" '
        f'rdf:parseType="Literal"><xi:include href="{CONTEXT}"/></x:b></rdf:Description></rdf:RDF>',
    ),
    "a style sheet": ("xml", f'<?xml-stylesheet href="{CONTEXT}"?>{BEE}</rdf:RDF>'),
    "a base that is a file": ("turtle", f"@base <{CONTEXT}> . <urn:x:bee> <urn:x:eats> <#nectar> ."),
    "a thousand million digits": (
        "jsonld",
        f'{{"@id": "urn:x:bee", "urn:x:a": {{"@value": "1E999999999", "@type": "{XSD}decimal"}}, '
        '"urn:x:b": {"@id": "urn:x:c"}}',
    ),
    "digits of a megabyte": (
        "nt",
        f'<urn:x:bee> <urn:x:a> "{"9" * 2**20}"^^<{XSD}integer> .\n<urn:x:bee> <urn:x:b> <urn:x:c> .',
    ),
    "a label of a megabyte": ("nt", f'<urn:x:bee> {LABEL} "{"bee " * 2**18}" .'),
    "a relation to itself, many times": ("nt", "<urn:x:bee> <urn:x:eats> <urn:x:bee> .\n" * 20_000),
}


@pytest.fixture(params=ENGINES)
def read(request, monkeypatch):
    """Reads as the process of its own does, in this one; an open file or a socket fails the test."""
    if request.param == "oxigraph":
        pytest.importorskip("pyoxigraph", reason="pyoxigraph is not installed")

    def refuse(*arguments, **keys):
        raise AssertionError(f"opened {arguments}")

    def read(form, content):
        asked = {"task": "graph", "name": "a file", "form": form, "engine": request.param}
        asked |= {"labels": ["rdfs:label"], "language": None}
        for small in (_SMALL[form], b"<"):  # imports what it needs
            answer(asked, small)
        with monkeypatch.context() as patched:
            patched.setattr(builtins, "open", refuse)
            patched.setattr(socket, "socket", refuse)
            patched.setattr(socket, "create_connection", refuse)
            told = answer(asked, content if isinstance(content, bytes) else content.encode())
        return unpack(taken(told, "a file", form, 0, 0))

    return read


@pytest.mark.parametrize(("form", "content"), REFUSED.values(), ids=REFUSED)
def test_what_reaches_beyond_the_file_or_is_none_is_refused(read, form, content):
    with pytest.raises(UnreadableGraph) as caught:
        read(form, content)
    assert caught.value.found
    assert caught.value.fix.startswith("# ")


@pytest.mark.parametrize(("form", "content"), HARMLESS.values(), ids=HARMLESS)
def test_what_only_names_a_file_or_is_odd_opens_nothing(read, form, content):
    graph = read(form, content)
    assert 2 <= len(graph) <= 5
    assert graph.values == array("d")


ODD = {
    "a null": ("nt", f'<urn:x:bee> {LABEL} "b\\u0000ee" .'),
    "half a character": ("nt", f'<urn:x:bee> {LABEL} "b\\uD800ee" .'),
    "two halves the wrong way round": ("nt", f'<urn:x:bee> {LABEL} "b\\uDFFF\\uD800ee" .'),
    "a character beyond the last": ("nt", f'<urn:x:bee> {LABEL} "b\\U00110000ee" .'),
    "half a character of JSON": ("jsonld", f'{{"@id": "urn:x:bee", "{LABEL[1:-1]}": "b\\ud800"}}'),
    "keys that stand twice": ("jsonld", '{"@id": "urn:x:a", "@id": "urn:x:bee", "urn:x:b": {"@id": "urn:x:bee"}}'),
}


@pytest.mark.parametrize(("form", "content"), ODD.values(), ids=ODD)
def test_what_the_parsers_take_differently_is_refused_or_one_entity(read, form, content):
    with suppress(UnreadableGraph):
        assert len(read(form, content)) == 2


@pytest.mark.parametrize("name", ["pipe.ttl", "null.ttl", "circle.ttl"])
def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path, name):
    path = tmp_path / name
    if name == "pipe.ttl":
        os.mkfifo(path)
    else:
        path.symlink_to({"null.ttl": "/dev/zero", "circle.ttl": path}[name])
    with pytest.raises(UnreadableGraph, match="not a regular file"):
        read_graph(path, ("rdfs:label",))
    assert [fault.code for fault in Graph(path=Location(str(path))).faults()]
