"""Declares the prediction of the next sentence, and the texts that sentences which are not the next come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from consilience.declare import (
    Bool,
    DeclarationError,
    Diagnostic,
    Dims,
    Fault,
    Field,
    Int,
    LabelSpace,
    Location,
    Ports,
    Resource,
    Use,
)
from consilience_linguistics._spaces import NEXT_SENTENCE
from consilience_linguistics._two_parts import TwoParts

__all__ = ["NextSentence", "Texts"]


class Texts(Resource):
    """Texts of a file, one a line, for sentences to be drawn from; empty lines are no texts."""

    path: Location
    """The file, in UTF-8."""

    def faults(self) -> Iterable[Fault]:
        """Tells of a file that is missing."""
        if fault := self.path.fault(wanted="texts, one a line", form="file"):
            yield fault

    def examine(self) -> Iterable[Fault]:
        """Tells of a file that holds fewer than two texts, or is not in UTF-8."""
        try:
            self._read()
        except (OSError, ValueError) as error:
            yield self._unfit(error)

    def files(self) -> Iterable[Path]:
        """Gives the file."""
        return [self.path.path]

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Copies the file."""
        return {"path": self.path.copy_into(folder, "texts.txt")}

    def texts(self) -> tuple[str, ...]:
        """Gives the texts, each once, in the order of the file; raises `DeclarationError` (CN544)."""
        try:
            return self._read()
        except (OSError, ValueError) as error:
            fault = self._unfit(error)
            raise DeclarationError(Diagnostic(fault.code, (), fault.found, fault.expected, fault.fix)) from None

    def _read(self) -> tuple[str, ...]:
        lines = self.path.path.read_text(encoding="utf-8").split("\n")
        texts = tuple(dict.fromkeys(stripped for line in lines if (stripped := line.strip())))
        if len(texts) < 2:
            raise ValueError("one text alone" if texts else "0 texts")
        return texts

    def _unfit(self, error: Exception) -> Fault:
        reason = "bytes that are not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        fix = f"# write two texts or more into {self.path}, in UTF-8 and each on a line of its own"
        return Fault("CN544", "path", f"{self.path}: {reason}", "two texts or more, one a line", fix)


class NextSentence(TwoParts):
    """Cuts each text in two at the end of a sentence, and gives half of them the end of another text (BERT's task).

    The parts are tokenized as a pair (Devlin et al. 2019). The other text is drawn from `others`, and cut in the same
    way where it has several sentences, so that its length tells nothing. A text of one sentence is not present.
    """

    others: Use[Texts]
    """The texts that ends are drawn from: those that are read here, best of all, or others like them."""
    drawn: float = Field(0.5, gt=0, lt=1)
    """The share of texts that get the end of another one."""

    outputs = Ports(
        ids=Int["batch seq"].below("vocab"),
        mask=Bool["batch seq"],
        next=Int["batch"].below("next"),
        present=Bool["batch"],
    )

    def dims(self, known: Dims) -> Mapping[str, int | str | LabelSpace]:
        """States what may be said of two parts, and the size of the vocabulary where config.json has it."""
        return self.dims_of(NEXT_SENTENCE, "next")

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable; raises `DeclarationError` (CN544) where there are no texts to draw from."""
        from consilience_linguistics.pairing import NextPairs

        others = self.others.declared.texts()
        return NextPairs(self.checkpoint.declared.tokenizer(), others, self.max_length, self.drawn)
