"""The fusion: the whole declaration, as the file writes it and as Python does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PrivateAttr, ValidationError

from consilience.declare._component import Component
from consilience.declare._fields import FieldType
from consilience.declare._kinds import Input, Loss, Metric, Module, Resource, Source
from consilience.declare._misplaced import take_out_misplaced
from consilience.declare._mixing import Mixing
from consilience.declare._nodes import (
    Declared,
    InputNode,
    LossNode,
    MetricNode,
    ModuleNode,
    Node,
    Objective,
    ResourceNode,
    SourceNode,
)
from consilience.declare._origin import Origin, origin
from consilience.declare._paste import paste
from consilience.declare._reader import Document, read_file, read_text
from consilience.declare._salvage import salvage
from consilience.declare._training import TrainSettings
from consilience.declare._validation import diagnostics_of, refuse
from consilience.errors import DeclarationError, Diagnostic, Part, Place
from consilience.errors import Path as KeyPath

__all__ = ["SECTIONS", "Draft", "Fusion"]

SECTIONS: dict[str, type[Component]] = {
    "resources": Resource,
    "sources": Source,
    "inputs": Input,
    "modules": Module,
    "losses": Loss,
    "metrics": Metric,
}
"""The sections of nodes, with the kind of component that stands in each."""


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


_TITLE = re.compile(r"\w[\w .-]{0,99}")


def _is_unnamed(section: object) -> bool:
    """Tells a node that stands where its name should: a component's name is no node."""
    return isinstance(section, Mapping) and isinstance(section.get("use", section.get("share")), str)


def _named(section: object) -> object:
    if _is_unnamed(section):
        whole = paste({"a_name": section})
        fix = f"{{key}}: {whole}" if len(whole) <= _MOST_PASTED else "# indent its keys, and write a name above them"
        raise refuse(_NAMES, fix)
    if isinstance(section, list):
        named = _with_names(section)
        whole = paste(named)
        is_short = named and len(whole) <= _MOST_PASTED
        raise refuse(
            _NAMES,
            f"{{key}}: {whole}" if is_short else "# write a name before each node, in place of its dash",
            "CN122",
        )
    return section


def _with_names(nodes: list[Any]) -> dict[str, Any]:
    """Gives the nodes of a list the names they have, or names after their components; nothing if one is none."""
    named: dict[str, Any] = {}
    for node in nodes:
        if _is_unnamed(node):
            word = _suggest(str(node.get("use", node.get("share"))).rpartition(".")[2])
            names = chain([word], (f"{word}_{number}" for number in count(2)))
            named[next(name for name in names if name not in named)] = node
        elif isinstance(node, dict) and len(node) == 1 and not named.keys() & node:
            named |= node
        else:
            return {}
    return named


_NAMES = "names, each with a node below it: {name: {use: ...}}"
_MOST_PASTED = 200
"""The longest node, in characters, that is written out in a fix."""

Name = Annotated[str, AfterValidator(_identifier)]
NodeT = TypeVar("NodeT", bound=Node)
Section = Annotated[dict[Name, NodeT], BeforeValidator(_named)]


class Fusion(Declared, BaseModel):
    """The whole declaration: resources, fields, sources, their mixing, inputs, modules, losses and the rest."""

    consilience: Literal[1] = 1
    """The version of the file's format."""
    name: Annotated[str, AfterValidator(_title), Field(examples=["my-fusion"])]
    resources: Section[ResourceNode] = {}
    fields: dict[Name, FieldType] = {}
    sources: Section[SourceNode] = {}
    mixing: Mixing = Mixing()
    inputs: Section[InputNode] = {}
    modules: Section[ModuleNode] = {}
    losses: Section[LossNode] = {}
    objective: Objective = Objective()
    metrics: Section[MetricNode] = {}
    train: TrainSettings = TrainSettings()

    _document: Document | None = PrivateAttr(default=None)
    _base: Path = PrivateAttr(default_factory=Path)
    _origin: Origin | None = PrivateAttr(default=None)

    def __init__(self, /, *, base: str | os.PathLike[str] | None = None, **sections: Any) -> None:
        """Declares a fusion in Python; `base` is the folder that relative paths start from, here unless given."""
        called = origin(sections)
        try:
            super().__init__(**sections)
        except ValidationError as error:
            raise DeclarationError(_located(called, diagnostics_of(error, Fusion))) from None
        self._base = Path(base) if base is not None else Path.cwd()
        self._origin = called

    @classmethod
    def load(cls, path: str | os.PathLike[str], base: str | os.PathLike[str] | None = None) -> Self:
        """Reads a fusion file; relative paths start from `base`, the file's folder unless given.

        Raises `DeclarationError` with every fault of its shape.
        """
        return cls.draft(path, base).whole()

    @classmethod
    def parse(cls, text: str, base: str | os.PathLike[str] | None = None) -> Self:
        """Reads a fusion from YAML text; relative paths start from `base`."""
        return cls.draft_text(text, base).whole()

    @classmethod
    def draft(cls, path: str | os.PathLike[str], base: str | os.PathLike[str] | None = None) -> Draft[Self]:
        """Reads a fusion file as far as it can be understood, faults of its shape or not.

        Raises `DeclarationError` only where nothing of the file can be trusted.
        """
        return cls._drafted(read_file(path), Path(base) if base is not None else Path(path).resolve().parent)

    @classmethod
    def draft_text(cls, text: str, base: str | os.PathLike[str] | None = None) -> Draft[Self]:
        """Reads YAML text as `draft` reads a file; relative paths start from `base`."""
        return cls._drafted(read_text(text), Path(base) if base is not None else Path.cwd())

    @classmethod
    def _drafted(cls, document: Document, base: Path) -> Draft[Self]:
        written = dict(document.value)
        faults = [*document.faults, *([] if "consilience" in written else [_no_version()])]
        if written.pop("base", faults) is not faults:  # a key of Python's alone: a file lies where it lies
            faults.append(_no_base())
        lost: list[KeyPath] = []
        for fault, taken in take_out_misplaced(written, SECTIONS):
            faults.append(fault)
            lost += taken
        salvaged = salvage(cls, written, cls._validated, stand_ins={"name": "unnamed", "map": {}})
        follow = (fault for fault in salvaged.faults if not document.is_doubtful(fault.path))
        faults = _located(document, [*faults, *follow])
        if salvaged.model is None:
            raise DeclarationError(faults)
        fusion = salvaged.model
        fusion._document, fusion._base = document, base
        lost += salvaged.lost
        names = {*_names_lost(document.value, lost), *_names_doubtful(document)}
        renamed = {(path[0], _suggest(str(path[1]))) for path in lost if len(path) == 2}
        return Draft(fusion, tuple(faults), frozenset(names), document.doubtful.union(lost, renamed))

    @classmethod
    def _validated(cls, written: dict[str, Any]) -> Self:
        fusion = cls.__new__(cls)  # the constructor would tell the faults as diagnostics at once
        cls.__pydantic_validator__.validate_python(written, self_instance=fusion)
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
        return self.having(**{section: {} for section in sections})

    def having(self, **sections: Mapping[str, Any]) -> Self:
        """Gives the fusion with other nodes in some sections; its places stay those of its file."""
        kept = self.model_copy(update=sections)
        kept._document, kept._base, kept._origin = self._document, self._base, self._origin
        return kept

    def locate(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Gives the diagnostics with their places in the file, or in the Python that declared the fusion."""
        return _located(self._document or self._origin, diagnostics)

    def place(self, path: KeyPath) -> Place | None:
        """Gives the place of a key in the file, or in the Python that declared the fusion, where it is known."""
        places = self._document or self._origin
        return places.place(path, Part.KEY) if places else None

    def to_dict(self) -> dict[str, Any]:
        """Gives the fusion as the file writes it, without what was left at its default."""
        written: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {"consilience": self.consilience, **written}


FusionT = TypeVar("FusionT", bound=Fusion)


@dataclass(frozen=True)
class Draft(Generic[FusionT]):
    """A fusion as far as its file can be understood."""

    fusion: FusionT
    faults: tuple[Diagnostic, ...] = ()
    """The faults of the file's shape, with their places."""
    names: frozenset[str] = frozenset()
    """The names that are declared in what was left out; `*` where any name could be."""
    lost: frozenset[KeyPath] = frozenset()
    """The paths whose value in the fusion is not what is written."""

    def without(self, *sections: str) -> Draft[FusionT]:
        """Gives the draft without the named sections."""
        return replace(self, fusion=self.fusion.without(*sections))

    def whole(self) -> FusionT:
        """Gives the fusion, or raises `DeclarationError` with the faults of its shape."""
        if self.faults:
            raise DeclarationError(self.faults)
        return self.fusion


def _names_lost(written: dict[str, Any], lost: Iterable[KeyPath]) -> Iterator[str]:
    """Gives the names of the nodes that cannot be there, since what declares them could not be understood."""
    for section, *rest in lost:
        inside = written.get(str(section))
        if len(rest) == 1 and section in ("fields", *SECTIONS):
            yield from (str(rest[0]), _suggest(str(rest[0])))
        elif not rest and isinstance(inside, dict) and not _is_unnamed(inside):
            yield from map(str, inside)
        elif not rest and section in ("fields", *SECTIONS):
            yield "*"


def _names_doubtful(document: Document) -> Iterator[str]:
    """Gives the names of the nodes that may be others than were meant; a doubtful section may lack any."""
    for path in document.doubtful:
        if not path or (len(path) <= 2 and path[0] in ("fields", *SECTIONS)):
            yield str(path[1]) if len(path) == 2 else "*"
    if any(fault.code == "CN102" and len(fault.path) == 2 for fault in document.faults):
        yield "*"  # a line that was copied: the second was to have another name


def _located(places: Document | Origin | None, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [item.located(places.place) if places else item for item in diagnostics]


def _no_version() -> Diagnostic:
    return Diagnostic("CN121", (), "no key consilience", "the version of the file's format", "consilience: 1")


def _no_base() -> Diagnostic:
    expected = f"one of {', '.join(Fusion.model_fields)}"
    return Diagnostic("CN120", ("base",), "the unknown key base", expected, "# remove the key base", part=Part.KEY)
