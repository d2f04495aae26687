"""Finds in source code what is deprecated, without running it: decorators, keys, components, hook arguments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from consilience.declare import Deprecation

__all__ = ["Promise", "promises"]

_FORM = re.compile(r"(?:.*\bdeprecated )?(since \d+\.\d+, until \d+\.\d+: use .*)", re.DOTALL)
_CALLED = ("deprecated", "Deprecation")


@dataclass(frozen=True)
class Promise:
    """One deprecation in a source file; `said` is what stands there, where that is in another form."""

    file: Path
    line: int
    deprecation: Deprecation | None
    said: str

    def broken(self, version: str) -> str | None:
        """Tells in one line what is wrong with it, in a distribution of this version; None where nothing is."""
        if self.deprecation is None:
            return f"{self.said} is not of the form 'since 0.2, until 0.4: use widths'"
        return self.deprecation.broken_promise(version)


def promises(source: Path) -> list[Promise]:
    """Lists every deprecation in a source file, or in those below a folder."""
    files = sorted(source.rglob("*.py")) if source.is_dir() else [source]
    return [promise for file in files for promise in _of_file(file)]


def _of_file(file: Path) -> Iterator[Promise]:
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            if match := _FORM.fullmatch(node.value):
                yield Promise(file, node.lineno, Deprecation.parse(match[1]), node.value)
        elif isinstance(node, ast.Call) and _name(node.func) in _CALLED:
            yield from _of_call(file, node)
        elif isinstance(node, ast.keyword) and node.arg == "deprecated":
            yield from _of_keyword(file, node.value)


def _of_call(file: Path, call: ast.Call) -> Iterator[Promise]:
    given = dict(zip(("since", "until", "use"), call.args, strict=False))
    given |= {str(keyword.arg): keyword.value for keyword in call.keywords}
    texts = [_text(given.get(part)) for part in ("since", "until", "use")]
    if None in texts:  # made of variables: what calls it has the texts
        return
    said = str(Deprecation(*map(str, texts)))
    match = _FORM.fullmatch(said)
    yield Promise(file, call.lineno, Deprecation.parse(said) if match else None, said)


def _of_keyword(file: Path, value: ast.expr) -> Iterator[Promise]:
    """Tells of a `deprecated=` in another form; one in the form is found as a text."""
    if isinstance(value, ast.Constant) and value.value not in (None, False):
        said = value.value
        if not (isinstance(said, str) and _FORM.fullmatch(said)):
            yield Promise(file, value.lineno, None, f"deprecated={said!r}")


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _text(value: ast.expr | None) -> str | None:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
