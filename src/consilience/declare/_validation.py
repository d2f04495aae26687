"""Turns what pydantic finds into diagnostics."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from consilience.declare._guesses import NoGuess, filled_in, is_taken, origin_of, plain, reshaped, word_of
from consilience.declare._paste import paste
from consilience.errors import Diagnostic, Part, Path, nearest

__all__ = ["Found", "diagnostics_of", "found_in", "refuse", "show"]

_RANGES = (
    "greater_than",
    "less_than",
    "finite_number",
    "multiple_of",
    "too_short",
    "too_long",
    "string_too",
    "string_pattern",
)
_WORDS = {
    "bool_type": "true or false",
    "dict_type": "keys and their values, such as {key: value}",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list, such as [first, second]",
    "mapping_type": "keys and their values, such as {key: value}",
    "model_type": "keys and their values, such as {key: value}",
    "string_type": "text",
    "tuple_type": "a list, such as [first, second]",
}


def show(value: object) -> str:
    """Writes a value the way the file does, shortened to one line."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."


def refuse(expected: str, fix: str, code: str = "CN124") -> PydanticCustomError:
    """Makes the error by which a validator refuses a value: what it expected, and the fix, with `{key}` for the key."""
    return PydanticCustomError("refused", "{expected}", {"expected": expected, "fix": fix, "code": code})


def diagnostics_of(error: ValidationError, model: type[BaseModel], path: Path = ()) -> Iterable[Diagnostic]:
    """Tells every fault of a ValidationError, with the path of its key below `path`."""
    for found in found_in(error, model):
        yield found.diagnostic(path)


def found_in(error: ValidationError, model: type[BaseModel]) -> list[Found]:
    """Lists the faults of a ValidationError, one for each key at fault."""
    faults: dict[Path, list[Found]] = {}
    for detail in error.errors(include_url=False):
        found = _locate(detail, model)
        faults.setdefault(found.choice or found.path, []).append(found)
    told = [found for same in faults.values() for found in _without_other_forms(same)]
    renamed = {(found.path[:-1], found.near()) for found in told if found.detail["type"] == "extra_forbidden"}
    return [
        found for found in told if found.detail["type"] != "missing" or (found.path[:-1], found.name) not in renamed
    ]


@dataclass(frozen=True)
class Found:
    """One error of pydantic, with the path that the file has for it: pydantic's own names each form it tried."""

    detail: ErrorDetails
    path: Path
    owner: type[BaseModel] | None
    """The model whose key it is."""
    annotation: Any
    choice: Path | None = None
    """The path of the value that may have several forms, when it is in one."""
    others: tuple[str, ...] = ()
    """What the other forms would be."""
    is_key: bool = False
    """Whether the key is at fault, and not its value."""
    misspelt: str | None = None
    """Under which key the value stands that is missing at the path."""

    @property
    def name(self) -> str:
        return str(self.path[-1]) if self.path else ""

    @property
    def info(self) -> FieldInfo | None:
        fields = _fields(self.owner)
        return fields.get(self.name)

    def diagnostic(self, base: Path) -> Diagnostic:
        """Tells the fault, at its path below `base`."""
        told = self._diagnostic(base)
        return replace(told, part=Part.KEY) if self.is_key else told

    def _diagnostic(self, base: Path) -> Diagnostic:
        kind, at, given = self.detail["type"], (*base, *self.path), show(self.detail["input"])
        if self.misspelt is not None:
            fix = f"{self.name}: {paste(self.detail['input'].get(self.misspelt))}"
            expected = f"one of {', '.join(_fields(self.owner))}"
            at = (*at[:-1], self.misspelt)
            return Diagnostic("CN120", at, f"the unknown key {self.misspelt}", expected, fix, part=Part.KEY)
        if kind == "extra_forbidden":
            keys, near = list(_fields(self.owner)), self.near()
            fix = f"{near}: {paste(self.detail['input'])}" if near else f"# remove the key {self.name}"
            expected = f"one of {', '.join(keys)}" if keys else "no further keys"
            return Diagnostic("CN120", at, f"the unknown key {self.name}", expected, fix, part=Part.KEY)
        if kind == "missing":
            fix = self.written(self.example, f"# write the key {self.name}, with {word_of(self.annotation)}")
            return Diagnostic("CN121", at[:-1], f"no key {self.name}", f"the key {self.name}", fix)
        if kind == "refused":
            fix = str(self.detail["ctx"]["fix"]).replace("{key}", self.name)
            return Diagnostic(str(self.detail["ctx"]["code"]), at, given, self.message(), fix)
        if kind.startswith("string_too"):
            return Diagnostic("CN123", at, given, self.message(), f"# write {self.name} as {self.message()}")
        if kind.startswith(_RANGES):
            fix = self.written(self.within, f"# correct {self.name}")
            return Diagnostic("CN123", at, given, self.message(), fix)
        if kind in ("literal_error", "enum"):
            fix = self.written(self.choose, f"# write for {self.name} {self.message()}")
            return Diagnostic("CN124", at, given, self.message(), fix)
        if kind in ("value_error", "assertion_error"):
            return Diagnostic("CN124", at, given, self.message(), self.default_or(f"# correct {self.name}"))
        wanted = origin_of(self.annotation)
        if isinstance(wanted, type) and issubclass(wanted, BaseModel):  # what it shall hold, nobody can guess
            return Diagnostic("CN122", at, given, self.message(), f"# remove the key {self.name}")
        fix = self.written(self.converted, f"# write for {self.name} {self.message()}")
        given_keys = self.detail["input"] if wanted in (list, tuple) else None
        if isinstance(given_keys, Mapping) and fix == f"{self.name}: {paste(list(given_keys.values()))}":
            fix += f"  # of {', '.join(map(str, given_keys))}, in this order"  # which the key may want in another
        return Diagnostic("CN122", at, given, self.message(), fix)

    def written(self, guess: Callable[[], Any], otherwise: str) -> str:
        """Writes the key with what is guessed, or a key that is guessed; the comment where nobody can say."""
        try:
            return f"{paste(guess())}:" if self.is_key else f"{self.name}: {paste(guess())}"
        except NoGuess:
            is_dispensable = self.info is not None and not self.info.is_required()
            is_null = self.detail["input"] is None and is_dispensable
            return f"# remove the key {self.name}" if is_null else otherwise

    def near(self) -> str | None:
        return getattr(self.owner, "synonyms", {}).get(self.name) or nearest(self.name, _fields(self.owner))

    def as_misspelt(self) -> Found:
        """Gives the fault of a missing key as that of another, where one is nearly it and is no key of the model."""
        given = self.detail["input"]
        if self.detail["type"] != "missing" or not isinstance(given, dict):
            return self
        strange = [key for key in given if isinstance(key, str) and key not in _fields(self.owner)]
        synonyms = getattr(self.owner, "synonyms", {})
        meant = next((key for key in strange if synonyms.get(key) == self.name), None)
        return replace(self, misspelt=nearest(self.name, strange) or meant)

    def message(self) -> str:
        kind, text = self.detail["type"], self.detail["msg"]
        for start in ("Value error, ", "Assertion failed, ", "Input should be ", "Value should be ", "a valid "):
            text = text.removeprefix(start)
        text = _WORDS.get(kind, f"a number {text}" if kind.startswith(("greater_than", "less_than")) else text)
        if kind == "literal_error":
            text = f"one of {', '.join(str(choice) for choice in self.choices())}"
        if kind.startswith("string_too"):
            bounds = self.detail.get("ctx", {})
            count = bounds.get("max_length", bounds.get("min_length", 1))
            most = "most" if kind == "string_too_long" else "least"
            text = f"text of at {most} {count} character{'' if count == 1 else 's'}"
        return " or ".join(dict.fromkeys([text, *self.others]))

    def default_or(self, otherwise: str) -> str:
        default = self.default()
        return otherwise if default is None else f"{self.name}: {paste(default)}"

    def default(self) -> Any:
        if self.info is None or self.info.is_required():
            return None
        value = self.info.default
        return value if isinstance(value, str | int | float | bool | dict | list) else None

    def example(self) -> Any:
        """Gives a value that the key might have: an example, its default, or one of its type; or raises NoGuess."""
        if self.info is not None and self.info.examples:
            return self.info.examples[0]
        default = self.default()
        return filled_in(self.annotation) if default in (None, "", {}, []) else default

    def converted(self) -> Any:
        """Gives the value that was likely meant by one of another type, such as `16` for `"16"`; or raises NoGuess."""
        given, wanted = self.detail["input"], origin_of(self.annotation)
        if wanted is str and isinstance(given, int | float):
            return json.dumps(given) if isinstance(given, bool) else str(given)
        try:
            if wanted in (int, float) and isinstance(given, str | float) and not isinstance(given, bool):
                number = float(given)
                if self.inside(number) == number and (wanted is float or number == int(number)):
                    return int(number) if wanted is int else number
        except (ValueError, OverflowError):
            pass
        if wanted is bool and isinstance(given, str | int):
            return str(given).lower() in ("1", "yes", "on", "true", "y")
        examples = (self.info.examples if self.info else None) or [None]
        metadata = self.info.metadata if self.info else []
        shapes = reshaped(given, self.annotation, examples[0])
        kept = next((shape for shape in shapes if is_taken(shape, self.annotation, metadata)), None)
        return self.example() if kept is None else kept

    def within(self) -> Any:
        """Gives a value within the range: the default, the bound itself, or the next one."""
        default = self.default()
        if default is not None:
            return default
        bounds: Mapping[str, Any] = self.detail.get("ctx", {})
        for key, step in (("ge", 0), ("le", 0), ("gt", 1), ("lt", -1)):
            if key in bounds:
                bound = self.inside(bounds[key] + step)
                return int(bound) if bound == int(bound) else bound
        return bounds["multiple_of"] if "multiple_of" in bounds else self.example()

    def inside(self, value: float) -> float:
        """Gives the value, or the middle of the range when it lies outside."""
        metadata = self.info.metadata if self.info else []
        low = max((getattr(item, "ge", getattr(item, "gt", -inf)) for item in metadata), default=-inf)
        high = min((getattr(item, "le", getattr(item, "lt", inf)) for item in metadata), default=inf)
        is_closed = any(getattr(item, "le", None) == value or getattr(item, "ge", None) == value for item in metadata)
        return value if low < value < high or is_closed else (low + high) / 2

    def choices(self) -> list[Any]:
        annotation = plain(self.annotation)
        if get_origin(annotation) is Literal:
            return list(get_args(annotation))
        expected = str(self.detail.get("ctx", {}).get("expected", ""))
        return [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]

    def choose(self) -> Any:
        """Gives the choice that was likely meant, or is usual; raises NoGuess where there are several."""
        choices = {str(choice): choice for choice in self.choices()}
        usual = next(iter(choices)) if len(choices) == 1 else str(self.default())
        meant = nearest(str(self.detail["input"]), choices) or usual
        if meant not in choices:
            raise NoGuess
        return choices[meant]


def _without_other_forms(same: list[Found]) -> list[Found]:
    """Keeps, of a value that may have several forms, the faults of the form it has, or one for all of them."""
    if same[0].choice is None or len(same) == 1:
        return same
    deeper = [found for found in same if len(found.path) > len(found.choice or ())]
    if deeper:
        return deeper
    messages = tuple(found.message() for found in same[1:])
    [first, *_] = same
    return [replace(first, others=messages)]


def _locate(detail: ErrorDetails, model: type[BaseModel]) -> Found:
    at: Any = model
    owner: type[BaseModel] | None = None
    path: Path = ()
    choice: Path | None = None
    is_key = detail["loc"][-1:] == ("[key]",)
    for part in detail["loc"][: len(detail["loc"]) - is_key]:
        at = plain(at)
        if get_origin(at) in (Union, types.UnionType):  # the part names the form that was tried
            choice, at = path, _member(at, str(part))
            continue
        owner = at if isinstance(at, type) and issubclass(at, BaseModel) else None
        info = _fields(owner).get(str(part))
        at = info.annotation if info else _item(at, part)
        path = (*path, part)
    return Found(detail, path, owner, at, choice, is_key=is_key)


def _fields(owner: type[BaseModel] | None) -> dict[str, FieldInfo]:
    return {info.alias or key: info for key, info in owner.model_fields.items()} if owner else {}


def _member(union: Any, tag: str) -> Any:
    members = [plain(member) for member in get_args(union) if member is not type(None)]
    named = [member for member in members if getattr(origin_of(member), "__name__", "") == tag.partition("[")[0]]
    return (named or members)[0]


def _item(container: Any, part: str | int) -> Any:
    arguments = list(_arguments(container))
    if isinstance(part, int) and get_origin(container) is tuple and part < len(arguments):
        return arguments[part]
    return arguments[-1] if arguments else None


def _arguments(container: Any) -> Iterator[Any]:
    yield from (argument for argument in get_args(container) if argument is not Ellipsis)
