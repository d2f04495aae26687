"""The walk from a fusion's constructor to one of its keys: through literals, constructors and names."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from consilience.declare._python._recorded import Recorded, last_name
from consilience.declare._python._source import Binding, Comprehension, Function, PythonSource, Scope, position
from consilience.errors import Path

__all__ = ["Key", "Search", "Spot", "is_same"]

Key: TypeAlias = ast.expr | ast.keyword | None

MOST_STEPS, DEEPEST = 5_000, 60
"""How far a search goes: names that are bound by each other could keep it busy for ever."""

_MAPPINGS = {"dict", "OrderedDict", "Fusion", "Objective", "ColumnMap", "TrainSettings", "model_validate", "update"}
"""What makes a mapping of its keywords and of the mappings it is given, beside the classes of nodes."""
_SAME = {"copy", "to_dict", "model_dump"}
"""Methods that give what their object says."""
_COPIES = {"copy", "deepcopy"}


@dataclass(frozen=True)
class Spot:
    """A piece of code that writes a value, and the key that it stands behind."""

    value: ast.expr
    key: Key
    source: PythonSource
    is_opaque: bool = False
    """Whether what is looked for lies somewhere inside, and no reading could tell where."""


@dataclass(frozen=True)
class _Way:
    """What is left of a path, the key passed last, and the recorded call whose file the way goes through."""

    path: Path
    key: Key = None
    level: int = 0
    depth: int = 0

    def behind(self, key: Key, parts: int = 1) -> _Way:
        return replace(self, path=self.path[parts:], key=key)


class Search:
    """One search for a path; `nearest` is the deepest piece of code that encloses what is looked for."""

    def __init__(self, recorded: Recorded, root: ast.Call, path: Path) -> None:
        self.recorded = recorded
        self.root = root
        self.path = path
        self.nearest = Spot(root, None, recorded.source(0))
        self._rank = (0, False)
        self._steps = 0

    def spots(self) -> Iterator[Spot]:
        """Gives every piece of code that may have written the value at the path, the likeliest first."""
        return self._into(self.root, _Way(self.path))

    def _into(self, node: ast.expr, way: _Way) -> Iterator[Spot]:
        self._steps += 1
        if self._steps > MOST_STEPS or way.depth > DEEPEST:
            return
        way = replace(way, depth=way.depth + 1)
        if not way.path:
            yield Spot(node, way.key, self.recorded.source(way.level))
            return
        self._note(node, way)
        part = way.path[0]
        match node:
            case ast.Dict():
                yield from self._pairs(node, way)
            case ast.DictComp() if not isinstance(node.key, ast.Constant) or is_same(node.key.value, part):
                yield from self._into(node.value, way.behind(node.key))
            case ast.List() | ast.Tuple() if isinstance(part, int):
                before = node.elts[: part + 1]
                if 0 <= part < len(node.elts) and not any(isinstance(item, ast.Starred) for item in before):
                    yield from self._into(node.elts[part], way.behind(None))
            case ast.ListComp() | ast.GeneratorExp() if isinstance(part, int):
                yield from self._into(node.elt, way.behind(None))
            case ast.Call():
                yield from self._call(node, way)
            case ast.Name():
                yield from self._name(node, way)
            case ast.Subscript(slice=ast.Constant(value=str() | int() as inner)):
                yield from self._into(node.value, replace(way, path=(inner, *way.path)))
            case ast.Attribute() | ast.Subscript() | ast.Await():
                self._note(node, way, is_opaque=True)
            case _:
                yield from self._any(_same_value(node), way)

    def _any(self, nodes: Iterable[ast.expr], way: _Way) -> Iterator[Spot]:
        for node in nodes:
            yield from self._into(node, way)

    def _note(self, node: ast.expr, way: _Way, *, is_opaque: bool = False) -> None:
        rank = (len(self.path) - len(way.path), is_opaque)
        if rank > self._rank:
            self._rank = rank
            self.nearest = Spot(node, way.key, self.recorded.source(way.level), is_opaque)

    def _pairs(self, node: ast.Dict, way: _Way) -> Iterator[Spot]:
        """Looks through a dict display from its end, where the pairs stand that win; computed keys come last."""
        pairs = list(zip(node.keys, node.values, strict=True))[::-1]
        for key, value in pairs:
            if key is None:
                yield from self._into(value, way)
            elif isinstance(key, ast.Constant) and is_same(key.value, way.path[0]):
                yield from self._into(value, way.behind(key))
        for key, value in pairs:
            if key is not None and not isinstance(key, ast.Constant):
                yield from self._into(value, way.behind(key))

    def _call(self, node: ast.Call, way: _Way) -> Iterator[Spot]:
        name = last_name(node.func)
        if node is self.root or name in _MAPPINGS or name.endswith("Node"):
            yield from self._keywords(node.keywords, way)
            yield from self._any(node.args, way)
        elif name in _COPIES and node.args:
            yield from self._into(node.args[0], way)
        elif name in _SAME and isinstance(node.func, ast.Attribute):
            yield from self._into(node.func.value, way)
        else:
            self._note(node, way, is_opaque=True)

    def _keywords(self, keywords: list[ast.keyword], way: _Way) -> Iterator[Spot]:
        for keyword in keywords:
            if keyword.arg is not None and is_same(keyword.arg, way.path[0]):
                yield from self._into(keyword.value, way.behind(keyword))
        yield from self._any((keyword.value for keyword in keywords if keyword.arg is None), way)

    def _name(self, node: ast.Name, way: _Way) -> Iterator[Spot]:
        """Follows a name to what its scope binds to it, the last statement first, then to the argument."""
        source = self.recorded.source(way.level)
        for scope in source.scopes(node):
            if isinstance(scope, Comprehension):
                if node.id in source.targets(scope):
                    break
                continue
            bindings = source.bindings(scope, node.id)
            is_parameter = isinstance(scope, Function) and node.id in source.parameters(scope)
            for binding in self._reaching(bindings, node, scope, way):
                yield from self._bound(binding, node, way)
                if binding.replaces and source.is_certain(binding, node):
                    return
            if isinstance(scope, Function) and is_parameter:
                yield from self._argument(scope, node, way)
            if bindings or is_parameter:
                return
        self._note(node, way, is_opaque=True)

    def _reaching(self, bindings: list[Binding], use: ast.Name, scope: Scope, way: _Way) -> Iterator[Binding]:
        """Gives the bindings that come before a name's use, the last first; what changes its value, up to the call."""
        source, call = self.recorded.source(way.level), self.recorded.call(way.level)
        for binding in reversed(bindings):
            last = use if binding.replaces or call is None else call
            if source.home(last) is not scope or position(binding.node) < position(last):
                yield binding

    def _bound(self, binding: Binding, use: ast.Name, way: _Way) -> Iterator[Spot]:
        keys = binding.keys
        if binding.value is None and not keys:
            self._note(use, way, is_opaque=True)
        if binding.value is None or len(keys) > len(way.path):
            return
        pairs = zip(keys, way.path, strict=False)
        if all(not isinstance(key, ast.Constant) or is_same(key.value, part) for key, part in pairs):
            yield from self._into(binding.value, way.behind(keys[-1], len(keys)) if keys else way)

    def _argument(self, function: Function, use: ast.Name, way: _Way) -> Iterator[Spot]:
        """Follows a parameter to what the function was called with."""
        self._note(use, way, is_opaque=True)
        found = self.recorded.caller(function, way.level)
        if found is None:
            return
        call, level = found
        way = replace(way, level=level)
        if function.args.kwarg is not None and function.args.kwarg.arg == use.id:
            yield from self._keywords(call.keywords, way)
            return
        named = [keyword.value for keyword in call.keywords if keyword.arg == use.id]
        names = [item.arg for item in (*function.args.posonlyargs, *function.args.args)]
        index = names.index(use.id) - (names[0] in ("self", "cls")) if use.id in names else -1
        if not named and 0 <= index < len(call.args):
            is_plain = not any(isinstance(item, ast.Starred) for item in call.args[: index + 1])
            named = [call.args[index]] if is_plain else []
        yield from self._any(named, way)


def is_same(written: object, part: str | int) -> bool:
    """Tells whether a key is the one of a path; Python writes `in_` where the file has `in`."""
    return written in (part, f"{part}_")


def _same_value(node: ast.expr) -> list[ast.expr]:
    """Lists the expressions whose value one gives, or may give, as its own."""
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return [right, left]
        case ast.IfExp(body=body, orelse=orelse):
            return [body, orelse]
        case ast.BoolOp(values=values):
            return values
        case ast.NamedExpr(value=value):
            return [value]
    return []
