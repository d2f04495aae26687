"""Components: the declared, reusable parts that plugins offer, one base class a kind."""

# Not under `from __future__ import annotations`: pydantic would read the class variables' anew for every subclass.
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Generic, TypeVar, Union, cast, get_args, get_origin

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, PrivateAttr
from pydantic_core import core_schema

from consilience.declare._documented import Documented
from consilience.declare._labels import LabelSpace
from consilience.declare._ports import Float, Port, Ports
from consilience.declare._stack import stack_of
from consilience.errors import Diagnostic, Severity

__all__ = [
    "Checkpoint",
    "Component",
    "Dims",
    "Fault",
    "Input",
    "Loss",
    "Metric",
    "Module",
    "Resource",
    "Source",
    "Tuner",
    "UnfitFaultError",
    "UnknownDimError",
    "Unsolved",
    "Use",
    "upstream",
]

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

ComponentT = TypeVar("ComponentT", bound="Component")


class UnfitFaultError(TypeError):
    """A component gives a fault that no diagnostic can be made of."""


@dataclass(frozen=True)
class Fault:
    """What a component finds wrong with its own settings: a code, the key, found, expected, fix.

    An empty key is the whole of what the file says of the component.
    """

    code: str
    key: str
    found: str
    expected: str
    fix: str
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        """Refuses what cannot be told: every part is a text, and the key alone may be an empty one."""
        for part in ("code", "key", "found", "expected", "fix"):
            text = getattr(self, part)
            if not isinstance(text, str) or not (text or part == "key"):
                raise UnfitFaultError(f"a fault whose {part} is {'empty' if text == '' else 'no text'}")
        if not isinstance(self.severity, Severity):
            raise UnfitFaultError("a fault whose severity is none")

    def at(self, *path: str | int) -> Diagnostic:
        """Makes a diagnostic of it, for a component that stands at this path."""
        place = (*path, self.key) if self.key else path
        return Diagnostic(str(self.code), place, self.found, self.expected, self.fix, severity=self.severity)


class Unsolved(KeyError):
    """A dim is asked for whose size is not known: not yet while the plan is being solved, or only in a batch."""

    def __str__(self) -> str:
        return str(self.args[0])


class UnknownDimError(KeyError):
    """A component asks for a dim that none of its ports speaks of: a slip of the pen, and nothing that gets known."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no dim {name!r}: the ports speak of {', '.join(known) or 'none'}")
        self.name = name
        self.known = known

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Dims(Mapping[str, int]):
    """What the plan solved for one node: `dims["hidden"]` is a size; asking for an unknown one raises `Unsolved`.

    `names` are the dims that the node's ports speak of, where they are known: asking for any other raises
    `UnknownDimError`.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    spaces: Mapping[str, LabelSpace] = field(default_factory=dict)
    parts: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    nodes: Mapping[str, Any] = field(default_factory=dict)
    used: Mapping[str, "Dims"] = field(default_factory=dict)
    names: tuple[str, ...] | None = None

    def __getitem__(self, name: str) -> int:
        if name not in self.sizes:
            self._expect(name)
            raise Unsolved(f"the size of dim {name!r} is not known here; known are {sorted(self.sizes)}")
        return self.sizes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def labels(self, name: str) -> LabelSpace:
        """Gives the label space behind a dim; raises `Unsolved` when it has none."""
        if name not in self.spaces:
            self._expect(name)
            raise Unsolved(f"dim {name!r} has no label space")
        return self.spaces[name]

    def each(self, name: str) -> tuple[int, ...]:
        """Gives the size of a variadic port's dim in every tensor, in order; raises `Unsolved` when one is unknown."""
        sizes = self.parts.get(name, (None,))
        if any(size is None for size in sizes):
            self._expect(name)
            raise Unsolved(f"the size of dim {name!r} is not known in every tensor")
        return cast("tuple[int, ...]", sizes)

    def of(self, use: "Use[Any]") -> "Dims":
        """Gives what was solved for the node that a key of this declaration names; raises `Unsolved` elsewhere."""
        if use.name is None or use.name not in self.used:
            raise Unsolved(f"what was solved for {use.name!r} is not known here")
        return self.used[use.name]

    def built(self, use: "Use[Any]") -> Any:
        """Gives the built node that a `Use[Module]` or `Use[Input]` of this declaration points at."""
        if use.name is None or use.name not in self.nodes:
            raise Unsolved(
                f"{use.name!r} is not built here: resources are read by `.declared`, modules and inputs are built"
            )
        return self.nodes[use.name]

    def _expect(self, name: str) -> None:
        if self.names is not None and name not in self.names:
            raise UnknownDimError(name, self.names)


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


class _Wired(Component):
    """A component with ports."""

    inputs: ClassVar[Ports] = Ports()
    static: ClassVar[tuple[str, ...]] = ()
    """The dims whose size `build` asks for: one that varies from batch to batch, or that nothing gives, is then told by
    the check, and not when the model is built."""
    mapped: ClassVar[Mapping[str, str]] = {}
    """The dims whose labels are a declared mapping of another dim's: `{"groups": "labels"}` (CN316)."""

    def dims(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        """States sizes known before building, and sizes that follow from others; `Unsolved` means "not yet".

        A `Size` says where it comes from, too. For a dim whose size is not known before building, state the name of
        what it counts instead, such as `{"entity": self.graph.name}`: two nodes whose dims meet must then count the
        same (CN301).
        """
        return {}

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells what is wrong with the sizes that were solved for it, or for the nodes that it names; stays light.

        What is not known, because the size varies or because of another fault, raises `Unsolved`: then nothing is told.
        """
        return ()


class Resource(Component):
    """Something on disk or on a hub that several nodes share."""

    kind = "resource"

    def files(self) -> Iterable[Path]:
        """Lists the files that the resource's content is: they are fingerprinted in the record of a run."""
        return ()

    def examine(self) -> Iterable[Fault]:
        """Opens it and tells what is wrong inside; may take seconds and import what it needs."""
        return ()

    def label_space(self) -> LabelSpace | None:
        """Gives the labels that fields take by the resource's name; None where it has none, or `faults` says why.

        Asked by the check, so it must stay light.
        """
        return None

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Copies into `folder` what a saved model needs of it.

        Gives the keys to change, a `Location` relative to `folder`.
        """
        return {}


class Checkpoint(Resource):
    """A pretrained model's directory: what inputs read its tokenizer from and modules their weights."""

    _cache: dict[str, Any] = PrivateAttr(default_factory=dict)

    def config(self) -> Mapping[str, Any]:
        """Reads its `config.json`, without transformers."""
        raise NotImplementedError

    def tensors(self) -> Mapping[str, tuple[int, ...]] | None:
        """Tells the shape of each tensor in its weight files, by name, without torch; None where it cannot be told.

        A checkpoint that starts from fresh weights has none.
        """
        return None

    def load_tensors(self, names: Iterable[str]) -> Mapping[str, Any]:
        """Loads some of its tensors by name (torch)."""
        raise NotImplementedError

    def special_tokens(self) -> Mapping[str, str | None]:
        """Tells its tokenizer's special tokens by role, such as `mask_token`, without transformers.

        None is none; a role that cannot be told is left out.
        """
        return {}

    def tokenizer(self) -> Any:
        """Loads its tokenizer (transformers)."""
        raise NotImplementedError

    def model(self) -> Any:
        """Loads its encoder with its weights; without weight files, as in a saved fused model, with fresh ones."""
        raise NotImplementedError


class Source(Component):
    """Where examples come from; the fusion maps its columns onto fields."""

    kind = "source"

    def open(self) -> Mapping[str, Any]:
        """Opens the data: a `datasets.Dataset` of raw columns for each split, or one under `all` without splits."""
        raise NotImplementedError

    def stream(self) -> Mapping[str, Any]:
        """Gives what `open` does as `datasets.IterableDataset`, of which no more is read than is asked for.

        A source that does not override it cannot be streamed.
        """
        raise NotImplementedError

    def splits(self) -> frozenset[str] | None:
        """Lists the splits that `open` will give, `all` where it has none of its own; None where only opening tells.

        Must stay light: the check asks it, to see that every loss has rows to learn from.
        """
        return None

    def examine(self) -> Iterable[Fault]:
        """Tells what `open` can read, and yet looks wrong, such as rows that are cut short; may take seconds."""
        return ()

    def explain_columns(self, wanted: Sequence[str], held: Sequence[str]) -> Iterable[Fault]:
        """Tells why its tables have none of the columns that the fusion reads; nothing where no setting explains it.

        Asked with the columns that are read, and those that `open` gave, before each column is told of by itself.
        """
        return ()

    def files(self) -> Iterable[Path]:
        """Lists the files that are read: they are fingerprinted in the record of a run."""
        return ()


class Input(_Wired):
    """Runs in the data loader: makes tensors out of fields, or of other inputs."""

    kind = "input"
    outputs: ClassVar[Ports] = Ports()
    is_random: ClassVar[bool] = False
    """Whether the callable takes `generators`: a seeded torch.Generator an example, to draw from for it."""

    def examine(self, sample: Mapping[str, Sequence[Any]]) -> Iterable[Fault]:
        """Tells what is wrong with it on a sample of the data, by input port; may take seconds.

        Asked where all that it reads are fields of text: a text is a string or a list of words, and none is missing.
        """
        return ()

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives a picklable callable: keyword arguments by input port, returns tensors by output port."""
        raise NotImplementedError


class Module(_Wired):
    """A part of the model: `build` gives an `nn.Module` whose forward takes the input ports by name."""

    kind = "module"
    outputs: ClassVar[Ports] = Ports()
    has_parameters: ClassVar[bool] = True
    fit_target: ClassVar[Port | None] = None
    """The type of the target that the built module is fitted to once, after the training; None where it is not.

    Its `fit`, called with its ports and `target` by name, sees every validation row that has them; the target is that
    of the nearest loss that reads what the module gives. What it learns are buffers, which a saved model holds. It may
    give numbers by name, for the record of the run.
    """

    def linear_layers(self, dims: Dims) -> Iterable[str] | None:
        """Names the linear layers that the built module will have inside, as its `named_modules` will; stays light.

        None, or an `Unsolved`, is "only known once it is built": then a tuner's targets are checked no sooner.
        """
        return None

    def layer_stack(self, dims: Dims) -> Iterable[str] | None:
        """Names the stack of layers that the built module runs one after the other, the first one first; stays light.

        Left to itself, it is what the names of its linear layers say: empty is "none", None "only known once built".
        """
        names = self.linear_layers(dims)
        return None if names is None else stack_of(names)

    def build(self, dims: Dims) -> Any:
        """Gives the `nn.Module`; its forward returns a tensor, a tuple in the order of `outputs`, or a mapping."""
        raise NotImplementedError


class Loss(_Wired):
    """One term of the objective.

    `build` gives an `nn.Module` called with the input ports and `target`. It returns `value`: one sum an example
    (`Float["batch"]`) or one number (`Float[""]`). By default an example counts once; a `count(target)` method of the
    built module gives another count an example (`Float["batch"]`, such as its number of masked tokens): the
    framework divides the sum of the values by the sum of the counts, over the examples that have the target.
    """

    kind = "loss"
    target: ClassVar[Port | None] = None
    value: ClassVar[Port] = Float["batch"]
    has_parameters: ClassVar[bool] = False

    def build(self, dims: Dims) -> Any:
        """Gives the `nn.Module` that computes the values."""
        raise NotImplementedError


class Metric(_Wired):
    """A measure of evaluation: `build` gives a torchmetrics `Metric` updated with the input ports and `target`."""

    kind = "metric"
    target: ClassVar[Port | None] = None
    is_number: ClassVar[bool] = True
    """Whether it gives one number; a best model can be told by no table and no list."""

    def build(self, dims: Dims) -> Any:
        """Gives the torchmetrics `Metric`; its update takes the input ports by name, and `target`."""
        raise NotImplementedError


class Tuner(Component):
    """Says which parameters of a module are trained, and may add some."""

    kind = "tuner"
    trains: ClassVar[bool] = True
    """Whether some parameter of the module is trained afterwards."""
    keeps_start: ClassVar[bool] = True
    """Whether the module gives at first what it gave untuned; not so where virtual tokens are read beside a text."""

    @property
    def keeps_features(self) -> bool:
        """Whether what the module gives of each example is computed once, and read again in every epoch."""
        return False

    def faults_on(self, module: Module, dims: Dims) -> Iterable[Fault]:
        """Tells what is wrong with tuning this module, with the sizes that were solved for it; must stay light."""
        return ()

    def apply(self, module: Any) -> None:
        """Sets `requires_grad` in the built `nn.Module`, in place, and adds what it adds."""
        raise NotImplementedError

    def before_step(self, module: Any, step: int, steps: int) -> None:
        """Is called with the tuned module before each optimizer step, counted from 1: gradients may be added to.

        `steps` is how many there will be. What it remembers belongs into buffers of the module, which a checkpoint has.
        """

    def after_step(self, module: Any, step: int, steps: int) -> None:
        """Is called with the tuned module after each optimizer step, its gradients still at hand."""
