"""What is wrong with a graph is told by its first bytes in a check, and by reading it when the data are examined."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

import consilience_knowledge.first_look
from consilience.data import examine
from consilience.declare import Fault, Fusion, Severity, Use
from consilience.errors import DeclarationError
from consilience.plan import survey
from consilience_knowledge import Graph, Mentions
from consilience_knowledge.dictionary import is_mentionable

LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"
TRIPLES = f'<urn:x:bee> {LABEL} "bee" .\n'
XML = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'
GZIPPED = gzip.compress(b"<urn:a:b> <urn:c:d> <urn:e:f> .", mtime=0)

SOUND = {
    "a.ttl": TRIPLES,
    "b.ttl": f"# a comment\n\n  @prefix : <urn:x:> .\n:bee {LABEL} 'bee' .",
    "c.ttl": f"PREFIX x: <urn:x:>\nx:bee {LABEL} 'bee' .",
    "d.ttl": f"[] {LABEL} 'bee' .",
    "e.ttl": f"<urn:x:bee>{LABEL}'bee'.",
    "f.ttl": "\ufeff" + TRIPLES,
    "g.ttl": "# " + "x" * 70_000 + "\n" + TRIPLES,
    "a.nt": TRIPLES,
    "b.nt": f'# a comment\n_:bee {LABEL} "bee" .\n',
    "a.rdf": XML,
    "b.owl": '<?xml version="1.0"?>\n<!-- <!DOCTYPE x> -->\n' + XML,
    "c.xml": ('<?xml version="1.0" encoding="utf-16"?>' + XML).encode("utf-16"),
    "a.ttl.gz": gzip.compress(TRIPLES.encode(), mtime=0),
}


@pytest.mark.parametrize(("name", "content"), SOUND.items(), ids=SOUND)
def test_what_can_be_read_is_not_refused(write_graph, name, content):
    graph = write_graph(content, name)
    assert list(graph.faults()) == []
    assert len(graph.load()) >= 1


WRONG = [
    ("a.ttl", XML, "RDF/XML, by its beginning", "# name the file a.rdf"),
    ("a.nt", '<?xml version="1.0"?>' + XML, "RDF/XML, by its beginning", "# name the file a.rdf"),
    ("a.nt", "@prefix : <urn:x:> .", "Turtle, by its beginning", "# name the file a.ttl"),
    ("a.nt", "x:bee x:is x:small .", "Turtle, by its beginning", "# name the file a.ttl"),
    ("a.owl", "# c\n@prefix : <urn:x:> .", "Turtle, by its beginning", "# name the file a.ttl"),
    ("a.rdf.gz", gzip.compress(TRIPLES.encode(), mtime=0), "Turtle, by its beginning", "# name the file a.ttl"),
    ("a.ttl", '{"@context": {}}', "JSON, such as JSON-LD, by its beginning", "# name the file a.jsonld"),
    ("a.nt", ' [\n {"@id": "x"}]', "JSON, such as JSON-LD, by its beginning", "# name the file a.jsonld"),
    ("a.ttl", "<!DOCTYPE html>\n<html>", "a page of HTML", "# download the file itself, not the page that shows it"),
    (
        "a.ttl",
        "version https://git-lfs.github.com/spec/v1\n",
        "a pointer that git-lfs left in place of the file",
        "# fe",
    ),
    ("a.ttl", "", "nothing in it", "# name under path a graph with an entity at least"),
    ("a.nt", " \n# only this\n", "nothing in it", "# name under path a graph with an entity at least"),
    ("a.ttl", TRIPLES.encode("utf-16-le"), "no text in UTF-8", "# save the graph as Turtle in UTF-8"),
    ("a.ttl", GZIPPED, "compressed by gzip", "# name the file a.ttl.gz"),
    ("a.ttl.gz", b"none", "not compressed by gzip", "# name the file a.ttl, since it is not compressed"),
    ("a.ttl.gz", GZIPPED[:10] + b"\xff" * 40, "no whole gzip file", "# fetch or compress the file again"),
]


@pytest.mark.parametrize(("name", "content", "found", "fix"), WRONG, ids=[f"{row[0]} {row[2]}" for row in WRONG])
def test_what_cannot_be_read_is_told_by_its_first_bytes(write_graph, name, content, found, fix):
    graph = write_graph(content, name)
    [fault] = graph.faults()
    assert (fault.code, fault.key, fault.found) == ("CN604", "path", f"{name}: {found}")
    assert fault.fix.startswith(fix)
    if found != "nothing in it":
        with pytest.raises(DeclarationError, match="CN604"):
            graph.load()


def test_faults_of_xml_have_their_line(write_graph):
    [doctype] = write_graph('<?xml version="1.0"?>\n<!DOCTYPE rdf [<!ENTITY a "b">]>\n' + XML, "a.rdf").faults()
    assert (doctype.code, doctype.found) == ("CN604", "a.rdf: a DOCTYPE at line 2")
    assert doctype.fix == "# delete <!DOCTYPE rdf ...>, and write its entities out"
    [wrong] = write_graph("<rdf:RDF>\n<a></b>\n</rdf:RDF>", "b.rdf").faults()
    assert (wrong.found, wrong.fix) == ("line 2 of b.rdf: mismatched tag", "# correct line 2 of b.rdf")
    [cut] = write_graph("<rdf:RDF>\n<a>", "c.rdf").faults()
    assert cut.found == "line 2 of c.rdf: no element found"


def test_a_file_too_large_is_told_unread(write_graph, monkeypatch):
    monkeypatch.setattr(consilience_knowledge.first_look, "LARGEST", 20)
    [fault] = write_graph(TRIPLES).faults()
    assert fault.found == f"film.ttl: {len(TRIPLES)} bytes"
    assert fault.expected == "at most 20 bytes"


def test_the_first_look_is_light(tmp_path: Path) -> None:
    (tmp_path / "a.rdf").write_text(XML)
    code = (
        "import sys; from consilience_knowledge import Graph; from consilience.declare import Location\n"
        f"print(list(Graph(path=Location({str(tmp_path / 'a.rdf')!r})).faults()))\n"
        "print([name for name in ('rdflib', 'torch', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def named(*labels: str, predicate: str = "rdfs:label") -> str:
    prefixes = (
        "@prefix : <https://example.org/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . "
        "@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n"
    )
    return prefixes + "".join(f":e{number} {predicate} {label} .\n" for number, label in enumerate(labels))


def only(graph: Graph) -> tuple[str, str, str, str]:
    [fault] = graph.examine()
    assert fault.severity is Severity.ERROR
    return fault.code, fault.key, fault.found, fault.fix


def test_a_graph_with_names_passes_an_examination(film: Use[Graph]) -> None:
    assert list(film.declared.examine()) == []


def test_what_reading_finds_is_told(write_graph):
    told = only(write_graph("<urn:a:b> <urn:c:d> nothing .", "a.nt"))
    found = "line 1 of a.nt: no triple in <urn:a:b> <urn:c:d> nothing ."
    assert told == ("CN604", "path", found, "# correct line 1 of a.nt")


def test_a_graph_without_entities_is_told(write_graph):
    graph = write_graph("[] <urn:x:p> 'of nobody' .", "a.ttl")
    fix = "# name under path a graph whose entities are IRIs"
    assert only(graph) == ("CN680", "path", f"{graph.path}: no entity", fix)


def test_a_graph_whose_labels_are_under_another_predicate_gets_it(write_graph):
    graph = write_graph(named("'bee'", "'wasp'", predicate="skos:prefLabel"), labels=("rdfs:label",))
    assert list(graph.load().names) == [()]
    graph = write_graph(
        named("'bee'", "'wasp'", predicate="skos:prefLabel") + ":e0 :eats :e1 .", labels=("rdfs:label",)
    )
    code, key, found, fix = only(graph)
    assert (code, key, fix) == ("CN680", "labels", "labels: [skos:prefLabel]")
    assert found == f"{graph.path}: 2 entities without a label"
    assert list(write_graph(named("'bee'", predicate="skos:prefLabel"), labels=("skos:prefLabel",)).examine()) == []


def test_a_graph_in_another_language_gets_it(write_graph):
    content = named("'Biene'@de", "'Wespe'@de-AT", "'guêpe'@fr") + ":e0 :eats :e1 ."
    graph = write_graph(content)
    code, key, found, fix = only(graph)
    assert (code, key, fix) == ("CN680", "language", "language: de")
    assert found == f"{graph.path}: labels in de, fr, none in en"
    assert list(write_graph(content, language="de").examine()) == []


@pytest.mark.parametrize("labels", [["'https://example.org/bee'"], ["'x'", "'7'"], ["'urn:bee'"], ["'--'", "'...'"]])
def test_labels_that_no_text_contains_are_told(write_graph, labels):
    graph = write_graph(named(*labels))
    code, key, found, fix = only(graph)
    assert (code, key) == ("CN680", "labels")
    assert found.startswith(f"{graph.path}: {len(labels)} labels that are no words of a text, such as ")
    assert fix == f"# name under labels the predicates by which {graph.path} names its entities"


def test_what_no_text_mentions_is_no_name() -> None:
    names = ["bee", "honey bee", "C3PO", "I.B.M.", "x", "", "..", "http://a.b/c", "urn:a", "word " * 33]
    assert [name for name in names if is_mentionable(name)] == ["bee", "honey bee", "C3PO", "I.B.M."]


def sampled(graph: Use[Graph], texts: list[str | list[str]], **keys: str) -> list[Fault]:
    return list(Mentions(graph=graph, **keys).examine({"text": texts}))  # type: ignore[arg-type]


def test_texts_that_mention_nothing_are_a_warning(film: Use[Graph]) -> None:
    texts: list[str | list[str]] = [f"die {number}. Rezension" for number in range(50)]
    [fault] = sampled(film, texts)
    assert (fault.code, fault.key, fault.severity) == ("CN681", "graph", Severity.WARNING)
    assert fault.found == "film, of whose 9 names none stands in any of 50 texts"
    assert sampled(film, texts[:49]) == []
    assert sampled(film, [*texts, ["a", "film", "noir"]]) == []
    assert sampled(film, [*texts, "two comedies"]) == []
    assert len(sampled(film, [*texts, "two comedies"], inflection="none")) == 1


FILE = """\
consilience: 1
name: bees
resources: {bees: {use: knowledge.graph, path: bees.ttl}}
fields:
  text: text
  mood: {category: [dull, fine]}
sources:
  rows: {use: table, path: rows.csv, map: {text: text, mood: mood}, split: {test: 10}}
inputs:
  mentions: {use: knowledge.mentions, in: text, graph: bees}
modules:
  concepts: {use: knowledge.rgcn, in: mentions}
  opinion: {use: classifier, in: concepts.pooled}
losses:
  mood_loss: {use: cross_entropy, in: opinion, target: mood}
"""


@pytest.mark.parametrize(
    ("graph", "word", "told"),
    [
        (TRIPLES, "bees", []),
        (TRIPLES, "wasps", [("CN681", "inputs.mentions.graph", Severity.WARNING)]),
        (named("'Biene'@de"), "bees", [("CN680", "resources.bees.language", Severity.ERROR)]),
        (TRIPLES + "broken", "bees", [("CN604", "resources.bees.path", Severity.ERROR)]),
    ],
)
def test_data_are_examined_with_the_graph(tmp_path: Path, graph: str, word: str, told: list[object]) -> None:
    (tmp_path / "bees.ttl").write_text(graph)
    rows = "".join(f"{word} are number {number},{('dull', 'fine')[number % 2]}\n" for number in range(80))
    (tmp_path / "rows.csv").write_text("text,mood\n" + rows)
    found = survey(Fusion.parse(FILE, tmp_path))
    assert found.diagnostics == ()
    diagnostics = [item for item in examine(found.plan) if item.code in ("CN604", "CN680", "CN681")]
    assert [(item.code, item.where, item.severity) for item in diagnostics] == told
    assert all(item.place is None or item.place.line > 1 for item in diagnostics)
