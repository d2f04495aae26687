"""Scores texts with a masked language model, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["PseudoLogLikelihood"]


class PseudoLogLikelihood(nn.Module):
    """Sums the log-probabilities of a text's tokens, each hidden in its turn (Salazar et al. 2020).

    ids, mask and special [batch seq] -> score [batch], in nats. `head` is a `MaskedLMHead`; the encoder is the one that
    it is tied to. With `hides_rest` the later tokens of the token's word are hidden too (Kauf and Ivanova 2023), which
    `words` [batch seq] tells, -1 at tokens of no word.
    """

    def __init__(self, head: Any, mask_token: int, hides_rest: bool = False) -> None:
        super().__init__()
        # In a tuple: as a submodule, the head would stand in the state dict twice.
        self._head = (head,)
        self.mask_token = mask_token
        self.hides_rest = hides_rest

    def forward(self, ids: Tensor, mask: Tensor, special: Tensor, words: Tensor | None = None) -> Tensor:
        is_scored = mask & ~special
        score = None
        for place in range(ids.shape[1]):
            is_hidden = torch.zeros_like(mask)
            is_hidden[:, place] = True
            if self.hides_rest and words is not None:
                of_word = words[:, place, None]
                later = (words == of_word) & (of_word >= 0)
                later[:, :place] = False
                is_hidden = is_hidden | later
            value = self._guessed(ids.masked_fill(is_hidden & is_scored, self.mask_token), mask, ids, place)
            value = value.masked_fill(~is_scored[:, place], 0)
            score = value if score is None else score + value
        assert score is not None
        return score

    def _guessed(self, hidden_ids: Tensor, mask: Tensor, ids: Tensor, place: int) -> Tensor:
        """Gives the log-probability of each row's token at a place: [batch]."""
        head = self._head[0]
        states = head.tied(ids=hidden_ids, mask=mask)
        if isinstance(states, Mapping):
            states = states["hidden"]
        elif not isinstance(states, Tensor):
            states = states[0]
        states = states.to(next(head.parameters()).dtype)
        logits = head(hidden=states, positions=torch.full_like(ids[:, :1], place))[:, 0]
        precise = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)
        guessed: Tensor = precise.gather(1, ids[:, place, None])[:, 0]
        return guessed
