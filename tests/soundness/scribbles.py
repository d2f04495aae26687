"""Changes of a fusion's text, as a slip of the hand makes them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

__all__ = ["SCRIBBLES"]

_STRAY = [
    *":,[]{}#&*!|>'\"%@`-?~ \t",
    "\n",
    "\r",
    "\0",
    "\x07",
    "\ufeff",
    "\u2028",
    "é",
    "\U0001f600",
    "<<: ",
    "- ",
    "0x",
    "!!int ",
]


def _delete(random: Random, text: str) -> str:
    at = random.randrange(max(1, len(text)))
    return text[:at] + text[at + random.randint(1, 3) :]


def _insert(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(_STRAY) + text[at:]


def _replace(random: Random, text: str) -> str:
    at = random.randrange(max(1, len(text)))
    return text[:at] + random.choice(_STRAY) + text[at + 1 :]


def _lines(change: Callable[[Random, list[str], int], list[str]]) -> Callable[[Random, str], str]:
    def changed(random: Random, text: str) -> str:
        lines = text.split("\n")
        return "\n".join(change(random, lines, random.randrange(len(lines))))

    return changed


def _swap(random: Random, lines: list[str], at: int) -> list[str]:
    other = min(len(lines) - 1, at + random.choice([1, 1, 1, 5]))
    lines[at], lines[other] = lines[other], lines[at]
    return lines


def _indent(random: Random, lines: list[str], at: int) -> list[str]:
    lines[at] = random.choice([" ", "  ", "    ", "\t"]) + lines[at]
    return lines


def _dedent(random: Random, lines: list[str], at: int) -> list[str]:
    lines[at] = lines[at].removeprefix(random.choice(["  ", " "]))
    return lines


def _repeat(random: Random, lines: list[str], at: int) -> list[str]:
    return [*lines[: at + 1], *lines[at:]]


def _leave_out(random: Random, lines: list[str], at: int) -> list[str]:
    return [*lines[:at], *lines[at + 1 :]]


def _comment(random: Random, lines: list[str], at: int) -> list[str]:
    lines[at] = "# " + lines[at]
    return lines


def _second_document(random: Random, lines: list[str], at: int) -> list[str]:
    return [*lines[:at], random.choice(["---", "...", "%YAML 1.2"]), *lines[at:]]


def _line_ends(random: Random, text: str) -> str:
    return text.replace("\n", random.choice(["\r\n", "\r"]))


def _mark_first(random: Random, text: str) -> str:
    return "\ufeff" + text


def _cut_off(random: Random, text: str) -> str:
    return text[: random.randrange(len(text) + 1)]


def _anchor(random: Random, text: str) -> str:
    """Anchors a value, and repeats it somewhere else."""
    places = [at for at in range(len(text) - 2) if text[at : at + 2] == ": "]
    if len(places) < 2:
        return text
    first, second = sorted(random.sample(places, 2))
    end = min((at for at in (text.find(sign, second + 2) for sign in ",}\n") if at > 0), default=len(text))
    return text[: first + 2] + "&same " + text[first + 2 : second + 2] + "*same" + text[end:]


SCRIBBLES: dict[str, Callable[[Random, str], str]] = {
    "delete a character": _delete,
    "insert a character": _insert,
    "replace a character": _replace,
    "swap lines": _lines(_swap),
    "indent a line": _lines(_indent),
    "dedent a line": _lines(_dedent),
    "repeat a line": _lines(_repeat),
    "leave out a line": _lines(_leave_out),
    "comment out a line": _lines(_comment),
    "a second document": _lines(_second_document),
    "other line ends": _line_ends,
    "a mark of byte order": _mark_first,
    "cut off": _cut_off,
    "anchor and alias": _anchor,
}
