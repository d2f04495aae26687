import os
import pickle
from pathlib import Path

import pytest
import torch

from consilience.declare import Dims, Use
from consilience.errors import DeclarationError
from consilience.standard import Checkpoint, TokenLabels, Tokens


def tokens(checkpoint: object, **keys: object) -> Tokens:
    return Tokens.model_validate({"checkpoint": Use("tiny", checkpoint), **keys})  # type: ignore[type-var]


def build(checkpoint: object, **keys: object):  # type: ignore[no-untyped-def]
    return tokens(checkpoint, **keys).build(Dims({"vocab": 21}))


TEXTS = ["A fine film!", "", "the plots don't, dully", "fine  \t film."]


def test_it_gives_what_the_checkpoints_tokenizer_gives(checkpoint: Checkpoint) -> None:
    got = build(checkpoint)(text=TEXTS)
    tokenizer = checkpoint.tokenizer()
    wanted = tokenizer(TEXTS, padding=True, return_tensors="pt", return_special_tokens_mask=True)
    assert torch.equal(got["ids"], wanted["input_ids"])
    assert torch.equal(got["mask"], wanted["attention_mask"].bool())
    assert torch.equal(got["special"], wanted["special_tokens_mask"].bool())
    for row in range(len(TEXTS)):
        words = [-1 if word is None else word for word in wanted.word_ids(row)]
        assert got["words"][row].tolist() == words
    assert {name: tensor.dtype for name, tensor in got.items()} == {
        "ids": torch.int64,
        "mask": torch.bool,
        "special": torch.bool,
        "words": torch.int64,
        "spans": torch.int64,
    }


def pieces(got: dict[str, torch.Tensor], row: int, text: str) -> list[tuple[int, str]]:
    return [
        (int(word), text[start:end])
        for word, (start, end), special in zip(
            got["words"][row], got["spans"][row].tolist(), got["special"][row].tolist(), strict=True
        )
        if not special
    ]


def test_spans_are_places_in_the_text(checkpoint: Checkpoint) -> None:
    got = build(checkpoint)(text=TEXTS)
    assert pieces(got, 0, TEXTS[0]) == [(0, "A"), (1, "fine"), (2, "film"), (3, "!")]
    assert pieces(got, 3, TEXTS[3]) == [(0, "fine"), (1, "film"), (2, ".")]
    assert got["spans"][got["special"]].abs().sum() == 0


def test_words_by_white_space_keep_their_punctuation(checkpoint: Checkpoint) -> None:
    got = build(checkpoint, words="whitespace")(text=TEXTS)
    assert torch.equal(got["ids"], build(checkpoint)(text=TEXTS)["ids"])
    assert pieces(got, 0, TEXTS[0]) == [(0, "A"), (1, "fine"), (2, "film"), (2, "!")]
    assert [word for word, _ in pieces(got, 2, TEXTS[2])] == [0, 1, 1, 2, 2, 2, 2, 3]
    assert got["words"][got["special"]].eq(-1).all()


@pytest.mark.parametrize("words", ["tokenizer", "whitespace"])
def test_a_list_of_words_is_taken_as_given(checkpoint: Checkpoint, words: str) -> None:
    row = ["fine", "", "the film!", "plots"]
    got = build(checkpoint, words=words)(text=[row, "a film", []])
    assert pieces(got, 0, " ".join(row)) == [(0, "fine"), (2, "the"), (2, "film"), (2, "!"), (3, "plot"), (3, "s")]
    assert pieces(got, 1, "a film") == [(0, "a"), (1, "film")]
    assert pieces(got, 2, "") == []


def test_a_row_does_not_depend_on_its_neighbours(checkpoint: Checkpoint) -> None:
    tokenize = build(checkpoint, words="whitespace")
    batch = tokenize(text=[*TEXTS, ["a", "film"]])
    for row, text in enumerate([*TEXTS, ["a", "film"]]):
        alone = tokenize(text=[text])
        length = alone["ids"].shape[1]
        for name, tensor in alone.items():
            assert torch.equal(batch[name][row, :length], tensor[0]), name
        assert not batch["mask"][row, length:].any()


def test_long_texts_are_cut_and_lengths_rounded_up(checkpoint: Checkpoint) -> None:
    got = build(checkpoint, max_length=6, pad_to_multiple_of=4)(text=["a film " * 50, "fine"])
    assert got["ids"].shape == (2, 8)
    assert got["mask"].sum(dim=1).tolist() == [6, 3]
    assert got["ids"][0, 5] == 3  # the separator closes it


def test_it_travels_to_workers(checkpoint: Checkpoint) -> None:
    tokenize = build(checkpoint)
    copy = pickle.loads(pickle.dumps(tokenize))
    for name, tensor in tokenize(text=TEXTS).items():
        assert torch.equal(copy(text=TEXTS)[name], tensor)


@pytest.mark.parametrize(("chosen", "kept"), [(None, "false"), ("true", "true")])
def test_each_worker_tokenizes_in_one_thread_unless_told_otherwise(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, chosen: str | None, kept: str
) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "")  # so that it is put back afterwards
    monkeypatch.delenv("TOKENIZERS_PARALLELISM")
    if chosen is not None:
        monkeypatch.setenv("TOKENIZERS_PARALLELISM", chosen)
    build(checkpoint)
    assert os.environ["TOKENIZERS_PARALLELISM"] == kept


def test_a_tokenizer_with_spaces_in_its_tokens_finds_its_words(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(["a fine film", "the plot was fine"] * 5, trainer)
    PreTrainedTokenizerFast(tokenizer_object=backend).save_pretrained(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "vocab_size": 400, "n_embd": 4}')
    checkpoint = Checkpoint.model_validate({"path": str(tmp_path), "weights": "fresh"})
    got = tokens(checkpoint, words="whitespace").build(Dims({"vocab": 400}))(text=["a fine film", ""])
    assert pieces(got, 0, "a fine film") == [(0, "a"), (1, " fine"), (2, " film")]
    assert got["mask"].sum(dim=1).tolist() == [3, 1]  # one token of padding stays, for attention to stand on
    assert got["words"][1].eq(-1).all()


def test_a_length_without_positions_is_a_fault(checkpoint: Checkpoint) -> None:
    [fault] = tokens(checkpoint, max_length=33).faults()
    assert (fault.code, fault.key, fault.fix) == ("CN610", "max_length", "max_length: 32")
    assert fault.found == "33 tokens; tiny's config.json has positions for 32"
    [rounded] = tokens(checkpoint, max_length=31, pad_to_multiple_of=20).faults()
    assert rounded.fix == "max_length: 20"
    assert list(tokens(checkpoint, max_length=32).faults()) == []
    [multiple] = tokens(checkpoint, pad_to_multiple_of=33).faults()
    assert (multiple.key, multiple.fix) == ("pad_to_multiple_of", "pad_to_multiple_of: 1")


def test_a_checkpoint_with_next_to_no_positions_is_a_fault(make_bert) -> None:  # type: ignore[no-untyped-def]
    small = Checkpoint.model_validate({"path": str(make_bert(max_position_embeddings=3))})
    [fault] = tokens(small).faults()
    assert (fault.code, fault.key) == ("CN610", "checkpoint")
    assert fault.found == "tiny, whose config.json has positions for 3 tokens"


@pytest.mark.parametrize(("multiple", "most"), [(1, 32), (10, 30)])
def test_a_length_that_was_left_out_fits_the_checkpoint(checkpoint: Checkpoint, multiple: int, most: int) -> None:
    assert list(tokens(checkpoint, pad_to_multiple_of=multiple).faults()) == []
    assert build(checkpoint, pad_to_multiple_of=multiple)(text=["a film " * 200])["ids"].shape == (1, most)


def test_a_checkpoint_without_a_tokenizer_is_a_fault(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny / "config.json").read_bytes())
    checkpoint = Checkpoint.model_validate({"path": str(tmp_path), "weights": "fresh"})
    [fault] = tokens(checkpoint, max_length=32).faults()
    assert (fault.code, fault.key) == ("CN609", "checkpoint")


def test_a_tokenizer_larger_than_the_model_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(DeclarationError, match="a tokenizer of 21 ids for a model of 20"):
        tokens(checkpoint).build(Dims({"vocab": 20}))


def test_a_slow_tokenizer_is_refused(checkpoint: Checkpoint) -> None:
    class Slow:
        is_fast = False

    checkpoint._cache["tokenizer"] = Slow()
    with pytest.raises(DeclarationError, match=r"a slow tokenizer \(Slow\)"):
        tokens(checkpoint).build(Dims({"vocab": 21}))


def test_labels_stand_at_the_first_token_of_their_word(checkpoint: Checkpoint) -> None:
    got = build(checkpoint, words="whitespace")(text=["plots don't", "fine", ["the film", "was"]])
    labels = TokenLabels().build(Dims())(words=got["words"], labels=[[4, 7], [], [1, 2]])
    assert got["words"][0].tolist() == [-1, 0, 0, 1, 1, 1, -1]
    assert labels.tolist() == [
        [-100, 4, -100, 7, -100, -100, -100],
        [-100] * 7,
        [-100, 1, -100, 2, -100, -100, -100],
    ]


def test_labels_of_words_that_were_cut_off_are_left(checkpoint: Checkpoint) -> None:
    got = build(checkpoint, max_length=4)(text=["a fine film"])
    labels = TokenLabels().build(Dims())(words=got["words"], labels=[[5, 6, 7]])
    assert labels.tolist() == [[-100, 5, 6, -100]]


def test_fewer_labels_than_words_are_refused(checkpoint: Checkpoint) -> None:
    got = build(checkpoint)(text=["a film", "don't"])
    with pytest.raises(ValueError, match="an example has 1 labels for at least 3 words"):
        TokenLabels().build(Dims())(words=got["words"], labels=[[1, 1], [1]])
