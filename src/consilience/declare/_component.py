"""Components: the declared, reusable parts that plugins offer, and the keys by which one names another."""

# Not under `from __future__ import annotations`: pydantic would read the class variables' anew for every subclass.
import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import UnionType
from typing import Any, ClassVar, Generic, TypeVar, Union, cast, get_args, get_origin

from pydantic import ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import core_schema

from consilience.declare._documented import Documented
from consilience.declare._fault import Fault
from consilience.declare._solved import Unsolved

__all__ = ["Component", "Use", "upstream"]

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

ComponentT = TypeVar("ComponentT", bound="Component")


class Use(Generic[ComponentT]):
    """A key of a component that names another node: `checkpoint: Use[Checkpoint]`.

    In a checked fusion `.declared` is that node's component.
    """

    # No dataclass: pydantic would read the file's name as a dataclass's mapping of fields.
    __slots__ = ("_declared", "name")

    def __init__(self, name: str | None, declared: ComponentT | None = None) -> None:
        self.name = name
        self._declared = declared

    @property
    def declared(self) -> ComponentT:
        """The component that the name stands for; raises `Unsolved` before the fusion is checked."""
        if self._declared is None:
            raise Unsolved(f"{self.name!r} is not resolved: check the fusion first")
        return self._declared

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Use) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Use({self.name!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        written = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(min_length=1))
        return core_schema.json_or_python_schema(
            json_schema=written,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(Use), written]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda use: use.name),
        )


def upstream() -> Any:
    """Is the default of a `Use` key that, when left out, takes what the node feeding this one uses."""
    return Field(default_factory=lambda: Use(None), validate_default=False)


def _uses_of(component: type["Component"]) -> Mapping[str, type["Component"]]:
    found = {}
    for key, info in component.model_fields.items():
        is_union = get_origin(info.annotation) in (Union, UnionType)
        for annotation in get_args(info.annotation) if is_union else (info.annotation,):
            if get_origin(annotation) is Use:
                found[key] = cast("type[Component]", get_args(annotation)[0])
    return found


_uses_kept = cache(_uses_of)
"""The same of a class whose annotations are all known: it is asked for at every node."""


def _holds_use(annotation: Any) -> bool:
    return get_origin(annotation) is Use or annotation is Use or any(map(_holds_use, get_args(annotation)))


class Component(Documented):
    """A declared part of a fusion: its fields are the keys that the file may set, its docstring is its help."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        defer_build=True,  # a file uses few of the classes that its plugins offer
    )

    kind: ClassVar[str] = ""
    component: ClassVar[str] = ""
    """The name in the file, without the plugin's namespace: the class's name in snake case, or what `name=` says.

    `version=2` is another behaviour under a name that was there before: files say `name@2`, and those that say `name`
    alone mean the first, as they did when they were written.
    """

    deprecated: ClassVar[str | None] = None
    """What `deprecated=` says of a component that goes: `since 0.2, until 0.4: use lab.other` (CN230)."""

    def __init_subclass__(
        cls, name: str | None = None, version: int = 1, deprecated: str | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        if not (isinstance(version, int) and version >= 1):
            raise TypeError(f"{cls.__name__}: version={version!r} is no whole number from 1 on")
        named = name or _WORD_START.sub("_", cls.__name__).lower()
        cls.component = named if version == 1 else f"{named}@{version}"
        cls.deprecated = deprecated

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        uses = cls.uses()
        for key, info in cls.model_fields.items():
            if key not in uses and _holds_use(info.annotation):
                raise TypeError(
                    f"{cls.__name__}.{key}: a key names one node; for several write one key each, "
                    f"such as `{key}_1: Use[...]` and `{key}_2: Use[...] | None = None`"
                )

    @classmethod
    def uses(cls) -> Mapping[str, type["Component"]]:
        """Lists the keys that name another node, with the class of component each must find there."""
        return _uses_kept(cls) if cls.__pydantic_complete__ else _uses_of(cls)

    def faults(self) -> Iterable[Fault]:
        """Tells what is wrong with the settings beyond their types, such as a file that is missing; must stay light."""
        return ()
