"""Tells by the first bytes of a file that it cannot be read as a graph; light, and far from a reading of it."""

from __future__ import annotations

import zlib
from pathlib import Path

from consilience_knowledge.graphs import LARGEST, SYNTAXES, UnreadableGraph, format_of

__all__ = ["look_at"]

_HEAD = 65536
_GZIP = b"\x1f\x8b"
_PAGES = ("<!doctype html", "<html")
_DIRECTIVES = ("@prefix", "@base", "prefix", "base")


def look_at(path: Path) -> None:
    """Looks at the size and the first 64 KB; raises `UnreadableGraph` for what is no graph of the suffix's format."""
    form = format_of(path.name)
    if form is None:
        return
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        fix = "# name under path a file that can be read"
        raise UnreadableGraph(f"{path.name}: {error.strerror}", "a file that can be read", fix) from error
    if size > LARGEST:
        fix = "# keep the part of the graph that the texts speak of"
        raise UnreadableGraph(f"{path.name}: {size:,} bytes", f"at most {LARGEST:,} bytes", fix)
    is_whole = size <= _HEAD
    if path.name.lower().endswith(".gz"):
        head, is_whole = _decompressed(path.name, head), False
    _see(path.name, head, form, is_whole)


def _decompressed(name: str, head: bytes) -> bytes:
    if not head.startswith(_GZIP):
        fix = f"# name the file {name[: -len('.gz')]}, since it is not compressed"
        raise UnreadableGraph(f"{name}: not compressed by gzip", "a file that gzip made", fix)
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, _HEAD)
    except zlib.error as error:
        fix = "# fetch or compress the file again"
        raise UnreadableGraph(f"{name}: no whole gzip file", "a file that gzip made", fix) from error


def _see(name: str, head: bytes, form: str, is_whole: bool) -> None:
    expected = SYNTAXES[form]
    if head.startswith(_GZIP):
        raise UnreadableGraph(f"{name}: compressed by gzip", expected, f"# name the file {name}.gz")
    if head.startswith(b"version https://git-lfs"):
        fix = "# fetch the file: git lfs pull"
        raise UnreadableGraph(f"{name}: a pointer that git-lfs left in place of the file", expected, fix)
    text = head.decode("utf-8-sig", "replace")
    if form == "tsv":
        _see_tabs(name, text, is_whole)
        return
    if text.lstrip()[:20].lower().startswith(_PAGES):
        fix = "# download the file itself, not the page that shows it"
        raise UnreadableGraph(f"{name}: a page of HTML", expected, fix)
    begun = _after_comments(text)
    other = _other_format(begun, form)
    if other is not None:
        word, suffix = other
        fix = f"# name the file {_stem(name)}{suffix}"
        raise UnreadableGraph(f"{name}: {word}, by its beginning", expected, fix)
    if form == "xml":
        _see_xml(name, head, is_whole)
    elif b"\0" in head:
        raise UnreadableGraph(f"{name}: no text in UTF-8", expected, f"# save the graph as {expected} in UTF-8")
    elif not begun and is_whole:
        fix = "# name under path a graph with an entity at least"
        raise UnreadableGraph(f"{name}: nothing in it", "a graph", fix)


def _see_tabs(name: str, text: str, is_whole: bool) -> None:
    """Wants two tabs in the first line that is whole."""
    lines = text.splitlines() if is_whole else text.splitlines()[:-1]
    number, first = next(((at, line) for at, line in enumerate(lines, 1) if line.strip()), (0, None))
    if first is None and is_whole:
        fix = "# name under path a graph with an entity at least"
        raise UnreadableGraph(f"{name}: nothing in it", "a graph", fix)
    if first is not None and first.count("\t") != 2:
        where = f"line {number} of {name}"
        found = f"{where}: {first.count(chr(9)) + 1} columns"
        raise UnreadableGraph(found, SYNTAXES["tsv"], f"# correct {where}", number)


def _after_comments(text: str) -> str:
    text = text.lstrip()
    while text.startswith("#"):
        text = text.partition("\n")[2].lstrip()
    return text


def _other_format(begun: str, form: str) -> tuple[str, str] | None:
    """Tells the format of a text that cannot be of the one wanted, with its suffix when it is one that is read."""
    if begun.startswith("{") or (begun.startswith("[") and begun[1:].lstrip().startswith("{")):
        return None if form == "jsonld" else ("JSON, such as JSON-LD", ".jsonld")
    first = begun.split(maxsplit=1)[0] if begun else ""
    # An IRI has no space, and the first tag of RDF/XML names its prefixes.
    is_iri = begun.startswith("<") and not set(begun.partition(">")[0]).intersection(" \t\r\n")
    is_turtle = first.lower() in _DIRECTIVES or (":" in first and not first.startswith(("<", "_:")))
    if form == "jsonld":
        is_xml = begun.startswith("<") and not is_iri
        return ("RDF/XML", ".rdf") if is_xml else ("Turtle", ".ttl") if is_iri or is_turtle else None
    if form == "xml":
        is_iri = is_iri and ("://" in first or first.startswith("<urn:"))  # and not a tag
        return ("Turtle", ".ttl") if is_iri or is_turtle else None
    if begun.startswith("<") and not is_iri:
        return "RDF/XML", ".rdf"
    return ("Turtle", ".ttl") if form == "nt" and is_turtle else None


def _stem(name: str) -> str:
    plain = name[: -len(".gz")] if name.lower().endswith(".gz") else name
    return plain.rpartition(".")[0]


def _see_xml(name: str, head: bytes, is_whole: bool) -> None:
    """Lets expat read the beginning; a DOCTYPE is refused as it is when the file is read."""
    from xml.parsers import expat

    parser = expat.ParserCreate()

    def refuse_doctype(doctype: str, *rest: object) -> None:
        line = parser.CurrentLineNumber
        fix = f"# delete <!DOCTYPE {doctype} ...>, and write its entities out"
        raise UnreadableGraph(f"{name}: a DOCTYPE at line {line}", "RDF/XML without a DOCTYPE", fix, line)

    parser.StartDoctypeDeclHandler = refuse_doctype
    try:
        parser.Parse(head, is_whole)
    except expat.ExpatError as error:
        where = f"line {error.lineno} of {name}"
        reason = expat.ErrorString(error.code)
        raise UnreadableGraph(f"{where}: {reason}", SYNTAXES["xml"], f"# correct {where}", error.lineno) from error
