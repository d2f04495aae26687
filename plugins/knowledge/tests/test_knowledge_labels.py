"""Entities that start from the text of their names, by an encoder that stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from transformers import BertConfig, BertModel, BertTokenizer

from consilience.declare import Dims, Use
from consilience_knowledge import Embedding, Vectors
from consilience_knowledge.commands import embed
from consilience_knowledge.labels import embed_names
from consilience_knowledge.vectors import read_vectors, width_of

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "noir", "comedy", "joy", "genre", "dread"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **sizes)
    BertModel(config).save_pretrained(folder)
    return folder


def test_each_text_is_encoded_once_and_names_are_averaged():
    asked = []

    def encode(names):
        asked.append(list(names))
        return torch.tensor([[float(len(name)), float(name.count("o"))] for name in names])

    names = [(), ("noir", "film noir"), (), ("joy",), ("noir",)]
    entities, vectors = embed_names(names, encode, every=False, batch=2)
    assert (entities, vectors.tolist(), asked) == ([1, 3, 4], [[4, 1], [3, 1], [4, 1]], [["joy", "noir"]])
    entities, vectors = embed_names(names, encode, every=True, batch=2)
    assert vectors.tolist() == [[6.5, 1], [3, 1], [4, 1]]
    assert asked[1:] == [["joy", "noir"], ["film noir"]]
    assert embed_names([(), ()], encode, every=True, batch=2)[0] == []


def test_the_command_writes_vectors_that_a_module_starts_from(tmp_path, film, checkpoint):
    out = tmp_path / "names.safetensors"
    done = CliRunner().invoke(embed, [str(film.declared.path.path), str(out), "--checkpoint", str(checkpoint)])
    assert (done.exit_code, done.stdout) == (0, "5 of 5 entities, 8 numbers each: width: 8\n")
    graph = film.declared.load()
    vectors, places = read_vectors(out, graph.entities)
    model = BertModel.from_pretrained(checkpoint).eval()
    tokens = BertTokenizer.from_pretrained(checkpoint)(graph.names[5][0], return_tensors="pt")
    wanted = model(**tokens).last_hidden_state.mean(1)[0]
    torch.testing.assert_close(vectors[places.tolist().index(5)], wanted.detach())
    start = Use("names", Vectors.model_validate({"path": str(out)}))
    built = Embedding(graph=film, width=width_of(out), start=start).build(Dims())
    torch.testing.assert_close(built.vectors[5], wanted)


@pytest.mark.parametrize("is_folder", [True, False])
def test_what_is_no_checkpoint_is_told(tmp_path, film, is_folder):
    folder = tmp_path / "nothing"
    if is_folder:
        folder.mkdir()
    arguments = [str(film.declared.path.path), str(tmp_path / "out"), "--checkpoint", str(folder)]
    done = CliRunner().invoke(embed, arguments)
    assert done.exit_code == 2
    assert "Invalid value for --checkpoint" in done.output
    assert not (tmp_path / "out").exists()
