"""What is not finite stops the training at its step: named, with its rows, and before a parameter moved."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from consilience import Fusion, RunError, check
from consilience.declare import Float, Input, Ports, hookimpl
from consilience.fuse import FusedModel, fuse
from consilience.host import Registry
from consilience.plan import Plan
from consilience.train import _train, train

ROOT = Path(__file__).parents[2]
EXPECTED = "finite losses and gradients; no parameter was moved in this step"
FOUR = """\
name: four
resources:
  tiny: {use: checkpoint, path: checkpoint}
  film: {use: knowledge.graph, path: film.ttl}
fields:
  text: text
  sentiment: {category: [negative, positive]}
sources:
  reviews: {use: table, path: reviews.csv, map: {text: text, sentiment: label}}
inputs:
  tokens:   {use: tokens, in: text, checkpoint: tiny, max_length: 16}
  masked:   {use: linguistics.mask, in: tokens, rate: 0.5}
  mentions: {use: knowledge.mentions, in: text, graph: film}
  lexicon:  {use: psychology.lexicon_affect, in: text}
modules:
  encoder:  {use: text_encoder, in: tokens, checkpoint: tiny}
  reread:   {share: encoder, in: masked}
  words:    {use: linguistics.masked_lm_head, in: [reread, masked], tie: encoder}
  concepts: {use: knowledge.rgcn, in: mentions, graph: film, width: 4}
  known:    {use: classifier, in: concepts.pooled}
  affect:   {use: psychology.affect_head, in: encoder.pooled}
losses:
  known_loss:    {use: cross_entropy, in: known, target: sentiment, discipline: knowledge}
  affect_loss:   {use: psychology.affect_loss, in: affect, target: lexicon.valence}
  language_loss: {use: linguistics.masked_lm_loss, in: words, target: masked.labels}
  size_loss:     {use: complexity.sparsity, of: encoder, weight: 0.1}
train: {max_steps: 5, batch_size: 4, learning_rate: 1.0e-3, use_cpu: true, train_sampling_strategy: sequential}
"""


class Poisoned:
    """Builds models whose node, from its n-th call on, gives something else; keeps their weights before each step."""

    def __init__(self, node: str, harm: Callable[[Any], Any], calls: int = 2) -> None:
        self._node, self._harm, self._calls = node, harm, calls
        self.model: FusedModel | None = None
        self.before: dict[str, Tensor] = {}
        self.seen = 0

    def __call__(self, plan: Plan) -> FusedModel:
        self.model = fuse(plan)
        self.model.register_forward_pre_hook(self._keep)
        self.model.nodes[self._node].register_forward_hook(self._change)
        return self.model

    def _keep(self, model: nn.Module, arguments: Any) -> None:
        self.before = copy.deepcopy(model.state_dict())

    def _change(self, node: nn.Module, arguments: Any, given: Any) -> Any:
        self.seen += 1
        return self._harm(given) if self.seen >= self._calls else None

    def is_as_before(self) -> bool:
        assert self.model is not None
        now = self.model.state_dict()
        return all(torch.equal(now[name], value) for name, value in self.before.items())


def nan_in_row_2(value: Tensor) -> Tensor:
    """Makes the value of the batch's second row no number, or the one value that there is."""
    poison = torch.full_like(value, torch.nan)
    return poison if not value.dim() else torch.where(torch.arange(len(value)) == 1, poison, value)


class Steep(torch.autograd.Function):
    """Leaves values as they are, and makes the gradient of the second row infinite."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        [gradient] = gradients
        return torch.where(torch.arange(len(gradient))[:, None] == 1, torch.inf, gradient)


@pytest.fixture
def four(tmp_path: Path, tiny: Path) -> Fusion:
    for plugin in ("linguistics", "knowledge", "psychology", "complexity"):
        pytest.importorskip(f"consilience_{plugin}", reason="the plugin is not installed")
    shutil.copytree(tiny, tmp_path / "checkpoint")
    shutil.copyfile(ROOT / "examples/film-reviews/film.ttl", tmp_path / "film.ttl")
    texts = ["a fine film !", "the dull plot was a dull plot", "a fine plot , a fine film", "the film was dull ."]
    rows = [f'"{text}",{["positive", "negative"][number % 2]}' for number, text in enumerate(texts * 4)]
    (tmp_path / "reviews.csv").write_text("text,label\n" + "\n".join(rows))
    (tmp_path / "fusion.yaml").write_text("consilience: 1\n" + FOUR)
    return Fusion.load(tmp_path / "fusion.yaml")


def stopped(plan: Plan | Fusion, runs: Path, poisoned: Poisoned, monkeypatch: pytest.MonkeyPatch) -> str:
    """Trains, and gives what was found where it stopped."""
    monkeypatch.setattr(_train, "fuse", poisoned)
    with pytest.raises(RunError) as told:
        train(plan, runs, progress=False)
    [fault] = told.value.diagnostics
    assert (fault.code, fault.expected) == ("CN703", EXPECTED)
    assert poisoned.is_as_before()
    assert not list(runs.rglob("*.safetensors"))
    return fault.found


@pytest.mark.parametrize(
    ("loss", "named"),
    [
        ("known_loss", "cross_entropy, discipline knowledge"),
        ("affect_loss", "psychology.affect_loss, discipline psychology"),
        ("language_loss", "linguistics.masked_lm_loss, discipline linguistics"),
        ("size_loss", "complexity.sparsity, discipline complexity"),
    ],
)
def test_a_loss_of_each_discipline(
    loss: str, named: str, four: Fusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stopped(four, tmp_path / "runs", Poisoned(loss, nan_in_row_2), monkeypatch)
    rows = "" if loss == "size_loss" else ", in row 6 of reviews"
    assert found == f"{loss} ({named}) is nan in step 2, first in losses.{loss}{rows}"


def test_a_module_that_two_losses_read(four: Fusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module is named, and the module inside it; the losses that it spoils are told together."""
    poisoned = Poisoned("affect", lambda given: None)
    build = poisoned.__call__

    def inside(plan: Plan) -> FusedModel:
        model = build(plan)
        deep = model.nodes["encoder"].get_submodule("model.encoder.layer.1.output.dense")
        deep.register_forward_hook(lambda module, arguments, given: given * torch.nan)
        return model

    monkeypatch.setattr(Poisoned, "__call__", lambda self, plan: inside(plan))
    found = stopped(four, tmp_path / "runs", poisoned, monkeypatch)
    assert found == (
        "affect_loss (psychology.affect_loss, discipline psychology), language_loss (linguistics.masked_lm_loss, "
        "discipline linguistics) are nan in step 1, first in modules.encoder at model.encoder.layer.1.output.dense, in "
        "rows 1, 2, 3 and 1 more of reviews"
    )


def test_a_gradient_of_a_finite_loss(four: Fusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def harm(given: tuple[Tensor, ...]) -> Any:
        return tuple(Steep.apply(one) if one.dim() == 2 else one for one in given)

    poisoned = Poisoned(
        "concepts", lambda given: type(given)(*harm(given)) if hasattr(given, "_fields") else harm(given)
    )
    found = stopped(four, tmp_path / "runs", poisoned, monkeypatch)
    assert found.startswith("the gradient of known_loss (cross_entropy, discipline knowledge) is ")
    assert " in step 2, first behind modules.concepts" in found
    assert ", for nodes.concepts." in found


def numbers(folder: Path, rows: int, zero: int, **keys: Any) -> Plan:
    """Checks a fusion that reads the logarithm of a number, which row `zero` has not."""

    class Logarithm(Input):
        """Gives the logarithm of a number."""

        inputs = Ports(number=Float["batch"])
        outputs = Ports(values=Float["batch 1"])

        def build(self, dims: Any) -> Any:
            return lambda number: number.log()[:, None]

    class Plugin:
        @hookimpl
        def consilience_components(self) -> list[type]:
            return [Logarithm]

    registry = Registry()
    registry.register(Plugin(), "lab")
    lines = [f"{0 if row == zero else row},{row / 10}" for row in range(1, rows + 1)]
    (folder / "rows.csv").write_text("\n".join(["x,y", *lines]))
    return check(
        Fusion(
            base=folder,
            name="numbers",
            fields={"x": "number", "y": "number"},
            sources={"rows": {"use": "table", "path": "rows.csv", "map": {"x": "x", "y": "y"}}},
            inputs={"logged": {"use": "lab.logarithm", "in": "x"}},
            modules={"value": {"use": "regressor", "in": "logged", "dropout": 0.0}},
            losses={"y_loss": {"use": "mse", "in": "value", "target": "y"}},
            train={"batch_size": 2, "use_cpu": True, "train_sampling_strategy": "sequential", "epochs": 1} | keys,
        ),
        registry,
    )


@pytest.mark.parametrize("norm", [0.0, 1.0])
def test_a_row_of_data(norm: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With accumulation, in the second micro-batch; also where gradients are not clipped."""
    plan = numbers(tmp_path, 12, zero=7, gradient_accumulation_steps=2, max_grad_norm=norm)
    poisoned = Poisoned("value", lambda given: None)
    found = stopped(plan, tmp_path / "runs", poisoned, monkeypatch)
    assert found == "y_loss (mse, discipline task) is inf in step 2, first in inputs.logged, in row 7 of rows"


def test_a_gradient_whose_norm_overflows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = numbers(tmp_path, 4, zero=0)

    def huge(given: Tensor) -> Tensor:
        return given + (given - given.detach()) * 1e30

    found = stopped(plan, tmp_path / "runs", Poisoned("value", huge), monkeypatch)
    assert found == (
        "the gradient of the whole objective is not finite in step 2: every part of it is finite, and its norm "
        "overflows"
    )


SCRIPT = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from test_finite import numbers
from consilience.train import train

train(numbers(Path(sys.argv[2]), 12, zero=7), sys.argv[2] + "/runs", progress=False)
"""


@pytest.mark.slow
def test_all_processes_stop_and_one_tells(tmp_path: Path) -> None:
    """Row 7 is in the second process's second batch; the first has nothing but good rows, and tells."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
        + [str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode != 0
    assert done.stderr.count("error CN703 at losses.y_loss") == 1
    assert "y_loss (mse, discipline task) is inf in step 2, first in inputs.logged, in row 7 of rows" in done.stderr


def test_a_loss_that_is_off_spoils_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not run: neither its value nor what only it reads."""
    plan = numbers(tmp_path, 12, zero=0)
    written = plan.fusion.to_dict()
    written["modules"]["other"] = {"use": "regressor", "in": "logged", "dropout": 0.0}
    off = {"use": "mse", "in": "other", "target": "y", "schedule": {"start": 2, "stop": 4}}
    written["losses"]["other_loss"] = off
    written["train"]["logging_steps"] = 1
    plan = check(Fusion(base=tmp_path, **written), plan.registry)
    poisoned = Poisoned("other", lambda given: given * torch.nan, calls=3)
    monkeypatch.setattr(_train, "fuse", poisoned)
    run = train(plan, tmp_path / "runs", progress=False)
    assert poisoned.seen == 2
    logs = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert [line["weight/other_loss"] for line in logs if "loss" in line] == [0, 0, 1, 1, 0, 0]
    assert ["loss/other_loss" in line for line in logs if "loss" in line] == [False, False, True, True, False, False]
