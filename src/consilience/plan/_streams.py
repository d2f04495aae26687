"""Checks sources whose rows are read as they come: that they can be, and that nothing asks for all of them."""

from __future__ import annotations

from consilience.declare import Source, SourceNode, paste
from consilience.errors import Part, Path, Severity, shortlist
from consilience.plan._resolved import Resolved

__all__ = ["check_streams"]

_NEED_ALL = {
    "distinct": "which needs all rows at once",
    "split": "which deals out all rows at once",
    "balance": "which needs all rows at once",
    "repeat": "whose passes have no end",
}
"""The keys of a source that no stream can have, and why."""


def check_streams(resolved: Resolved, trained: list[str]) -> None:
    """Notes streams that cannot be, and what of the file asks for rows that nobody has counted."""
    fusion = resolved.fusion
    streamed = [name for name, node in fusion.sources.items() if node.streaming]
    for name, node in fusion.sources.items():
        if node.streaming:
            _check_source(resolved, name, node)
        elif "buffer" in node.model_fields_set:
            found, expected = "buffer, without streaming", "a key that does something"
            path: Path = ("sources", name, "buffer")
            resolved.fault(
                "CN420", path, found, expected, "# remove the key buffer", Part.KEY, severity=Severity.WARNING
            )
    if streamed:
        _check_training(resolved, streamed[0])
        _check_mix(resolved, streamed[0], trained)


def _check_source(resolved: Resolved, name: str, node: SourceNode) -> None:
    source = resolved.others["sources"].get(name)
    if isinstance(source, Source) and type(source).stream is Source.stream:
        found = f"streaming, and {node.use} gives no stream"
        expected = "a source that streams, such as table and hub"
        resolved.fault("CN423", ("sources", name, "streaming"), found, expected, "# remove the key streaming", Part.KEY)
    for key, why in _NEED_ALL.items():
        if key in node.model_fields_set and getattr(node, key) != SourceNode.model_fields[key].default:
            found, expected = f"{key} beside streaming, {why}", "where, map and buffer beside streaming"
            resolved.fault("CN424", ("sources", name, key), found, expected, f"# remove the key {key}", Part.KEY)


def _check_training(resolved: Resolved, name: str) -> None:
    arguments = resolved.fusion.train.arguments
    if arguments.get("max_steps") is None and ("train",) not in resolved.lost:
        found, expected = f"no max_steps, and {name} is streamed: an epoch has no end", "the number of steps"
        resolved.fault("CN425", ("train",), found, expected, "max_steps: 1000")
    if arguments.get("train_sampling_strategy") == "group_by_length":
        found = f"group_by_length, and {name} is streamed: how long its rows are is not known"
        path: Path = ("train", "train_sampling_strategy")
        resolved.fault("CN426", path, found, "random, or sequential", "train_sampling_strategy: random")


def _check_mix(resolved: Resolved, name: str, trained: list[str]) -> None:
    mixing = resolved.fusion.mixing
    if len(trained) > 1 and mixing.by in ("size", "temperature"):
        path: Path = ("mixing", "by") if "by" in mixing.model_fields_set else ("mixing",)
        path = path if "mixing" in resolved.fusion.model_fields_set else ("sources", name, "streaming")
        found = f"a mix by {mixing.by} of {shortlist(trained)}, and {name} is streamed: nobody has counted its rows"
        fix = f"by: proportions\nproportions: {paste(dict.fromkeys(trained, 1))}"
        if path[0] == "sources":
            fix = f"mixing: {{by: proportions, proportions: {paste(dict.fromkeys(trained, 1))}}}"
        resolved.fault("CN426", path, found, "a mix by proportions or round_robin", fix)
    for key in ("until", "rows"):
        if key in mixing.model_fields_set and mixing.by != "size":
            found, expected = f"{key}, and {name} is streamed: an epoch has no end", "a key that does something"
            fix = f"# remove the key {key}"
            resolved.fault("CN420", ("mixing", key), found, expected, fix, Part.KEY, severity=Severity.WARNING)
