"""Changes of a fusion's plain values: what people drop, misspell, retype, rewire, double, resize and swap."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from math import inf, nextafter
from random import Random
from typing import Any

from tests.soundness.settings import bounds_of, draw_settings, draw_value
from tests.soundness.world import SPACES

from consilience.declare import FIELD_TYPES, SECTIONS, TrainingKeys
from consilience.host import Registry

__all__ = ["CHANGES", "LIKELY"]

Written = dict[str, Any]
_HUGE = 10**40
_JUNK: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    64,
    2.5,
    1e-300,
    1e308,
    float("nan"),
    float("inf"),
    _HUGE,
    "",
    " ",
    "x",
]
_JUNK += ["1", "true", "null", "encoder", "encoder.", ".hidden", "..", "é", "x" * 300, [], ["x"], [[]], [None], {}]
_JUNK += [
    {"x": 1},
    {"use": 3},
    {"use": ""},
    {"use": "lora", "r": -1},
    {"column": "text"},
    ["text", "text"],
    "a: b",
    "*x",
]
_KEYS = [
    "use",
    "in",
    "target",
    "weight",
    "tune",
    "share",
    "map",
    "split",
    "where",
    "checkpoint",
    "width",
    "labels",
    "of",
]
_KEYS += [
    "tie",
    "graph",
    "discipline",
    "in_",
    "model_config",
    "__class__",
    "base",
    "name",
    "é",
    "",
    " ",
    "1",
    "max_lenght",
]
_WORDS = [
    "é",
    "ß",
    "Ω1",
    "名前",
    "ﬁeld",
    "a b",
    "a-b",
    "1a",
    "",
    "a.b",
    "None",
    "class",
    "forward",
    "present",
    "x" * 80,
]
_WEIGHTS: list[Any] = [0, 0.0, -1, -0.0, float("nan"), float("inf"), 1e300, 1e30, 1e-300, 5e-324, 1e6, 3, "1", None]
_MOST_BUILT = 300
_READERS = ("inputs", "modules", "losses", "metrics")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _paths(item, (*path, key))


def _holder(written: Any, path: tuple[Any, ...]) -> Any:
    for part in path[:-1]:
        written = written[part]
    return written


def _somewhere(random: Random, written: Written) -> tuple[Any, Any] | None:
    """Picks a key or item anywhere, shallow ones as often as deep ones; gives its holder and it."""
    paths = list(_paths(written))
    if not paths:
        return None
    depth = random.choice(sorted({len(path) for path in paths}))
    path = random.choice([path for path in paths if len(path) == depth])
    return _holder(written, path), path[-1]


def _nodes(written: Written, *sections: str) -> list[tuple[str, str, Written]]:
    found = []
    for section in sections or tuple(SECTIONS):
        nodes = written.get(section)
        for name, node in nodes.items() if isinstance(nodes, dict) else ():
            if isinstance(node, dict):
                found.append((section, name, node))
    return found


def _node(random: Random, written: Written, *sections: str) -> tuple[str, str, Written] | None:
    nodes = _nodes(written, *sections)
    return random.choice(nodes) if nodes else None


def _component(registry: Registry, node: Written) -> Any:
    use = node.get("use")
    offer = registry.component(use) if isinstance(use, str) else None
    return offer.component if offer else None


def _references(registry: Registry, written: Written, *sections: str) -> list[str]:
    """Lists what could stand under `in`: nodes, their ports, fields."""
    found = list(written["fields"]) if isinstance(written.get("fields"), dict) and "fields" in sections else []
    for _, name, node in _nodes(written, *(section for section in sections if section != "fields")):
        modules = written.get("modules")
        owner = modules.get(str(node["share"]), node) if "share" in node and isinstance(modules, dict) else node
        component = _component(registry, owner) if isinstance(owner, dict) else None
        found += [name, *(f"{name}.{port}" for port in getattr(component, "outputs", {}))]
    return [str(reference) for reference in found]


def drop(random: Random, registry: Registry, written: Written) -> bool:
    """Drops a section, a node, a key or an item."""
    found = _somewhere(random, written)
    if found:
        del found[0][found[1]]
    return bool(found)


def _misspelt(random: Random, word: str) -> str:
    at = random.randrange(max(1, len(word)))
    swapped = word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]
    return random.choice(
        [word[:at] + word[at + 1 :], word[:at] + word[at : at + 1] * 2 + word[at + 1 :], swapped, word.upper()]
    )


def misspell_key(random: Random, registry: Registry, written: Written) -> bool:
    """Misspells or exchanges a key, wherever it stands; what refers to it stays."""
    found = _somewhere(random, written)
    if not found or not isinstance(found[0], dict):
        return False
    holder, key = found
    other = random.choice([_misspelt(random, str(key)), _misspelt(random, str(key)), random.choice(_KEYS)])
    _rename(holder, key, other)
    return True


def _rename(holder: Written, key: Any, other: Any) -> None:
    items = [(other if old == key else old, value) for old, value in holder.items()]
    holder.clear()
    holder.update(items)


def misspell_value(random: Random, registry: Registry, written: Written) -> bool:
    """Misspells a text: a component, a reference, a label, a column."""
    texts = [path for path in _paths(written) if isinstance(_holder(written, path)[path[-1]], str)]
    if not texts:
        return False
    path = random.choice(texts)
    holder = _holder(written, path)
    holder[path[-1]] = _misspelt(random, holder[path[-1]])
    return True


def rename_node(random: Random, registry: Registry, written: Written) -> bool:
    """Renames a node or field, and with it what refers to it, or not."""
    sections = [
        section for section in ("fields", *SECTIONS) if isinstance(written.get(section), dict) and written[section]
    ]
    if not sections:
        return False
    section = random.choice(sections)
    name = random.choice(list(written[section]))
    taken = [other for _, other, _ in _nodes(written)]
    other = random.choice([random.choice(_WORDS), f"{name}_2", random.choice(taken or ["x"])])
    if section != "sources" and random.random() < 0.6:
        _rename_references(written, str(name), other)
    _rename(written[section], name, other)
    return True


def _rename_references(value: Any, name: str, other: str) -> None:
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, item in items:
        if isinstance(item, str) and (item == name or item.startswith(f"{name}.")) and key != "use":
            value[key] = other + item[len(name) :]
        else:
            _rename_references(item, name, other)
        if isinstance(value, dict) and key == "map" and isinstance(value[key], dict) and name in value[key]:
            _rename(value[key], name, other)


def retype(random: Random, registry: Registry, written: Written) -> bool:
    """Puts something else in the place of a value: often the same as text, in a list, or null."""
    found = _somewhere(random, written)
    if not found:
        return False
    holder, key = found
    value = holder[key]
    holder[key] = random.choice(
        [str(value), [value], {"x": value}, None, *(copy.deepcopy(random.choice(_JUNK)) for _ in "xxxx")]
    )
    return True


def rewire(random: Random, registry: Registry, written: Written) -> bool:
    """Lets a node read something else: in one place of its `in`, or altogether."""
    found = _node(random, written, *_READERS)
    if not found:
        return False
    section, _, node = found
    if "in" not in node:
        return False
    sections = (
        ("fields", "inputs")
        if section == "inputs"
        else ("inputs", "modules", *(["fields"] if random.random() < 0.2 else []))
    )
    known = _references(registry, written, *sections) or ["x"]
    value = node["in"]
    if isinstance(value, dict | list) and value and random.random() < 0.7:
        key = random.choice(list(value) if isinstance(value, dict) else range(len(value)))
        value[key] = _alike(random, known, value[key])
    elif random.random() < 0.3:
        node["in"] = random.sample(known, min(len(known), random.choice([1, 2, 2, 3])))
    else:
        node["in"] = _alike(random, known, value)
    return True


def _alike(random: Random, known: list[str], old: Any) -> str:
    """Picks a reference, mostly one to a port of the same name."""
    port = old.partition(".")[2] if isinstance(old, str) else ""
    same = [reference for reference in known if port and reference.endswith(f".{port}")]
    return random.choice(same if same and random.random() < 0.6 else known)


def rewire_port(random: Random, registry: Registry, written: Written) -> bool:
    """Adds a port to a node's `in`, or takes one away."""
    nodes = [
        node for _, _, node in _nodes(written, *_READERS) if isinstance(node.get("in"), dict | list) and node["in"]
    ]
    if not nodes:
        return False
    value = random.choice(nodes)["in"]
    known = _references(registry, written, "inputs", "modules") or ["x"]
    if random.random() < 0.5:
        del value[random.choice(list(value) if isinstance(value, dict) else range(len(value)))]
    elif isinstance(value, dict):
        value[random.choice(["mask", "query_mask", "features", "parts", "positions", "x"])] = random.choice(known)
    else:
        value.append(random.choice(known))
    return True


def retarget(random: Random, registry: Registry, written: Written) -> bool:
    """Lets a loss or metric compare with something else."""
    found = _node(random, written, "losses", "metrics")
    if not found:
        return False
    found[2]["target"] = random.choice(_references(registry, written, "fields", "fields", "inputs") or ["x"])
    return True


def refer(random: Random, registry: Registry, written: Written) -> bool:
    """Lets a key that names a node name another one: `checkpoint`, `graph`, `tie`, `of`, `share`."""
    named = [
        (node, key)
        for _, _, node in _nodes(written)
        for key in ("checkpoint", "graph", "tie", "of", "share")
        if key in node
    ]
    names = [name for _, name, _ in _nodes(written)]
    if not named or not names:
        return False
    node, key = random.choice(named)
    kinds = {"checkpoint": ("resources",), "graph": ("resources",)}.get(key, ("modules",))
    near = [name for _, name, _ in _nodes(written, *kinds)]
    node[key] = random.choice(near if near and random.random() < 0.8 else names)
    return True


def double(random: Random, registry: Registry, written: Written) -> bool:
    """Doubles a node, in its section or in another, or an item of a list."""
    if random.random() < 0.3:
        lists = [path for path in _paths(written) if isinstance(_holder(written, path), list)]
        if not lists:
            return False
        path = random.choice(lists)
        holder = _holder(written, path)
        holder.insert(random.randint(0, len(holder)), copy.deepcopy(holder[path[-1]]))
        return True
    found = _node(random, written)
    if not found:
        return False
    section, name, node = found
    other = section if random.random() < 0.8 else random.choice(list(SECTIONS))
    if not isinstance(written.setdefault(other, {}), dict):
        return False
    written[other][name if other != section else f"{name}_{random.choice(['2', 'b', 'é'])}"] = copy.deepcopy(node)
    return True


def reorder(random: Random, registry: Registry, written: Written) -> bool:
    """Puts the items of a list, or the keys of a mapping, into another order."""
    holders = [value for path in _paths(written) if isinstance(value := _holder(written, path)[path[-1]], dict | list)]
    several = [value for value in holders if len(value) > 1]
    if not several:
        return False
    value = random.choice(several)
    if isinstance(value, list):
        random.shuffle(value)
    else:
        items = list(value.items())
        random.shuffle(items)
        value.clear()
        value.update(items)
    return True


def resize(random: Random, registry: Registry, written: Written) -> bool:
    """Draws a setting of a node anew, within its range; it may be one that was left out."""
    found = _node(random, written)
    component = _component(registry, found[2]) if found else None
    if not found or component is None:
        return False
    drawn = draw_settings(random, component, 0.5)
    found[2].update(drawn)
    return bool(drawn)


def go_to_the_edge(random: Random, registry: Registry, written: Written) -> bool:
    """Sets a number of a component as near to its bounds, or as far out, as its range allows."""
    found = _node(random, written, "inputs", "modules", "losses", "metrics")
    component = _component(registry, found[2]) if found else None
    fields = getattr(component, "model_fields", {})
    numbers = [key for key, info in fields.items() if bounds_of(info)[:2] != (None, None)]
    if not found or not numbers:
        return False
    key = random.choice(numbers)
    low, high, is_low_out, is_high_out = bounds_of(fields[key])
    if "int" in str(fields[key].annotation):
        values: list[float] = [int(low or 0), *([int(high)] if high is not None and high < _MOST_BUILT else [])]
    else:
        least, most = low if low is not None else -1e300, high if high is not None else 1e300
        near = [nextafter(least, inf) if is_low_out else least, nextafter(most, -inf) if is_high_out else most]
        values = [
            *near,
            *(value for value in (1e-300, 1e-30, 1e-9, 1e9, 1e30, 0.999999, 1 - 1e-12) if least < value < most),
        ]
    found[2][key] = random.choice(values)
    return True


def stretch(random: Random, registry: Registry, written: Written) -> bool:
    """Makes a number larger, smaller, zero, negative, or a fraction."""
    numbers = [
        path for path in _paths(written) if isinstance(_holder(written, path)[path[-1]], int | float) and len(path) > 1
    ]
    if not numbers:
        return False
    path = random.choice(numbers)
    holder, key = _holder(written, path), path[-1]
    value = holder[key]
    holder[key] = random.choice(
        [0, -value, value + 1, value - 1, 2 * value, value / 2, float(value), 1, 1e-7, 40, 0.999999]
    )
    return True


def weigh(random: Random, registry: Registry, written: Written) -> bool:
    """Gives a loss or a discipline another weight: none, a negative one, a huge one, no number."""
    value = random.choice(_WEIGHTS)
    if random.random() < 0.7:
        found = _node(random, written, "losses")
        if found:
            found[2]["weight"] = value
        return bool(found)
    objective = written.setdefault("objective", {})
    weights = objective.setdefault("weights", {}) if isinstance(objective, dict) else None
    if not isinstance(weights, dict):
        return False
    weights[random.choice(["task", "psychology", "linguistics", "complexity", "criticism", "nobody"])] = value
    return True


def tune(random: Random, registry: Registry, written: Written) -> bool:
    """Freezes a module, frees it, or gives it low-rank additions, at times to layers that it does not have."""
    found = _node(random, written, "modules")
    if not found:
        return False
    targets = random.choice(
        ["all-linear", ["query"], ["dense"], ["nothing"], ["query", "query"], [""], ["projection.1"]]
    )
    lora = {"use": "lora", "r": random.choice([1, 2, 8, 64]), "targets": targets}
    found[2]["tune"] = random.choice(
        ["frozen", "frozen", "full", "lora", lora, lora, {"use": "frozen", "r": 1}, "frozn"]
    )
    return True


def relabel(random: Random, registry: Registry, written: Written) -> bool:
    """Changes a label space: its order, its labels, how many they are, whose it is; or the field's type."""
    fields = written.get("fields")
    named = (
        [name for name, kind in fields.items() if isinstance(kind, dict) and kind] if isinstance(fields, dict) else []
    )
    if not named:
        return False
    field = random.choice(named)
    [(word, labels), *_] = fields[field].items()
    if isinstance(labels, list) and random.random() < 0.7:
        way = random.choice(["shuffle", "drop", "add", "twice", "rename", "retype"])
        if way == "shuffle":
            random.shuffle(labels)
        elif way == "drop" and labels:
            labels.pop(random.randrange(len(labels)))
        elif way == "rename" and labels:
            labels[random.randrange(len(labels))] = "renamed"
        else:
            labels.insert(0, {"add": "new", "twice": labels[-1] if labels else "x"}.get(way, 3))
    elif random.random() < 0.6:
        fields[field] = {word: random.choice([*SPACES, *SPACES, "psychology.ekmann", "ekman", "linguistics.x"])}
    else:
        fields[field] = {random.choice(list(FIELD_TYPES)): labels}
    return True


def swap_component(random: Random, registry: Registry, written: Written) -> bool:
    """Puts another component in the place of one, mostly of its kind, with or without its settings."""
    found = _node(random, written)
    if not found:
        return False
    section, _, node = found
    kind = SECTIONS[section].kind if random.random() < 0.9 else random.choice(["tuner", "balancer", "loss", "module"])
    node["use"] = random.choice(registry.components(kind)).name
    if random.random() < 0.6:
        for key in set(node) - {
            "use",
            "in",
            "target",
            "weight",
            "checkpoint",
            "graph",
            "path",
            "map",
            "tie",
            "of",
            "tune",
        }:
            del node[key]
    return True


def swap_nodes(random: Random, registry: Registry, written: Written) -> bool:
    """Lets two nodes of a section change names."""
    sections = [nodes for section in SECTIONS if isinstance(nodes := written.get(section), dict) and len(nodes) > 1]
    if not sections:
        return False
    nodes = random.choice(sections)
    first, second = random.sample(list(nodes), 2)
    nodes[first], nodes[second] = nodes[second], nodes[first]
    return True


def add_key(random: Random, registry: Registry, written: Written) -> bool:
    """Adds a key: an unknown one, one of another place, or one of the component's own."""
    found = _node(random, written)
    if random.random() < 0.2:
        train = written.setdefault("train", {})
        if isinstance(train, dict):
            key, info = random.choice(list(TrainingKeys.model_fields.items()))
            train[key] = draw_value(random, info) if random.random() < 0.8 else copy.deepcopy(random.choice(_JUNK))
        return isinstance(train, dict)
    if found is None or random.random() < 0.1:
        written[random.choice(_KEYS)] = copy.deepcopy(random.choice(_JUNK))
        return True
    component = _component(registry, found[2])
    own = list(getattr(component, "model_fields", {})) or _KEYS
    found[2][random.choice(own if random.random() < 0.5 else _KEYS)] = copy.deepcopy(random.choice(_JUNK))
    return True


def nest(random: Random, registry: Registry, written: Written) -> bool:
    """Wraps a value into one or very many lists or mappings."""
    found = _somewhere(random, written)
    if not found:
        return False
    holder, key = found
    for _ in range(random.choice([1, 2, 62, 70, 120])):
        holder[key] = [holder[key]] if random.random() < 0.5 else {"x": holder[key]}
    return True


def reroute(random: Random, registry: Registry, written: Written) -> bool:
    """Changes how rows are chosen and read: split, where, distinct, repeat, a column, a separator, the file."""
    found = _node(random, written, "sources")
    if not found:
        return False
    source = found[2]
    way = random.choice(["split", "where", "distinct", "repeat", "column", "keys", "unmap", "path"])
    mapped = source.get("map")
    if way in ("column", "keys", "unmap") and isinstance(mapped, dict) and mapped:
        field = random.choice(list(mapped))
        if way == "unmap":
            del mapped[field]
        elif way == "column":
            mapped[field] = random.choice(["text", "title", "number", "genre", "category_2", "numbers_3", "nothing"])
        else:
            column = (
                mapped[field]["column"] if isinstance(mapped[field], dict) and "column" in mapped[field] else "text"
            )
            extra = [
                {"separator": "|"},
                {"separator": ""},
                {"space": "psychology.ekman"},
                {"values": {"0": "no"}},
                {"values": {}},
            ]
            mapped[field] = {"column": column, **random.choice(extra)}
        return True
    given: dict[str, list[Any]] = {
        "split": [
            {"test": 0.5},
            {"train": 1},
            {"aside": 1.0},
            {"validation": 999},
            {"test": 0.9, "validation": 0.2},
            {"train": 3.0},
        ],
        "where": [
            {"genre": "comedy"},
            {"genre": "none"},
            {"nothing": 1},
            {"number": 0},
            {"text": True},
            {"category_2": 1},
        ],
        "distinct": ["genre", "text", "nothing"],
        "repeat": [2, 0, 1.0],
        "path": [
            "reviews.csv",
            "comments.jsonl",
            "notes.tsv",
            "tiny",
            "film.ttl",
            "nothing.csv",
            "daily/{split}.csv",
            "~x/y.csv",
        ],
    }
    if way in given:
        source[way] = copy.deepcopy(random.choice(given[way]))
    return way in given


def share(random: Random, registry: Registry, written: Written) -> bool:
    """Lets a module share the parameters of another, or of itself."""
    found = _node(random, written, "modules")
    if not found:
        return False
    names = [name for _, name, _ in _nodes(written, "modules")]
    kept = {"in": found[2]["in"]} if "in" in found[2] else {}
    written["modules"][found[1]] = {"share": random.choice(names), **kept}
    return True


def rebalance(random: Random, registry: Registry, written: Written) -> bool:
    """Takes another balancer."""
    names = [offer.name for offer in registry.components("balancer")]
    objective = written.setdefault("objective", {})
    if isinstance(objective, dict):
        objective["balance"] = random.choice(
            [*names, *({"use": name} for name in names), "dwaa", {"use": "fixed", "x": 1}]
        )
    return isinstance(objective, dict)


CHANGES: dict[str, Callable[[Random, Registry, Written], bool]] = {
    change.__name__.replace("_", " "): change
    for change in (
        *(drop, misspell_key, misspell_value, rename_node, rename_node, retype, nest, add_key),
        *(rewire, rewire_port, retarget, refer, share, double, reorder, swap_nodes, swap_component),
        *(resize, go_to_the_edge, stretch, weigh, tune, relabel, reroute, rebalance),
    )
}
"""Every change by its name."""

LIKELY = (
    "rewire",
    "refer",
    "double",
    "reorder",
    "resize",
    "stretch",
    "weigh",
    "tune",
    "reroute",
    "rebalance",
    "share",
    "go to the edge",
)
"""The changes after which a fusion often stays sound: drawn more often, so that many mutants reach their first step."""
