"""What multiplied each loss in a step, and what the balancer had to do with it: for the log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

__all__ = ["weights_told"]


def weights_told(
    weights: Mapping[str, float],
    scheduled: Collection[str],
    balanced: Mapping[str, float] | None,
    objectives: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """Gives `weight/LOSS`, all that multiplied a loss, where that may vary; `balance/OBJECTIVE`, the balancer's part.

    `weights` are those of the losses that were on: the file's, by their schedules. `balanced` is what the balancer gave
    the objectives that it weighed, None where it leaves them as they are or joins gradients number by number. What is
    off weighs 0; what the balancer did not weigh, for lack of rows or of a gradient, is left out.
    """
    told = {f"weight/{name}": weights.get(name, 0.0) for name in scheduled}
    if balanced is None:
        return told
    for objective, losses in objectives.items():
        for name in losses:
            if name in weights:
                told.pop(f"weight/{name}", None)
                if objective in balanced:
                    told[f"weight/{name}"] = weights[name] * balanced[objective]
    return told | {f"balance/{name}": value for name, value in balanced.items()}
