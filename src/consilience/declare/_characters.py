"""The characters of a file's text: those refused in it, and how a diagnostic shows and quotes the others."""

from __future__ import annotations

import re

from consilience.errors import Diagnostic, Place

__all__ = [
    "REFUSED",
    "REFUSED_ESCAPE",
    "REFUSED_IN_KEY",
    "REPLACEMENT",
    "SPACE_IN_KEY",
    "escape",
    "join_pairs",
    "place_after",
    "quote",
    "refused_character",
    "show",
]

# YAML allows a few of these, but PyYAML ends a line at U+0085, U+2028 and U+2029 where YAML 1.2 does not, and a byte
# order mark inside the text is invisible.
REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
REFUSED_ESCAPE = re.compile("[\x00\ud800-\udfff]")
REFUSED_IN_KEY = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Spaces that YAML takes for letters, where an indent or the space behind a colon should be, or at the end of a key.
_SPACE = r"[^\S\x00-\x20\x85\u2028\u2029]"
SPACE_IN_KEY = re.compile(rf"(?<=:){_SPACE}|\A{_SPACE}|{_SPACE}\Z")
REPLACEMENT = "\ufffd"
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LINE_END = re.compile("\r\n|\r|\n")


def join_pairs(text: str) -> str:
    """Joins the surrogate pairs that JSON's escapes write for one character; PyYAML leaves them apart."""
    return _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


def escape(text: str) -> str:
    """Spells out what a terminal could not show."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def show(text: str, length: int = 60) -> str:
    """Shows at most `length` characters of a text in a diagnostic."""
    return escape(text if len(text) <= length else text[: length - 3] + "...")


def quote(text: str) -> str:
    """Writes the beginning of a text in double quotes, as YAML does."""
    return '"' + show(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def place_after(before: str, file: str) -> Place:
    """Gives the place of the character that follows a text from the start of its file."""
    lines = _LINE_END.split(before)
    line, column = len(lines), len(lines[-1]) + 1
    return Place(file, line, column, line, column + 1)


def refused_character(match: re.Match[str], file: str) -> Diagnostic:
    """Tells where a character stands that no one could see."""
    char, before = match[0], match.string[: match.start()]
    found = f"the character U+{ord(char):04X}, which cannot be seen"
    fix = f'# delete it, or write it as an escape in double quotes: "{escape(char)}"'
    if char == "\x00" or "\ud800" <= char <= "\udfff":
        fix = "# delete it, and save the file as UTF-8"
    return Diagnostic("CN109", (), found, "text", fix, place_after(before, file))
