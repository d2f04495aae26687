"""`torch.compile`: the fused model with its objective is one graph, and takes the steps of the model as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from consilience import Fusion, check
from consilience.data import prepare
from consilience.fuse import build_collator, fuse
from consilience.train import Objective, Window, train


def changed(fusion: Fusion, **keys: object) -> Fusion:
    written = fusion.to_dict()
    written["modules"]["opinion"]["dropout"] = written["modules"]["rating"]["dropout"] = 0.0
    written["modules"]["encoder"]["tune"] = "frozen"  # so that there is no dropout, which is drawn in another order
    written["train"] |= keys
    return Fusion(base=fusion.base, **written)


def test_the_model_and_its_objective_compile_without_a_graph_break(opinions: Fusion) -> None:
    plan = check(changed(opinions))
    model = fuse(plan)
    objective = Objective(model)
    rows = prepare(plan).train
    batch = build_collator(plan, list(objective.losses))([rows[index] for index in range(8)])
    window = Window(objective.counts([batch]))

    def step(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return objective(model(batch, outputs=objective.losses), batch, window).total

    torch._dynamo.reset()
    explained = torch._dynamo.explain(step)(batch)
    assert explained.graph_break_count == 0, explained.break_reasons
    assert explained.graph_count == 1
    assert torch.allclose(torch.compile(step, backend="eager", fullgraph=True)(batch), step(batch))


@pytest.mark.slow
def test_a_compiled_training_takes_the_same_steps(opinions: Fusion, tmp_path: Path) -> None:
    torch._dynamo.reset()
    keys = {"max_steps": 4, "learning_rate": 0.001}
    plain = train(changed(opinions, **keys), tmp_path / "runs", progress=False)
    asked = changed(opinions, **keys, torch_compile=True, torch_compile_backend="aot_eager")
    torch._dynamo.utils.counters.clear()
    compiled = train(asked, tmp_path / "runs", progress=False)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert not torch._dynamo.utils.counters["graph_break"]
    first, second = plain.model().state_dict(), compiled.model().state_dict()
    assert first.keys() == second.keys()  # saved under its own names
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)
