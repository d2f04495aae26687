"""Compares what models cost and how well they do: as a table, and as a picture of who is beaten by nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import torch
from torch import Tensor, nn

from consilience_complexity.measure import measure

__all__ = ["Figures", "figures", "front", "picture", "table"]

_BATCHES = (1, 32)
_NAME, _LINE = 90, 12
"""How much room a name takes in a picture."""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 560, 300, 64, 44, 16, 110


@dataclass(frozen=True)
class Figures:
    """What one model costs and gives. Latencies are medians in milliseconds, at a batch of 1 and of 32 rows."""

    name: str
    parameters: int
    encoder_parameters: int
    megabytes: float
    """Of its weights."""
    flops: int
    """Of a batch of one row."""
    latency_1: float
    latency_32: float
    metrics: Mapping[str, float]
    file_megabytes: float = 0.0
    """Of its weight files, where it was saved."""

    def to_dict(self) -> dict[str, Any]:
        """Gives every figure by its name, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Figures:
        """Makes the figures that `to_dict` gave; raises TypeError where some are missing."""
        return cls(**{name: told[name] for name in cls.__dataclass_fields__ if name in told})


def figures(
    name: str,
    model: nn.Module,
    encoder: nn.Module,
    batch: Mapping[str, Any],
    metrics: Mapping[str, Any],
    runs: int = 20,
) -> Figures:
    """Measures a fused model on the first row and on the first 32 rows of a batch of as many."""
    size = sum(weight.numel() * weight.element_size() for weight in _weights(model))
    cost = {}
    for rows in _BATCHES:
        part = {key: value[:rows] for key, value in batch.items()}
        cost[rows] = measure(model, (_shortened(part),), runs=runs)
    return Figures(
        name,
        sum(weight.numel() for weight in _weights(model)),
        sum(weight.numel() for weight in _weights(encoder)),
        round(size / 2**20, 3),
        cost[1].flops,
        round(cost[1].latency_median, 3),
        round(cost[32].latency_median, 3),
        {key: value for key, value in metrics.items() if isinstance(value, int | float)},
    )


def _weights(model: nn.Module) -> list[Tensor]:
    """Gives the parameters, and the 8-bit numbers that stand for some."""
    return [*model.parameters(), *(buffer for buffer in model.buffers() if buffer.dtype is torch.int8)]


def _shortened(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out the padding that only rows beyond needed."""
    cut = dict(batch)
    for name, mask in batch.items():
        if name.endswith(".mask") and mask.dim() == 2 and mask.any():
            length = int(mask.any(dim=0).nonzero().max()) + 1
            for other in (name, f"{name.removesuffix('.mask')}.ids"):
                if other in cut:
                    cut[other] = cut[other][:, :length]
    return cut


def table(before: Figures, after: Figures) -> str:
    """Gives the two side by side, with how many times less the second one takes, and what it loses."""
    rows = [("", before.name, after.name, "")]
    for label, name, form in (
        ("parameters", "parameters", "{:,}"),
        ("parameters of the encoder", "encoder_parameters", "{:,}"),
        ("weights, MiB", "megabytes", "{:,.1f}"),
        ("weight files, MiB", "file_megabytes", "{:,.1f}"),
        ("FLOPs of one row", "flops", "{:,}"),
        ("latency of 1 row, ms", "latency_1", "{:,.2f}"),
        ("latency of 32 rows, ms", "latency_32", "{:,.2f}"),
    ):
        had, has = getattr(before, name), getattr(after, name)
        rows.append((label, form.format(had), form.format(has), f"{had / max(has, 1e-9):.2f} x less"))
    for name, value in before.metrics.items():
        if name in after.metrics:
            rows.append((name, f"{value:.4f}", f"{after.metrics[name]:.4f}", f"{after.metrics[name] - value:+.4f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    return "\n".join(lines)


def front(points: Iterable[tuple[str, float, float]]) -> list[str]:
    """Names those (name, cost, score) that no other beats: by less cost for the score, or more score for the cost."""
    points = list(points)
    return [
        name
        for name, cost, score in points
        if not any((c <= cost and s >= score and (c < cost or s > score)) for _, c, s in points)
    ]


def picture(
    models: Sequence[Figures], metric: str, cost: str = "latency_1", label: str = "latency of 1 row, ms"
) -> str:
    """Draws cost against a metric as an SVG, with a line through those that are beaten by none (Pareto)."""
    points = [(one.name, float(getattr(one, cost)), one.metrics[metric]) for one in models if metric in one.metrics]
    least, most = min(score for _, _, score in points), max(score for _, _, score in points)
    margin = max((most - least) * 0.25, 0.005)
    low, high, far = least - margin, most + margin, 1.08 * max(spent for _, spent, _ in points)

    def at(spent: float, score: float) -> tuple[float, float]:
        across = _LEFT + spent / far * (_WIDTH - _LEFT - _RIGHT)
        return across, _TOP + (high - score) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    best = set(front(points))
    beaten_by_none = sorted((spent, score) for name, spent, score in points if name in best)
    line = " ".join("{:.1f},{:.1f}".format(*at(spent, score)) for spent, score in beaten_by_none)
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" ',
            f'aria-label="{escape(metric)} against {escape(label)}" font-family="sans-serif" font-size="11">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
            *_axes(at, (0, far), (low, high), label, metric),
            f'<polyline points="{line}" fill="none" stroke="#0072b2" stroke-width="1.5" stroke-dasharray="5 3"/>',
            *_marks(points, best, metric, at),
            "</svg>\n",
        ]
    )


def _marks(points: Iterable[tuple[str, float, float]], best: set[str], metric: str, at: Any) -> Iterable[str]:
    named: list[tuple[float, float]] = []
    for name, spent, score in points:
        x, y = at(spent, score)
        colour = "#0072b2" if name in best else "#999"
        told = f"{name}: {spent:,.2f}, {metric} {score:.4f}"
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"><title>{escape(told)}</title></circle>'
        # A name beside one that stands there already goes to the other side of its point.
        is_taken = any(abs(x - across) < _NAME and abs(y - down) < _LINE for across, down in named)
        place, anchor = (x - 8, "end") if is_taken else (x + 8, "start")
        named.append((x, y))
        yield f'<text x="{place:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{escape(name)}</text>'


def _axes(at: Any, costs: tuple[float, float], scores: tuple[float, float], label: str, metric: str) -> Iterable[str]:
    for part in range(5):
        score = scores[0] + (scores[1] - scores[0]) * part / 4
        spent = costs[0] + (costs[1] - costs[0]) * part / 4
        x, _ = at(spent, scores[0])
        _, y = at(0, score)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{score:.3f}</text>'
        yield f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{spent:,.3g}</text>'
    yield f'<text x="{(_WIDTH - _RIGHT + _LEFT) / 2:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(label)}</text>'
    yield f'<text x="6" y="12">{escape(metric)}</text>'
