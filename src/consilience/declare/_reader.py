"""Reads a YAML 1.2 file into plain values and the place of each, and nothing else: no tags, no code, no explosion."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn

import yaml

from consilience.declare._characters import (
    REFUSED,
    REFUSED_ESCAPE,
    REPLACEMENT,
    escape,
    join_pairs,
    quote,
    refused_character,
    show,
)
from consilience.declare._document import Document, Lines, Spot
from consilience.declare._events import Unreadable, exact_events, has_quick_events, quick_events, stretch
from consilience.declare._file import MOST_BYTES, file_text, too_large
from consilience.declare._keys import Said, fault_of_key, no_name
from consilience.declare._scalars import plain_value
from consilience.errors import DeclarationError, Diagnostic, Part, Path, Place, Related, nearest, sort_diagnostics

__all__ = ["Document", "read_file", "read_text"]

MOST_VALUES = 100_000
"""Room for 5,000 nodes of 20 values each."""
MOST_LEVELS = 64
MOST_FAULTS = 100
MOST_REFUSED = 10

_WRITTEN_TAG = re.compile(r"(?:&\S+\s+)?(!\S*)")
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_BLOCK_STYLES = ("|", ">")
_LEFT_OUT: Any = object()
"""Stands for a value that nothing sensible can be kept of."""

_SYNTAX_FIXES = {
    "'\\t'": "# put spaces in place of the tab",
    "cannot start any token": '# put the value in quotes: "..."',
    "mapping values are not allowed": '# put a value that holds ": " in quotes, or begin the key on a line of its own',
    "could not find expected ':'": "# write `: ` and a value after the key, or indent the line below its key",
    "<document start>": "# delete the line above that begins with `...` or `%`",
    "<block end>": "# begin every key on a line of its own, indented as the others are",
    "expected ',' or": "# write the missing comma or closing bracket",
    "unexpected end of stream": "# write the closing quote or bracket",
    "escape": "# write a backslash in double quotes twice (\\\\), or put the text in single quotes",
}

_TOO_DEEP = Said(
    "CN106",
    f"more than {MOST_LEVELS} levels",
    f"at most {MOST_LEVELS}",
    "# take the inner value out, and give it a name of its own at the top of the file",
)


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


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read yet; a mapping with a key waits for that key's value."""

    value: dict[str, Any] | list[Any]
    inside: dict[str, Spot] | list[Spot]
    start: int
    is_key: bool = False
    key: str | None = None
    key_start: int = -1
    key_end: int = -1
    is_left_out: bool = False
    """Whether the pair of that key is no part of the document."""


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A value that an alias may repeat, and the spots of what it holds."""

    value: Any
    inside: dict[str, Spot] | list[Spot] | None = None


class _Reader:
    """Turns a parser's events into one document."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.lines = Lines(text, file)
        self.faults: list[Diagnostic] = []
        self.doubtful: set[Path] = set()
        self.has_replaced = False
        self.root: Any = None
        self.root_spot: Spot | None = None
        self.documents = 0
        self.count = 0
        self.end = 0
        self.open: list[_Open] = []
        self.anchors: dict[str, _Anchored] = {}

    def read(self, events: Callable[[str], Iterator[yaml.Event]]) -> Document:
        """Reads the whole; lets Unreadable pass, and raises DeclarationError at what makes the rest untrustworthy."""
        for event in events(self.replace_refused()):
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
        if self.root_spot is None or not isinstance(self.root, dict):
            raise self.no_declaration()
        faults = tuple(sort_diagnostics(self.faults))
        return Document(self.root, self.file, self.text, self.root_spot, faults, frozenset(self.doubtful))

    def replace_refused(self) -> str:
        """Tells the characters that no text may hold; gives the text without them, every offset as it was."""
        refused = [refused_character(match, self.file) for match in islice(REFUSED.finditer(self.text), MOST_REFUSED)]
        if len(refused) >= MOST_REFUSED:
            raise DeclarationError(refused)
        self.faults += refused
        self.has_replaced = bool(refused)
        return REFUSED.sub(REPLACEMENT, self.text) if refused else self.text

    def syntax_fault(self, error: Unreadable) -> DeclarationError:
        """Tells where the text ceases to be YAML, if no refused character is the likelier cause."""
        if self.has_replaced:
            return DeclarationError(self.faults)
        fixes = (fix for part, fix in _SYNTAX_FIXES.items() if part in error.problem)
        fix = next(fixes, "# indent this line as its neighbours are, and close every quote and bracket above it")
        found, place = show(error.problem, 200), self.lines.point(error.offset)
        fault = Diagnostic("CN101", self.path(), found, "readable YAML", fix, place)
        return DeclarationError([*self.faults, fault])

    def start_document(self, event: yaml.Event) -> None:
        self.documents += 1
        if self.documents > 1:
            fix = "# delete the `---` or `...` that ends the first, or keep the rest in a file of its own"
            said = Said("CN108", "a second document", "one document", fix)
            self.stop(said, (), self.place(*stretch(event)))

    def no_declaration(self) -> DeclarationError:
        found = {list: "a list", type(None): "nothing"}.get(type(self.root), "a single value")
        fix = "# begin the file with `consilience: 1`, and write its other keys below"
        spot = self.root_spot
        place = self.place(spot.start, spot.end) if spot else Place(self.file, 1, 1)
        return DeclarationError([*self.faults, Diagnostic("CN108", (), found, "keys and their values", fix, place)])

    def path(self) -> Path:
        """Gives the path of the value that is being read, or of the mapping whose key is."""
        steps = (len(each.inside) if isinstance(each.inside, list) else each.key for each in self.open)
        return tuple(step for step in steps if step is not None)

    def read_key(self, event: yaml.NodeEvent, mapping: _Open) -> None:
        above = self.end
        start, end = self.span(event)
        if start == end:  # no key: the parsers do not agree on where nothing stands, but on the mark before it
            start = max(self.text.find("?", above), above)
            end = self.end = start + 1
        mapping.key_start, mapping.key_end, mapping.is_left_out = start, end, False
        self.refuse_tag(event)
        if isinstance(event, yaml.CollectionStartEvent):
            place = self.place(mapping.key_start, mapping.key_end)
            mapping.key, mapping.is_left_out = f"key at {place.line}:{place.column}", True
            self.enter(event, is_key=True)
            return
        key = self.key_text(event, mapping)
        if self.has_replaced and REPLACEMENT in key:
            key = key.replace(REPLACEMENT, "")
            self.doubtful.add((*self.path(), key))
        assert isinstance(mapping.inside, dict)
        first = mapping.inside.get(key)
        if first is not None and not mapping.is_left_out:
            self.report_doubled(key, first, mapping)
        mapping.key = key
        if event.anchor:
            self.anchors[event.anchor] = _Anchored(key, None)

    def key_text(self, event: yaml.NodeEvent, mapping: _Open) -> str:
        """Gives a key as it is written; one that is no name is reported, and left out where it means nothing."""
        if isinstance(event, yaml.ScalarEvent):
            key = join_pairs(event.value)
            said = fault_of_key(key, is_plain=not event.style)
        else:
            key, said = "", no_name("an alias")
        if said is None:
            return key
        path = self.path()
        self.report(said, path, self.place(mapping.key_start, mapping.key_end), part=Part.KEY)
        mapping.is_left_out = key in ("", "<<")
        self.doubtful.add(path if mapping.is_left_out else (*path, show(key)))
        return show(key)

    def report_doubled(self, key: str, spot: Spot, mapping: _Open) -> None:
        """Tells of a key that stands twice; the first of the two is kept."""
        path, first = (*self.path(), key), self.place(spot.key_start, spot.key_end)
        found = f"`{show(key)}` a second time (first on line {first.line}, column {first.column})"
        fix = f"# delete one of the two, or give one another name, such as `{show(key, 40)}_2`"
        said, place = Said("CN102", found, "every key once", fix), self.place(mapping.key_start, mapping.key_end)
        self.report(said, path, place, part=Part.KEY, related=(Related(path, "first here", first),))
        self.doubtful.add(path)
        mapping.is_left_out = True

    def read_value(self, event: yaml.NodeEvent, parent: _Open | None) -> None:
        self.refuse_tag(event)
        self.admit(event)
        if isinstance(event, yaml.CollectionStartEvent):
            self.enter(event)
            return
        start, end = self.span(event)
        if start == end and parent and parent.key is not None:  # the parsers do not agree on where nothing stands
            start = end = self.end = parent.key_end
        inside = None
        if isinstance(event, yaml.ScalarEvent):
            value = self.scalar(event)
            if event.anchor:
                self.anchors[event.anchor] = _Anchored(value, None)
        else:
            value, inside = self.expand(event)
        self.attach(value, parent)
        self.record(start, end, inside, parent)

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
            self.stop(_TOO_DEEP, self.path(), self.place(start, end))
        opened = _Open({}, {}, start) if isinstance(event, yaml.MappingStartEvent) else _Open([], [], start)
        opened.is_key = is_key
        if event.anchor:
            self.anchors[event.anchor] = _Anchored(opened.value, opened.inside)
        if not is_key:
            self.attach(opened.value, self.open[-1] if self.open else None)
        self.open.append(opened)

    def close(self, event: yaml.Event) -> None:
        """Closes a collection: at its bracket, or at the end of the last thing in it."""
        closed = self.open.pop()
        start, end = stretch(event)
        if end > start:
            self.end = end
        parent = self.open[-1] if self.open else None
        if not closed.is_key:
            self.record(closed.start, self.end, closed.inside, parent)
        elif parent:
            path = self.path()[:-1]
            said = no_name("a mapping" if isinstance(closed.value, dict) else "a list")
            self.report(said, path, self.place(closed.start, self.end), part=Part.KEY)
            self.doubtful.add(path)

    def attach(self, value: Any, parent: _Open | None) -> None:
        """Puts a value into its place; one that is left out leaves None in a list, and nothing in a mapping."""
        if parent is None:
            self.root = None if value is _LEFT_OUT else value
        elif isinstance(parent.value, list):
            parent.value.append(None if value is _LEFT_OUT else value)
        elif parent.key is not None and not parent.is_left_out and value is not _LEFT_OUT:
            parent.value[parent.key] = value

    def record(self, start: int, end: int, inside: dict[str, Spot] | list[Spot] | None, parent: _Open | None) -> None:
        """Keeps where a value stands that has been read to its end."""
        if parent is None:
            self.root_spot = Spot(-1, -1, start, end, inside)
        elif isinstance(parent.inside, list):
            parent.inside.append(Spot(-1, -1, start, end, inside))
        else:
            if parent.key is not None and not parent.is_left_out:
                parent.inside[parent.key] = Spot(parent.key_start, parent.key_end, start, end, inside)
            parent.key = None

    def refuse_tag(self, event: yaml.NodeEvent) -> None:
        """Reports a tag; what it stands before is kept, as the text it is where the tag asks for that."""
        tag = getattr(event, "tag", None)
        if tag is None:
            return
        start, end = stretch(event)
        written = _WRITTEN_TAG.match(self.text, start)
        if written:
            start, end = written.span(1)
        shown = show(written[1] if written else tag)
        fix = f"# delete `{shown}`"
        if isinstance(event, yaml.ScalarEvent) and tag in _TEXT_TAGS:
            fix = f"# write it in quotes: {quote(event.value)}"
        path = self.path()
        self.report(Said("CN103", f"the tag `{shown}`", "plain data, without tags", fix), path, self.place(start, end))
        self.doubtful.add(path)

    def scalar(self, event: yaml.ScalarEvent) -> Any:
        text: str = event.value
        if self.has_replaced and REPLACEMENT in text:
            text = text.replace(REPLACEMENT, "")
            self.doubtful.add(self.path())
        if not event.style and event.tag not in _TEXT_TAGS:
            try:
                return plain_value(text)
            except ValueError:
                fix = f"# write a finite number, or put it in quotes if it is text: {quote(text)}"
                said = Said("CN110", show(text), "a finite number that a 64-bit float can hold", fix)
                return self.leave_out(said, event)
        text = join_pairs(text)
        refused = REFUSED_ESCAPE.search(text)
        if refused:
            kept = REFUSED_ESCAPE.sub("", text)
            found = f"the character U+{ord(refused[0]):04X}, which no text holds"
            self.leave_out(Said("CN109", found, "text", f"# write it without that: {quote(kept)}"), event)
            return kept
        return text

    def leave_out(self, said: Said, event: yaml.NodeEvent) -> Any:
        """Reports a value, and gives what stands for one that is left out."""
        path = self.path()
        self.report(said, path, self.place(*self.span(event)))
        self.doubtful.add(path)
        return _LEFT_OUT

    def expand(self, event: yaml.NodeEvent) -> tuple[Any, dict[str, Spot] | list[Spot] | None]:
        """Writes out what an alias stands for."""
        anchored = self.anchors.get(event.anchor or "")
        name = show(event.anchor or "")
        if anchored is None:
            close = nearest(name, islice(self.anchors, 100))
            fix = f"*{close}" if close else f"# write the value here, or put text in quotes: {quote('*' + name)}"
            said = Said("CN104", f"the alias *{name}, with no &{name} above it", "an anchor", fix)
        elif any(collection.value is anchored.value for collection in self.open):
            fix = f"# write a value in place of *{name}"
            said = Said("CN104", f"the alias *{name} inside what it stands for", "a value that ends", fix)
        else:
            return self.copy(anchored.value, self.path(), event), anchored.inside
        return self.leave_out(said, event), None

    def copy(self, value: Any, path: Path, event: yaml.NodeEvent) -> Any:
        """Copies an anchored value; MOST_LEVELS bounds the recursion, `admit` its size."""
        if not isinstance(value, dict | list):
            return value
        if len(path) >= MOST_LEVELS:
            self.stop(_TOO_DEEP, path, self.place(*self.span(event)))
        copied: dict[str | int, Any] = {}
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            self.admit(event, (*path, key))
            copied[key] = self.copy(child, (*path, key), event)
        return copied if isinstance(value, dict) else list(copied.values())

    def admit(self, event: yaml.NodeEvent, path: Path | None = None) -> None:
        """Counts one more value, and stops at the bound."""
        self.count += 1
        if self.count > MOST_VALUES:
            found = f"more than {MOST_VALUES:,} values, with the aliases written out"
            fix = "# keep long lists in a file of their own, and write only the aliases that are needed"
            said = Said("CN104", found, f"at most {MOST_VALUES:,}", fix)
            self.stop(said, path or self.path(), self.place(*self.span(event)))

    def place(self, start: int, end: int) -> Place:
        return self.lines.place(start, end)

    def report(
        self, said: Said, path: Path, place: Place, part: Part = Part.VALUE, related: tuple[Related, ...] = ()
    ) -> None:
        code, found, expected, fix = said
        self.faults.append(Diagnostic(code, path, found, expected, fix, place, part=part, related=related))
        if len(self.faults) >= MOST_FAULTS:
            raise DeclarationError(self.faults)

    def stop(self, said: Said, path: Path, place: Place) -> NoReturn:
        self.report(said, path, place)
        raise DeclarationError(self.faults)
