"""Chooses the ranks and the numbers of a smaller encoder's linear layers, and refuses what would not be smaller."""

from __future__ import annotations

from typing import Any

from consilience.declare import Diagnostic, RunError
from consilience_complexity._compact import has_torchao
from consilience_complexity.compact import linears, rank_for, truncated
from consilience_complexity.cutting import Cut

__all__ = ["compacted"]

_STANDARD = "text_encoder"


def compacted(node: Any, made: Cut, asked: Any) -> dict[str, Any]:
    """Gives the keys of a `compact_encoder` for what is asked for; nothing where nothing is.

    A layer that is factorised is replaced by the nearest matrix of its rank in the model that is written, so that plain
    transformers computes the same. Raises `RunError`: for an encoder that has no compact form (CN787), where no factors
    would be smaller than their matrix (CN784), or without torchao (CN785).
    """
    is_factorised = asked.energy is not None or asked.rank is not None
    if not is_factorised and asked.numbers == "float":
        return {}
    if node.component != _STANDARD:
        found = f"{node.name}: a {node.component}"
        raise _refused(
            "CN787", found, f"a {_STANDARD}, which has a compact form", "# leave out --low-rank, --rank and --int8"
        )
    if asked.numbers == "int8" and not has_torchao():
        found = "--int8, and no torchao is installed"
        raise _refused("CN785", found, "torchao, which int8 is done with", "pip install torchao==0.18.0")
    ranks = _ranks(node.name, made, asked) if is_factorised else {}
    if asked.numbers == "int8":
        made.told["linear layers of 8 bits"] = sum(1 for name, _ in linears(made.model) if name not in ranks)
    keys = {"ranks": ranks, "numbers": asked.numbers}
    return {key: value for key, value in keys.items() if value not in ({}, "float")}


def _ranks(name: str, made: Cut, asked: Any) -> dict[str, int]:
    ranks: dict[str, int] = {}
    had = has = 0
    for layer, linear in linears(made.model):
        rank = rank_for(linear, asked.energy, asked.rank)
        outputs, inputs = linear.weight.shape
        had += outputs * inputs
        has += outputs * inputs if rank is None else rank * (outputs + inputs)
        if rank is not None:
            ranks[layer] = rank
            truncated(linear, rank)
    if not ranks:
        told = f"--rank {asked.rank}" if asked.rank is not None else f"--low-rank {asked.energy:g}"
        found = f"{name}: {told}, whose two factors are nowhere smaller than the matrix"
        smaller = max(min(linear.weight.shape) for _, linear in linears(made.model)) // 4
        raise _refused("CN784", found, "factors that are smaller than their matrix", f"--rank {max(smaller, 1)}")
    made.told.update({"linear layers that are factorised": len(ranks), "weights of linear layers": (had, has)})
    return ranks


def _refused(code: str, found: str, expected: str, fix: str) -> RunError:
    return RunError(Diagnostic(code, (), found, expected, fix))
