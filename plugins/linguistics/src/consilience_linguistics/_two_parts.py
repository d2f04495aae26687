"""What the inputs that cut a text in two have in common."""

from __future__ import annotations

from collections.abc import Mapping

from consilience.declare import Checkpoint, Field, Input, LabelSpace, Ports, Text, Use

__all__ = ["TwoParts"]


class TwoParts(Input):
    """Cuts each text in two, and tokenizes the parts as a pair; what may be said of the two is a label space."""

    checkpoint: Use[Checkpoint]
    """The checkpoint whose tokenizer it is."""
    max_length: int = Field(128, ge=8, le=8192)
    """The most tokens of both parts together; the longer part is cut first."""

    is_random = True
    inputs = Ports(text=Text["batch"])

    def dims_of(self, space: LabelSpace, name: str) -> Mapping[str, int | str | LabelSpace]:
        """States what may be said of two parts, and the size of the vocabulary where config.json has it."""
        size = self.checkpoint.declared.config().get("vocab_size")
        return {name: space} | ({"vocab": size} if isinstance(size, int) else {})
