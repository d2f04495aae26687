"""Looks through the bytes of a graph file for what no parser may see: entities, remote contexts, deep nesting."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.parsers import expat

from consilience_knowledge.graphs import UnreadableGraph

__all__ = ["DEEPEST", "AtLine", "decode", "inspect", "is_utf8_xml"]

DEEPEST = 200
"""The most levels of XML elements, or of JSON: rdflib copies what an element holds once a level."""

_ENCODING = re.compile(rb"^\s*<\?xml[^>]*?encoding\s*=\s*['\"]([A-Za-z0-9._-]+)['\"]")


class AtLine(Exception):
    """A fault of the syntax at a line."""


def inspect(form: str, content: bytes) -> None:
    """Refuses what reaches beyond the file or its bounds; raises `UnreadableGraph`, or the fault of the syntax."""
    if form == "xml":
        _inspect_xml(content)
    elif form == "jsonld":
        _inspect_json(decode(content))


def decode(content: bytes) -> str:
    """Decodes UTF-8, with or without a mark at the beginning; raises `AtLine`."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise AtLine(line, f"the byte 0x{content[error.start]:02x}, which is not UTF-8") from error


def is_utf8_xml(content: bytes) -> bool:
    """Tells whether an XML file says nothing else than that it is UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"\0")) or content[1:2] == b"\0":
        return False
    said = _ENCODING.match(content[:1000])
    return said is None or said[1].lower() in (b"utf-8", b"utf8", b"us-ascii", b"ascii")


def _inspect_xml(content: bytes) -> None:
    """Refuses a DOCTYPE (entities that expand, files that are fetched) and deep nesting, before a parser sees any."""
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


def _inspect_json(text: str) -> None:
    """Refuses a context that stands elsewhere, since to read it is to fetch it, and deep nesting."""
    try:
        root = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise AtLine(error.lineno, error.msg) from error
    except RecursionError:
        raise _too_deep() from None
    level: list[Any] = [root]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise _too_deep()


def _inside(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return []
    for context in _listed(value.get("@context")):
        if isinstance(context, str):
            fix = "# write the context itself under @context, in the place of its address"
            raise UnreadableGraph(f"the context {context[:100]}", "contexts that stand in the file", fix)
    if "@import" in value:
        fix = "# delete @import, and write what it names under @context"
        raise UnreadableGraph(f"an @import of {str(value['@import'])[:100]}", "contexts that stand in the file", fix)
    return list(value.values())


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _too_deep() -> UnreadableGraph:
    fix = "# describe the inner nodes at the top of the file, and refer to them by @id"
    return UnreadableGraph(f"more than {DEEPEST} levels of JSON", f"at most {DEEPEST}", fix)


def _no_number(name: str) -> None:
    raise AtLine(None, f"{name}, which is no number of JSON")
