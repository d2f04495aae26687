"""The process that reads a graph can reach nothing, and ends within its bounds; what it read is kept by content."""

from __future__ import annotations

import json
import subprocess
import sys
from array import array

import pytest

import consilience_knowledge.reading as reading
from consilience_knowledge.digest import digest
from consilience_knowledge.graphs import UnreadableGraph
from consilience_knowledge.packed import NotPacked, pack, unpack
from consilience_knowledge.reading import read_graph
from consilience_knowledge.statements import statements

LABELS = ("rdfs:label",)
LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"
TRIPLES = f'<urn:x:bee> {LABEL} "bee"@en ; <urn:x:eats> <urn:x:nectar> ; <urn:x:legs> 6 .\n'

CONFINED = """
import json, signal, socket, sys
sys.path[:] = json.loads(sys.argv[1])
from consilience_knowledge import child
child._confine(1, 3 * 2**30)
def tried(act):
    try:
        act()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"
told = [tried(lambda: open("/etc/hostname")), tried(socket.socket), tried(lambda: bytearray(4 * 2**30))]
sys.addaudithook(child._refuse)
told += [tried(lambda: open("/etc/hostname"))]
print(*told, flush=True)
while True: pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the bounds are those of Linux")
def test_the_reader_opens_nothing_holds_little_and_ends():
    command = [sys.executable, "-I", "-c", CONFINED, json.dumps(sys.path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["OSError", "OSError", "MemoryError", "PermissionError"]
    assert run.returncode != 0  # SIGXCPU, at the end of its second


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "graphs"


def test_a_graph_is_read_by_another_process_and_then_from_what_was_kept(tmp_path, kept, monkeypatch):
    path = tmp_path / "bee.ttl"
    path.write_text(TRIPLES)
    first = read_graph(path, LABELS, "en")
    assert first.entities == ("", "urn:x:bee", "urn:x:nectar")
    assert (first.names[1], first.properties, list(first.values)) == (("bee",), ("urn:x:legs",), [6.0])
    [file] = kept.iterdir()
    asked = []
    ask = reading._ask
    monkeypatch.setattr(reading, "_ask", lambda *arguments: asked.append(arguments) or ask(*arguments))
    assert read_graph(path, LABELS, "en") == first
    assert not asked
    file.write_bytes(file.read_bytes()[:-8])
    assert read_graph(path, LABELS, "en") == first
    assert len(asked) == 1
    path.write_text(TRIPLES + "<urn:x:bee> <urn:x:eats> <urn:x:pollen> .\n")
    assert len(read_graph(path, LABELS, "en")) == len(first) + 1


def test_a_reader_that_ends_is_told(tmp_path, kept, monkeypatch):
    monkeypatch.setattr(reading, "_BEGIN", "import os; os.abort()")
    path = tmp_path / "bee.ttl"
    path.write_text(TRIPLES)
    with pytest.raises(UnreadableGraph) as caught:
        read_graph(path, LABELS)
    assert caught.value.found == "bee.ttl: what it holds ended its reader by SIGABRT"
    assert not list(kept.glob("*"))


JSON = """{"@context": {"label": "http://www.w3.org/2000/01/rdf-schema#label",
 "eats": {"@id": "urn:x:eats", "@type": "@id"}},
 "@id": "urn:x:bee", "label": "bee", "eats": "urn:x:nectar"}"""
REMOTE = "http://127.0.0.1:9/context.jsonld"
HOSTILE = {
    "a remote context": json.dumps({"@context": REMOTE, "@id": "urn:x:bee"}),
    "one in a list": json.dumps([{"@context": [{}, REMOTE], "@id": "urn:x:bee"}]),
    "one of a term": json.dumps({"@context": {"a": {"@id": "urn:x:a", "@context": REMOTE}}, "a": "b"}),
    "an escaped one": '{"\\u0040context": "file:///etc/hostname", "@id": "urn:x:bee"}',
    "an import": json.dumps({"@context": {"@version": 1.1, "@import": REMOTE}, "@id": "urn:x:bee"}),
    "deep lists": "[" * 5000 + "]" * 5000,
    "deep objects": '{"a":' * 300 + "1" + "}" * 300,
    "no number": '{"@id": "urn:x:bee", "urn:x:legs": NaN}',
    "half": '{"@id": ',
}


@pytest.mark.parametrize("engine", ["oxigraph", "rdflib"])
def test_json_ld_is_read_with_the_contexts_that_stand_in_it(engine):
    if engine == "oxigraph":
        pytest.importorskip("pyoxigraph", reason="pyoxigraph is not installed")
    graph = digest(statements("jsonld", JSON.encode(), engine, "bee.jsonld"), LABELS, "en")
    assert graph.entities == ("", "urn:x:bee", "urn:x:nectar")
    assert (graph.names[1], graph.relations) == (("bee",), ("urn:x:eats",))


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_json_ld_is_refused_before_a_parser_sees_it(content):
    with pytest.raises(UnreadableGraph):
        list(statements("jsonld", content.encode(), "none is asked", "a.jsonld"))


def test_triples_between_tabs_are_named_by_themselves_unless_a_label_says_otherwise():
    content = b"film_noir\thas_mood\tdread\nfilm_noir\trdfs:label\tnoir\n\ndread\thas_mood\tdread\r\n"
    graph = digest(statements("tsv", content, "tabs", "a.tsv"), ("rdfs:label",), None, has_iris=False)
    assert graph.entities == ("", "dread", "film_noir")
    assert len(graph.heads) == 2
    told = statements("tsv", b"a\tb\tc\na b\n", "tabs", "a.tsv")
    with pytest.raises(UnreadableGraph, match=r"line 2 of a\.tsv: no triple in a b"):
        list(told)


def test_a_graph_is_packed_whole():
    graph = digest(statements("turtle", TRIPLES.encode(), "rdflib", "a.ttl"), LABELS, None)
    assert unpack(pack(graph)) == graph
    assert graph.values == array("d", [6.0])
    for broken in (b"", pack(graph)[:-3], b"G" * 100):
        with pytest.raises(NotPacked):
            unpack(broken)
