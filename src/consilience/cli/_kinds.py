"""The kinds of component that the template of a discipline can show, with what each needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """One kind's example: how its parts are called, what they import, and what the README says of them."""

    name: str
    declares: str
    """The class that declares it."""
    component: str
    """Its name in the file, without the namespace."""
    file: str
    """The module of its plain code."""
    built: str
    """The function or class there."""
    imports: tuple[str, ...]
    """What its declaration imports of `consilience.declare`."""
    typing: tuple[str, ...]
    """What else its declaration names."""
    tested_with: tuple[str, ...]
    """What its tests import, beside its own code."""
    packages: tuple[str, ...]
    """The distributions that its plain code needs."""
    offers: str
    takes: str
    gives: str
    keys: str
    holds: str


_TORCH = "torch>=2.6"

_ALL = (
    Kind(
        name="module",
        declares="Head",
        component="head",
        file="heads.py",
        built="Head",
        imports=("Dims", "Field", "Float", "Module", "Ports"),
        typing=("Iterable", "nn"),
        tested_with=("torch",),
        packages=(_TORCH,),
        offers="a head",
        takes="`features: Float[batch hidden]`",
        gives="`logits: Float[batch classes]`",
        keys="`dropout` 0.1",
        holds="the head, plain PyTorch",
    ),
    Kind(
        name="loss",
        declares="FocalLoss",
        component="focal_loss",
        file="losses.py",
        built="FocalLoss",
        imports=("Dims", "Field", "Float", "Int", "Loss", "Ports"),
        typing=("nn",),
        tested_with=("torch",),
        packages=(_TORCH,),
        offers="a focal loss",
        takes="`logits: Float[batch classes]`, target `Int[batch]`",
        gives="one value an example",
        keys="`gamma` 2",
        holds="the loss, plain PyTorch",
    ),
    Kind(
        name="input",
        declares="Measures",
        component="measures",
        file="reading.py",
        built="measure",
        imports=("Bool", "Dims", "Field", "Float", "Input", "Ports", "Text"),
        typing=("Any", "Callable", "Mapping", "partial"),
        tested_with=("pytest", "torch"),
        packages=(_TORCH,),
        offers="measures of texts",
        takes="`text: Text[batch]`",
        gives="`values: Float[batch measure]`; `present: Bool[batch]`, whether the text has words",
        keys="`max_words` 512",
        holds="what reads the texts, plain Python",
    ),
    Kind(
        name="metric",
        declares="Certainty",
        component="certainty",
        file="metrics.py",
        built="Certainty",
        imports=("Dims", "Float", "Int", "Metric", "Ports"),
        typing=("Any",),
        tested_with=("pytest", "torch"),
        packages=(_TORCH, "torchmetrics>=1.4"),
        offers="a metric of certainty",
        takes="`logits: Float[batch classes]`, target `Int[batch]`",
        gives="the mean probability of the right class",
        keys="",
        holds="the metric, of torchmetrics",
    ),
    Kind(
        name="source",
        declares="Lines",
        component="lines",
        file="lines.py",
        built="read_lines",
        imports=("Fault", "Location", "Source"),
        typing=("Any", "Iterable", "Mapping", "Path"),
        tested_with=(),
        packages=("datasets>=4",),
        offers="a source of labelled lines",
        takes="a file of one example a line: label, tab, text",
        gives="the columns `label` and `text`",
        keys="`path` (required)",
        holds="what reads the file, plain Python",
    ),
    Kind(
        name="tuner",
        declares="Biases",
        component="biases",
        file="tuning.py",
        built="train_biases",
        imports=("Tuner",),
        typing=("Any",),
        tested_with=("nn",),
        packages=(_TORCH,),
        offers="a tuner of biases",
        takes="a module",
        gives="the same, with its biases alone to train",
        keys="",
        holds="what chooses the parameters, plain PyTorch",
    ),
    Kind(
        name="balancer",
        declares="EqualShares",
        component="equal_shares",
        file="balancers.py",
        built="EqualShares",
        imports=("Balancer",),
        typing=("nn",),
        tested_with=("pytest", "torch"),
        packages=(_TORCH,),
        offers="a balancer of equal shares",
        takes="the losses' weighted values",
        gives="a factor for each, which makes its value 1",
        keys="",
        holds="the balancer, plain PyTorch",
    ),
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""The examples by their kind, in the order in which a repository shows them."""
