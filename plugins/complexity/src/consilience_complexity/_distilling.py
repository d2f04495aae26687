"""The trained run that teaches, the module that it is here, and the losses of learning from it. Light.

Hinton, Vinyals, Dean 2015; Jiao et al. 2020 (TinyBERT); Wang et al. 2020 (MiniLM).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from consilience.declare import (
    Bool,
    DeclarationError,
    Diagnostic,
    Dims,
    Fault,
    Field,
    Float,
    Int,
    LabelSpace,
    Location,
    Loss,
    Module,
    Ports,
    Resource,
    Size,
    Unsolved,
    Use,
)
from consilience_complexity.trained import NoSuchModule, Trained, UnreadableRun

if TYPE_CHECKING:
    from torch import nn

__all__ = ["AttentionDistillation", "Distillation", "StateDistillation", "Teacher", "TrainedRun"]


class TrainedRun(Resource):
    """A finished run, whose model teaches a smaller one.

    A saved model takes along what tells the sizes of its teacher, and not the teacher: it is loaded without it.
    """

    path: Location
    """The folder of the run, or that of its model."""
    content: Literal["model", "sizes"] = "model"
    """`sizes` where only what tells the sizes is there, as in a saved model: then nothing is taught."""

    def faults(self) -> Iterable[Fault]:
        """Tells of a folder that is missing, or that is none of a trained model."""
        fault = self.path.fault(wanted="the folder of a finished run", form="folder")
        if fault is not None:
            yield fault
            return
        try:
            found = self.read()
            if self.content == "model" and not list(found.folder.glob("*.safetensors")):
                raise UnreadableRun(f"no weights in {found.folder}")
        except UnreadableRun as error:
            fix = "# name under path the folder that consilience train printed at its end"
            yield Fault("CN779", "path", f"{self.path}: {error}", "the folder of a finished run", fix)

    def read(self) -> Trained:
        """Reads what the run was; raises `UnreadableRun`."""
        try:
            return Trained.find(self.path.path)
        except OSError as error:
            raise UnreadableRun(str(error)) from None

    def files(self) -> Iterable[Path]:
        """Lists the plan and the weights."""
        found = self.read()
        weights = sorted(found.folder.glob("*.safetensors")) if self.content == "model" else []
        return [*found.files(), *weights]

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Copies what tells the sizes, and no weights."""
        found = self.read()
        for file in found.files():
            copy = folder / file.relative_to(found.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not (copy.exists() and copy.samefile(file)):
                shutil.copyfile(file, copy)
        return {"path": ".", "content": "sizes"}


class Teacher(Module):
    """Runs the model of a finished run, frozen: what it scores, its states, and what its last layer attends to.

    It reads the tokens that this fusion reads, so they must be of the run's own vocabulary. It has no parameters here:
    no optimizer sees them, and no saved model holds them. `tune: {use: frozen, cache: true}` asks the model once for
    each row, and reads what it gave from disk after that.

    `logits` are its scores; `states` those before its first layer and after each; `relations` the logarithms of two
    distributions of each head of its last layer over the tokens: whom it attends to, and whose values are alike
    (MiniLM, Wang et al. 2020).
    """

    run: Use[TrainedRun]
    """The run whose model it is."""
    answer: str | None = Field(None, min_length=1)
    """The run's module whose scores are taught; needed where several score classes."""
    encoder: str | None = Field(None, min_length=1)
    """The run's module whose states are taught; needed where several read tokens."""

    inputs = Ports(ids=Int["batch seq"].below("vocab"), mask=Bool["batch seq"])
    outputs = Ports(
        logits=Float["batch classes"].logits(),
        states=Float["batch depth seq wide"],
        relations=Float["batch 2 head seq seq"].logits(),
    )
    has_parameters = False

    def dims(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        """States the sizes of the run's encoder, and the classes that it scores."""
        try:
            run = self.run.declared.read()
            answer = _or_first(run.answer, self.answer)
            encoder = _or_first(run.encoder, self.encoder)
        except (UnreadableRun, NoSuchModule) as error:
            raise Unsolved(str(error)) from None
        sizes = {name: Size(size, f"{self.run.name}'s {encoder}") for name, size in run.sizes(encoder).items()}
        return {**sizes, "classes": LabelSpace(name=f"{self.run.name}.{answer}", labels=run.labels(answer))}

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells of a run without such a module, or of one that reads more than tokens."""
        try:
            run = self.run.declared.read()
            answer, encoder = run.answer(self.answer), run.encoder(self.encoder)
        except UnreadableRun:
            return  # the resource tells it
        except NoSuchModule as error:
            key = "encoder" if "tokens" in str(error) else "answer"
            fix = f"{key}: {error.known[0]}" if error.known else "# name under run one with such a module"
            expected = f"one of {', '.join(error.known)}" if error.known else "a run that classifies texts"
            yield Fault("CN780", key, f"{self.run.name}: {error}", expected, fix)
            return
        beside = run.reads_beside(answer, encoder)
        if beside:
            found = f"{self.run.name}: {answer} reads {', '.join(beside)} beside the tokens of {encoder}"
            fix = "# name under run one that was trained on tokens alone"
            yield Fault("CN781", "run", found, "a teacher that reads tokens alone", fix)

    def build(self, dims: Dims) -> nn.Module:
        """Loads the run's model; DeclarationError where its encoder shows no layers."""
        from consilience_complexity.anatomy import NothingToGate
        from consilience_complexity.teaching import Absent, TaughtBy

        declared = self.run.declared
        run = declared.read()
        answer, encoder = run.answer(self.answer), run.encoder(self.encoder)
        if declared.content == "sizes":
            return Absent()
        try:
            return TaughtBy(run.folder, answer, encoder, run.tokens(encoder))
        except NothingToGate as error:
            fix = "# name under run one whose encoder is of transformers"
            found = f"{self.run.name}: {error}"
            raise DeclarationError(Diagnostic("CN780", ("encoder",), found, "an encoder with layers", fix)) from error


def _or_first(choose: Callable[[str | None], str], asked: str | None) -> str:
    """Gives the module that is asked for, or another one of its kind: then `faults_with` tells that it is not there."""
    try:
        return choose(asked)
    except NoSuchModule as error:
        if not error.known:
            raise
        return error.known[0]


class Distillation(Loss):
    """Brings scores near those of a teacher: the softened cross-entropy of Hinton, Vinyals and Dean (2015).

    The value is the Kullback-Leibler divergence of the two distributions over the classes at the temperature, times its
    square, so that gradients are of one size at every temperature. It needs no target: rows without a label count too.
    """

    temperature: float = Field(2.0, ge=0.1, le=100)
    """How soft both distributions are made, 0.1 to 100: 1 leaves them as they are."""
    classes: Literal["one", "several"] = "one"
    """Whether an example has one class (softmax) or several at once (a sigmoid each, averaged)."""

    inputs = Ports(logits=Float["batch classes"].logits(), taught=Float["batch classes"].logits())

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss."""
        from consilience_complexity.teaching import ScoreLoss

        return ScoreLoss(self.temperature, self.classes)


class _Watching(Loss):
    of: Use[Module]
    """The encoder that learns, whose layers are looked into: one with a transformer inside."""

    def _watch(self, dims: Dims) -> Any:
        """Looks into the module that learns; DeclarationError where it shows nothing."""
        from consilience_complexity.anatomy import NothingToGate
        from consilience_complexity.watching import watch

        try:
            return watch(dims.built(self.of))
        except NothingToGate as error:
            expected = "a module with a stack of transformer layers, such as a text_encoder"
            fix = f"# name under of {expected}"
            found = f"{self.of.name}: {error}"
            raise DeclarationError(Diagnostic("CN782", ("of",), found, expected, fix)) from error


class StateDistillation(_Watching):
    """Brings states between layers near those of a teacher, by a learned projection (TinyBERT, Jiao et al. 2020).

    The value is the mean squared difference over the tokens, the dims and the layers that are compared. The projection
    is the identity at the start where both are of one width, and serves training alone.
    """

    layers: dict[int, int] | None = None
    """Which layer of the teacher each layer learns from, such as `{1: 2, 2: 4, 3: 6}`; 0 is what goes into the first.
    Left out, all of them, spread evenly over the teacher's."""

    inputs = Ports(hidden=Float["batch seq hidden"], taught=Float["batch depth seq wide"], mask=Bool["batch seq"])
    static = ("hidden", "wide", "depth")
    has_parameters = True

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss; DeclarationError for layers that one of the two has not."""
        from consilience_complexity.teaching import StateLoss

        watched = self._watch(dims)
        most = dims["depth"] - 1
        asked = self.layers
        if asked is None:
            asked = {layer: round(layer * most / watched.layers) for layer in range(watched.layers + 1)}
        wrong = [
            f"{own}: {other}"
            for own, other in asked.items()
            if own not in range(watched.layers + 1) or other not in range(most + 1)
        ]
        if wrong or not asked:
            found = ", ".join(wrong) or "no layer"
            expected = f"layers 0 to {watched.layers} of {self.of.name}, and 0 to {most} of the teacher"
            fix = f"layers: {{{watched.layers}: {most}}}"
            raise DeclarationError(Diagnostic("CN783", ("layers",), found, expected, fix))
        return StateLoss(dims["hidden"], dims["wide"], asked, watched.layers)


class AttentionDistillation(_Watching):
    """Lets the last layer attend as a teacher's last layer does (MiniLM, Wang et al. 2020).

    The value is the Kullback-Leibler divergence of the attention distributions and of the value relations, averaged
    over heads and tokens. Both must have as many heads; their widths and numbers of layers may differ.
    """

    inputs = Ports(
        hidden=Float["batch seq hidden"], taught=Float["batch 2 head seq seq"].logits(), mask=Bool["batch seq"]
    )

    static = ("head",)

    def build(self, dims: Dims) -> nn.Module:
        """Gives the loss; DeclarationError where the teacher has another number of heads."""
        from consilience_complexity.teaching import AttentionLoss

        heads = self._watch(dims).heads
        if heads != dims["head"]:
            found = f"{self.of.name} with {heads} heads, and a teacher with {dims['head']}"
            expected = "as many heads as the teacher's last layer has"
            fix = "# leave this loss out, or name under run a teacher with as many heads"
            raise DeclarationError(Diagnostic("CN788", ("of",), found, expected, fix))
        return AttentionLoss(heads)
