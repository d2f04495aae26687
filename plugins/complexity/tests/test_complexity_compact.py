"""Linear layers in fewer numbers: what is factorised, what 8 bits give, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from complexity_runs import called, states, whole
from torch import nn
from transformers import AutoModel, AutoTokenizer

from consilience import FusedModel
from consilience.errors import DeclarationError
from consilience.train import Run, train
from consilience_complexity import CompactEncoder
from consilience_complexity._compact import has_torchao
from consilience_complexity.compact import CompactEncoder as Built
from consilience_complexity.compact import LowRankLinear, NoSuchLayer, rank_for, truncated


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("trained")
    fusion = whole(folder, metrics={"accuracy": {"use": "accuracy", "in": "head", "target": "label"}})
    return train(fusion, folder / "runs", progress=False)


def test_two_ways_to_factorise_are_refused(tmp_path: Path) -> None:
    code, output = called("complexity", "compress", str(tmp_path), "--low-rank", "0.9", "--rank", "4")
    assert (code, "give one of them" in output) == (2, True)


def test_factors_give_the_nearest_matrix_of_their_rank() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(6, 4)
    factors, x = LowRankLinear(linear, 2), torch.randn(3, 6)
    truncated(linear, 2)
    assert torch.allclose(factors(x), linear(x), atol=1e-5)
    assert torch.linalg.matrix_rank(linear.weight.detach()) == 2
    assert sum(one.numel() for one in factors.parameters()) == 2 * (6 + 4) + 4


def test_the_rank_is_the_least_that_keeps_the_energy_and_saves_something() -> None:
    linear = nn.Linear(8, 8, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.diag(torch.tensor([3.0, 1, 1, 1, 1, 1, 1, 1])))
    assert rank_for(linear, 9 / 16, None) == 1
    assert rank_for(linear, 0.65, None) == 3
    assert rank_for(linear, 0.99, None) is None  # 8 x (8 + 8) is more than 8 x 8
    assert rank_for(linear, None, 4) is None
    assert rank_for(linear, None, 3) == 3


def test_a_factorised_run_is_smaller_and_plain_transformers_gives_the_same(trained: Run, tmp_path: Path) -> None:
    code, told = called("compress", str(trained.path), "--rank", "3", "--runs", str(tmp_path))
    assert code == 0, told
    assert "linear layers that are factorised: 6" in told
    made = Run.open(told.strip().splitlines()[-1])
    compared = json.loads((made.path / "compression.json").read_text())
    assert compared["after"]["encoder_parameters"] < compared["before"]["encoder_parameters"]
    assert compared["after"]["flops"] < compared["before"]["flops"]
    assert 0 < compared["after"]["file_megabytes"] < compared["before"]["file_megabytes"]
    text = AutoTokenizer.from_pretrained(made.path / "encoder")("a fine film", return_tensors="pt")
    with torch.no_grad():
        plain = AutoModel.from_pretrained(made.path / "encoder").eval()(**text).last_hidden_state
    assert torch.allclose(plain, states(made, "a fine film"), atol=1e-4)
    assert isinstance(FusedModel.from_pretrained(made.path / "model").nodes["encoder"], Built)


def test_factors_that_save_nothing_are_refused(trained: Run, tmp_path: Path) -> None:
    code, told = called("compress", str(trained.path), "--rank", "12", "--runs", str(tmp_path))
    assert code == 1
    assert (
        "error CN784 at the file\n"
        "  found     encoder: --rank 12, whose two factors are nowhere smaller than the matrix\n"
        "  expected  factors that are smaller than their matrix\n"
        "  fix       --rank 4"
    ) in told


def test_a_compact_encoder_has_no_compact_form(trained: Run, tmp_path: Path) -> None:
    from consilience_complexity.compression import Asked
    from consilience_complexity.cutting import Cut
    from consilience_complexity.factoring import compacted

    node = trained.plan.nodes["head"]
    with pytest.raises(Exception, match="CN787") as caught:
        compacted(node, Cut(None, None, {}), Asked(rank=2))
    assert str(caught.value) == (
        "error CN787 at the file\n"
        "  found     head: a classifier\n"
        "  expected  a text_encoder, which has a compact form\n"
        "  fix       # leave out --low-rank, --rank and --int8"
    )


def test_int8_without_torchao_is_told(
    trained: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("consilience_complexity.factoring.has_torchao", lambda: False)
    monkeypatch.setattr("consilience_complexity._compact.has_torchao", lambda: False)
    code, told = called("compress", str(trained.path), "--int8", "--runs", str(tmp_path))
    assert code == 1
    assert (
        "error CN785 at the file\n"
        "  found     --int8, and no torchao is installed\n"
        "  expected  torchao, which int8 is done with\n"
        "  fix       pip install torchao==0.18.0"
    ) in told
    [fault] = CompactEncoder(numbers="int8").faults()
    assert (fault.code, fault.key, fault.fix) == ("CN785", "numbers", "pip install torchao==0.18.0")


@pytest.mark.skipif(not has_torchao(), reason="torchao, an optional dependency, is not installed")
def test_a_run_of_8_bits_is_saved_loaded_and_near(trained: Run, tmp_path: Path) -> None:
    code, told = called("compress", str(trained.path), "--int8", "--runs", str(tmp_path))
    assert code == 0, told
    made = Run.open(told.strip().splitlines()[-1])
    before, after = states(trained, "a fine film"), states(made, "a fine film")
    assert 0 < (before - after).abs().max() < 0.2
    kept = made.model().nodes["encoder"].state_dict()
    assert kept["model.encoder.layer.0.attention.self.query.quantised"].dtype is torch.int8
    compared = json.loads((made.path / "compression.json").read_text())
    assert compared["after"]["file_megabytes"] < compared["before"]["file_megabytes"]


def test_a_rank_that_no_layer_can_have_is_told(trained: Run) -> None:
    model = trained.model().nodes["encoder"].model
    with pytest.raises(NoSuchLayer, match=r"encoder\.layer\.0\.nothing: 2"):
        Built(model, "mean", {"encoder.layer.0.nothing": 2})
    declared = CompactEncoder(checkpoint=named(model), ranks={"encoder.layer.0.output.dense": 99})
    with pytest.raises(DeclarationError) as caught:
        declared.build(None)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "error CN786 at ranks\n"
        "  found     encoder.layer.0.output.dense: 99\n"
        "  expected  ranks of linear layers, from 1 on\n"
        "  fix       # leave it out, or name a linear layer of the encoder"
    )


def named(model: nn.Module) -> object:
    from consilience.declare import Checkpoint, Use

    class Kept(Checkpoint, name="kept"):
        def model(self) -> nn.Module:
            return model

    return Use("kept", Kept())
