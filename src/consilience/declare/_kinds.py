"""The kinds of components, one base class each: what it must give, and what it is asked for."""

# Not under `from __future__ import annotations`: pydantic would read the class variables' anew for every subclass.
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import PrivateAttr

from consilience.declare._component import Component
from consilience.declare._fault import Fault
from consilience.declare._labels import LabelSpace
from consilience.declare._ports import Float, Port, Ports
from consilience.declare._solved import Dims
from consilience.declare._stack import stack_of

__all__ = ["Checkpoint", "Input", "Loss", "Metric", "Module", "Resource", "Source", "Tuner"]


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
