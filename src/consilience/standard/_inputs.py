"""The standard inputs: tokens, and labels of words aligned to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from consilience.declare import (
    Bool,
    Checkpoint,
    DeclarationError,
    Dims,
    Fault,
    Field,
    Input,
    Int,
    Labels,
    Ports,
    Text,
    Unsolved,
    Use,
)
from consilience.standard._checkpoint import error_of, longest_text, sizes, tokenizer_files
from consilience.standard._tokenizer import BrokenTokenizer

__all__ = ["TokenLabels", "Tokens"]

_FEWEST = 4
"""The fewest tokens that a text may have: two special ones, and two more."""
_WANTED = "a checkpoint with a fast tokenizer whose ids its model has embeddings for"
_FIX = "# name under checkpoint one with a tokenizer.json that fits its config.json"


class Tokens(Input):
    """Splits texts into the tokens of a checkpoint's tokenizer, padded to the longest text of the batch.

    A text is a string, or a list of words that are taken as given.
    """

    checkpoint: Use[Checkpoint]
    """The checkpoint whose tokenizer it is."""
    max_length: int = Field(128, ge=_FEWEST)
    """The most tokens of a text, the special ones included; what comes after them is cut off.

    When left out, fewer for a checkpoint that has positions for fewer.
    """
    words: Literal["tokenizer", "whitespace"] = "tokenizer"
    """What counts as a word of a string: what the tokenizer splits at first (punctuation stands alone), or what
    stands between white space."""
    pad_to_multiple_of: int = Field(1, ge=1, le=1024)
    """Rounds the padded length up, to 8 for instance, as tensor cores like it."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(
        ids=Int["batch seq"].below("vocab"),
        mask=Bool["batch seq"],
        special=Bool["batch seq"],
        words=Int["batch seq"],
        spans=Int["batch seq 2"],
    )

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States the size of the vocabulary."""
        return sizes(self.checkpoint.declared, "vocab", owner=self.checkpoint.name)

    def faults(self) -> Iterable[Fault]:
        """Tells when the checkpoint has no tokenizer, or no positions for so many tokens."""
        try:
            checkpoint = self.checkpoint.declared
            unfit = self._unfit(checkpoint)
            longest = longest_text(checkpoint)
        except (Unsolved, DeclarationError):
            return  # told elsewhere: by the wiring, or by the checkpoint itself
        if unfit:
            yield Fault("CN609", "checkpoint", f"{self.checkpoint.name}: {unfit}", _WANTED, _FIX)
        if longest is not None and longest < _FEWEST:
            found = f"{self.checkpoint.name}, whose config.json has positions for {max(longest, 0)} tokens"
            yield Fault("CN610", "checkpoint", found, f"a checkpoint with positions for {_FEWEST} at least", _FIX)
        elif longest is not None and self.pad_to_multiple_of > longest:
            found = f"{self.pad_to_multiple_of}; {self.checkpoint.name}'s config.json has positions for {longest}"
            yield Fault("CN610", "pad_to_multiple_of", found, f"at most {longest}", "pad_to_multiple_of: 1")
        elif longest is not None and self._padded() > longest and "max_length" in self.model_fields_set:
            found = f"{self._padded()} tokens; {self.checkpoint.name}'s config.json has positions for {longest}"
            most = longest // self.pad_to_multiple_of * self.pad_to_multiple_of
            yield Fault("CN610", "max_length", found, f"at most {longest}", f"max_length: {most}")

    def _unfit(self, checkpoint: Checkpoint) -> str | None:
        """Tells why a checkpoint's tokenizer will not do, as far as its files tell."""
        files = tokenizer_files(checkpoint)
        try:
            if files.is_slow:
                return f"a slow tokenizer ({files.name}), which cannot tell where tokens stand in the text"
            if files.vocabulary is None:
                return "no file of a tokenizer's vocabulary, such as tokenizer.json"
            vocabulary = sizes(checkpoint, "vocab").get("vocab")
            needed = files.ids_beyond(vocabulary) if vocabulary else None
        except BrokenTokenizer as error:
            return str(error)
        return f"a tokenizer of {needed} ids for a model of {vocabulary}" if needed else None

    def _padded(self) -> int:
        return -(-self.max_length // self.pad_to_multiple_of) * self.pad_to_multiple_of

    def _length(self) -> int:
        longest = longest_text(self.checkpoint.declared)
        if longest is None or self._padded() <= longest:
            return self.max_length
        return longest // self.pad_to_multiple_of * self.pad_to_multiple_of

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable that tokenizes a batch; raises `DeclarationError` for a tokenizer that will not do."""
        from consilience.standard.built.tokens import Tokenize

        for fault in self.faults():
            raise error_of(fault)
        # A data loader's workers are the parallelism: threads in each would be too many, and older tokenizers warn
        # when a process forks that has used some.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        tokenizer = self.checkpoint.declared.tokenizer()
        if not getattr(tokenizer, "is_fast", False):
            self._refuse(
                f"a slow tokenizer ({type(tokenizer).__name__}), which cannot tell where tokens stand in the text"
            )
        needed = max(tokenizer.get_vocab().values(), default=-1) + 1
        if needed > dims.get("vocab", needed):
            self._refuse(f"a tokenizer of {needed} ids for a model of {dims['vocab']}")
        return Tokenize(tokenizer, self._length(), self.words == "whitespace", self.pad_to_multiple_of)

    def _refuse(self, found: str) -> None:
        raise error_of(Fault("CN609", "checkpoint", found, _WANTED, _FIX))


class TokenLabels(Input):
    """Aligns one label a word to the tokens: it stands at the first token of its word, and -100 at all others."""

    inputs = Ports(words=Int["batch seq"], labels=Labels["batch"].below("classes"))
    outputs = Ports(labels=Int["batch seq"].below("classes"))

    def build(self, dims: Dims) -> Callable[..., Any]:
        """Gives the callable that aligns a batch."""
        from consilience.standard.built.tokens import AlignLabels

        return AlignLabels()
