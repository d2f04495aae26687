"""A training on kept features: the frozen modules run once for each example, and the result is the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from consilience.data import prepare
from consilience.declare import Dims, Float, Fusion, Module, Ports, hookimpl
from consilience.errors import RunError
from consilience.fuse import build_collator, fuse, kept_outputs
from consilience.host import Registry
from consilience.plan import check
from consilience.standard.built.encoder import TextEncoder
from consilience.train import Run, train

READ = {
    "use": "cross_attention",
    "in": {
        "queries": "encoder.hidden",
        "states": "encoder.hidden",
        "mask": "tokens.mask",
        "query_mask": "tokens.mask",
    },
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


Make = Callable[..., Fusion]


@pytest.fixture
def make(small_fusion: Path, tmp_path: Path) -> Make:
    shutil.copytree(small_fusion.parent / "checkpoint", tmp_path / "checkpoint")
    shutil.copyfile(small_fusion.parent / "reviews.csv", tmp_path / "reviews.csv")

    def made(cache: bool = True, **modules: dict[str, Any]) -> Fusion:
        written = Fusion.load(small_fusion).to_dict()
        written["modules"]["encoder"]["tune"] = {"use": "frozen", "cache": cache}
        written["modules"] |= modules
        written["train"] |= {"epochs": 2, "logging_steps": 3}
        return Fusion(**written, base=tmp_path)

    return made


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that the encoder was run on, call by call."""
    seen: list[int] = []
    forward = TextEncoder.forward

    def noted(self: Any, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        seen.append(len(ids))
        return forward(self, ids, mask)

    monkeypatch.setattr(TextEncoder, "forward", noted)
    return seen


def logged(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.path / "log.jsonl").read_text(encoding="utf-8").splitlines()]


BOTH = {"opinion": {"use": "classifier", "in": "read.pooled"}, "rating": {"use": "regressor", "in": "read.pooled"}}


def test_gradients_over_the_representation_are_weighed_on_kept_features(make: Make, tmp_path: Path) -> None:
    runs = []
    for cache in (False, True):
        written = make(cache, read=READ, **BOTH).to_dict() | {"objective": {"balance": "gradnorm"}}
        runs.append(train(Fusion(base=tmp_path, **written), tmp_path / "runs", progress=False))
    states = [run.model().state_dict() for run in runs]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=0, atol=1e-6, equal_nan=True, msg=name)


def test_a_value_that_is_not_finite_is_found_on_kept_features(make: Make, tmp_path: Path, cache: Path) -> None:
    fusion = make(True, read=READ, **BOTH)
    train(fusion, tmp_path / "runs", progress=False)
    for kept in cache.glob("*/encoder.hidden.bin"):
        kept.write_bytes(b"\xff" * kept.stat().st_size)
    with pytest.raises(RunError) as told:
        train(fusion, tmp_path / "runs", progress=False)
    assert "CN703" in str(told.value)
    assert "in step 1, first in modules.encoder" in str(told.value)


TIMES = ("seconds", "runtime", "per_second")


@pytest.mark.parametrize("is_read_by_words", [False, True])
def test_a_training_on_kept_features_gives_the_same(is_read_by_words: bool, make: Make, tmp_path: Path) -> None:
    words = {"read": READ, "rating": {"use": "regressor", "in": "read.pooled"}} if is_read_by_words else {}
    runs = [train(make(cache, **words), tmp_path / "runs", progress=False) for cache in (False, True)]
    states = [run.model().state_dict() for run in runs]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=0, atol=1e-6, msg=name)
    for one, other in zip(*map(logged, runs), strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if not any(word in name for word in TIMES):
                assert other[name] == pytest.approx(value, abs=1e-5), name


@pytest.mark.parametrize("over", ["representation", "parameters"])
def test_gradients_are_weighed_on_kept_features_alike(over: str, make: Make, tmp_path: Path) -> None:
    shared = {"width": {"use": "gated", "in": ["encoder.pooled"]}, "opinion": {"use": "classifier", "in": "width"}}
    shared |= {"rating": {"use": "regressor", "in": "width"}}
    states = []
    for cache in (False, True):
        written = make(cache, **shared).to_dict() | {"objective": {"balance": {"use": "gradnorm", "over": over}}}
        written["train"] |= {"max_steps": 3}
        run = train(Fusion(**written, base=tmp_path), tmp_path / "runs", progress=False)
        states.append(run.model().state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=0, atol=1e-5, equal_nan=True, msg=name)


def test_the_encoder_runs_once_for_each_example(make: Make, calls: list[int], tmp_path: Path) -> None:
    told: list[str] = []
    train(make(), tmp_path / "runs", announce=told.append, progress=False)
    # Once without memory to see what it gives; 24 rows to train and 6 to validate, the first batch of each twice.
    assert sum(calls[1:]) == 2 * (24 + 6)
    assert [line.partition(" in ")[0] for line in told if line.startswith("kept")] == [
        "kept encoder.pooled of 24 train rows",
        "kept encoder.pooled of 6 validation rows",
    ]
    calls.clear()
    train(make(), tmp_path / "runs", progress=False)
    assert calls[1:] == []  # a second training takes what the first one kept


def test_other_weights_texts_or_settings_are_other_features(
    make: Make, cache: Path, tmp_path: Path, calls: list[int]
) -> None:
    train(make(), tmp_path / "runs", progress=False)
    kept = {path.name for path in cache.iterdir()}
    other = make(
        encoder={"use": "text_encoder", "in": "tokens", "pooling": "cls", "tune": {"use": "frozen", "cache": True}}
    )
    train(other, tmp_path / "runs", progress=False)
    assert len(kept) == 2
    assert len(kept | {path.name for path in cache.iterdir()}) == 4
    rows = (tmp_path / "reviews.csv").read_text(encoding="utf-8")
    (tmp_path / "reviews.csv").write_text(rows.replace("a fine film 1,", "a film 1,"), encoding="utf-8")
    train(make(), tmp_path / "runs", progress=False)
    assert len({path.name for path in cache.iterdir()}) in (5, 6)
    from safetensors.torch import load_file, save_file

    file = tmp_path / "checkpoint" / "model.safetensors"
    weights = {name: value + 0.5 if "word" in name else value for name, value in load_file(file).items()}
    before = {path.name for path in cache.iterdir()}
    save_file(weights, file, {"format": "pt"})
    train(make(), tmp_path / "runs", progress=False)
    assert len({path.name for path in cache.iterdir()} - before) == 2


def test_a_batch_with_features_lacks_what_nobody_needs(make: Make) -> None:
    plan = check(make())
    kept = kept_outputs(plan)
    assert kept is not None
    assert kept.outputs == ("encoder.pooled",)
    rows = prepare(plan).train.__getitems__([0, 1])
    losses = [node.name for node in plan.of("losses")]
    assert not any(name.startswith("tokens.") for name in build_collator(plan, losses, given=kept.modules)(rows))
    model = fuse(plan).eval()
    whole = build_collator(plan, losses)(rows)
    pooled = model(whole, outputs=["encoder"]).tensors["encoder.pooled"]
    given = build_collator(plan, losses, given=kept.modules)(rows) | {"encoder.pooled": pooled}
    for name, value in model(given, outputs=losses).losses.items():
        assert torch.equal(value, model(whole, outputs=losses).losses[name])


def test_no_features_are_kept_where_none_are_asked(make: Make, cache: Path, tmp_path: Path) -> None:
    assert kept_outputs(check(make(cache=False))) is None
    train(make(cache=False), tmp_path / "runs", progress=False)
    assert not cache.exists()


class Noise(Module):
    """Adds noise while the rest is trained."""

    has_parameters = False
    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(noisy=Float["batch hidden"])

    def build(self, dims: Dims) -> Any:
        class Noisy(nn.Module):
            def forward(self, features: torch.Tensor) -> torch.Tensor:
                return features + torch.rand_like(features) * self.training

        return Noisy()


def test_a_module_that_acts_by_chance_is_told(make: Make, tmp_path: Path) -> None:
    plugin = SimpleNamespace(consilience_components=hookimpl(specname="consilience_components")(lambda: [Noise]))
    registry = Registry()
    registry.register(plugin, "lab")
    fixed = {"use": "gated", "in": ["noise.noisy"], "tune": {"use": "frozen", "cache": True}}
    fusion = make(
        noise={"use": "lab.noise", "in": "encoder.pooled"}, fixed=fixed, opinion={"use": "classifier", "in": "fixed"}
    )
    with pytest.raises(RunError) as told:
        train(check(fusion, registry), tmp_path / "runs", progress=False)
    [fault] = told.value.diagnostics
    assert str(replace(fault, place=None)) == (
        "error CN753 at modules.fixed.tune\n"
        "  found     fixed.fused, which differs from one run over the same rows to the next\n"
        "  expected  outputs that are the same in every epoch\n"
        "  fix       tune: frozen"
    )
    assert not any((tmp_path / "runs").iterdir())
