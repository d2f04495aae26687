"""What a plugin deprecates is told where the file uses it: a warning, with a fix that can be pasted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from consilience import Fusion, check
from consilience.declare import Dims, Field, Float, Module, Ports, Tuner, hookimpl
from consilience.host import Registry
from consilience.plan import survey


class Average(Module):
    """Averages."""

    widths: int = 3
    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(made=Float["batch hidden"])

    def build(self, dims: Dims) -> Any: ...


class Mean(Average, deprecated="since 0.2, until 0.4: use lab.average"):
    """Averages, under another name."""


class Median(Average, deprecated="since 0.2, until 0.4: use a loss of your own"):
    """Is the middle one."""


class Mode(Average, deprecated="write lab.average"):
    """Is the most frequent one."""


class Keyed(Average):
    """Has keys that go."""

    width: int = Field(3, deprecated="since 0.2, until 0.4: use widths")
    height: int = Field(3, deprecated="since 0.2, until 0.4: use widths, twice as wide")
    depth: int = Field(3, deprecated=True)
    rate_: float = Field(0.5, alias="rate", deprecated="write nothing")


class Most(Tuner, deprecated="since 0.2, until 0.4: use full"):
    """Trains most."""

    share: float = 0.5

    def apply(self, module: Any) -> None: ...


FILE = """\
consilience: 1
name: goes
resources: {tiny: {use: checkpoint, path: CHECKPOINT}}
fields: {text: text, mark: {category: [bad, good]}}
sources: {rows: {use: table, path: rows.csv, map: {text: text, mark: mark}}}
inputs: {tokens: {use: tokens, in: text, checkpoint: tiny}}
modules:
  encoder: {use: text_encoder, in: tokens}
  odd:
    NODE
    in: encoder.pooled
  mark_head: {use: classifier, in: odd}
losses: {mark_loss: {use: cross_entropy, in: mark_head, target: mark}}
"""


@pytest.fixture
def registry() -> Registry:
    components = [Average, Mean, Median, Mode, Keyed, Most]
    plugin = SimpleNamespace(consilience_components=hookimpl(specname="consilience_components")(lambda: components))
    registry = Registry()
    registry.register(plugin, "lab")
    return registry


def told(node: str, registry: Registry, folder: Path, tiny: Path) -> list[str]:
    (folder / "rows.csv").write_text("text,mark\na,bad\nb,good\n", encoding="utf-8")
    (folder / "fusion.yaml").write_text(FILE.replace("NODE", node).replace("CHECKPOINT", str(tiny)), encoding="utf-8")
    found = survey(folder / "fusion.yaml", registry)
    assert found.errors == ()
    plan = check(folder / "fusion.yaml", registry)
    assert plan.warnings == found.warnings  # and the plan is made, whole: what it takes from above is known
    assert plan.nodes["encoder"].declaration.checkpoint.declared is plan.resources["tiny"]
    return [str(item).replace(f"{folder}/", "") for item in found.warnings]


FROM = "the plugin registered as lab"


@pytest.mark.parametrize(
    ("node", "where", "found", "expected", "fix"),
    [
        (
            "use: lab.mean",
            "use (fusion.yaml:10)",
            "lab.mean, deprecated since {} 0.2 and gone in 0.4",
            "lab.average",
            "use: lab.average",
        ),
        (
            "use: lab.median",
            "use (fusion.yaml:10)",
            "lab.median, deprecated since {} 0.2 and gone in 0.4",
            "a loss of your own",
            "# use a loss of your own",
        ),
        (
            "use: lab.mode",
            "use (fusion.yaml:10)",
            "lab.mode, which is deprecated: write lab.average",
            "what {} keeps",
            "# write lab.average",
        ),
        (
            "use: lab.keyed\n    width: 4",
            "width (fusion.yaml:11)",
            "the key width, deprecated since {} 0.2 and gone in 0.4",
            "widths",
            "widths: 4",
        ),
        (
            "use: lab.keyed\n    height: 4",
            "height (fusion.yaml:11)",
            "the key height, deprecated since {} 0.2 and gone in 0.4",
            "widths, twice as wide",
            "# use widths, twice as wide",
        ),
        (
            "use: lab.keyed\n    depth: 4",
            "depth (fusion.yaml:11)",
            "the key depth, which is deprecated",
            "what {} keeps",
            "# do without the key depth",
        ),
        (
            "use: lab.keyed\n    rate: 0.1",
            "rate (fusion.yaml:11)",
            "the key rate, which is deprecated: write nothing",
            "what {} keeps",
            "# write nothing",
        ),
        (
            "use: lab.average\n    tune: lab.most",
            "tune (fusion.yaml:11)",
            "lab.most, deprecated since {} 0.2 and gone in 0.4",
            "full",
            "tune: full",
        ),
        (
            "use: lab.average\n    tune: {use: lab.most, share: 0.2}",
            "tune.use (fusion.yaml:11)",
            "lab.most, deprecated since {} 0.2 and gone in 0.4",
            "full",
            "use: full",
        ),
    ],
)
def test_what_goes_is_told_where_it_stands(
    node: str, where: str, found: str, expected: str, fix: str, registry: Registry, tmp_path: Path, tiny: Path
) -> None:
    assert told(node, registry, tmp_path, tiny) == [
        f"warning CN230 at modules.odd.{where}\n"
        f"  found     {found.format(FROM)}\n"
        f"  expected  {expected.format(FROM)}\n"
        f"  fix       {fix}"
    ]


@pytest.mark.parametrize("node", ["use: lab.average\n    widths: 4", "use: lab.keyed", "use: lab.keyed\n    widths: 4"])
def test_what_stays_is_not_told(node: str, registry: Registry, tmp_path: Path, tiny: Path) -> None:
    assert told(node, registry, tmp_path, tiny) == []


def test_a_subclass_of_what_goes_stays() -> None:
    class Own(Mean):
        """Averages in a way of its own."""

    assert (Mean.deprecated, Own.deprecated) == ("since 0.2, until 0.4: use lab.average", None)


def test_a_fault_of_a_key_that_goes_is_told_alone(registry: Registry, tmp_path: Path, tiny: Path) -> None:
    text = FILE.replace("NODE", "use: lab.keyed\n    width: wide").replace("CHECKPOINT", str(tiny))
    found = survey(Fusion.parse(text, base=tmp_path), registry)
    assert [item.code for item in found.diagnostics if item.path == ("modules", "odd", "width")] == ["CN122"]
