"""Names that several entities have: what the text around them says."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from consilience.declare import Dims, Location, Use
from consilience_knowledge import Mentions, SentenceEncoder
from consilience_knowledge.context import SharedWords, Similarity, connections, described, words_around
from consilience_knowledge.dictionary import Dictionary
from consilience_knowledge.graphs import KnowledgeGraph

NAMES = {"a:bank": ("bank",), "b:shore": ("shore", "bank"), "c:money": ("money",), "d:river": ("river", "stream")}
EDGES = [("a:bank", "holds", "c:money"), ("b:shore", "beside", "d:river"), ("d:river", "beside", "b:shore")]
BANK, SHORE, MONEY, RIVER = range(1, 5)


@pytest.fixture
def graph() -> KnowledgeGraph:
    return KnowledgeGraph.of(NAMES, EDGES)


class Spelling:
    """Encodes a text by which of four words it has."""

    asked: int = 0

    def __call__(self, text: str) -> Tensor:
        self.asked += 1
        return torch.tensor([float(word in text) for word in ("money", "river", "shore", "cash")])


def entities(dictionary: Dictionary, text: str) -> list[int]:
    return [mention.entity for mention in dictionary.find(text)]


def test_an_entity_is_described_by_its_names_and_its_neighbours(graph: KnowledgeGraph) -> None:
    texts = {BANK: "bank: money", SHORE: "shore, bank: river", MONEY: "money: bank", RIVER: "river, stream: shore"}
    assert described(graph) == texts
    assert connections(graph) == [0, 1, 3 - 1, 1, 2]


def test_neighbours_words_are_taken_of_what_shares_a_name_alone(graph: KnowledgeGraph) -> None:
    assert words_around(graph, str.split) == {BANK: {"money"}, SHORE: {"river", "stream"}}


def test_shared_words_resolve_and_the_preferred_comes_first_in_doubt(graph: KnowledgeGraph) -> None:
    dictionary = Dictionary.of(graph, ambiguity="context")
    assert entities(dictionary, "a bank by the stream") == [SHORE, RIVER]
    assert entities(dictionary, "a bank by the road") == [BANK]


def test_the_most_similar_is_linked_and_what_is_clear_is_not_encoded(graph: KnowledgeGraph) -> None:
    spelling = Spelling()
    dictionary = Dictionary.of(graph, encoder=lambda: spelling)
    assert entities(dictionary, "money and a shore") == [MONEY, SHORE]
    assert spelling.asked == 0
    assert entities(dictionary, "the bank of a river") == [SHORE, RIVER]
    assert entities(dictionary, "money in the bank") == [MONEY, BANK]
    assert spelling.asked == 4  # two texts, and two entities once
    assert entities(dictionary, "a bank") == [BANK]


def test_the_prior_is_weighed_beside_the_similarity(graph: KnowledgeGraph) -> None:
    texts, words = described(graph), frozenset({"cash", "river"})
    plain = Similarity(Spelling, texts).weigh("cash, river", words, [BANK, SHORE])
    prior = Similarity(Spelling, texts, [1.0, 2.0, 3.0, 1.0, 1.0]).weigh("cash, river", words, [BANK, SHORE])
    shared = SharedWords(words_around(graph, str.split))
    both = Similarity(Spelling, texts, shared=shared).weigh("cash, river", words, [BANK, SHORE])
    assert plain == [0.0, 20.0]
    assert prior == pytest.approx([0.6931, 21.0986], abs=1e-4)
    assert both == pytest.approx([0.0, 20.6931], abs=1e-4)


def test_the_edges_outweigh_what_is_hardly_more_similar(graph: KnowledgeGraph) -> None:
    def alike(text: str) -> Tensor:
        return torch.tensor([1.0, 0.01 * text.startswith("bank")])

    assert entities(Dictionary.of(graph, encoder=lambda: alike), "bank") == [BANK]
    assert entities(Dictionary.of(graph, ambiguity="connected", encoder=lambda: alike), "bank") == [SHORE]


def sentences(folder: Path) -> SentenceEncoder:
    return SentenceEncoder(path=Location(str(folder)))


def test_a_text_has_the_mean_of_its_tokens_at_length_one(tiny_encoder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(tiny_encoder)("a fine film", return_tensors="pt")
    hidden = AutoModel.from_pretrained(tiny_encoder).eval()(**tokens).last_hidden_state[0].mean(0)
    assert torch.allclose(sentences(tiny_encoder).load()("a fine film"), hidden / hidden.norm(), atol=1e-6)


def test_mentions_take_the_encoder_in_every_batch_and_process_alike(write_graph, tiny_encoder: Path) -> None:
    lines = ["x\trdfs:label\tfilm", "y\tskos:altLabel\tfilm", "x\tin\tplot", "y\tin\twas"]
    graph = Use("film", write_graph("\n".join(lines), "film.tsv"))
    mentions = Mentions(graph=graph, encoder=Use("sentences", sentences(tiny_encoder))).build(Dims())
    load, texts = sentences(tiny_encoder).load(), described(graph.declared.load())
    rows = ["the film was dull", "but the film plot", "a film", "film!"]
    places = [index for index, names in enumerate(graph.declared.load().names) if "film" in names]
    wanted = [max(places, key=lambda entity, row=row: float(load(row) @ load(texts[entity]))) for row in rows]
    assert mentions(rows)["entities"][:, 0].tolist() == wanted
    assert pickle.loads(pickle.dumps(mentions))(rows[::-1])["entities"][:, 0].tolist() == wanted[::-1]


def test_a_saved_encoder_keeps_its_weights(tiny_encoder: Path, tmp_path: Path) -> None:
    assert sentences(tiny_encoder).save(tmp_path) == {"path": "."}
    assert torch.equal(sentences(tmp_path).load()("a fine film"), sentences(tiny_encoder).load()("a fine film"))
    assert {path.name for path in sentences(tmp_path).files()} >= {"config.json", "tokenizer.json", "model.safetensors"}


def test_a_folder_that_is_no_encoder_is_told(tmp_path: Path) -> None:
    [missing] = sentences(tmp_path / "nothing").faults()
    assert (missing.code, missing.key) == ("CN601", "path")
    (tmp_path / "config.json").write_text("{}")
    [part] = sentences(tmp_path).faults()
    assert part.code == "CN601"
    assert part.found == f"{tmp_path}/tokenizer.json: nothing lies at {tmp_path}/tokenizer.json"
    assert part.expected == "a text encoder's tokenizer.json"
    assert part.fix == "# name under path a folder that has config.json, tokenizer.json, model.safetensors"
