"""Reads the bytes of a graph file as statements, by pyoxigraph where it is installed and by rdflib otherwise."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from threading import Lock
from typing import Any, NamedTuple
from xml.parsers import expat
from xml.sax import SAXParseException

from consilience_knowledge.graphs import SYNTAXES, UnreadableGraph
from consilience_knowledge.inspection import AtLine, decode, inspect, is_utf8_xml

__all__ = ["ENGINES", "Statement", "engine_for", "statements"]

ENGINES = ("oxigraph", "rdflib")
"""What parses RDF, the faster first."""

# Relative IRIs must not take their beginning from where the file happens to lie; `.invalid` names no host (RFC 2606).
_BASE = "https://graph.invalid/"
_LINE_END = re.compile(r"\r\n|\r|\n")
_XML_LINE = re.compile(r":(\d+):\d+: (.*)", re.DOTALL)
_OXIGRAPH = {"turtle": "TURTLE", "nt": "N_TRIPLES", "xml": "RDF_XML", "jsonld": "JSON_LD"}
_LITERALS = Lock()
_STRING = "http://www.w3.org/2001/XMLSchema#string"


class Statement(NamedTuple):
    """A triple as texts: blank nodes begin with `_:`; an object with a datatype is a literal."""

    subject: str
    predicate: str
    object: str
    datatype: str | None = None
    language: str | None = None


def engine_for(form: str, content: bytes) -> str:
    """Tells which engine reads a file: `tabs`, `oxigraph` or `rdflib`."""
    if form == "tsv":
        return "tabs"
    if find_spec("pyoxigraph") is None or (form == "xml" and not is_utf8_xml(content)):
        return "rdflib"
    return "oxigraph"


def statements(form: str, content: bytes, engine: str, name: str) -> Iterator[tuple[Any, ...]]:
    """Gives the statements of a file's content; raises `UnreadableGraph`, which speaks of the file by `name`."""
    try:
        inspect(form, content)
        yield from _READERS[engine](form, content)
    except UnreadableGraph:
        raise
    except RecursionError as error:
        fix = "# give the inner blank nodes names, such as _:n1, and describe each at the top of the file"
        raise UnreadableGraph("nodes nested too deep", "nodes that lie flat", fix) from error
    except MemoryError:
        raise
    except Exception as error:  # rdflib raises what comes, down to IndexError and a bare Exception
        line, reason = _line_and_reason(error)
        where = f"line {line} of {name}" if line else name
        raise UnreadableGraph(f"{where}: {reason}", SYNTAXES[form], f"# correct {where}", line) from error


def _by_oxigraph(form: str, content: bytes) -> Iterator[tuple[Any, ...]]:
    import pyoxigraph
    from pyoxigraph import BlankNode, Literal, NamedNode

    if form in ("turtle", "nt"):
        content = decode(content).encode()
    # Lenient: an IRI with a space in it is an odd name, and no reason to refuse a whole ontology; rdflib takes it too.
    parser = pyoxigraph.parse(content, getattr(pyoxigraph.RdfFormat, _OXIGRAPH[form]), base_iri=_BASE, lenient=True)
    try:
        for quad in parser:
            subject, thing = quad.subject, quad.object
            if type(subject) is NamedNode:
                head = subject.value
            elif type(subject) is BlankNode:
                head = "_:" + subject.value
            else:
                continue  # a statement about a statement
            if type(thing) is NamedNode:
                yield head, quad.predicate.value, thing.value, None, None
            elif type(thing) is Literal:
                yield head, quad.predicate.value, thing.value, thing.datatype.value, thing.language
            elif type(thing) is BlankNode:
                yield head, quad.predicate.value, "_:" + thing.value, None, None
    except SyntaxError as error:
        raise _told_by_oxigraph(form, content, error) from error


def _told_by_oxigraph(form: str, content: bytes, error: SyntaxError) -> AtLine:
    line = error.lineno
    if form == "nt" and line:
        return AtLine(line, f"no triple in {_shown(_LINE_END.split(content.decode())[line - 1])}")
    return AtLine(line, _shown(str(error.msg)))


def _by_rdflib(form: str, content: bytes) -> Iterator[tuple[Any, ...]]:
    import rdflib

    graph = rdflib.Dataset() if form == "jsonld" else rdflib.Graph(bind_namespaces="none")
    with _literals_as_written():
        if form == "turtle":
            graph.parse(data=decode(content), format="turtle", publicID=_BASE)
        elif form == "nt":
            _parse_lines(decode(content), graph)
        elif form == "xml":
            graph.parse(BytesIO(content), format="xml", publicID=_BASE)  # as `data`, it would be taken for UTF-8
        else:
            graph.parse(data=decode(content), format="json-ld", publicID=_BASE)
    for head, kind, tail, *_ in graph.quads() if form == "jsonld" else graph:  # type: ignore[attr-defined]
        subject = f"_:{head}" if isinstance(head, rdflib.BNode) else str(head)
        if isinstance(tail, rdflib.Literal):
            yield subject, str(kind), str(tail), str(tail.datatype or _STRING), tail.language
        else:
            yield subject, str(kind), f"_:{tail}" if isinstance(tail, rdflib.BNode) else str(tail), None, None


def _by_tabs(form: str, content: bytes) -> Iterator[tuple[Any, ...]]:
    for number, line in enumerate(_LINE_END.split(decode(content)), start=1):
        columns = line.split("\t")
        if len(columns) == 3 and columns[0] and columns[1] and columns[2]:
            yield columns[0], columns[1], columns[2], None, None
        elif line.strip():
            raise AtLine(number, f"no triple in {_shown(line)}")


_READERS = {"oxigraph": _by_oxigraph, "rdflib": _by_rdflib, "tabs": _by_tabs}


@contextmanager
def _literals_as_written() -> Iterator[None]:
    """Keeps rdflib from writing literals anew (a decimal of 1E999999999 takes gigabytes), and from logging bad ones."""
    import rdflib

    logger = logging.getLogger("rdflib.term")
    with _LITERALS:
        normalize, disabled = rdflib.NORMALIZE_LITERALS, logger.disabled
        rdflib.NORMALIZE_LITERALS, logger.disabled = False, True
        try:
            yield
        finally:
            rdflib.NORMALIZE_LITERALS, logger.disabled = normalize, disabled


def _parse_lines(text: str, graph: Any) -> None:
    """Takes rdflib's N-Triples line by line; its own reading of lines is quadratic in the length of a line."""
    from rdflib.plugins.parsers.ntriples import NTGraphSink, W3CNTriplesParser

    parser = W3CNTriplesParser(NTGraphSink(graph))
    for number, line in enumerate(_LINE_END.split(text), start=1):
        parser.line = line
        try:
            parser.parseline()
        except Exception as error:
            raise AtLine(number, f"no triple in {_shown(line)}") from error


def _line_and_reason(error: Exception) -> tuple[int | None, str]:
    if isinstance(error, AtLine):
        return error.args
    if isinstance(error, expat.ExpatError):
        return error.lineno, expat.ErrorString(error.code)
    if isinstance(error, SAXParseException):
        return error.getLineNumber(), _shown(error.getMessage())
    if hasattr(error, "_why") and hasattr(error, "lines"):  # rdflib's BadSyntax
        return error.lines + 1, _shown(str(error._why))
    located = _XML_LINE.search(str(error)) if type(error).__name__ == "ParserError" else None
    if located:
        return int(located[1]), _shown(located[2])
    return None, _shown(str(error) or type(error).__name__)


def _shown(text: str) -> str:
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= 120 else text[:117] + "..."
