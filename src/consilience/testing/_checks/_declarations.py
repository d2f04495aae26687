"""Checks of what a component says of itself: its help, its keys, and what a file or another process reads of it."""

from __future__ import annotations

import json
from multiprocessing.reduction import ForkingPickler
from typing import Any

from torch import nn

from consilience.declare import Dims, Unsolved
from consilience.testing._check import Broken, Ledger, NotApplicable
from consilience.testing._objectives import OBJECTIVES
from consilience.testing._subject import Subject

LEDGER = Ledger()
KINDS = ("resource", "source", "input", "module", "loss", "metric", "tuner", "balancer")
_BUILT = ("input", "module", "loss", "metric")


@LEDGER.component(*KINDS, of_class=True)
def documented(subject: Subject) -> None:
    """The component and each of its keys say in words what they are."""
    if not (subject.component.__doc__ or "").strip():
        raise Broken(f"{subject.name} without a docstring", "one sentence", f'"""Does ...""" in {subject.name}')
    told = subject.component.descriptions()
    silent = [key for key in subject.component.model_fields if not told.get(key, "").strip()]
    if silent:
        expected = "a docstring under each key"
        raise Broken(f"nothing is said of {', '.join(silent)}", expected, f'"""What it is.""" under {silent[0]}')


@LEDGER.component(*KINDS, of_class=True)
def bounded(subject: Subject) -> None:
    """Each key of one number says between which ends it lies, one end at least."""
    ends = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "const")
    schema = subject.component.model_json_schema()
    for key, written in schema.get("properties", {}).items():
        for kind in written.get("anyOf", [written]):
            if kind.get("type") in ("integer", "number") and not any(end in kind for end in ends):
                fix = f"{key}: ... = Field(..., ge=..., le=...)"
                raise Broken(f"{key} takes any {kind['type']}", "a range", fix)


@LEDGER.component(*KINDS, of_class=True)
def buildable(subject: Subject) -> None:
    """The component builds with its defaults, or with the examples that its author gives the kit."""
    try:
        subjects = subject.lab.subjects(subject.offer)
    except NotApplicable as error:
        fix = str(error).partition(": ")[2]
        raise Broken(str(error).partition(": ")[0], "settings to build it with", fix) from None
    for one in subjects:
        _build(one)


def _build(subject: Subject) -> None:
    kind = subject.component.kind
    faults = [*subject.declaration.faults()]
    if faults:
        raise Broken(f"{faults[0].key}: {faults[0].found}", faults[0].expected, faults[0].fix)
    if kind in _BUILT:
        built = subject.build()
        if kind in ("module", "loss"):
            assert built.module is built.made
        elif not callable(built.made):
            raise Broken(f"build gives a {type(built.made).__name__}", "what can be called", "mend build")
    elif kind == "balancer":
        faults = [*subject.declaration.faults_on(OBJECTIVES)]
        if faults:
            raise Broken(f"{faults[0].key}: {faults[0].found}", faults[0].expected, faults[0].fix)
        subject.declaration.build(OBJECTIVES)


@LEDGER.component(*_BUILT)
def sizes_declared(subject: Subject) -> None:
    """Every size that `build` asks for is stated by `dims`, or named in `static`, so that the check sees to it."""
    built = subject.build()
    open_ = {*built.asked} - {*built.solved.stated} - {*getattr(subject.component, "static", ())}
    open_ -= {name for name in open_ if name in subject.component.model_fields}
    if open_:
        name = min(open_)
        fix = f'static = ("{name}",)'
        raise Broken(f"build asks for {name}", "a dim that dims states, or that static names", fix)


@LEDGER.component("module")
def linear_layers_told(subject: Subject) -> None:
    """The linear layers that `linear_layers` names are those that it builds, so that a tuner's targets are checked."""
    built = subject.build()
    solved = built.solved
    try:
        told = subject.declaration.linear_layers(Dims(solved.sizes, solved.spaces, solved.parts))
    except Unsolved:
        return
    if told is None:
        return
    wrong = {*told} ^ {name for name, part in built.module.named_modules() if isinstance(part, nn.Linear)}
    if wrong:
        name = min(wrong)
        found = f"{name} is {'named, and not built' if name in {*told} else 'built, and not named'}"
        raise Broken(found, "the names of named_modules", "mend linear_layers, or return None from it")


@LEDGER.component(*KINDS)
def json_round_trip(subject: Subject) -> None:
    """A declaration that is written as JSON and read again is the same, and its JSON Schema takes what was written."""
    import jsonschema

    first = subject.declaration
    text = first.model_dump_json()
    again = _read(subject, text)
    # Compared in the second generation: a default was never read, and may not hold what reading adds.
    if again.model_dump_json() != text or not _equal(again, _read(subject, again.model_dump_json())):
        raise Broken(f"{text}, read as {again.model_dump_json()}", "the same again", "mend the key's serialization")
    written = {key: value for key, value in json.loads(text).items() if value is not None or _is_said(first, key)}
    try:
        jsonschema.validate(written, type(first).model_json_schema())
    except jsonschema.ValidationError as error:
        raise Broken(f"its JSON Schema refuses {text}: {error.message}", "the schema to take it", "mend it") from None


@LEDGER.component(*KINDS)
def pickled(subject: Subject) -> None:
    """A declaration survives the way into another process."""
    try:
        again = ForkingPickler.loads(ForkingPickler.dumps(subject.declaration))
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}", "a declaration that pickles", "keep plain values") from error
    if not _equal(subject.declaration, again):
        raise Broken(f"{again!r}", f"{subject.declaration!r}", "mend __getstate__ or __eq__")


def _read(subject: Subject, text: str) -> Any:
    context = {"base": subject.lab.folder}
    return subject.component.model_validate_json(text, strict=True, context=context)


def _equal(first: Any, second: Any) -> bool:
    return {key: getattr(first, key) for key in type(first).model_fields} == {
        key: getattr(second, key) for key in type(second).model_fields
    }


def _is_said(declaration: Any, key: str) -> bool:
    return key in declaration.model_fields_set
