"""Reads a YAML 1.2 file into plain values and the place of each, and nothing else: no tags, no code, no explosion."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import yaml

from consilience.declare import _said
from consilience.declare._characters import (
    REFUSED_ESCAPE,
    REPLACEMENT,
    escape,
    join_pairs,
    show,
)
from consilience.declare._collection import LEFT_OUT, Anchored, Collection, Spots
from consilience.declare._document import Document, Spot
from consilience.declare._events import Unreadable, exact_events, has_quick_events, quick_events, stretch
from consilience.declare._file import MOST_BYTES, file_text, too_large
from consilience.declare._noted import Noted, diagnostic_of
from consilience.declare._said import Said
from consilience.declare._scalars import plain_value
from consilience.errors import DeclarationError, Part, Path, Place, Related, sort_diagnostics

__all__ = ["Document", "read_file", "read_text"]

MOST_VALUES = 100_000
"""Room for 5,000 nodes of 20 values each."""
MOST_LEVELS = 64

_WRITTEN_TAG = re.compile(r"(?:&\S+\s+)?(!\S*)")
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_BLOCK_STYLES = ("|", ">")


def read_file(path: str | os.PathLike[str]) -> Document:
    """Reads a UTF-8 file of at most 1 MiB; raises DeclarationError where nothing behind a fault can be trusted."""
    return read_text(file_text(path), escape(os.fspath(path)))


def read_text(text: str, file: str = "<text>") -> Document:
    """Reads a text as `read_file` reads a file; `file` is the name that its places carry."""
    text = text.removeprefix("\ufeff")
    if len(text) > MOST_BYTES:
        raise DeclarationError(too_large(file))
    if has_quick_events(text):
        try:
            return _Reader(text, file).read(quick_events)
        except (Unreadable, DeclarationError):
            pass  # the exact parser finds it again, and has the words for it
    reader = _Reader(text, file)
    try:
        return reader.read(exact_events)
    except Unreadable as error:
        raise reader.syntax_fault(error) from None


class _Reader:
    """Turns a parser's events into one document."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.noted = Noted(text, file)
        self.root: Any = None
        self.root_spot: Spot | None = None
        self.documents = 0
        self.count = 0
        self.end = 0
        self.open: list[Collection] = []
        self.anchors: dict[str, Anchored] = {}

    def read(self, events: Callable[[str], Iterator[yaml.Event]]) -> Document:
        """Reads the whole; lets Unreadable pass, and raises DeclarationError at what makes the rest untrustworthy."""
        for event in events(self.noted.replace_refused()):
            if isinstance(event, yaml.NodeEvent):
                parent = self.open[-1] if self.open else None
                if parent and parent.key is None and isinstance(parent.value, dict):
                    self.read_key(event, parent)
                else:
                    self.read_value(event, parent)
            elif isinstance(event, yaml.CollectionEndEvent):
                self.close(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                self.start_document(event)
        spot = self.root_spot
        if spot is None or not isinstance(self.root, dict):
            place = self.noted.place(spot.start, spot.end) if spot else Place(self.file, 1, 1)
            self.noted.stop(_said.no_declaration(self.root), (), place)
        faults = tuple(sort_diagnostics(self.noted.faults))
        return Document(self.root, self.file, self.text, spot, faults, frozenset(self.noted.doubtful))

    def syntax_fault(self, error: Unreadable) -> DeclarationError:
        """Tells where the text ceases to be YAML, if no refused character is the likelier cause."""
        if self.noted.has_replaced or any(fault.expected == _said.PLAIN_SPACES for fault in self.noted.faults):
            return DeclarationError(self.noted.faults)
        said, place = _said.no_syntax(error.problem), self.noted.point(error.offset)
        return DeclarationError([*self.noted.faults, diagnostic_of(said, self.path(), place)])

    def start_document(self, event: yaml.Event) -> None:
        self.documents += 1
        if self.documents > 1:
            self.noted.stop(_said.second_document(), (), self.noted.place(*stretch(event)))

    def path(self) -> Path:
        """Gives the path of the value that is being read, or of the mapping whose key is."""
        return tuple(step for each in self.open if (step := each.step) is not None)

    def read_key(self, event: yaml.NodeEvent, mapping: Collection) -> None:
        above = self.end
        start, end = self.span(event)
        if start == end:  # no key: the parsers do not agree on where nothing stands, but on the mark before it
            start = max(self.text.find("?", above), above)
            end = self.end = start + 1
        mapping.key_start, mapping.key_end, mapping.is_left_out = start, end, False
        self.refuse_tag(event)
        if isinstance(event, yaml.CollectionStartEvent):
            place = self.noted.place(mapping.key_start, mapping.key_end)
            mapping.key, mapping.is_left_out = f"key at {place.line}:{place.column}", True
            self.enter(event, is_key=True)
            return
        key = self.key_text(event, mapping)
        if self.noted.has_replaced and REPLACEMENT in key:
            key = key.replace(REPLACEMENT, "")
            self.noted.doubtful.add((*self.path(), key))
        assert isinstance(mapping.spots, dict)
        first = mapping.spots.get(key)
        if first is not None and not mapping.is_left_out:
            self.report_doubled(key, first, mapping)
        mapping.key = key
        if event.anchor:
            self.anchors[event.anchor] = Anchored(key)

    def key_text(self, event: yaml.NodeEvent, mapping: Collection) -> str:
        """Gives a key as it is written; one that is no name is reported, and left out where it means nothing."""
        if isinstance(event, yaml.ScalarEvent):
            key = join_pairs(event.value)
            said = _said.fault_of_key(key, is_plain=not event.style)
        else:
            key, said = "", _said.no_name("an alias")
        if said is None:
            return key
        path = self.path()
        self.noted.report(said, path, self.noted.place(mapping.key_start, mapping.key_end), Part.KEY)
        mapping.is_left_out = key in ("", "<<") or said.expected == _said.PLAIN_SPACES
        self.noted.doubtful.add(path if mapping.is_left_out else (*path, show(key)))
        return show(key)

    def report_doubled(self, key: str, spot: Spot, mapping: Collection) -> None:
        """Tells of a key that stands twice; the first of the two is kept."""
        path, first = (*self.path(), key), self.noted.place(spot.key_start, spot.key_end)
        said, place = (
            _said.doubled_key(key, first.line, first.column),
            self.noted.place(mapping.key_start, mapping.key_end),
        )
        self.noted.report(said, path, place, Part.KEY, Related(path, "first here", first))
        self.noted.doubtful.add(path)
        mapping.is_left_out = True

    def read_value(self, event: yaml.NodeEvent, parent: Collection | None) -> None:
        self.refuse_tag(event)
        self.admit(event)
        if isinstance(event, yaml.CollectionStartEvent):
            self.enter(event)
            return
        start, end = self.span(event)
        if start == end and parent and parent.key is not None:  # the parsers do not agree on where nothing stands
            start = end = self.end = parent.key_end
        spots = None
        if isinstance(event, yaml.ScalarEvent):
            value = self.scalar(event)
            if event.anchor:
                self.anchors[event.anchor] = Anchored(value)
        else:
            value, spots = self.expand(event)
        self.attach(value)
        self.record(start, end, spots)

    def span(self, event: yaml.NodeEvent) -> tuple[int, int]:
        """Gives the stretch of a scalar, of an alias, or of the beginning of a collection."""
        start, end = stretch(event)
        if getattr(event, "style", None) in _BLOCK_STYLES:
            end = start + len(self.text[start:end].rstrip())
        self.end = end
        return start, end

    def enter(self, event: yaml.CollectionStartEvent, is_key: bool = False) -> None:
        """Opens a collection; stops at one that lies too deep."""
        start, end = self.span(event)
        if len(self.open) >= MOST_LEVELS:
            self.noted.stop(_said.too_deep(MOST_LEVELS), self.path(), self.noted.place(start, end))
        opened = Collection({}, {}, start) if isinstance(event, yaml.MappingStartEvent) else Collection([], [], start)
        opened.is_key = is_key
        if event.anchor:
            self.anchors[event.anchor] = Anchored(opened.value, opened.spots)
        if not is_key:
            self.attach(opened.value)
        self.open.append(opened)

    def close(self, event: yaml.Event) -> None:
        """Closes a collection: at its bracket, or at the end of the last thing in it."""
        closed = self.open.pop()
        start, end = stretch(event)
        if end > start:
            self.end = end
        if not closed.is_key:
            self.record(closed.start, self.end, closed.spots)
        else:
            path = self.path()[:-1]
            said = _said.no_name("a mapping" if isinstance(closed.value, dict) else "a list")
            self.noted.report(said, path, self.noted.place(closed.start, self.end), Part.KEY)
            self.noted.doubtful.add(path)

    def attach(self, value: Any) -> None:
        if self.open:
            self.open[-1].attach(value)
        else:
            self.root = None if value is LEFT_OUT else value

    def record(self, start: int, end: int, spots: Spots | None) -> None:
        if self.open:
            self.open[-1].record(start, end, spots)
        else:
            self.root_spot = Spot(-1, -1, start, end, spots)

    def refuse_tag(self, event: yaml.NodeEvent) -> None:
        """Reports a tag; what it stands before is kept, as the text it is where the tag asks for that."""
        tag = getattr(event, "tag", None)
        if tag is None:
            return
        start, end = stretch(event)
        written = _WRITTEN_TAG.match(self.text, start)
        if written:
            start, end = written.span(1)
        text = event.value if isinstance(event, yaml.ScalarEvent) and tag in _TEXT_TAGS else None
        path = self.path()
        self.noted.report(_said.tag(written[1] if written else tag, text), path, self.noted.place(start, end))
        self.noted.doubtful.add(path)

    def scalar(self, event: yaml.ScalarEvent) -> Any:
        text: str = event.value
        if self.noted.has_replaced and REPLACEMENT in text:
            text = text.replace(REPLACEMENT, "")
            self.noted.doubtful.add(self.path())
        if not event.style and event.tag not in _TEXT_TAGS:
            try:
                return plain_value(text)
            except ValueError:
                return self.leave_out(_said.no_number(text), event)
        text = join_pairs(text)
        refused = REFUSED_ESCAPE.search(text)
        if refused:
            kept = REFUSED_ESCAPE.sub("", text)
            self.leave_out(_said.no_text(refused[0], kept), event)
            return kept
        return text

    def leave_out(self, said: Said, event: yaml.NodeEvent) -> Any:
        """Reports a value, and gives what stands for one that is left out."""
        path = self.path()
        self.noted.report(said, path, self.noted.place(*self.span(event)))
        self.noted.doubtful.add(path)
        return LEFT_OUT

    def expand(self, event: yaml.NodeEvent) -> tuple[Any, Spots | None]:
        """Writes out what an alias stands for."""
        anchored = self.anchors.get(event.anchor or "")
        name = event.anchor or ""
        if anchored is None:
            return self.leave_out(_said.unknown_alias(name, islice(self.anchors, 100)), event), None
        if any(collection.value is anchored.value for collection in self.open):
            return self.leave_out(_said.alias_inside(name), event), None
        return self.copy(anchored.value, self.path(), event), anchored.spots

    def copy(self, value: Any, path: Path, event: yaml.NodeEvent) -> Any:
        """Copies an anchored value; MOST_LEVELS bounds the recursion, `admit` its size."""
        if not isinstance(value, dict | list):
            return value
        if len(path) >= MOST_LEVELS:
            self.noted.stop(_said.too_deep(MOST_LEVELS), path, self.noted.place(*self.span(event)))
        copied: dict[str | int, Any] = {}
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            self.admit(event, (*path, key))
            copied[key] = self.copy(child, (*path, key), event)
        return copied if isinstance(value, dict) else list(copied.values())

    def admit(self, event: yaml.NodeEvent, path: Path | None = None) -> None:
        """Counts one more value, and stops at the bound."""
        self.count += 1
        if self.count > MOST_VALUES:
            self.noted.stop(_said.too_many(MOST_VALUES), path or self.path(), self.noted.place(*self.span(event)))
