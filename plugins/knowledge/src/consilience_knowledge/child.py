"""Reads a graph in a process of its own, which gets the file's bytes and can reach nothing else.

The parent hands over one line of JSON and then the content; the child answers with `G` and a packed graph, `L` and the
counts of labels, or `E` and what is wrong. Before it looks at the content it has bounded its own time and memory, and
can open no further file and no socket: so what a parser is led to do, it cannot.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from consilience_knowledge.digest import count_labels, digest
from consilience_knowledge.graphs import UnreadableGraph
from consilience_knowledge.packed import pack
from consilience_knowledge.statements import statements

__all__ = ["answer", "main"]

_REFUSED = ("open", "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "ctypes.", "urllib.")
_SMALL = {
    "turtle": b'<urn:a:b> <urn:c:d> "e" .',
    "nt": b'<urn:a:b> <urn:c:d> "e" .',
    "xml": b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:c="urn:c:">'
    b'<r:Description r:about="urn:a:b"><c:d>e</c:d></r:Description></r:RDF>',
    "jsonld": b'{"@context": {"d": "urn:c:d"}, "@id": "urn:a:b", "d": "e"}',
    "tsv": b"a\tb\tc",
}
"""A file of each format."""


def main() -> None:
    """Answers one request from the standard input on the standard output."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    request = json.loads(source.readline())
    for small in (_SMALL[request["form"]], b"<"):  # what is right and what is wrong import, while they can
        answer({**request, "name": "a small file"}, small)
    if sys.platform != "win32":
        _confine(request["seconds"], request["memory"])
    sys.addaudithook(_refuse)
    try:
        target.write(answer(request, source.read()))
    except MemoryError:
        told = {"found": f"{request['name']}: more memory than {request['memory'] // 2**20:,} MB"}
        told |= {"expected": "a graph that fits", "fix": "# keep the part of the graph that the texts speak of"}
        target.write(b"E" + json.dumps(told).encode())
    target.flush()


def answer(request: Mapping[str, Any], content: bytes) -> bytes:
    """Gives the answer to a request about a content, in this process."""
    form, labels = request["form"], request["labels"]
    try:
        told = statements(form, content, request["engine"], request["name"])
        if request["task"] == "labels":
            return b"L" + json.dumps(count_labels(told, labels)).encode()
        return b"G" + pack(digest(told, labels, request["language"], form != "tsv"))
    except UnreadableGraph as error:
        told_of = {"found": error.found, "expected": error.expected, "fix": error.fix, "line": error.line}
        return b"E" + json.dumps(told_of).encode()


def _confine(seconds: int, memory: int) -> None:
    import os
    import resource

    def limit(which: int, most: int) -> None:
        hard = resource.getrlimit(which)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))

    limit(resource.RLIMIT_CPU, seconds)
    limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":  # elsewhere the address space is not bounded, or not as it is counted
        limit(resource.RLIMIT_AS, memory)
        # No descriptor is left to open a file or a socket with, whatever language asks for it.
        limit(resource.RLIMIT_NOFILE, max(map(int, os.listdir("/proc/self/fd"))))  # noqa: PTH208
        limit(resource.RLIMIT_FSIZE, 0)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"{event} while a graph is read")
