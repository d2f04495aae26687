"""Reads a YAML 1.2 file into plain values and the place of each, and nothing else: no tags, no code, no explosion."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import yaml

from consilience.declare._characters import (
    REFUSED,
    REFUSED_ESCAPE,
    REFUSED_IN_KEY,
    escape,
    join_pairs,
    quote,
    refused_character,
    show,
)
from consilience.declare._file import MOST_BYTES, file_text, too_large
from consilience.declare._scalars import WORDS, plain_value
from consilience.errors import DeclarationError, Diagnostic, Part, Path, Place, nearest

__all__ = ["Document", "read_file", "read_text"]

MOST_VALUES = 10_000
MOST_LEVELS = 64
MOST_FAULTS = 100
LONGEST_KEY = 1024

_WRITTEN_TAG = re.compile(r"(?:&\S+\s+)?(!\S*)")

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


@dataclass(frozen=True)
class Document:
    """What a file says, as plain values, and where it says it."""

    value: Any
    file: str | None
    text: str
    keys: Mapping[Path, Place]
    values: Mapping[Path, Place]
    faults: tuple[Diagnostic, ...] = ()

    def place(self, path: Path, part: Part = Part.VALUE) -> Place:
        """Gives the place of the key at a path (of the item, in a list), or of the nearest key above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.keys:
                return self.keys[path[:length]]
        return Place(self.file or "<text>", 1, 1)


def read_file(path: str | os.PathLike[str]) -> Document:
    """Reads a UTF-8 file of at most 1 MiB; raises DeclarationError with every fault of its shape."""
    return read_text(file_text(path), escape(os.fspath(path)))


def read_text(text: str, file: str = "<text>") -> Document:
    """Reads a text as `read_file` reads a file; `file` is the name that its places carry."""
    text = text.removeprefix("\ufeff")
    if len(text) > MOST_BYTES:
        raise DeclarationError(too_large(file))
    refused = [refused_character(match, file) for match in islice(REFUSED.finditer(text), 10)]
    if refused:
        raise DeclarationError(refused)
    return _Reader(text, file).read()


@dataclass
class _Open:
    """A collection whose end has not been read yet; a mapping with a key waits for that key's value."""

    path: Path
    value: dict[str, Any] | list[Any]
    key: str | None = None
    seen: dict[str, Place] = field(default_factory=dict)


@dataclass(frozen=True)
class _Anchored:
    """A value that an alias may repeat."""

    value: Any
    path: Path
    place: Place


class _Reader:
    """Turns the events of PyYAML's parser into one document."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.faults: list[Diagnostic] = []
        self.root: Any = None
        self.documents = 0
        self.count = 0
        self.open: list[_Open] = []
        self.anchors: dict[str, _Anchored] = {}
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}

    def read(self) -> Document:
        for event in self.events():
            if isinstance(event, yaml.DocumentStartEvent):
                self.start_document(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self.open.pop()
            elif isinstance(event, yaml.NodeEvent):
                self.read_node(event)
        if not isinstance(self.root, dict):
            found = {list: "a list", type(None): "nothing"}.get(type(self.root), "a single value")
            fix = "# begin the file with `consilience: 1`, and write its other keys below"
            self.report("CN108", (), self.values.get(()), found, "keys and their values", fix)
        if self.faults:
            raise DeclarationError(self.faults)
        return Document(self.root, self.file, self.text, self.keys, self.values)

    def events(self) -> Iterator[yaml.Event]:
        """Gives the parser's events up to its first error; the C parser would crash on deep nesting."""
        loader = yaml.SafeLoader(self.text)
        try:
            while loader.check_event():
                yield loader.get_event()  # type: ignore[no-untyped-call]
        except yaml.MarkedYAMLError as error:
            problem = ", ".join(part.removeprefix("found ") for part in (error.problem, error.context) if part)
            self.stop_at_syntax(problem, error.problem_mark or loader.get_mark())
        except (yaml.YAMLError, ValueError, OverflowError):  # "\UFFFFFFFF", %YAML 1.<5,000 digits>
            self.stop_at_syntax("an escape or a version whose number is too large", loader.get_mark())

    def stop_at_syntax(self, problem: str, mark: Any) -> None:
        fixes = (fix for part, fix in _SYNTAX_FIXES.items() if part in problem)
        fix = next(fixes, "# indent this line as its neighbours are, and close every quote and bracket above it")
        path = self.next_path() if self.open else ()
        self.stop("CN101", path, self.place(mark), show(problem, 200), "readable YAML", fix)

    def start_document(self, event: yaml.Event) -> None:
        self.documents += 1
        if self.documents > 1:
            place = self.place(event.start_mark)
            fix = "# delete the `---` or `...` that ends the first, or keep the rest in a file of its own"
            self.stop("CN108", (), place, "a second document", "one document", fix)

    def read_node(self, event: yaml.NodeEvent) -> None:
        innermost = self.open[-1] if self.open else None
        if innermost and isinstance(innermost.value, dict) and innermost.key is None:
            self.read_key(event, innermost)
        else:
            self.read_value(event)

    def next_path(self) -> Path:
        """Gives the path of the value that comes next."""
        if not self.open:
            return ()
        parent = self.open[-1]
        if isinstance(parent.value, list):
            return (*parent.path, len(parent.value))
        return parent.path if parent.key is None else (*parent.path, parent.key)

    def read_key(self, event: yaml.NodeEvent, mapping: _Open) -> None:
        place = self.place(event.start_mark)
        key = mapping.key = self.key_text(event, mapping.path, place)
        path = (*mapping.path, key)
        if isinstance(event, yaml.CollectionStartEvent):
            self.enter(path, place)
            self.open.append(_Open(path, {} if isinstance(event, yaml.MappingStartEvent) else []))
        elif key in mapping.seen:
            first = mapping.seen[key]
            found = f"`{show(key)}` a second time (first on line {first.line}, column {first.column})"
            fix = f"# delete one of the two, or give one another name, such as `{show(key, 40)}_2`"
            self.report("CN102", path, place, found, "every key once", fix)
        if event.anchor:
            self.anchors[event.anchor] = _Anchored(key, path, place)
        self.keys[path] = mapping.seen[key] = place

    def key_text(self, event: yaml.NodeEvent, parent: Path, place: Place) -> str:
        """Gives a key as it is written; one that is no plain string is reported, and stands as its own spelling."""
        self.refuse_tag(event, parent)
        if not isinstance(event, yaml.ScalarEvent):
            is_mapping, is_list = isinstance(event, yaml.MappingStartEvent), isinstance(event, yaml.SequenceStartEvent)
            found = f"{'a mapping' if is_mapping else 'a list' if is_list else 'an alias'} as a key"
            fix = (
                '# write a name before the colon, as in `name: value`; put text that holds braces in quotes: "{{...}}"'
            )
            self.report("CN107", parent, place, found, "a name", fix)
            return f"key at {place.line}:{place.column}"
        key = join_pairs(event.value)
        is_plain = event.style is None
        if is_plain and key == "<<":
            fix = "# write the keys out in place of `<<`, or give each value an anchor of its own: `rate: &rate 0.1`"
            self.report("CN105", parent, place, "the merge key `<<`", "keys that are written out", fix)
        elif is_plain and key in WORDS and WORDS[key] is None:
            fix = (
                f'# put the name in quotes: "{key}":' if key else "# write a name before the colon, as in `name: value`"
            )
            self.report("CN107", parent, place, f"the key `{key}`, which is null" if key else "no key", "a name", fix)
        elif len(key) > LONGEST_KEY:
            fix = f"# shorten it: {show(key, 20)}:"
            self.report("CN107", parent, place, f"a key of {len(key):,} characters", f"at most {LONGEST_KEY:,}", fix)
        elif REFUSED_IN_KEY.search(key):
            fix = f"# write it without them: {quote(REFUSED_IN_KEY.sub('', key))}:"
            self.report("CN109", parent, place, f"control characters in the key {show(key)}", "printable text", fix)
        else:
            return key
        return show(key)

    def read_value(self, event: yaml.NodeEvent) -> None:
        path, place = self.next_path(), self.place(event.start_mark)
        self.refuse_tag(event, path)
        self.admit(path, place)
        if self.open and isinstance(self.open[-1].value, list):
            self.keys[path] = place
        self.values[path] = place
        value: Any = None
        if isinstance(event, yaml.AliasEvent):
            value = self.expand(event, path, place)
        elif isinstance(event, yaml.ScalarEvent):
            value = self.scalar(event, path, place)
        else:
            self.enter(path, place)
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.attach(value)
        if isinstance(event, yaml.CollectionStartEvent):
            self.open.append(_Open(path, value))
        if event.anchor and not isinstance(event, yaml.AliasEvent):
            self.anchors[event.anchor] = _Anchored(value, path, place)

    def attach(self, value: Any) -> None:
        if not self.open:
            self.root = value
            return
        parent = self.open[-1]
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is not None:
            parent.value[parent.key] = value
            parent.key = None

    def refuse_tag(self, event: yaml.NodeEvent, path: Path) -> None:
        tag = getattr(event, "tag", None)
        if tag is None:
            return
        written = _WRITTEN_TAG.match(self.text, getattr(event.start_mark, "index", 0))
        shown = show(written[1] if written else tag)
        fix = f"# delete `{shown}`"
        if isinstance(event, yaml.ScalarEvent) and tag in ("!", "tag:yaml.org,2002:str"):
            fix = f"# write it in quotes: {quote(event.value)}"
        place = self.place(event.start_mark)
        self.report("CN103", path, place, f"the tag `{shown}`", "plain data, without tags", fix)

    def scalar(self, event: yaml.ScalarEvent, path: Path, place: Place) -> Any:
        if event.style is None:
            try:
                return plain_value(event.value)
            except ValueError:
                fix = f"# write a finite number, or put it in quotes if it is text: {quote(event.value)}"
                expected = "a finite number that a 64-bit float can hold"
                self.report("CN110", path, place, show(event.value), expected, fix)
                return None
        value = join_pairs(event.value)
        refused = REFUSED_ESCAPE.search(value)
        if refused:
            found = f"the character U+{ord(refused[0]):04X}, which no text holds"
            self.report(
                "CN109", path, place, found, "text", f"# write it without that: {quote(REFUSED_ESCAPE.sub('', value))}"
            )
        return value

    def expand(self, event: yaml.AliasEvent, path: Path, place: Place) -> Any:
        anchored = self.anchors.get(event.anchor or "")
        name = show(event.anchor or "")
        if anchored is None:
            close = nearest(name, islice(self.anchors, 100))
            fix = f"*{close}" if close else f"# write the value here, or put text in quotes: {quote('*' + name)}"
            self.report("CN104", path, place, f"the alias *{name}, with no &{name} above it", "an anchor", fix)
        elif any(collection.value is anchored.value for collection in self.open):
            fix = f"# write a value in place of *{name}"
            self.report("CN104", path, place, f"the alias *{name} inside what it stands for", "a value that ends", fix)
        else:
            self.values[path] = anchored.place
            return self.copy(anchored.value, anchored.path, path, place)
        return None

    def copy(self, value: Any, source: Path, path: Path, place: Place) -> Any:
        """Copies an anchored value with the places of its parts; `enter` bounds the recursion, `admit` its size."""
        if not isinstance(value, dict | list):
            return value
        self.enter(path, place)
        copied: dict[str | int, Any] = {}
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            self.admit((*path, key), place)
            for places in (self.keys, self.values):
                places[*path, key] = places.get((*source, key), place)
            copied[key] = self.copy(child, (*source, key), (*path, key), place)
        return copied if isinstance(value, dict) else list(copied.values())

    def admit(self, path: Path, place: Place) -> None:
        """Counts one more value, and stops at the bound."""
        self.count += 1
        if self.count > MOST_VALUES:
            found = f"more than {MOST_VALUES:,} values, with the aliases written out"
            fix = "# keep long lists in a file of their own, and write only the aliases that are needed"
            self.stop("CN104", path, place, found, f"at most {MOST_VALUES:,}", fix)

    def enter(self, path: Path, place: Place) -> None:
        """Stops at a collection that lies too deep."""
        if len(path) >= MOST_LEVELS:
            fix = "# take the inner value out, and give it a name of its own at the top of the file"
            self.stop("CN106", path, place, f"more than {MOST_LEVELS} levels", f"at most {MOST_LEVELS}", fix)

    def place(self, mark: Any) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)

    def report(self, code: str, path: Path, place: Place | None, found: str, expected: str, fix: str) -> None:
        place = place or Place(self.file, 1, 1)
        self.faults.append(Diagnostic(code, path, found, expected, fix, place))
        if len(self.faults) >= MOST_FAULTS:
            raise DeclarationError(self.faults)

    def stop(self, code: str, path: Path, place: Place, found: str, expected: str, fix: str) -> None:
        self.report(code, path, place, found, expected, fix)
        raise DeclarationError(self.faults)
