"""Tags of entities: the schemes they are written in, and the best sequence that a scheme admits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["best_tags", "is_bio", "may_follow", "stray_tags"]

OUTSIDE = "O"


def is_bio(tags: Collection[str]) -> bool:
    """Tells whether these tags are those of BIO (IOB2): `O`, `B-TYPE` and `I-TYPE`, some entity among them."""
    parts = [tag.partition("-") for tag in tags if tag != OUTSIDE]
    return bool(parts) and all(mark in "BI" and mark and name for mark, _, name in parts)


def stray_tags(tags: Sequence[str]) -> Iterator[str]:
    """Gives the tags of BIO that go on with an entity that was not begun."""
    for before, tag in zip([OUTSIDE, *tags], tags, strict=False):
        if not may_follow(before, tag):
            yield f"{tag} after {before}"


def may_follow(before: str, tag: str) -> bool:
    """Tells whether a tag may stand after another one, in IOB2, IOBES and BILOU alike; `O` is before the first."""
    mark, _, name = tag.partition("-")
    last, _, of = before.partition("-")
    if mark in ("I", "L", "E"):
        return last in ("B", "I") and name == of
    return True


def _admitted(labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Tells which label may stand after which, [before after]; with whole schemes, no entity is left open."""
    is_whole = any(label[:2] in ("L-", "E-", "U-", "S-") for label in labels)
    table = np.array([[may_follow(before, tag) for tag in labels] for before in labels])
    if is_whole:
        opens = np.array([label[:1] in ("B", "I") for label in labels])
        goes_on = np.array([label[:1] in ("I", "L", "E") for label in labels])
        table &= ~opens[:, None] | goes_on[None, :]
    return table


def best_tags(scores: npt.NDArray[np.float64], labels: Sequence[str]) -> list[int]:
    """Finds the sequence of the largest sum of scores that the scheme of the labels admits (Viterbi 1967).

    scores [word label] -> the index of a label a word. Labels of IOBES and BILOU must close what they open.
    """
    admitted = np.where(_admitted(labels), 0.0, -np.inf)
    is_start = np.array([may_follow(OUTSIDE, label) for label in labels])
    best = np.where(is_start, scores[0], -np.inf) if len(scores) else scores
    back = []
    for row in scores[1:]:
        reached = best[:, None] + admitted
        back.append(reached.argmax(axis=0))
        best = reached.max(axis=0) + row
    if not len(scores):
        return []
    if any(label[:2] in ("L-", "E-", "U-", "S-") for label in labels):
        best = np.where([label[:1] not in ("B", "I") for label in labels], best, -np.inf)
    path = [int(best.argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    return path[::-1]
