"""Training through the front door: runs, logs, records, and what stops it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tests.train.opinions import TEXTS

from consilience import ConsilienceError, Fusion, Plan, RunError, check
from consilience.declare import Float, Location, Loss, Module, Ports, Resource, hookimpl
from consilience.host import Registry
from consilience.train import Run, train


@pytest.fixture
def fusion(tmp_path: Path, tiny: Path) -> Fusion:
    rows = [f"{text} {'a ' * number},{'good' if 'fine' in text else 'bad'}" for number in range(5) for text in TEXTS]
    (tmp_path / "rows.csv").write_text("text,mark\n" + "\n".join(rows))
    return Fusion(
        base=tmp_path,
        name="tiny run",
        resources={"tiny": {"use": "checkpoint", "path": str(tiny)}},
        fields={"text": "text", "mark": {"category": ["bad", "good"]}},
        sources={
            "rows": {
                "use": "table",
                "path": "rows.csv",
                "map": {"text": "text", "mark": "mark"},
                "split": {"test": 8, "validation": 8},
            }
        },
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny"}},
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "opinion": {"use": "classifier", "in": "encoder.pooled"},
        },
        losses={"opinion_loss": {"use": "cross_entropy", "in": "opinion", "target": "mark"}},
        metrics={"accuracy": {"use": "accuracy", "in": "opinion", "target": "mark"}},
        train={"epochs": 6, "batch_size": 6, "learning_rate": 0.01, "logging_steps": 2, "use_cpu": True},
    )


def changed(fusion: Fusion, **train_keys: object) -> Fusion:
    written = fusion.to_dict()
    written["train"] |= train_keys
    return Fusion(base=fusion.base, **written)


def lines(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]


def test_a_run_learns_and_leaves_a_whole_directory(fusion: Fusion, tmp_path: Path) -> None:
    said: list[str] = []
    run = train(fusion, tmp_path / "runs", announce=said.append, progress=False)
    assert run.path.name.startswith("tiny-run-")
    assert sorted(path.name for path in run.path.iterdir()) == [
        "course.html",
        "fusion.yaml",
        "log.jsonl",
        "model",
        "plan.json",
        "record.json",
        "started.json",
    ]
    losses = [line["loss/opinion_loss"] for line in lines(run) if "loss/opinion_loss" in line]
    assert losses[-1] < 0.5 * losses[0]
    shares = [line["share/task"] for line in lines(run) if "share/task" in line]
    assert shares == [1.0] * len(shares)
    assert len([line for line in lines(run) if "eval_accuracy" in line]) == 6
    assert any("on cpu" in text for text in said)
    opened = Run.open(run.path)
    assert opened.plan.to_json() == check(fusion).to_json()
    record = opened.record
    assert record["training"]["rows"] == {"train": 24, "validation": 8, "test": 8}
    assert record["training"]["steps"] == 24
    assert record["sources"]["rows"].keys() == {str(tmp_path / "rows.csv")}
    assert any(path.endswith("model.safetensors") for path in record["resources"]["tiny"])
    assert record["plugins"]["standard"]["distribution"] == "consilience"


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(fusion: Fusion, tmp_path: Path) -> None:
    first, second, third = (
        train(changed(fusion, seed=seed, epochs=1), tmp_path / "runs", progress=False).model().state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], third[name]) for name in first)


def test_accumulation_takes_the_steps_of_the_big_batch(fusion: Fusion, tmp_path: Path) -> None:
    """With dropout off, two micro-batches of 3 must do what one batch of 6 does."""
    written = changed(fusion, epochs=1, train_sampling_strategy="sequential").to_dict()
    written["modules"]["opinion"]["dropout"] = 0.0
    written["modules"]["encoder"]["tune"] = "frozen"
    whole = Fusion(base=fusion.base, **written)
    parts = changed(whole, batch_size=3, gradient_accumulation_steps=2)
    first = train(whole, tmp_path / "runs", progress=False).model().state_dict()
    second = train(parts, tmp_path / "runs", progress=False).model().state_dict()
    assert max((first[name] - second[name]).abs().max() for name in first) < 1e-6


def test_a_wrong_training_argument_is_told_before_anything_is_written(fusion: Fusion, tmp_path: Path) -> None:
    with pytest.raises(ConsilienceError) as told:
        train(changed(fusion, bf16=True, fp16=True), tmp_path / "runs", progress=False)
    assert told.value.diagnostics[0].code == "CN130"
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in bfloat16")
def test_a_precision_that_the_machine_lacks_is_mended_by_what_is_pasted(fusion: Fusion, tmp_path: Path) -> None:
    with pytest.raises(ConsilienceError) as told:
        train(changed(fusion, bf16=True, use_cpu=None), tmp_path / "runs", progress=False)
    [fault] = told.value.diagnostics
    assert (fault.code, fault.path, fault.fix) == ("CN130", ("train", "bf16"), "bf16: false")
    assert train(changed(fusion, bf16=False, use_cpu=None), tmp_path / "runs", progress=False).path.exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_is_named(fusion: Fusion, tmp_path: Path) -> None:
    class Bad(Loss):
        """Is never finite."""

        inputs = Ports(logits=Float["batch classes"])

        def build(self, dims: object) -> torch.nn.Module:
            class Log(torch.nn.Module):
                def forward(self, logits: torch.Tensor) -> torch.Tensor:
                    return (logits.sum(dim=1) * 0 - 1).log()

            return Log()

    class Plugin:
        @hookimpl
        def consilience_components(self) -> list[type[Loss | Module]]:
            return [Bad]

    registry = Registry()
    registry.register(Plugin(), "lab")
    written = fusion.to_dict()
    written["losses"]["bad_loss"] = {"use": "lab.bad", "in": "opinion"}
    plan = check(Fusion(base=fusion.base, **written), registry)
    with pytest.raises(RunError) as told:
        train(plan, tmp_path / "runs", progress=False)
    assert told.value.diagnostics[0].code == "CN703"
    [fault] = told.value.diagnostics
    assert str(fault.at(None)) == (
        "error CN703 at losses.bad_loss\n"
        "  found     bad_loss (lab.bad, discipline lab) is nan in step 1, first in losses.bad_loss, in rows 2, 11, 15 "
        "and 3 more of rows\n"
        "  expected  finite losses and gradients; no parameter was moved in this step\n"
        "  fix       # nothing was learnt yet: look at these rows, or mend lab.bad in losses.bad_loss"
    )


def lab(fusion: Fusion, component: type, **node: object) -> Plan:
    class Plugin:
        @hookimpl
        def consilience_components(self) -> list[type]:
            return [component]

    registry = Registry()
    registry.register(Plugin(), "lab")
    written = fusion.to_dict()
    section = "losses" if issubclass(component, Loss) else "resources"
    written.setdefault(section, {})["extra"] = {"use": f"lab.{component.component}", **node}
    return check(Fusion(base=fusion.base, **written), registry)


def test_weights_that_are_not_finite_are_never_saved(fusion: Fusion, tmp_path: Path) -> None:
    """Also where no step is logged, and where the gradient is at fault and not the value."""

    class Steep(Loss):
        """Has an infinite gradient where the logits are equal to themselves."""

        inputs = Ports(logits=Float["batch classes"])

        def build(self, dims: object) -> torch.nn.Module:
            class Root(torch.nn.Module):
                def forward(self, logits: torch.Tensor) -> torch.Tensor:
                    return (logits - logits.detach()).abs().sum(dim=1).sqrt()

            return Root()

    plan = lab(changed(fusion, max_steps=3, logging_steps=100), Steep, **{"in": "opinion"})
    with pytest.raises(RunError) as told:
        train(plan, tmp_path / "runs", progress=False)
    [fault] = told.value.diagnostics
    assert (fault.code, fault.path) == ("CN703", ("losses", "extra"))
    assert fault.found.startswith(
        "the gradient of extra (lab.steep, discipline lab) is nan in step 1, first behind losses"
    )
    assert not list((tmp_path / "runs").rglob("*.safetensors"))


def test_a_resource_that_cannot_be_kept_is_told_before_the_training(fusion: Fusion, tmp_path: Path) -> None:
    class Lexicon(Resource):
        """Forgets to save itself."""

        path: Location

    (tmp_path / "lexicon.tsv").write_text("fine\t1\n")
    with pytest.raises(ConsilienceError) as told:
        train(lab(fusion, Lexicon, path="lexicon.tsv"), tmp_path / "runs", progress=False)
    [fault] = told.value.diagnostics
    assert str(fault.at(None)) == (
        "error CN314 at resources.extra\n"
        "  found     the save of Lexicon keeps nothing of path\n"
        "  expected  a resource that a saved model can take along\n"
        "  fix       # copy what is needed into `folder` and return {key: its name there}"
    )
    assert not (tmp_path / "runs").exists()


def test_what_python_declared_is_read_back_as_it_was(fusion: Fusion, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    odd = changed(fusion).to_dict() | {"name": "1e5"}
    odd["fields"]["mark"] = {"category": ["0o17", "no"]}
    plan = check(Fusion(base=fusion.base, **odd))
    run.start(plan)
    assert check(Fusion.load(run.path / "fusion.yaml", base=tmp_path)).to_json() == plan.to_json()


def test_labels_in_another_order_are_refused(fusion: Fusion, tmp_path: Path) -> None:
    run = train(changed(fusion, max_steps=1), tmp_path / "runs", progress=False)
    config = run.path / "model" / "config.json"
    config.write_text(
        config.read_text().replace('"bad",\n', '"GOOD",\n').replace('"good"', '"bad"').replace("GOOD", "good")
    )
    with pytest.raises(RunError) as told:
        run.model()
    assert told.value.diagnostics[0].code == "CN711"
    assert 'are ["good", "bad"] now, and were ["bad", "good"]' in told.value.diagnostics[0].found


def test_a_directory_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError) as told:
        Run.open(tmp_path)
    assert told.value.diagnostics[0].code == "CN704"
    assert "no fusion.yaml in it" in told.value.diagnostics[0].found


def test_runs_that_cannot_be_kept_are_told(fusion: Fusion, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="CN706"):
        train(fusion, tmp_path / "file", progress=False)


def test_plugins_are_told_of_each_step_and_keep_a_state_with_the_model(fusion: Fusion, tmp_path: Path) -> None:
    told: list[object] = []

    class Diary:
        @hookimpl
        def consilience_components(self) -> list[type[Loss]]:
            return [Still]

        @hookimpl
        def consilience_model_built(self, model: object) -> None:
            told.append("built")

        @hookimpl
        def consilience_step_ended(self, model: torch.nn.Module, step: int) -> dict[str, object]:
            told.append(step)
            return {"step": torch.tensor(step)}

        @hookimpl
        def consilience_state(self, model: object) -> dict[str, object]:
            return {"told": len(told)}

        @hookimpl
        def consilience_state_restored(self, model: object, state: object) -> None:
            told.append(state)

    class Still(Loss):
        """Is nothing."""

        inputs = Ports(logits=Float["batch classes"])

        def build(self, dims: object) -> torch.nn.Module:
            return Zero()

    class Zero(torch.nn.Module):
        def forward(self, logits: torch.Tensor) -> torch.Tensor:
            return 0 * logits.sum(dim=1)

    registry = Registry()
    registry.register(Diary(), "diary")
    written = changed(fusion, epochs=1).to_dict()
    written["losses"]["still"] = {"use": "diary.still", "in": "opinion"}
    run = train(check(Fusion(base=fusion.base, **written), registry), tmp_path / "runs", progress=False)
    assert told == ["built", 1, 2, 3, 4]
    assert json.loads((run.path / "model" / "plugins.json").read_text()) == {"diary": {"told": 5}}
    lines = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert [line["diary/step"] for line in lines if "loss" in line] == [2.0, 4.0]
    run.model()
    assert told[5:] == ["built", {"told": 5}]


class Plain(torch.nn.Module):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


class Same(Module):
    """Changes nothing."""

    has_parameters = False
    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(same=Float["batch hidden"])

    def build(self, dims: object) -> torch.nn.Module:
        return Plain()


def with_hook(fusion: Fusion, **hooks: object) -> Plan:
    """Checks a fusion that uses a component of a plugin `odd` with the given hooks, each of which gives a value."""
    hooks = {"consilience_components": [Same], **hooks}
    made = {name: hookimpl(specname=name)(lambda value=value: value) for name, value in hooks.items()}
    registry = Registry()
    registry.register(SimpleNamespace(**made), "odd")
    written = fusion.to_dict()
    written["modules"]["same"] = {"use": "odd.same", "in": "encoder.pooled"}
    written["modules"]["opinion"]["in"] = "same"
    return check(Fusion(base=fusion.base, **written), registry)


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ({"tensor": torch.ones(2)}, "Object of type Tensor is not JSON serializable"),
        ({"endless": float("nan")}, "Out of range float values are not JSON compliant"),
        (3, "a value of type int, and no mapping"),
    ],
)
def test_a_state_that_cannot_be_written_is_told_before_training(
    fusion: Fusion, tmp_path: Path, state: object, found: str
) -> None:
    with pytest.raises(RunError) as told:
        train(with_hook(fusion, consilience_state=state), tmp_path / "runs", progress=False)
    [fault] = told.value.diagnostics
    assert str(fault).replace(": nan", "") == (  # newer Pythons say which number
        "error CN712 at the file\n"
        f"  found     the state of the plugin odd: {found}\n"
        "  expected  a mapping that JSON can write\n"
        "  fix       # mend consilience_state in the plugin odd: numbers, texts, lists and mappings alone"
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([1.0], "a value of type list"),
        ({"share": "high"}, "share, a value of type str"),
        ({"shares": torch.ones(2)}, "shares, a value of type Tensor"),
    ],
)
def test_what_a_plugin_tells_of_a_step_are_numbers(fusion: Fusion, tmp_path: Path, told: object, found: str) -> None:
    with pytest.raises(RunError) as raised:
        train(with_hook(fusion, consilience_step_ended=told), tmp_path / "runs", progress=False)
    assert str(raised.value.diagnostics[0]) == (
        "error CN207 at plugins.odd\n"
        f"  found     the plugin odd gives {found} from consilience_step_ended\n"
        "  expected  numbers, or tensors of one number, by name\n"
        "  fix       # mend consilience_step_ended in the plugin odd: return {name: number}"
    )
