"""What is said of the faults of a text, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from consilience.declare._characters import REFUSED_IN_KEY, SPACE_IN_KEY, quote, show
from consilience.declare._scalars import WORDS
from consilience.errors import nearest, with_article

__all__ = [
    "PLAIN_SPACES",
    "Said",
    "alias_inside",
    "doubled_key",
    "fault_of_key",
    "no_declaration",
    "no_name",
    "no_number",
    "no_syntax",
    "no_text",
    "second_document",
    "tag",
    "too_deep",
    "too_many",
    "unknown_alias",
]

LONGEST_KEY = 1024
PLAIN_SPACES = "plain spaces"

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


class Said(NamedTuple):
    """What a diagnostic says of a fault, wherever it stands."""

    code: str
    found: str
    expected: str
    fix: str


def no_syntax(problem: str) -> Said:
    """Says that the text is no YAML."""
    fixes = (fix for part, fix in _SYNTAX_FIXES.items() if part in problem)
    fix = next(fixes, "# indent this line as its neighbours are, and close every quote and bracket above it")
    if "expected <block end>" in problem and "<block mapping start>" in problem:
        problem = "a line that is indented deeper than the one above, which ends in a value"
    return Said("CN101", show(problem, 200), "readable YAML", fix)


def doubled_key(key: str, line: int, column: int) -> Said:
    """Says that a key stands twice, first at a line and column."""
    found = f"`{show(key)}` a second time (first on line {line}, column {column})"
    fix = f"# delete one of the two, or give one another name, such as `{show(key, 40)}_2`"
    return Said("CN102", found, "every key once", fix)


def tag(written: str, text: str | None) -> Said:
    """Says that there is a tag; `text` is what it makes a text of, where that is what it asks for."""
    shown = show(written)
    fix = f"# delete `{shown}`" if text is None else f"# write it in quotes: {quote(text)}"
    return Said("CN103", f"the tag `{shown}`", "plain data, without tags", fix)


def unknown_alias(name: str, known: Iterable[str]) -> Said:
    """Says that an alias names no anchor."""
    shown = show(name)
    close = nearest(shown, known)
    fix = f"*{close}" if close else f"# write the value here, or put text in quotes: {quote('*' + shown)}"
    return Said("CN104", f"the alias *{shown}, with no &{shown} above it", "an anchor", fix)


def alias_inside(name: str) -> Said:
    """Says that an alias stands inside its own anchor."""
    shown = show(name)
    fix = f"# write a value in place of *{shown}"
    return Said("CN104", f"the alias *{shown} inside what it stands for", "a value that ends", fix)


def too_many(most: int) -> Said:
    """Says that there are too many values."""
    fix = "# keep long lists in a file of their own, and write only the aliases that are needed"
    return Said("CN104", f"more than {most:,} values, with the aliases written out", f"at most {most:,}", fix)


def too_deep(most: int) -> Said:
    """Says that a collection lies too deep."""
    fix = "# take the inner value out, and give it a name of its own at the top of the file"
    return Said("CN106", f"more than {most} levels", f"at most {most}", fix)


def no_name(found: str) -> Said:
    """Says that a key is no scalar at all."""
    fix = '# write a name before the colon, as in `name: value`; put text that holds braces in quotes: "{{...}}"'
    return Said("CN107", f"{found} as a key", "a name", fix)


def fault_of_key(key: str, is_plain: bool) -> Said | None:
    """Says why a key is no name, or nothing when it is one."""
    from unicodedata import name

    if is_plain and key == "<<":
        fix = "# write the keys out in place of `<<`, or give each value an anchor of its own: `rate: &rate 0.1`"
        return Said("CN105", "the merge key `<<`", "keys that are written out", fix)
    if is_plain and WORDS.get(key, key) is None:
        if not key:
            return Said("CN107", "no key", "a name", "# write a name before the colon, as in `name: value`")
        return Said("CN107", f"the key `{key}`, which is null", "a name", f'# put the name in quotes: "{key}":')
    if len(key) > LONGEST_KEY:
        fix = f"# shorten it: {show(key, 20)}:"
        return Said("CN107", f"a key of {len(key):,} characters", f"at most {LONGEST_KEY:,}", fix)
    if is_plain and (space := SPACE_IN_KEY.search(key)):
        named = f"{name(space[0]).lower()} (U+{ord(space[0]):04X})"
        found = f"{with_article(named)} in the key {show(key)}"
        return Said("CN109", found, PLAIN_SPACES, f"# put a plain space in place of the {named}")
    if REFUSED_IN_KEY.search(key):
        fix = f"# write it without them: {quote(REFUSED_IN_KEY.sub('', key))}:"
        return Said("CN109", f"control characters in the key {show(key)}", "printable text", fix)
    return None


def second_document() -> Said:
    """Says that a second document begins."""
    fix = "# delete the `---` or `...` that ends the first, or keep the rest in a file of its own"
    return Said("CN108", "a second document", "one document", fix)


def no_declaration(value: object) -> Said:
    """Says that a file holds something else than keys and values."""
    found = {list: "a list", type(None): "nothing"}.get(type(value), "a single value")
    fix = "# begin the file with `consilience: 1`, and write its other keys below"
    return Said("CN108", found, "keys and their values", fix)


def no_text(char: str, rest: str) -> Said:
    """Says that an escape stands for what no text holds; `rest` is the text without it."""
    found = f"the character U+{ord(char):04X}, which no text holds"
    return Said("CN109", found, "text", f"# write it without that: {quote(rest)}")


def no_number(text: str) -> Said:
    """Says that no 64-bit float holds a number."""
    fix = f"# write a finite number, or put it in quotes if it is text: {quote(text)}"
    return Said("CN110", show(text), "a finite number that a 64-bit float can hold", fix)
