"""Reads the examples that a trained model is asked about, and tells what is wrong with one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consilience.errors import Diagnostic, Path, Place, RunError, nearest
from consilience.plan import Plan

__all__ = ["ExampleReader", "read_line"]

_WHOLE: Path = ("example",)


def read_line(line: str, place: Place) -> Mapping[str, Any]:
    """Reads one line of JSON; raises `RunError` (CN801, CN802) when it is no JSON object."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        found = f"{_short(line)}, which is not JSON: {error}"
        raise _error(
            "CN801", _WHOLE, found, 'one JSON object a line, such as {"text": "..."}', _object(line), place
        ) from None
    if not isinstance(value, dict):
        found = f"{_short(line.strip())}, which is {_kind(value)}"
        fix = _object(value) if isinstance(value, str) else '{"text": "..."}'
        raise _error("CN802", _WHOLE, found, 'a JSON object, such as {"text": "..."}', fix, place)
    return value


@dataclass(frozen=True)
class ExampleReader:
    """Turns what a user gives into an example of the fusion's fields; raises `RunError` (CN803 to CN808)."""

    plan: Plan
    needed: tuple[str, ...]
    """The fields that the asked outputs read."""
    as_words: frozenset[str] = frozenset()
    """The texts that are given as their words, because words were labelled in training."""

    @classmethod
    def of(cls, plan: Plan, outputs: Sequence[str], labelled: Iterable[str] = ()) -> ExampleReader:
        """Reads the examples that some nodes of a plan need; `labelled` are fields whose words the answers label."""
        behind = {field for name in outputs for field in plan.fields_behind(name)}
        needed = tuple(name for name in plan.fields if name in behind)
        texts = (plan.text_of(name) for name in labelled)
        return cls(plan, needed, frozenset(text for text in texts if text is not None))

    def __call__(self, given: object, place: Place) -> dict[str, Any]:
        """Gives the example of a text alone, or of a mapping from field to value."""
        if isinstance(given, str):
            given = {self._only_text(place): given}
        if not isinstance(given, Mapping):
            found, expected = f"{_kind(given)}", "a text, or a mapping from field to value"
            raise _error("CN802", _WHOLE, found, expected, '{"text": "..."}', place)
        faults = [self._unknown(key, place) for key in given if key not in self.plan.fields]
        example: dict[str, Any] = {}
        for name in self.needed:
            if given.get(name) is None:
                faults.append(self._missing(name, place))
                continue
            try:
                example[name] = self._read(name, given[name], place)
            except RunError as error:
                faults += error.diagnostics
        if faults:
            raise RunError(faults)
        return example

    def _only_text(self, place: Place) -> str:
        texts = [name for name in self.needed if self.plan.fields[name].word == "text"]
        if len(texts) == 1:
            return texts[0]
        words = f"{len(texts)} text fields: {', '.join(texts)}" if texts else "no text field"
        fix = json.dumps(dict.fromkeys(texts or self.needed, "..."))
        raise _error(
            "CN808", _WHOLE, f"a text alone, for a fusion that reads {words}", "a value for each by name", fix, place
        )

    def _unknown(self, key: object, place: Place) -> Diagnostic:
        near = nearest(str(key), self.plan.fields) or next(iter(self.needed), next(iter(self.plan.fields)))
        expected = f"one of the fields {', '.join(self.plan.fields)}"
        return Diagnostic(
            "CN805", (_short(key),), f"the unknown field {_short(key)}", expected, f'"{near}": ...', place
        )

    def _missing(self, name: str, place: Place) -> Diagnostic:
        kind = self.plan.fields[name].word
        return Diagnostic("CN803", (name,), f"no {name}", f"a {kind}", f'"{name}": {_SAMPLES[kind]}', place)

    def _read(self, name: str, value: object, place: Place) -> Any:
        kind = self.plan.fields[name].word
        space = self.plan.labels(name)
        labels = space.labels if space else ()
        read = _READERS[kind](value, labels)
        if read is None:
            fix = f'"{name}": {_SAMPLES[kind]}'
            expected = _EXPECTED[kind].format(", ".join(labels))
            raise _error("CN804", (name,), f"{_short(value)}, which is {_kind(value)}", expected, fix, place)
        return self._text(name, read, place) if kind == "text" else read

    def _text(self, name: str, value: str | list[str], place: Place) -> str | list[str]:
        words = value if isinstance(value, list) else [value]
        whole = " ".join(words)
        if any("\ud800" <= letter <= "\udfff" for letter in whole):
            fix = f'"{name}": {json.dumps(whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))[:80]}'
            raise _error(
                "CN806", (name,), "a lone surrogate, which stands for no character", "Unicode text", fix, place
            )
        if not whole.strip():
            raise _error("CN807", (name,), "an empty text", "a text with a letter in it", f'"{name}": "..."', place)
        return value.split() if isinstance(value, str) and name in self.as_words else value


def _read_text(value: object, labels: tuple[str, ...]) -> Any:
    is_words = isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)
    return value if isinstance(value, str) or is_words else None


def _read_category(value: object, labels: tuple[str, ...]) -> Any:
    return labels.index(value) if isinstance(value, str) and value in labels else None


def _read_labels(value: object, labels: tuple[str, ...]) -> Any:
    if not isinstance(value, list) or not all(isinstance(item, str) and item in labels for item in value):
        return None
    return [labels.index(item) for item in value]


def _read_number(value: object, labels: tuple[str, ...]) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None  # type: ignore[arg-type]


def _read_numbers(value: object, labels: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping) and set(value) == set(labels):
        value = [value[name] for name in labels]
    numbers = [_read_number(item, ()) for item in value] if isinstance(value, list) else []
    return numbers if len(numbers) == len(labels) and None not in numbers else None


_READERS: dict[str, Callable[[object, tuple[str, ...]], Any]] = {
    "text": _read_text,
    "category": _read_category,
    "categories": _read_labels,
    "number": _read_number,
    "numbers": _read_numbers,
    "token_labels": _read_labels,
}
_SAMPLES = {
    "text": '"..."',
    "category": '"label"',
    "categories": '["label"]',
    "number": "0.5",
    "numbers": "[0.5, 0.5]",
    "token_labels": '["label"]',
}
_EXPECTED = {
    "text": "a text, or a list of its words",
    "category": "one of {}",
    "categories": "a list of some of {}",
    "number": "a finite number",
    "numbers": "a finite number for each of {}",
    "token_labels": "a list, for each word one of {}",
}


def _error(code: str, path: Path, found: str, expected: str, fix: str, place: Place) -> RunError:
    return RunError(Diagnostic(code, path, found, expected, fix, place))


def _kind(value: object) -> str:
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else kinds.get(type(value), f"a {type(value).__name__}")


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 40 else f"{text[:37]}..."


def _object(text: str) -> str:
    return json.dumps({"text": text.strip()[:40]}, ensure_ascii="\ud800" <= max(text, default="") <= "\udfff")
