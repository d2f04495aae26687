"""Reads RDF files that nobody vouches for: no network, no file but the one named, bounded size and depth."""

from __future__ import annotations

import gzip
import logging
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedIOBase, BytesIO
from pathlib import Path
from threading import Lock
from xml.parsers import expat
from xml.sax import SAXParseException

import rdflib
from rdflib import OWL, RDF, RDFS, SKOS, XSD, BNode, Literal, URIRef
from rdflib.exceptions import ParserError
from rdflib.plugins.parsers.notation3 import BadSyntax
from rdflib.plugins.parsers.ntriples import NTGraphSink, W3CNTriplesParser

from consilience_knowledge.dictionary import is_mentionable
from consilience_knowledge.graphs import (
    LARGEST,
    PREFIXES,
    SYNTAXES,
    KnowledgeGraph,
    UnreadableGraph,
    format_of,
    iri_of,
)

__all__ = ["find_labels", "read_graph"]

DEEPEST = 200
"""The most levels of XML elements: rdflib copies what an element holds once a level."""

# Relative IRIs must not take their beginning from where the file happens to lie; `.invalid` names no host (RFC 2606).
_BASE = "https://graph.invalid/"
_VOCABULARIES = tuple(str(space) for space in (RDF, RDFS, OWL, SKOS, XSD)) + (PREFIXES["oboInOwl"],)
_PROPERTIES = (RDF.Property, OWL.ObjectProperty, OWL.DatatypeProperty, OWL.AnnotationProperty, OWL.OntologyProperty)
_HEADERS = (OWL.Ontology, SKOS.ConceptScheme)
_LINE_END = re.compile(r"\r\n|\r|\n")
_XML_LINE = re.compile(r":(\d+):\d+: (.*)", re.DOTALL)
_LITERALS = Lock()
_TEXTS = (None, XSD.string, RDF.langString)
_FEW_WORDS = 6


def read_graph(path: Path, labels: Sequence[str], language: str | None = None) -> KnowledgeGraph:
    """Reads the entities of a file, their names by the label predicates (the first is preferred), and their edges.

    Labels in another language than `language` are left out; those without one stay. Raises `UnreadableGraph`.
    """
    graph = _parse(path)
    predicates = [URIRef(iri_of(label) or label) for label in labels]
    outside = _not_entities(graph)
    names = {
        str(entity): tuple(found)
        for entity in set(graph.subjects(unique=True))
        if _is_entity(entity, outside) and (found := _names(graph, entity, predicates, language))
    }
    edges = ((str(head), str(kind), str(tail)) for head, kind, tail in _edges(graph, outside))
    return KnowledgeGraph.of(names, edges)


def find_labels(path: Path, labels: Sequence[str]) -> tuple[Counter[str], Counter[str]]:
    """Counts by language what the label predicates say of entities, and by predicate what else could be a name.

    A name is a text of a few words. Raises `UnreadableGraph`.
    """
    graph = _parse(path)
    outside, predicates = _not_entities(graph), {URIRef(iri_of(label) or label) for label in labels}
    languages: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for subject, predicate, value in graph:
        if not _is_entity(subject, outside) or not isinstance(value, Literal) or value.datatype not in _TEXTS:
            continue
        if predicate in predicates:
            languages[(value.language or "").lower().split("-")[0]] += 1
        elif len(value.split()) <= _FEW_WORDS and is_mentionable(str(value)):
            others[str(predicate)] += 1
    return languages, others


def _not_entities(graph: rdflib.Graph) -> set[rdflib.term.Node]:
    """Collects the properties and the headers: a label such as "part of" is no mention of a thing."""
    outside: set[rdflib.term.Node] = set(graph.predicates(unique=True))
    for kind in (*_PROPERTIES, *_HEADERS):
        outside.update(graph.subjects(RDF.type, kind))
    return outside


def _is_entity(node: rdflib.term.Node, outside: set[rdflib.term.Node]) -> bool:
    return isinstance(node, URIRef) and node not in outside and not str(node).startswith(_VOCABULARIES)


def _names(
    graph: rdflib.Graph, entity: rdflib.term.Node, predicates: Sequence[URIRef], language: str | None
) -> dict[str, None]:
    names: dict[str, None] = {}
    for predicate in predicates:
        found = (value for value in graph.objects(entity, predicate) if isinstance(value, Literal))
        texts = {unicodedata.normalize("NFC", " ".join(value.split())) for value in found if _speaks(value, language)}
        names.update(dict.fromkeys(sorted(texts - {""})))
    return names


def _speaks(label: Literal, language: str | None) -> bool:
    if language is None or label.language is None:
        return True
    return label.language.lower().split("-")[0] == language.lower().split("-")[0]


def _edges(
    graph: rdflib.Graph, outside: set[rdflib.term.Node]
) -> Iterator[tuple[rdflib.term.Node, rdflib.term.Node, rdflib.term.Node]]:
    """Gives the edges between entities; `head subClassOf [onProperty r; someValuesFrom tail]` is an edge by r."""
    for head, kind, tail in graph:
        if not _is_entity(head, outside):
            continue
        if isinstance(tail, BNode):
            relations, fillers = graph.objects(tail, OWL.onProperty), list(graph.objects(tail, OWL.someValuesFrom))
            for relation in relations:
                if isinstance(relation, URIRef):
                    yield from ((head, relation, filler) for filler in fillers if _is_entity(filler, outside))
        elif _is_entity(tail, outside):
            yield head, kind, tail


def _parse(path: Path) -> rdflib.Graph:
    form = format_of(path.name) or ""
    content = _content(path)
    graph = rdflib.Graph(bind_namespaces="none")
    syntax = SYNTAXES[form]
    with _literals_as_written():
        try:
            _PARSERS[form](content, graph)
        except UnreadableGraph:
            raise
        except RecursionError as error:
            fix = "# give the inner blank nodes names, such as _:n1, and describe each at the top of the file"
            raise UnreadableGraph("nodes nested too deep", "nodes that lie flat", fix) from error
        except Exception as error:  # rdflib raises what comes, down to IndexError and a bare Exception
            line, reason = _line_and_reason(error)
            where = f"line {line} of {path.name}" if line else path.name
            raise UnreadableGraph(f"{where}: {reason}", syntax, f"# correct {where}", line) from error
    return graph


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise OSError("not a regular file")
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
            content = _read_at_most(stream, LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        fix = "# name under path a file that can be read"
        raise UnreadableGraph(f"{path.name}: {reason}", "a file that can be read", fix) from error
    if len(content) > LARGEST:
        found = f"{path.name}: more than {LARGEST:,} bytes"
        raise UnreadableGraph(
            found, f"at most {LARGEST:,} bytes", "# keep the part of the graph that the texts speak of"
        )
    return content


def _read_at_most(stream: BufferedIOBase, most: int) -> bytes:
    """Reads piece by piece: one large read would take all its memory before the file is seen to be small."""
    content = bytearray()
    while len(content) < most and (piece := stream.read(min(2**20, most - len(content)))):
        content += piece
    return bytes(content)


@contextmanager
def _literals_as_written() -> Iterator[None]:
    """Keeps rdflib from writing literals anew (a decimal of 1E999999999 takes gigabytes), and from logging bad ones."""
    logger = logging.getLogger("rdflib.term")
    with _LITERALS:
        normalize, disabled = rdflib.NORMALIZE_LITERALS, logger.disabled
        rdflib.NORMALIZE_LITERALS, logger.disabled = False, True
        try:
            yield
        finally:
            rdflib.NORMALIZE_LITERALS, logger.disabled = normalize, disabled


def _parse_turtle(content: bytes, graph: rdflib.Graph) -> None:
    graph.parse(data=_decode(content), format="turtle", publicID=_BASE)


def _parse_triples(content: bytes, graph: rdflib.Graph) -> None:
    parser = _Triples(graph, _decode(content))
    try:
        parser.parse_lines()
    except Exception as error:
        raise _AtLine(parser.number, f"no triple in {_shown(parser.written)}") from error


def _parse_xml(content: bytes, graph: rdflib.Graph) -> None:
    _inspect_xml(content)
    graph.parse(BytesIO(content), format="xml", publicID=_BASE)  # as `data`, it would be taken for UTF-8


_PARSERS: dict[str, Callable[[bytes, rdflib.Graph], None]] = {
    "turtle": _parse_turtle,
    "nt": _parse_triples,
    "xml": _parse_xml,
}


class _AtLine(Exception):
    """A fault of the syntax at a line."""


class _Triples(W3CNTriplesParser):
    """Takes rdflib's N-Triples line by line; its own reading of lines is quadratic in the length of a line."""

    def __init__(self, graph: rdflib.Graph, text: str) -> None:
        super().__init__(NTGraphSink(graph))
        self.lines = _LINE_END.split(text)
        self.number, self.written = 0, ""

    def parse_lines(self) -> None:
        for number, line in enumerate(self.lines, start=1):
            self.number, self.written, self.line = number, line, line
            self.parseline()


def _inspect_xml(content: bytes) -> None:
    """Refuses a DOCTYPE (entities that expand, files that are fetched) and deep nesting, before rdflib sees any."""
    parser = expat.ParserCreate()
    depth = 0

    def refuse_doctype(name: str, *rest: object) -> None:
        fix = f"# delete <!DOCTYPE {name} ...>, and write its entities out"
        line = parser.CurrentLineNumber
        raise UnreadableGraph(f"a DOCTYPE at line {line}", "RDF/XML without a DOCTYPE", fix, line)

    def enter(name: str, attributes: object) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            fix = "# describe the inner nodes at the top of the file, and refer to them by rdf:resource"
            line = parser.CurrentLineNumber
            raise UnreadableGraph(f"more than {DEEPEST} levels of elements", f"at most {DEEPEST}", fix, line)

    def leave(name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.StartElementHandler, parser.EndElementHandler = enter, leave
    parser.Parse(content, True)


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _AtLine(line, f"the byte 0x{content[error.start]:02x}, which is not UTF-8") from error


def _line_and_reason(error: Exception) -> tuple[int | None, str]:
    if isinstance(error, _AtLine):
        return error.args
    if isinstance(error, BadSyntax):
        return error.lines + 1, _shown(str(error._why))
    if isinstance(error, expat.ExpatError):
        return error.lineno, expat.ErrorString(error.code)
    if isinstance(error, SAXParseException):
        return error.getLineNumber(), _shown(error.getMessage())
    located = _XML_LINE.search(str(error)) if isinstance(error, ParserError) else None
    if located:
        return int(located[1]), _shown(located[2])
    return None, _shown(str(error) or type(error).__name__)


def _shown(text: str) -> str:
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= 120 else text[:117] + "..."
