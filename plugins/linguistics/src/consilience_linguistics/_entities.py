"""Declares how named entities are scored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from consilience.declare import Dims, Fault, Float, Int, Metric, Ports

if TYPE_CHECKING:
    from torchmetrics import Metric as TorchMetric

__all__ = ["EntityScore"]

_MARKS = {"conlleval": "BILEUS", "iob2": "BI", "iobes": "BIES", "bilou": "BILU"}


class EntityScore(Metric):
    """The F1, precision or recall of whole entities, their type and both ends right, over all of them (seqeval).

    Classes without names are taken for `O`, `B-1`, `I-1`, `B-2` and so on.
    """

    measure: Literal["f1", "precision", "recall"] = "f1"
    """Which of them."""
    scheme: Literal["conlleval", "iob2", "iobes", "bilou"] = "conlleval"
    """How tags make entities: as the CoNLL script counts them, or only those that a scheme strictly admits."""
    decode: Literal["viterbi", "argmax"] = "viterbi"
    """The best tags of which each may follow the one before, or the best tag of each word by itself."""

    inputs = Ports(logits=Float["batch seq classes"].logits())
    target = Int["batch seq"].below("classes")
    static = ("classes",)

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells of labels that are no tags of entities."""
        space = dims.spaces.get("classes")
        if space is None:
            return
        marks = _MARKS[self.scheme]
        odd = [label for label in space.labels if not _is_tag(label, marks)]
        begun = {label.partition("-")[2] for label in space.labels if label[:1] in ("B", "U", "S")}
        lost = sorted({label.partition("-")[2] for label in space.labels if label != "O"} - begun)
        if odd or lost:
            found = f"the label {odd[0]}" if odd else f"the labels {space}, among which nothing begins {lost[0]}"
            expected = f"O, and {', '.join(f'{mark}-TYPE' for mark in marks)} for each type of entity"
            fix = f"# declare the field's labels as [O, {', '.join(f'{mark}-PER' for mark in marks[:2])}, ...]"
            yield Fault("CN318", "", found, expected, fix)

    def build(self, dims: Dims) -> TorchMetric:
        """Gives the score."""
        from consilience_linguistics.metrics import EntityScore

        space = dims.spaces.get("classes")
        numbered = [f"{'BI'[place % 2]}-{place // 2 + 1}" for place in range(dims["classes"] - 1)]
        labels = space.labels if space is not None else ("O", *numbered)
        return EntityScore(labels, self.measure, None if self.scheme == "conlleval" else self.scheme, self.decode)


def _is_tag(label: str, marks: str) -> bool:
    mark, _, name = label.partition("-")
    return label == "O" or (len(mark) == 1 and mark in marks and bool(name))
