"""The nodes of a fusion, one model a section: what the file may say of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_serializer

from consilience.declare._documented import Documented
from consilience.declare._paste import paste
from consilience.declare._schedule import Schedule
from consilience.declare._validation import refuse
from consilience.errors import nearest

__all__ = [
    "ColumnMap",
    "Declared",
    "InputNode",
    "LossNode",
    "MetricNode",
    "ModuleNode",
    "Node",
    "Objective",
    "ResourceNode",
    "SourceNode",
    "Weight",
    "Wiring",
]

SPLITS = ("aside", "test", "validation", "train")
"""The splits, in the order in which they take their rows."""


_ALSO_CALLED = {"eval": "validation", "valid": "validation", "val": "validation", "dev": "validation"}


def _split(name: object) -> object:
    if name in SPLITS:
        return name
    meant = _ALSO_CALLED.get(str(name).lower()) or nearest(str(name), SPLITS)
    choices = f"one of {', '.join(SPLITS[::-1])}"
    raise refuse(choices, f"{meant}:" if meant else f"# write {choices} in place of {{key}}")


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
        "a node or node.port, a list of them, or a mapping from the component's ports to them",
        "# name under {key} what is to be read, such as encoder.pooled",
    )


def _use(value: object) -> object:
    if isinstance(value, str) and value:
        return {"use": value}
    if isinstance(value, Mapping) and isinstance(value.get("use"), str):
        return dict(value)
    fix = "# remove the key {key}"
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) and value[0]:
        fix = f"{{key}}: {paste(value[0])}"
    raise refuse("a component's name, or a mapping with the key use", fix)


def _tune(value: object) -> object:
    if isinstance(value, bool):
        raise refuse("full, frozen or a tuner", "{key}: " + ("full" if value else "frozen"))
    return _use(value)


def _cell(value: object) -> object:
    if isinstance(value, list | tuple | Mapping):
        raise refuse("one value a column", "# write one value a column: the rows that have it are kept", "CN122")
    return value


def _share(value: object) -> object:
    if isinstance(value, int | float):
        return value
    fix = "# write a share below 1, such as 0.2, or how many rows {key} takes"
    if isinstance(value, str):
        text = value.strip()
        is_percent = text.endswith("%")
        try:
            number = float(text.removesuffix("%")) / (100 if is_percent else 1)
        except ValueError:
            number = 0.0
        if 0 < number <= 1 and (is_percent or "." in text):
            fix = f"{{key}}: {round(number, 6)}"
        elif number > 0 and number.is_integer() and not is_percent:
            fix = f"{{key}}: {int(number)}"
    raise refuse("a whole number of rows, or a share of at most 1.0, such as 0.2", fix)


Wiring = Annotated[Any, BeforeValidator(_wiring)]
"""`node`, `node.port`, a list of them, or a mapping from port to them."""
UseSettings = Annotated[dict[str, Any], BeforeValidator(_use)]
"""A component and its settings: `{use: lora, r: 8}`, or its name alone."""
Tune = Annotated[dict[str, Any], BeforeValidator(_tune)]
Split = Annotated[Literal["train", "validation", "test", "aside"], BeforeValidator(_split)]
Cell = Annotated[str | int | float | bool, BeforeValidator(_cell)]
Weight = Annotated[float, Field(ge=0)]
# pydantic's JSON Schema would leave out the bound of a union.
Share = Annotated[int | float, BeforeValidator(_share), Field(gt=0, json_schema_extra={"exclusiveMinimum": 0})]


class Declared(Documented, BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        populate_by_name=True,
    )


class Node(Declared):
    """One use of a component; every key that is not listed here is a setting of the component."""

    model_config = ConfigDict(extra="allow")

    synonyms: ClassVar[Mapping[str, str]] = dict.fromkeys(("type", "class", "component"), "use")
    """What a key is called elsewhere, for one that is told as missing."""

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


def _values(value: object) -> object:
    """Refuses labels with their codes, the wrong way round: text with numbers, each of which stands there once."""
    if isinstance(value, Mapping) and value and all(type(code) is int for code in value.values()):
        meant = {str(code): label for label, code in value.items()}
        if len(meant) == len(value) and not any(str(label).strip().lstrip("-").isdigit() for label in value):
            said = ", ".join(f'"{code}": {paste(label)}' for code, label in meant.items())
            raise refuse("the label of each value, such as {value: label}", f"{{key}}: {{{said}}}")
    return value


class ColumnMap(Declared):
    """How a column fills a field, where its name alone does not say it."""

    column: str
    """The column's name."""
    values: Annotated[dict[str, str], BeforeValidator(_values)] = {}
    """The label of each value that the column holds: `{"0": negative, "1": positive}`."""
    space: str | None = None
    """The label space that the column's values are of, when it is not the field's: a declared mapping leads there."""
    separator: str = ","
    """What stands between several labels, words or numbers in one text cell."""


class SourceNode(Node):
    """Where examples come from, and how its columns fill the fields."""

    map: Annotated[dict[str, str | ColumnMap], Field(examples=[{"text": "text"}])]
    """The column that fills each field: `{sentiment: label}`; the fields left out are missing for these rows."""
    where: dict[str, Cell] = {}
    """The values that columns must have for a row to be kept."""
    distinct: str | None = None
    """A column of which each value is kept once, at its first row."""
    split: Annotated[
        dict[Split, Share],
        AfterValidator(_in_order),
        Field(examples=[{"test": 0.2}]),
    ] = {}
    """How many rows (a whole number) or what share (at most 1.0) each split takes, from one fixed shuffle.

    Whatever the order of the keys, `aside` takes its rows first, then `test`, `validation` and `train`. Rows of `aside`
    are used by nothing; rows that are left go to `train`, unless `train` is named.
    """
    repeat: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How often an epoch sees each training row, where sources are mixed by size."""
    balance: str | None = None
    """A field of categories whose labels come equally often: rows of rare ones again and again, in new orders.

    Each label of a category; of several labels a row counts for the one that fewest rows have, without any for none.
    """
    streaming: bool = False
    """Reads the training rows as they come, never all at once; `train.max_steps` says when the training ends."""
    buffer: Annotated[int, Field(ge=1, le=10_000_000)] = 1000
    """Of how many rows a stream draws the next one; 1 keeps their order."""


class InputNode(Node):
    """Runs in the data loader: fields in, tensors out."""

    in_: Wiring = Field(default=None, alias="in")


class ModuleNode(Node):
    """A part of the model, or (`share:`) another application of one."""

    use: str = ""
    share: str | None = None
    """The module whose parameters are applied here once more, to other inputs."""
    in_: Wiring = Field(default=None, alias="in")
    tune: Tune = {"use": "full"}
    """Which parameters are trained: `full`, `frozen`, or a tuner such as `{use: lora, r: 8}`."""
    learning_rate: Annotated[float, Field(ge=0, le=1e3)] | None = None
    """The largest learning rate of this module; that of `train` when left out."""
    weight_decay: Annotated[float, Field(ge=0, le=1e9)] | None = None
    """How much the optimizer shrinks this module's weights; as `train` says when left out."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """What the learning rate is multiplied by from each layer of its stack to the one below; 1 when left out."""

    @property
    def rates(self) -> dict[str, float]:
        """The keys about how fast it learns that the file sets, with their values."""
        written = {key: getattr(self, key) for key in ("learning_rate", "weight_decay", "layer_decay")}
        return {key: value for key, value in written.items() if value is not None}


class LossNode(Node):
    """One term of the objective."""

    in_: Wiring = Field(default=None, alias="in")
    target: str | None = None
    """The field or input port that the loss compares with."""
    weight: Weight = 1.0
    """What the loss counts in the sum of its discipline."""
    schedule: Schedule | None = None
    """How the weight changes while the model is trained: `{rise: 0.1}`; it stays when left out."""
    example_weight: str | None = None
    """A field of numbers: what each example counts; 1 where it has none."""
    discipline: str | None = None
    """Whose loss it is, when it is not its plugin's; a standard loss belongs to the task."""


class MetricNode(Node):
    """A measure of evaluation."""

    in_: Wiring = Field(default=None, alias="in")
    target: str | None = None
    """The field or input port that the metric compares with."""


class Objective(Declared):
    """How the losses are summed."""

    balance: UseSettings = {"use": "fixed"}
    """The balancer: `fixed`, `uncertainty`, or one of a plugin's."""
    weights: dict[str, Weight] = {}
    """lambda_d: the weight of each discipline over the sum of its weighted losses; 1 when left out."""
    gradients_every: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Measures every so many steps how the disciplines' gradients meet in what they share, for the log."""
    schedules: dict[str, Schedule] = {}
    """How lambda_d changes while the model is trained: `{psychology: {start: 500}}`; it stays when left out."""
