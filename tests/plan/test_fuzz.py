"""Whatever is done to a fusion, it is checked, or refused in words: never a traceback."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consilience import Fusion, Plan, check
from consilience.errors import DeclarationError, Diagnostic
from consilience.host import Registry

EXAMPLES = int(os.environ.get("CONSILIENCE_FUZZ", "250"))
"""How many mutated files are tried; more in a soak."""
DOCUMENTED = set(
    re.findall(
        r"^### (CN\d{3})", (Path(__file__).parents[2] / "docs" / "diagnostics.md").read_text("utf-8"), re.MULTILINE
    )
)

JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    3,
    2.5,
    1e308,
    float("nan"),
    float("inf"),
    10**40,
    "",
    " ",
    "x",
    "encoder",
    "encoder.hidden",
    "encoder.",
    ".hidden",
    "sentiment",
    "tokens",
    "standard.classifier",
    "classifier",
    "nowhere.classifier",
    "psychology.",
    "..",
    "text_encoder",
    "full",
    "psychology.ekman",
    "~nobody/x",
    "pkg:",
    "pkg:os.path/x",
    "\0",
    "x" * 300,
    "é",
    "日本",
    "\ud800",
    [],
    ["tokens"],
    ["tokens", "tokens"],
    ["tokens", 3],
    [[]],
    [None],
    {},
    {"use": 3},
    {"use": "gated"},
    {"use": ""},
    {"use": "lora", "r": -1},
    {"x": -1},
    {"ids": "tokens.ids"},
    {"parts": ["encoder.pooled", "encoder.pooled"]},
    {"category": ["a", "a"]},
    {"category": "psychology.ekman"},
    {"1": {"2": {"3": []}}},
]
NAMES = [
    "self",
    "base",
    "keys",
    "forward",
    "class",
    "target",
    "in",
    "in_",
    "use",
    "share",
    "tune",
    "é",
    "a b",
    "1",
    "",
    "use:",
]
NAMES += [
    "weight",
    "checkpoint",
    "model_config",
    "__class__",
    "settings",
    "encoder",
    "text",
    "tokens",
    "labels",
    "_",
    "[key]",
]


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Lists the paths of all that a file holds."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths_in(item, (*path, key))


@st.composite
def mutations(draw: st.DrawFn, written: dict[str, Any]) -> dict[str, Any]:
    """Deletes, renames, retypes, rewires and doubles parts of a file."""
    written = copy.deepcopy(written)
    for _ in range(draw(st.integers(1, 4))):
        paths = list(paths_in(written))
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        holder = written
        for part in path[:-1]:
            holder = holder[part]
        mutate(draw, written, holder, path[-1])
    return written


def mutate(draw: st.DrawFn, written: dict[str, Any], holder: Any, key: Any) -> None:
    kind = draw(st.sampled_from(["delete", "rename", "retype", "rewire", "double", "add", "swap"]))
    values = [value for value in at_any_depth(written) if not isinstance(value, dict | list)] or [None]
    if kind == "delete":
        del holder[key]
    elif kind == "retype":
        holder[key] = junk(draw)
    elif kind == "rewire":
        modules = written.get("modules")
        holder[key] = draw(st.sampled_from([*values, *(modules if isinstance(modules, dict) else ())]))
    elif isinstance(holder, list):
        holder.insert(key, draw(st.sampled_from(values)) if draw(st.booleans()) else junk(draw))
    elif kind == "rename":
        holder[draw(st.sampled_from([*NAMES, f"{key}x", str(key)[:-1]]))] = holder.pop(key)
    elif kind == "double":
        holder[draw(st.sampled_from([*NAMES, f"{key}_2"]))] = copy.deepcopy(holder[key])
    elif kind == "add":
        holder[draw(st.sampled_from(NAMES))] = junk(draw)
    else:
        other = draw(st.sampled_from(list(holder)))
        holder[key], holder[other] = holder[other], holder[key]


def junk(draw: st.DrawFn) -> Any:
    return copy.deepcopy(JUNK[draw(st.integers(0, len(JUNK) - 1))])


def at_any_depth(value: Any) -> Iterator[Any]:
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from at_any_depth(item)


def assert_well_formed(fault: Diagnostic) -> None:
    assert re.fullmatch(r"CN\d{3}", fault.code)
    assert fault.code in DOCUMENTED, f"{fault.code} stands in no heading of docs/diagnostics.md"
    assert fault.found.strip()
    assert fault.expected.strip()
    assert fault.fix.strip()
    assert isinstance(fault.path, tuple)
    text = str(fault)
    for sign in ("Traceback", "object at 0x", "<class ", "ValidationError", "function-", "PydanticUndefined"):
        assert sign not in text, text
    assert fault.code != "CN207", f"a fault of the file is blamed on a plugin: {text}"


@pytest.fixture(scope="module")
def demo_dict(demo_file: Path) -> dict[str, Any]:
    written: dict[str, Any] = yaml.safe_load(demo_file.read_text(encoding="utf-8"))
    return written


@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
def test_a_mutated_file_is_checked_or_refused_in_words(
    data: st.DataObject, demo_dict: dict[str, Any], demo_file: Path, registry: Registry
) -> None:
    written = data.draw(mutations(demo_dict))
    told, plan = attempt(written, data.draw(st.booleans()), demo_file.parent, registry)
    for fault in told:
        assert_well_formed(fault)
    assert (plan is None) == bool(told)
    assert plan is None or json.loads(plan.to_json())


def attempt(
    written: dict[str, Any], as_text: bool, base: Path, registry: Registry
) -> tuple[tuple[Diagnostic, ...], Plan | None]:
    try:
        if as_text:
            fusion = Fusion.parse(json.dumps(written), base)  # JSON is YAML: the file's way, with places
        else:
            fusion = Fusion(base=base, **{key: value for key, value in written.items() if key != "base"})
        return (), check(fusion, registry)
    except DeclarationError as error:
        return error.diagnostics, None
