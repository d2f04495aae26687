from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
import rdflib

import consilience_knowledge.reading
from consilience.declare import Location
from consilience.errors import DeclarationError
from consilience_knowledge import Graph, child
from consilience_knowledge.graphs import UnreadableGraph, format_of, iri_of
from consilience_knowledge.inspection import is_utf8_xml
from consilience_knowledge.reading import taken
from consilience_knowledge.statements import ENGINES, statements

FILM = "https://example.org/film#"
NESTED = "@prefix : <https://example.org/> .\n:a :b " + "[ :b " * 500 + ":c" + " ]" * 500 + " .\n"
BOMB = """<?xml version="1.0"?>
<!DOCTYPE rdf [
<!ENTITY a "aaaaaaaaaaaaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
<!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">
<!ENTITY f "&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;">
]>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:x="https://example.org/">
<rdf:Description rdf:about="https://example.org/a"><x:p>&f;</x:p></rdf:Description></rdf:RDF>"""
XML = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:x="https://example.org/"
  xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#" xmlns:owl="http://www.w3.org/2002/07/owl#">
<owl:Ontology rdf:about="https://example.org/"><owl:imports rdf:resource="http://127.0.0.1:9/other.owl"/></owl:Ontology>
<owl:Class rdf:about="https://example.org/flu"><rdfs:label>flu</rdfs:label>
<rdfs:subClassOf><owl:Restriction><owl:onProperty rdf:resource="https://example.org/causes"/>
<owl:someValuesFrom rdf:resource="https://example.org/fever"/></owl:Restriction></rdfs:subClassOf></owl:Class>
</rdf:RDF>"""


def diagnostic(graph: Graph):
    with pytest.raises(DeclarationError) as caught:
        graph.load()
    [found] = caught.value.diagnostics
    assert found.code == "CN604"
    return found


@pytest.fixture(autouse=True, params=ENGINES)
def engine(request, monkeypatch, tmp_path):
    """Reads with each of the parsers, in this process, and keeps nothing: `test_knowledge_guarded` tries the other."""
    if request.param == "oxigraph":
        pytest.importorskip("pyoxigraph", reason="pyoxigraph is not installed")

    def ask(task, name, form, engine, labels, language, content):
        engine = engine if engine == "tabs" or not is_utf8_xml(content) else request.param
        asked = {"task": task, "name": name, "form": form, "engine": engine, "labels": labels, "language": language}
        return taken(child.answer(asked, content), name, form, 0, 0)

    monkeypatch.setattr(consilience_knowledge.reading, "_ask", ask)
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path / "cache"))
    return request.param


def test_entities_names_and_edges_are_read(film):
    graph = film.declared.load()
    assert graph.entities == ("", *(FILM + name for name in ("comedy", "dread", "genre", "joy", "noir")))
    assert graph.names[:2] == ((), ("comedy", "funny film", "noir"))
    assert graph.names[5] == ("film noir", "noir")
    assert graph.relations[0] == "http://www.w3.org/2004/02/skos/core#broader"
    edges = [
        (graph.entities[head][len(FILM) :], graph.relations[kind].rpartition("#")[2], graph.entities[tail][len(FILM) :])
        for head, kind, tail in zip(graph.heads, graph.kinds, graph.tails, strict=True)
    ]
    assert edges == [
        ("comedy", "broader", "genre"),
        ("noir", "broader", "genre"),
        ("dread", "related", "joy"),
        ("comedy", "evokes", "joy"),
        ("noir", "evokes", "dread"),
    ]


def test_the_language_and_the_label_predicates_are_the_files_choice(write_graph):
    every = write_graph(language=None).load()
    assert every.names[5] == ("Kriminalfilm", "film noir", "noir")
    alternative = write_graph(labels=["skos:altLabel", "http://www.w3.org/2004/02/skos/core#prefLabel"]).load()
    assert alternative.names[5] == ("noir", "film noir")


def test_a_graph_is_read_once(film):
    assert film.declared.load() is film.declared.load()


def test_the_formats_give_the_same_graph(write_graph):
    graph = write_graph()
    wanted = graph.load()
    triples = rdflib.Graph().parse(graph.path.path)
    xml, nt = triples.serialize(format="xml"), triples.serialize(format="nt")
    assert write_graph(xml, "film.owl").load() == wanted
    assert write_graph("\r\n".join(reversed(nt.splitlines())), "film.nt").load() == wanted
    assert write_graph(gzip.compress(xml.replace("utf-8", "utf-16").encode("utf-16")), "film.RDF.gz").load() == wanted


def test_relative_iris_do_not_depend_on_where_the_file_lies(write_graph):
    content = '<#a> <http://www.w3.org/2000/01/rdf-schema#label> "a thing" .'
    assert write_graph(content).load().entities == ("", "https://graph.invalid/#a")


def test_owl_restrictions_are_edges_and_imports_are_not_followed(write_graph, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    graph = write_graph(XML, "flu.owl").load()
    assert graph.entities == ("", "https://example.org/fever", "https://example.org/flu")
    assert (list(graph.heads), graph.relations, list(graph.tails)) == ([2], ("https://example.org/causes",), [1])


@pytest.mark.parametrize(
    "content",
    [
        '@import <http://127.0.0.1:9/other.ttl> .\n<urn:a:b> <urn:c:d> "e" .',
        "@prefix : <https://example.org/> .\n{ :a :b :c } => { :d :e :f } .",
        '{"@context": "http://127.0.0.1:9/context.jsonld", "@id": "urn:a:b"}',
    ],
    ids=["import", "rule", "remote context"],
)
def test_nothing_but_turtle_is_read_and_no_socket_opened(write_graph, monkeypatch, content):
    opened = []
    monkeypatch.setattr(socket, "socket", lambda *args, **kwargs: opened.append(args))
    diagnostic(write_graph(content))
    assert not opened


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_bomb_of_xml_entities_is_refused_before_it_is_read(write_graph, encoding):
    found = diagnostic(write_graph(BOMB.replace("?>", f' encoding="{encoding}"?>').encode(encoding), "bomb.rdf"))
    assert found.found == "a DOCTYPE at line 2"
    assert found.place.line == 2
    assert found.fix == "# delete <!DOCTYPE rdf ...>, and write its entities out"


def test_a_file_is_not_read_through_an_entity(write_graph):
    content = XML.replace("<rdf:RDF", '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n<rdf:RDF', 1)
    assert "DOCTYPE" in diagnostic(write_graph(content.replace(">flu<", ">&x;<"), "flu.owl")).found


def test_deep_xml_is_refused(write_graph):
    content = '<r xmlns:x="urn:x:">' + "<x:a>" * 5000 + "</x:a>" * 5000 + "</r>"
    assert diagnostic(write_graph(content, "deep.xml")).found == "more than 200 levels of elements"


def test_deeply_nested_blank_nodes_are_refused_or_harmless(write_graph, engine):
    if engine == "oxigraph":  # it has no stack to exhaust
        assert len(write_graph(NESTED).load()) == 1
        return
    found = diagnostic(write_graph(NESTED))
    assert found.found == "nodes nested too deep"
    assert "_:n1" in found.fix


def test_huge_numbers_are_not_written_out(write_graph, caplog):
    content = (
        '<urn:a:b> <urn:c:d> "1E99999999"^^<http://www.w3.org/2001/XMLSchema#decimal>, 1E999999999, '
        '"no number"^^<http://www.w3.org/2001/XMLSchema#integer> ; <http://www.w3.org/2000/01/rdf-schema#label> "bee" .'
    )
    graph = write_graph(content)
    tracemalloc.start()
    assert graph.load().names == ((), ("bee",))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * 2**20
    assert not caplog.records


@pytest.mark.parametrize("content", [b"<urn:a:b> <urn:c:d> <urn:e:f> .", b"broken"])
def test_rdflibs_setting_is_put_back(monkeypatch, content):
    monkeypatch.setattr(rdflib, "NORMALIZE_LITERALS", "as it was")
    with suppress(UnreadableGraph):
        list(statements("turtle", content, "rdflib", "a.ttl"))
    assert rdflib.NORMALIZE_LITERALS == "as it was"


def test_size_is_bounded_after_decompression(write_graph, monkeypatch):
    monkeypatch.setattr(consilience_knowledge.reading, "LARGEST", 1000)
    found = diagnostic(write_graph(gzip.compress(b"#" * 100_000), "large.ttl.gz"))
    assert found.found == "large.ttl.gz: more than 1,000 bytes"


BROKEN = [
    ("a.ttl", "@prefix : <urn:x:> .\n:a :b :c .\n:a :b ,\n", 3),
    ("a.nt", "<urn:a:b> <urn:c:d> <urn:e:f> .\n\n<urn:a:b> <urn:c:d> nothing .\n", 3),
    ("a.rdf", XML.replace("</rdf:RDF>", "</rdf:RDFF>"), 7),
    ("a.xml", '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n<rdf:li/>\n</rdf:RDF>', 2),
    ("b.ttl", b'<urn:a:b> <urn:c:d> "e" .\n<urn:a:b> <urn:c:d> "\xff" .\n', 2),
]


@pytest.mark.parametrize(("name", "content", "line"), BROKEN, ids=[f"{name}:{line}" for name, _, line in BROKEN])
def test_broken_files_are_told_with_their_line(write_graph, engine, name, content, line):
    graph = write_graph(content, name)
    found = diagnostic(graph)
    if (engine, name) == ("oxigraph", "a.xml"):  # which knows no line of what is well-formed XML
        assert (found.place, found.fix) == (None, "# correct a.xml")
        return
    assert found.place is not None
    assert (found.place.file, found.place.line) == (str(graph.path.path), line)
    assert found.fix == f"# correct line {line} of {name}"


def test_a_fault_of_the_syntax_reads_like_this(write_graph):
    found = diagnostic(write_graph("<urn:a:b> <urn:c:d> nothing .", "a.nt"))
    assert str(found.at(None)) == (
        "error CN604 at the file\n"
        "  found     line 1 of a.nt: no triple in <urn:a:b> <urn:c:d> nothing .\n"
        "  expected  N-Triples\n"
        "  fix       # correct line 1 of a.nt"
    )


CUT_SHORT = gzip.compress(b"<urn:a:b> <urn:c:d> <urn:e:f> .", mtime=0)[:-12]


@pytest.mark.parametrize("content", [b"no gzip at all", CUT_SHORT], ids=["none", "cut short"])
def test_broken_compression_is_a_diagnostic(write_graph, content):
    assert diagnostic(write_graph(content, "a.ttl.gz")).expected == "a file that can be read"


def test_a_directory_is_a_diagnostic(tmp_path):
    (tmp_path / "a.ttl").mkdir()
    assert diagnostic(Graph(path=Location(str(tmp_path / "a.ttl")))).found == "a.ttl: not a regular file"


@pytest.mark.parametrize("keys", [{"path": "film.tll"}, {"path": "none.ttl"}, {"labels": ["label", "skos:altLabel"]}])
def test_settings_are_checked_without_reading(tmp_path, write_graph, keys):
    write_graph("this is not read")
    (tmp_path / "film.tll").touch()
    graph = Graph.model_validate({"path": "film.ttl", **keys}, context={"base": tmp_path})
    told = {
        "film.tll": ("CN603", "film.tll: no format is known by this suffix", "path: film.ttl"),
        "none.ttl": ("CN601", f"none.ttl: nothing lies at {tmp_path / 'none.ttl'}", None),
        "film.ttl": ("CN124", "label", "labels: [rdfs:label]"),
    }
    [fault] = graph.faults()
    code, found, fix = told[graph.path.text]
    assert (fault.code, fault.found) == (code, found)
    assert fix is None or fault.fix == fix


def test_suffixes_and_prefixes():
    names = ("a.ttl", "a.NT.gz", "a.owl", "a.jsonld", "a.tsv.gz", "a.gz", "ttl")
    assert [format_of(name) for name in names] == ["turtle", "nt", "xml", "jsonld", "tsv", None, None]
    assert iri_of("rdfs:label") == "http://www.w3.org/2000/01/rdf-schema#label"
    assert iri_of("https://example.org/name") == "https://example.org/name"
    assert [iri_of(name) for name in ("label", "foaf:name", "skos:")] == [None, None, None]


def test_saving_copies_the_file(film, tmp_path):
    folder = tmp_path / "saved"
    folder.mkdir()
    keys = film.declared.save(folder)
    saved = Graph.model_validate(dict(keys), context={"base": folder})
    assert saved.load() == film.declared.load()
    assert list(saved.files()) == [folder / "film.ttl"]
    assert saved.save(folder) == keys  # in place


PRINT_GRAPH = """
import sys
from consilience.declare import Location
from consilience_knowledge import Graph
print(Graph(path=Location(sys.argv[1])).load())
"""


def test_the_order_does_not_depend_on_the_hash_seed(film):
    printed = {
        subprocess.run(
            [sys.executable, "-c", PRINT_GRAPH, str(film.declared.path.path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {f"{film.declared.load()}\n"}


LIGHT = """
import sys
import consilience_knowledge
from consilience.declare import Location
assert not list(consilience_knowledge.Graph(path=Location(sys.argv[1])).faults())
assert consilience_knowledge.consilience_components()
print(*sorted({"torch", "rdflib", "numpy", "transformers"} & set(sys.modules)))
"""


def test_declaring_and_checking_load_neither_torch_nor_rdflib(film):
    run = subprocess.run(
        [sys.executable, "-c", LIGHT, str(film.declared.path.path)], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == ""


DISEASES = Path(__file__).parents[4] / "shared" / "data" / "disease_ontology"


@pytest.mark.skipif(not DISEASES.is_dir(), reason="needs ../shared/data/disease_ontology")
def test_the_disease_ontology_is_read_and_linked(write_graph):
    from consilience_knowledge.dictionary import Dictionary

    def rows(name: str) -> list[list[str]]:
        text = gzip.decompress((DISEASES / name).read_bytes()).decode()
        return [line.split("\t") for line in text.splitlines()[1:]]

    def literal(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    rdfs, obo = "http://www.w3.org/2000/01/rdf-schema#", "http://www.geneontology.org/formats/oboInOwl#"
    lines, terms, broader = [], rows("terms.tsv.gz"), [row for row in rows("triples.tsv.gz") if row[1] == "is_a"]
    for term, label, _, synonyms in terms:
        lines.append(f"<urn:do:{term}> <{rdfs}label> {literal(label)} .")
        found = filter(None, synonyms.split("|"))
        lines.extend(f"<urn:do:{term}> <{obo}hasExactSynonym> {literal(synonym)} ." for synonym in found)
    lines += [f"<urn:do:{head}> <{rdfs}subClassOf> <urn:do:{tail}> ." for head, _, tail in broader]
    graph = write_graph("\n".join(lines), "diseases.nt").load()
    assert len(graph) >= len({row[0] for row in terms}) + 1
    assert len(graph.heads) == len({tuple(row) for row in broader})
    text = "Hemangiosarcomas and shrimp allergy are rare."
    found = Dictionary.of(graph, "plural").find(text)
    assert [(graph.entities[mention.entity], text[mention.start : mention.end]) for mention in found] == [
        ("urn:do:DOID:0001816", "Hemangiosarcomas"),
        ("urn:do:DOID:0040001", "shrimp allergy"),
    ]
