"""Reads graph files that nobody vouches for, in a process that can reach nothing; keeps what was read by content."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from consilience_knowledge.graphs import LARGEST, SYNTAXES, KnowledgeGraph, UnreadableGraph, format_of
from consilience_knowledge.packed import NotPacked, unpack
from consilience_knowledge.statements import engine_for

__all__ = ["cache_folder", "find_labels", "read_graph", "taken"]

_FORMAT = 2
"""The number of how graphs are digested: what was kept by another is not taken."""
_BEGIN = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from consilience_knowledge.child import main; main()"
_MEMORY = 8 * 2**30
_SECONDS = 20
_BYTES_A_SECOND = {"oxigraph": 2**20, "rdflib": 2**16, "tabs": 2**20}
"""The slowest that an engine may read beside the first seconds: a tenth of what it does on a busy machine."""


def read_graph(path: Path, labels: Sequence[str], language: str | None = None) -> KnowledgeGraph:
    """Reads the entities of a file, their names by the label predicates (the first is preferred), and their edges.

    Labels in another language than `language` are left out; those without one stay. What was read is kept by the hash
    of the content, and not read again. Raises `UnreadableGraph`.
    """
    content, form = _content(path), format_of(path.name) or ""
    engine = engine_for(form, content)
    said = json.dumps([_FORMAT, form, engine, list(labels), language]).encode()
    kept = cache_folder() / f"{hashlib.sha256(hashlib.sha256(content).digest() + said).hexdigest()}.safetensors"
    try:
        return unpack(kept.read_bytes())
    except (OSError, NotPacked):
        packed = _ask("graph", path.name, form, engine, labels, language, content)
    graph = unpack(packed)
    _keep(kept, packed)
    return graph


def find_labels(path: Path, labels: Sequence[str]) -> tuple[Counter[str], Counter[str]]:
    """Counts by language what the label predicates say of entities, and by predicate what else could be a name.

    A name is a text of a few words. Raises `UnreadableGraph`.
    """
    content, form = _content(path), format_of(path.name) or ""
    told = json.loads(_ask("labels", path.name, form, engine_for(form, content), labels, None, content))
    return Counter(told[0]), Counter(told[1])


def cache_folder() -> Path:
    """Gives the folder in which read graphs are kept: in the user's cache, unless CONSILIENCE_CACHE names another."""
    chosen = os.environ.get("CONSILIENCE_CACHE")
    home = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "consilience"
    return home.expanduser() / "graphs"


def _keep(path: Path, content: bytes) -> None:
    """Writes beside and renames, so that no other process reads half; it can do without a cache."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
            stream.write(content)
        Path(stream.name).replace(path)
    except OSError:
        return


def _ask(
    task: str, name: str, form: str, engine: str, labels: Sequence[str], language: str | None, content: bytes
) -> bytes:
    """Lets a process of its own answer, within bounds that the size of the content sets; raises `UnreadableGraph`."""
    seconds = _SECONDS + len(content) // _BYTES_A_SECOND[engine]
    request: dict[str, Any] = {"task": task, "name": name, "form": form, "engine": engine}
    request |= {"labels": list(labels), "language": language, "seconds": seconds}
    request |= {"memory": min(_MEMORY, 2**30 + 48 * len(content))}
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", _BEGIN, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    try:
        told, _ = child.communicate(json.dumps(request).encode() + b"\n" + content, timeout=5 * seconds)
    except subprocess.TimeoutExpired as error:
        raise _took_too_long(name, seconds) from error
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    return taken(told, name, form, child.returncode, seconds)


def taken(told: bytes, name: str, form: str, code: int, seconds: int) -> bytes:
    """Gives what an answer holds; raises `UnreadableGraph` for what is wrong, or for a reader that ended."""
    if told[:1] == b"E":
        raise UnreadableGraph(**json.loads(told[1:]))
    if code or told[:1] not in (b"G", b"L"):
        raise _ended(name, form, code, seconds)
    return told[1:]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


def _took_too_long(name: str, seconds: int) -> UnreadableGraph:
    found = f"{name}: more than {seconds} seconds to read"
    fix = "# keep the part of the graph that the texts speak of"
    return UnreadableGraph(found, f"a graph that is read in {seconds} seconds", fix)


def _ended(name: str, form: str, code: int, seconds: int) -> UnreadableGraph:
    if sys.platform != "win32" and code in (-signal.SIGXCPU, -signal.SIGKILL):
        return _took_too_long(name, seconds)
    by = f" by {signal.Signals(-code).name}" if code < 0 else ""
    found = f"{name}: what it holds ended its reader{by}"
    return UnreadableGraph(found, SYNTAXES[form], "# keep the part of the graph that can be read")


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
