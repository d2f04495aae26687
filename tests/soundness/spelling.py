"""Writes one wiring in one of the ways that the file has for it, and a fusion in one of YAML's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

import yaml

from consilience.declare import Many, Ports

__all__ = ["shuffled", "spell", "to_yaml"]

Wanted = Mapping[str, str | list[str]]
"""By port, the reference that shall feed it: `node.port`, a field's name, or several for a variadic port."""


def spell(random: Random, wanted: Wanted, ports: Ports, outputs: Mapping[str, Sequence[str]]) -> Any:
    """Writes `in:` in one of the ways that mean the wanted wiring; `outputs` has the ports of every node by name."""
    ways = list(_ways(random, wanted, ports, outputs))
    return random.choice(ways)


def _ways(random: Random, wanted: Wanted, ports: Ports, outputs: Mapping[str, Sequence[str]]) -> Iterator[Any]:
    [first, *_] = ports
    many = wanted.get(first)
    if isinstance(ports[first], Many) and isinstance(many, list):
        short = [_shorter(random, ref, "", outputs) for ref in many]
        yield short
        yield {first: list(many)}
        if len(short) == 1:
            yield short[0]
            yield {first: short[0]}
        return
    single = {port: str(ref) for port, ref in wanted.items()}
    yield {port: _shorter(random, ref, port, outputs) for port, ref in single.items()}
    nodes = list(dict.fromkeys(ref.partition(".")[0] for ref in single.values()))
    references = [[node] for node in nodes]
    whole = [list(dict.fromkeys(single.values()))]
    mixed = [[random.choice([node, *(ref for ref in single.values() if ref.split(".")[0] == node)]) for node in nodes]]
    for listed in ([part for parts in references for part in parts], *whole, *mixed):
        order = list(listed)
        random.shuffle(order)
        if _by_name(order, ports, outputs) == single:
            yield order
            if len(order) == 1:
                yield order[0]


def _shorter(random: Random, ref: str, port: str, outputs: Mapping[str, Sequence[str]]) -> str:
    """Writes a reference by its node alone, where that means the same, or not."""
    node, _, output = ref.partition(".")
    is_clear = len(outputs[node]) == 1 or (output == port and port in outputs[node])
    return node if output and is_clear and random.random() < 0.5 else ref


def _by_name(listed: Sequence[str], ports: Ports, outputs: Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """Wires by the rules of docs/fusion-file.md, or gives None where they allow nothing."""
    required = [port for port, kind in ports.items() if not kind.is_optional]
    only = required if len(required) == 1 else list(ports) if len(ports) == 1 else []
    fed: dict[str, str] = {}
    for reference in listed:
        node, dot, output = reference.partition(".")
        offered = [output] if dot else list(outputs[node])
        matched = {port: f"{node}.{port}" for port in offered if port in ports}
        if not matched and len(offered) == 1 and len(listed) == 1 and only:
            matched = {only[0]: f"{node}.{offered[0]}" if offered[0] else node}
        if not matched or matched.keys() & fed.keys():
            return None
        fed |= matched
    return fed


def shuffled(random: Random, value: Any) -> Any:
    """Gives a value with the keys of every mapping in another order."""
    if isinstance(value, list):
        return [shuffled(random, item) for item in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    random.shuffle(keys)
    return {key: shuffled(random, value[key]) for key in keys}


class _Plain(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes equal objects twice: whether the file has aliases is for the mutations to say."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def to_yaml(random: Random, written: Mapping[str, Any]) -> str:
    """Writes a fusion in block style, in flow style, or with short collections on one line."""
    style = random.choice([None, None, False, True])
    width = random.choice([80, 120, 10_000])
    indent = random.choice([2, 4])
    return str(
        yaml.dump(
            dict(written),
            Dumper=_Plain,
            default_flow_style=style,
            width=width,
            indent=indent,
            allow_unicode=True,
            sort_keys=False,
        )
    )
