"""The fusion: the whole declaration, as the file writes it and as Python does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_serializer,
)

from consilience.declare._component import Component, Input, Loss, Metric, Module, Resource, Source
from consilience.declare._documented import Documented
from consilience.declare._fields import FieldType
from consilience.declare._paste import paste
from consilience.declare._reader import Document, read_file, read_text
from consilience.declare._training import TrainSettings
from consilience.declare._validation import diagnostics_of, refuse
from consilience.errors import DeclarationError, Diagnostic

__all__ = [
    "SECTIONS",
    "ColumnMap",
    "Fusion",
    "InputNode",
    "LossNode",
    "MetricNode",
    "ModuleNode",
    "Node",
    "Objective",
    "ResourceNode",
    "SourceNode",
    "TrainSettings",
    "Wiring",
]

SECTIONS: dict[str, type[Component]] = {
    "resources": Resource,
    "sources": Source,
    "inputs": Input,
    "modules": Module,
    "losses": Loss,
    "metrics": Metric,
}
"""The sections of nodes, with the kind of component that stands in each."""

SPLITS = ("aside", "test", "validation", "train")
"""The splits, in the order in which they take their rows."""


def _identifier(name: str) -> str:
    if not name.isidentifier():
        raise refuse("a name of letters, digits and underscores that starts with a letter", f"{_suggest(name)}:")
    return name


def _suggest(name: str) -> str:
    text = "".join(letter if f"a{letter}".isidentifier() else "_" for letter in name).strip("_") or "node"
    return text if text.isidentifier() else f"n_{text}"


def _title(name: str) -> str:
    if not _TITLE.fullmatch(name):
        kept = "".join(letter if re.match(r"[\w .-]", letter) else "-" for letter in name[:100]).strip(" .-")
        raise refuse(
            "a name of at most 100 letters, digits, spaces, dots and dashes, that starts with a letter or digit",
            f"{{key}}: {paste(kept or 'fusion')}",
        )
    return name


def _in_order(split: dict[str, int | float]) -> dict[str, int | float]:
    return {name: split[name] for name in SPLITS if name in split}


def _wiring(value: object) -> object:
    def is_reference(item: object) -> bool:
        return isinstance(item, str) and bool(item.strip())

    def is_list(item: object) -> bool:
        return isinstance(item, list | tuple) and bool(item) and all(is_reference(part) for part in item)

    if is_reference(value):
        return value
    if is_list(value):
        return tuple(value)  # type: ignore[arg-type]
    if isinstance(value, Mapping) and value and all(is_reference(item) or is_list(item) for item in value.values()):
        return {str(port): tuple(item) if isinstance(item, list) else item for port, item in value.items()}
    raise refuse(
        "a node or node.port, a list of them, or a mapping from the component's ports to them", "{key}: node.port"
    )


def _use(value: object) -> object:
    if isinstance(value, str) and value:
        return {"use": value}
    if isinstance(value, Mapping) and isinstance(value.get("use"), str):
        return dict(value)
    raise refuse("a component's name, or a mapping with the key use", "# remove the key {key}")


_TITLE = re.compile(r"\w[\w .-]{0,99}")

Name = Annotated[str, AfterValidator(_identifier)]
Wiring = Annotated[Any, BeforeValidator(_wiring)]
"""`node`, `node.port`, a list of them, or a mapping from port to them."""
UseSettings = Annotated[dict[str, Any], BeforeValidator(_use)]
"""A component and its settings: `{use: lora, r: 8}`, or its name alone."""
Weight = Annotated[float, Field(ge=0)]


class _Declared(Documented, BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        populate_by_name=True,
    )


class Node(_Declared):
    """One use of a component; every key that is not listed here is a setting of the component."""

    model_config = ConfigDict(extra="allow")

    use: Annotated[str, Field(min_length=1)]
    """The component's name: `text_encoder`, or `psychology.emotion_head` with its plugin's namespace."""

    @property
    def settings(self) -> dict[str, Any]:
        """The component's own keys, as written."""
        return dict(self.model_extra or {})

    @model_serializer(mode="wrap")
    def _write(self, handler: Any) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        chosen = self.model_fields_set | {"use", "share"} | set(self.model_extra or {})
        names = {name: info.alias or name for name, info in type(self).model_fields.items()}
        kept = {names.get(key, key) for key in chosen}
        aliased = {names.get(key, key): value for key, value in written.items()}
        return {key: value for key, value in aliased.items() if key in kept and value not in (None, "")}


class ResourceNode(Node):
    """What several nodes share on disk or on a hub."""


class ColumnMap(_Declared):
    """How a column fills a field, where its name alone does not say it."""

    column: str
    values: dict[str, str] = {}
    """The label of each value that the column holds: `{"0": negative, "1": positive}`."""
    space: str | None = None
    """The label space that the column's values are of, when it is not the field's: a declared mapping leads there."""
    separator: str = ","
    """What stands between several labels, words or numbers in one text cell."""


class SourceNode(Node):
    """Where examples come from, and how its columns fill the fields."""

    map: Annotated[dict[str, str | ColumnMap], Field(examples=[{"text": "text"}])]
    """The column that fills each field: `{sentiment: label}`; the fields left out are missing for these rows."""
    where: dict[str, str | int | float | bool] = {}
    """The values that columns must have for a row to be kept."""
    distinct: str | None = None
    """A column of which each value is kept once, at its first row."""
    split: Annotated[
        dict[Literal["train", "validation", "test", "aside"], Annotated[int | float, Field(gt=0)]],
        AfterValidator(_in_order),
    ] = {}
    """How many rows (a whole number) or what share (below 1) each split takes, from one fixed shuffle.

    Whatever the order of the keys, `aside` takes its rows first, then `test`, `validation` and `train`. Rows of `aside`
    are used by nothing; rows that are left go to `train`, unless `train` is named.
    """
    repeat: Annotated[int, Field(ge=1)] = 1
    """How often an epoch sees each training row."""


class InputNode(Node):
    """Runs in the data loader: fields in, tensors out."""

    in_: Wiring = Field(default=None, alias="in")


class ModuleNode(Node):
    """A part of the model, or (`share:`) another application of one."""

    use: str = ""
    share: str | None = None
    """The module whose parameters are applied here once more, to other inputs."""
    in_: Wiring = Field(default=None, alias="in")
    tune: UseSettings = {"use": "full"}
    """Which parameters are trained: `full`, `frozen`, or a tuner such as `{use: lora, r: 8}`."""


class LossNode(Node):
    """One term of the objective."""

    in_: Wiring = Field(default=None, alias="in")
    target: str | None = None
    """The field or input port that the loss compares with."""
    weight: Weight = 1.0
    discipline: str | None = None
    """Whose loss it is, when it is not its plugin's; a standard loss belongs to the task."""


class MetricNode(Node):
    """A measure of evaluation."""

    in_: Wiring = Field(default=None, alias="in")
    target: str | None = None
    """The field or input port that the metric compares with."""


class Objective(_Declared):
    """How the losses are summed."""

    balance: UseSettings = {"use": "fixed"}
    """The balancer: `fixed`, `uncertainty`, or one of a plugin's."""
    weights: dict[str, Weight] = {}
    """lambda_d: the weight of each discipline over the sum of its weighted losses; 1 when left out."""


class Fusion(_Declared):
    """The whole declaration: resources, fields, sources, inputs, modules, losses, objective, metrics, training."""

    consilience: Literal[1] = 1
    """The version of the file's format."""
    name: Annotated[str, AfterValidator(_title), Field(examples=["my-fusion"])]
    resources: dict[Name, ResourceNode] = {}
    fields: dict[Name, FieldType] = {}
    sources: dict[Name, SourceNode] = {}
    inputs: dict[Name, InputNode] = {}
    modules: dict[Name, ModuleNode] = {}
    losses: dict[Name, LossNode] = {}
    objective: Objective = Objective()
    metrics: dict[Name, MetricNode] = {}
    train: TrainSettings = TrainSettings()

    _document: Document | None = PrivateAttr(default=None)
    _base: Path = PrivateAttr(default_factory=Path)

    def __init__(self, /, *, base: str | os.PathLike[str] | None = None, **sections: Any) -> None:
        """Declares a fusion in Python; `base` is the folder that relative paths start from, here unless given."""
        try:
            super().__init__(**sections)
        except ValidationError as error:
            raise DeclarationError(diagnostics_of(error, Fusion)) from None
        self._base = Path(base) if base is not None else Path.cwd()

    @classmethod
    def load(cls, path: str | os.PathLike[str], base: str | os.PathLike[str] | None = None) -> Self:
        """Reads a fusion file; relative paths start from `base`, the file's folder unless given.

        Raises `DeclarationError` with every fault of its shape.
        """
        return cls._from_document(read_file(path), Path(base) if base is not None else Path(path).resolve().parent)

    @classmethod
    def parse(cls, text: str, base: str | os.PathLike[str] | None = None) -> Self:
        """Reads a fusion from YAML text; relative paths start from `base`."""
        return cls._from_document(read_text(text), Path(base) if base is not None else Path.cwd())

    @classmethod
    def _from_document(cls, document: Document, base: Path) -> Self:
        written = dict(document.value)
        faults = [] if "consilience" in written else [_no_version()]
        if written.pop("base", faults) is not faults:  # a key of Python's alone: a file lies where it lies
            faults.append(_no_base())
        try:
            fusion = cls(base=base, **written)
        except DeclarationError as error:
            raise DeclarationError(_located(document, [*faults, *error.diagnostics])) from None
        if faults:
            raise DeclarationError(_located(document, faults))
        fusion._document = document
        return fusion

    @property
    def base(self) -> Path:
        """The folder that relative paths start from."""
        return self._base

    @property
    def text(self) -> str | None:
        """The file's own text, or None for a fusion that Python declared."""
        return self._document.text if self._document else None

    def nodes(self) -> Iterator[tuple[str, str, Node]]:
        """Gives section, name and node of every node, in the order of the file."""
        for section in SECTIONS:
            for name, node in getattr(self, section).items():
                yield section, name, node

    def without(self, *sections: str) -> Self:
        """Gives the fusion without the named sections."""
        kept = self.model_copy(update={section: {} for section in sections})
        kept._document, kept._base = self._document, self._base
        return kept

    def locate(self, diagnostics: list[Diagnostic]) -> list[Diagnostic]:
        """Gives the diagnostics with their places in the file, when the fusion was read from one."""
        return _located(self._document, diagnostics) if self._document else diagnostics

    def to_dict(self) -> dict[str, Any]:
        """Gives the fusion as the file writes it, without what was left at its default."""
        written: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {"consilience": self.consilience, **written}


def _located(document: Document, diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    return [item if item.place else item.at(document.place(item.path)) for item in diagnostics]


def _no_version() -> Diagnostic:
    return Diagnostic("CN121", (), "no key consilience", "the version of the file's format", "consilience: 1")


def _no_base() -> Diagnostic:
    expected = f"one of {', '.join(Fusion.model_fields)}"
    return Diagnostic("CN120", ("base",), "the unknown key base", expected, "# remove the key base")
