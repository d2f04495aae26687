"""Physically smaller runs: what is cut, what plain transformers loads of it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from complexity_runs import called, states
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizer

from consilience import FusedModel, Fusion
from consilience.declare import Derived, Location
from consilience.errors import RunError
from consilience.train import Run, derive, train
from consilience_complexity._table import LatencyTable
from consilience_complexity.compression import needed_tokens
from consilience_complexity.gates import gates_of

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "fine", "dull", "film", "plot", "f", "i", "n", "##n", "##e"]
HIDDEN, HEADS, NEURONS, LAYERS = 16, 4, 24, 3
FILE = """\
consilience: 1
name: small-reader
resources:
  tiny: {use: checkpoint, path: tiny}
fields:
  text: text
  sentiment: {category: [negative, positive]}
sources:
  reviews: {use: table, path: reviews.csv, map: {text: text, sentiment: label}, split: {test: 4, train: 8}}
inputs:
  tokens: {use: tokens, in: text, checkpoint: tiny, max_length: 8}
modules:
  encoder: {use: text_encoder, in: tokens}
  opinion: {use: classifier, in: encoder.pooled}
losses:
  opinion_loss: {use: cross_entropy, in: opinion, target: sentiment}
  size_loss: {use: complexity.sparsity, of: encoder, gates: [heads, neurons, layers, embeddings]}
metrics:
  accuracy: {use: accuracy, in: opinion, target: sentiment}
train: {max_steps: 1, batch_size: 4, seed: 0}
"""
SHUT = -1e4


def write_tiny(folder: Path) -> None:
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=NEURONS,
        vocab_size=len(WORDS),
        max_position_embeddings=16,
    )
    config.save_pretrained(folder)
    weights = {
        name: (4 * value if value.is_floating_point() else value)
        for name, value in BertModel(config).state_dict().items()
    }
    save_file(
        {name: value.contiguous() for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)}).save_pretrained(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("trained")
    write_tiny(folder / "tiny")
    rows = [
        f"a {'fine' if row % 2 else 'dull'} {'film ' * (1 + row // 2)},{'positive' if row % 2 else 'negative'}"
        for row in range(12)
    ]
    (folder / "reviews.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    (folder / "film.yaml").write_text(FILE)
    return train(Fusion.load(folder / "film.yaml"), folder / "runs", progress=False)


def with_gates(trained: Run, folder: Path, shut: dict[str, list[int]]) -> Run:
    """Gives a copy of the run in which the gates of these names, or of this kind, are shut at these units."""
    copy = folder / "runs" / "gated"
    copy.mkdir(parents=True)
    for name in ("fusion.yaml", "plan.json", "record.json"):
        (copy / name).write_bytes((trained.path / name).read_bytes())
    model = trained.model()
    with torch.no_grad():
        for gate in gates_of(model):
            for unit in next((units for part, units in shut.items() if part in f"{gate.kind} {gate.name}"), []):
                gate.location[unit] = SHUT
    model.save_pretrained(copy / "model")
    return Run.open(copy)


@pytest.fixture
def gated(trained: Run, tmp_path: Path) -> Run:
    return with_gates(
        trained,
        tmp_path,
        {
            "layers model.encoder.layer.1": [0],
            "neurons model.encoder.layer.0": list(range(3, 20)),
            "neurons model.encoder.layer.2": list(range(10)),
            "heads model.encoder.layer.2": [1],
            "embeddings": [WORDS.index("plot")],
        },
    )


def test_what_the_gates_closed_is_cut_out_and_plain_transformers_loads_it(gated: Run, tmp_path: Path) -> None:
    code, told = called("compress", str(gated.path), "--runs", str(tmp_path / "new"))
    assert code == 0, told
    made = Run.open(told.strip().splitlines()[-1])
    encoder = AutoModel.from_pretrained(made.path / "encoder").eval()
    assert encoder.config.num_hidden_layers == 2
    assert encoder.config.intermediate_size == 16  # 14 are open in the last layer, and 16 is the next eighth
    assert encoder.config.vocab_size == len(WORDS) - 1
    tokenizer = AutoTokenizer.from_pretrained(made.path / "encoder")
    assert tokenizer.tokenize("a fine film") == ["a", "fine", "film"]
    text = tokenizer("a fine film", return_tensors="pt")
    assert text["input_ids"].tolist()[0] == [2, 5, 6, 8, 3]  # as before but for what stood after the word that went
    with torch.no_grad():
        plain = encoder(**text).last_hidden_state
    assert torch.allclose(plain, states(gated, "a fine film"), atol=1e-5)
    assert torch.allclose(plain, states(made, "a fine film"), atol=1e-5)


def test_the_new_run_is_a_run_without_the_losses_of_size(gated: Run, tmp_path: Path) -> None:
    code, told = called("complexity", "compress", str(gated.path), "--runs", str(tmp_path / "new"), "--json")
    assert code == 0, told
    [made] = [Run.open(path) for path in (tmp_path / "new").iterdir()]
    assert made.path.name.startswith("small-reader-smaller-")
    assert list(made.plan.losses if hasattr(made.plan, "losses") else made.plan.fusion.losses) == ["opinion_loss"]
    assert made.record["derived"]["from"] == str(gated.path.resolve())
    assert made.record["status"] == "finished"
    assert torch.equal(
        made.model().nodes["opinion"].state_dict()["projection.1.weight"],
        gated.model().nodes["opinion"].state_dict()["projection.1.weight"],
    )
    compared = json.loads((made.path / "compression.json").read_text())
    assert compared["cut"]["layers"] == [3, 2]
    assert compared["cut"]["heads that are zeros"] == 1
    assert compared["after"]["metrics"] == compared["before"]["metrics"]
    assert compared["after"]["parameters"] < compared["before"]["parameters"]
    assert compared["after"]["flops"] < compared["before"]["flops"]
    assert (made.path / "pareto.svg").read_text().startswith("<svg")
    FusedModel.from_pretrained(made.path / "model")


def test_what_is_asked_for_is_cut_beside_the_gates(trained: Run, tmp_path: Path) -> None:
    asked = ["--layers", "0,2", "--neurons", "8", "--tokens", "seen", "--runs", str(tmp_path)]
    code, told = called("compress", str(trained.path), *asked)
    assert code == 0, told
    assert "layers: 3 -> 2\nneurons: 24 -> 8" in told.replace("heads: 4 -> 4\n", "")
    encoder = AutoModel.from_pretrained(Run.open(told.strip().splitlines()[-1]).path / "encoder")
    assert (encoder.config.num_hidden_layers, encoder.config.intermediate_size) == (2, 8)
    assert encoder.config.vocab_size == len(WORDS) - 1  # no row has a plot


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            [],
            "error CN772 at the file\n"
            "  found     encoder: no gate of it is closed\n"
            "  expected  something to cut\n"
            "  fix       --neurons 768 --layers 0,2,4  # or train with complexity.budget, or a higher weight or speed",
        ),
        (
            ["--node", "opinion"],
            "error CN773 at the file\n"
            "  found     --node opinion\n"
            "  expected  one of encoder\n"
            "  fix       --node encoder",
        ),
        (
            ["--layers", "2,7"],
            "error CN776 at the file\n"
            "  found     --layers 2,7\n"
            "  expected  numbers from 0 to 2 in rising order\n"
            "  fix       --layers 0,2",
        ),
        (
            ["--layers", "first"],
            "error CN776 at the file\n"
            "  found     --layers first\n"
            "  expected  numbers with commas between them\n"
            "  fix       --layers 0,2,4",
        ),
    ],
)
def test_what_cannot_be_cut_is_refused_and_leaves_nothing(
    trained: Run, tmp_path: Path, asked: list[str], told: str
) -> None:
    code, said = called("compress", str(trained.path), "--runs", str(tmp_path / "new"), *asked)
    assert code == 1
    assert told in said
    assert not list(left(tmp_path / "new"))


def left(folder: Path) -> Iterator[Any]:
    return folder.iterdir() if folder.is_dir() else iter(())


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    code, told = called("compress", str(tmp_path))
    assert code == 1
    assert "error CN704" in told


def test_old_weights_that_do_not_fit_are_refused_and_leave_nothing(trained: Run, tmp_path: Path) -> None:
    def wider(model: FusedModel, folder: Path) -> Derived:
        fusion = trained.plan.fusion.to_dict()
        fusion["modules"]["opinion"]["width"] = 4
        return Derived(fusion)

    with pytest.raises(RunError) as caught:
        derive(trained, tmp_path / "new", "wider", wider)
    assert str(caught.value) == (
        "error CN771 at the file\n"
        "  found     4 weights that the run has not, or of another shape, such as nodes.opinion.projection.1.weight\n"
        "  expected  a model whose other nodes are as they were\n"
        "  fix       # name opinion among the nodes that are remade"
    )
    assert not list(left(tmp_path / "new"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "in: tokens}\n  opinion",
            "in: tokens, tune: {use: lora, r: 2}}\n  opinion",
            "error CN774 at the file\n"
            "  found     encoder: tuned with lora, whose adapters stand between its layers\n"
            "  expected  an encoder whose own weights were trained\n"
            "  fix       tune: full  # and train again",
        ),
        (
            "in: encoder.pooled}\n",
            "in: encoder.pooled}\n  again: {use: text_encoder, in: tokens}\n"
            "  other: {use: classifier, in: again.pooled}\n",
            "error CN773 at the file\n"
            "  found     again, encoder\n"
            "  expected  one module to cut\n"
            "  fix       --node again",
        ),
    ],
)
def test_an_encoder_that_cannot_be_cut_is_told(trained: Run, tmp_path: Path, old: str, new: str, told: str) -> None:
    base = trained.plan.fusion.base
    text = "".join(line for line in FILE.splitlines(keepends=True) if "size_loss" not in line).replace(old, new)
    if "other" in text:
        text = text.replace("metrics:", "  other_loss: {use: cross_entropy, in: other, target: sentiment}\nmetrics:")
    run = train(Fusion.parse(text, base), tmp_path / "runs", progress=False)
    code, said = called("compress", str(run.path), "--neurons", "8", "--runs", str(tmp_path / "new"))
    assert code == 1
    assert told in said


def test_a_tokenizer_of_another_kind_keeps_its_tokens(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": {}}}))
    with pytest.raises(RunError) as caught:
        needed_tokens(tmp_path)
    assert str(caught.value) == (
        "error CN777 at the file\n"
        f"  found     {tmp_path}: a tokenizer of the kind BPE: tokens of WordPiece alone can be left out one by one\n"
        "  expected  a WordPiece tokenizer\n"
        "  fix       # leave out --tokens, and gates on embeddings"
    )


def test_a_layer_is_timed_by_its_heads_and_neurons(trained: Run, tmp_path: Path) -> None:
    tiny, place = trained.plan.fusion.base / "tiny", tmp_path / "latency.json"
    code, told = called("complexity", "profile", str(tiny), "-o", str(place), "--length", "6")
    assert code == 0, told
    table = LatencyTable(path=Location(str(place)))
    assert list(table.faults()) == []
    assert [units for units, _ in table.curves()["heads"]] == [1, 2, 3, 4]
    assert [units for units, _ in table.curves()["neurons"]] == [3, 6, 12, 18, 24]
    code, told = called("complexity", "profile", str(tmp_path), "-o", str(place))
    assert code == 1
    assert f"error CN778 at the file\n  found     {tmp_path}: " in told


def test_an_encoder_that_comes_back_as_another_is_refused(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consilience_complexity.compression.load_plain", lambda folder, made: 0.5)
    code, told = called("compress", str(trained.path), "--neurons", "8", "--runs", str(tmp_path / "new"))
    assert code == 1
    assert (
        "error CN775 at the file\n"
        "  found     encoder: loaded again, its states differ by 0.5\n"
        "  expected  an encoder that transformers loads when it is cut\n"
        "  fix       # take an encoder of another family, such as BERT, RoBERTa, MPNet or DistilBERT"
    ) in told
    assert not list(left(tmp_path / "new"))
