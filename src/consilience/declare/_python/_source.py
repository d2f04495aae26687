"""A file of Python, parsed and never run: its calls, its scopes, and what each scope binds to a name."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

__all__ = ["Binding", "Comprehension", "Function", "PythonSource", "Scope", "position"]

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Scope: TypeAlias = Function | Comprehension | ast.ClassDef | ast.Module

MOST_CHARACTERS = 1 << 20

_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match)


@dataclass(frozen=True)
class Binding:
    """What a statement puts under a name: `x = value`, `x["a"]["b"] = value`, `x |= value`, `x.update(...)`."""

    node: ast.AST
    keys: tuple[ast.expr, ...]
    value: ast.expr | None
    """None where it cannot be known without running it."""
    replaces: bool
    """Whether nothing that stood under the name before is left."""


class PythonSource:
    """The text and the syntax tree of a file, of a notebook's cell, or of neither when there is none."""

    def __init__(self, file: str) -> None:
        linecache.checkcache(file)
        self.lines = linecache.getlines(file)
        self.tree = _parsed("".join(self.lines))
        self._bindings: dict[ast.AST, dict[str, list[Binding]]] = {}

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node around each node."""
        return {child: parent for parent in ast.walk(self.tree) for child in ast.iter_child_nodes(parent)}

    @cached_property
    def calls(self) -> dict[tuple[int | None, int | None], ast.Call]:
        """The calls by the place of their closing bracket, which no two of them share."""
        found = (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))
        return {(node.end_lineno, node.end_col_offset): node for node in found}

    def column(self, line: int, offset: int) -> int:
        """Gives the column, in characters from 1, of an offset in bytes from 0."""
        if not 0 < line <= len(self.lines):
            return offset + 1
        return len(self.lines[line - 1].encode("utf-8", "replace")[:offset].decode("utf-8", "ignore")) + 1

    def scopes(self, node: ast.AST) -> Iterator[Scope]:
        """Gives the scopes in which Python would look for a name that stands at a node, innermost first."""
        inner: ast.AST = node
        is_first = True
        while (inner := self.parents.get(inner, self.tree)) is not self.tree:
            if isinstance(inner, Scope):
                if is_first or not isinstance(inner, ast.ClassDef):
                    yield inner
                is_first = is_first and isinstance(inner, Comprehension)
        yield self.tree

    def home(self, node: ast.AST) -> Scope:
        """Gives the function, class or module whose code a node is."""
        return next(scope for scope in self.scopes(node) if not isinstance(scope, Comprehension))

    def bindings(self, scope: Scope, name: str) -> list[Binding]:
        """Lists what a scope does to a name, in the order of the text."""
        if scope not in self._bindings:
            found: dict[str, list[Binding]] = {}
            for bound, binding in sorted(_bindings(scope), key=lambda pair: position(pair[1].node)):
                found.setdefault(bound, []).append(binding)
            self._bindings[scope] = found
        return self._bindings[scope].get(name, [])

    def targets(self, scope: Comprehension) -> set[str]:
        """Lists the names that a comprehension binds."""
        found = (node for part in scope.generators for node in ast.walk(part.target))
        return {node.id for node in found if isinstance(node, ast.Name)}

    def parameters(self, function: Function) -> set[str]:
        """Lists the names that a function's callers give values to."""
        own = function.args
        several = [item for item in (own.vararg, own.kwarg) if item is not None]
        return {item.arg for item in (*own.posonlyargs, *own.args, *own.kwonlyargs, *several)}

    def is_certain(self, binding: Binding, use: ast.AST) -> bool:
        """Tells whether a statement has run whenever a later one runs: no branch holds the first alone."""
        around = set(self._branches(use))
        return all(branch in around for branch in self._branches(binding.node))

    def _branches(self, node: ast.AST) -> Iterator[ast.AST]:
        while (node := self.parents.get(node, self.tree)) is not self.tree:
            if isinstance(node, _BRANCHES):
                yield node


def position(node: ast.AST) -> tuple[int, int]:
    """Gives the line and the offset at which a node begins."""
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _parsed(text: str) -> ast.Module:
    if len(text) <= MOST_CHARACTERS:
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    return ast.Module([], [])


def _bindings(scope: Scope) -> Iterator[tuple[str, Binding]]:
    for node in _own(scope):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from _assigned(node, target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
                yield from _assigned(node, target, value)
            case ast.AugAssign(target=target, op=ast.BitOr(), value=value):
                yield from _merged(node, target, value)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=target, attr="update")) as call):
                yield from _merged(node, target, call)
            case ast.For(target=target) | ast.AsyncFor(target=target) | ast.AugAssign(target=target):
                yield from _assigned(node, target, None)
            case ast.withitem(optional_vars=ast.expr() as target):
                yield from _assigned(target, target, None)
            case ast.Delete(targets=targets):
                for target in targets:
                    yield from _assigned(node, target, None)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for name in names:
                    yield name.asname or name.name.partition(".")[0], Binding(node, (), None, True)
            case ast.FunctionDef(name=bound) | ast.AsyncFunctionDef(name=bound) | ast.ClassDef(name=bound):
                yield bound, Binding(node, (), None, True)
            case ast.ExceptHandler(name=str() as bound) | ast.MatchAs(name=str() as bound):
                yield bound, Binding(node, (), None, True)


def _own(scope: Scope) -> Iterator[ast.AST]:
    """Gives the nodes of a scope without those of the scopes inside it."""
    if isinstance(scope, Comprehension | ast.Lambda):
        return
    waiting: list[ast.AST] = list(scope.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Scope):
            waiting.extend(ast.iter_child_nodes(node))


def _assigned(node: ast.AST, target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, Binding]]:
    if isinstance(target, ast.Tuple | ast.List):
        parts = value.elts if isinstance(value, ast.Tuple | ast.List) else []
        is_paired = len(parts) == len(target.elts) and not any(isinstance(part, ast.Starred) for part in target.elts)
        for index, inner in enumerate(target.elts):
            yield from _assigned(node, inner, parts[index] if is_paired else None)
        return
    name, keys = _named(target)
    if name:
        yield name, Binding(node, keys, value, replaces=not keys)


def _merged(node: ast.AST, target: ast.expr, value: ast.expr) -> Iterator[tuple[str, Binding]]:
    name, keys = _named(target)
    if name:
        yield name, Binding(node, keys, value, replaces=False)


def _named(target: ast.expr) -> tuple[str, tuple[ast.expr, ...]]:
    """Takes `x["a"]["b"]` apart into `x` and its keys; the name is empty for what is none."""
    keys: list[ast.expr] = []
    while isinstance(target, ast.Subscript):
        keys.append(target.slice)
        target = target.value
    if isinstance(target, ast.Starred):
        return _named(target.value)
    return (target.id, tuple(reversed(keys))) if isinstance(target, ast.Name) else ("", ())
