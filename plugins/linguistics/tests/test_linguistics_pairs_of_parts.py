"""Pairs of parts of texts: their order, the ends of other texts, and the texts that these come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from consilience.declare import DeclarationError, Location
from consilience_linguistics import Texts
from consilience_linguistics.pairing import NextPairs, OrderPairs

TEXTS = ["One. Two! Three?", "Four. Five.", "Six"]


@pytest.fixture
def tokenizer(tiny_encoder: Path) -> object:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_encoder)


class Read(NextPairs):
    """Keeps the parts as they are before they are tokenized."""

    def read(self, text: str, seed: int) -> tuple[tuple[str, str], int] | None:
        return self._pair(text, torch.Generator().manual_seed(seed))


def test_half_of_the_texts_get_the_end_of_another(tokenizer: object) -> None:
    pairs = Read(tokenizer, TEXTS, drawn=0.5)
    read = [pairs.read(TEXTS[0], seed) for seed in range(200)]
    own = [found[0] for found in read if found and found[1] == 1]
    drawn = [found[0] for found in read if found and found[1] == 0]
    assert set(own) == {("One.", "Two! Three?"), ("One. Two!", "Three?")}
    assert {end for _, end in drawn} == {"Five.", "Six"}  # the end of the other text, or all of it
    assert len(own) + len(drawn) == 200
    assert 70 < len(drawn) < 130


def test_an_end_that_is_the_texts_own_is_no_other(tokenizer: object) -> None:
    pairs = Read(tokenizer, ["Yes. No.", "Never. No."], drawn=0.99)
    assert {pairs.read("Yes. No.", seed) for seed in range(20)} == {(("Yes.", "No."), 1)}


def test_a_text_of_one_sentence_is_not_present(tokenizer: object) -> None:
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    given = NextPairs(tokenizer, TEXTS, drawn=0.99)(["Six", TEXTS[0]], generators)
    assert given["present"].tolist() == [False, True]
    assert given["next"].tolist() == [-100, 0]
    assert given["ids"].shape == given["mask"].shape
    assert given["mask"].sum(dim=1).tolist()[0] < given["mask"].sum(dim=1).tolist()[1]


def test_parts_that_change_places_keep_their_words(tokenizer: object) -> None:
    generators = [torch.Generator().manual_seed(0)]
    text = ["the film was dull . a plot !"]
    written = OrderPairs(tokenizer, swapped=0.001)(text, generators)
    changed = OrderPairs(tokenizer, swapped=0.999)(text, [torch.Generator().manual_seed(0)])
    assert (written["order"].item(), changed["order"].item()) == (1, 0)
    assert written["ids"].tolist() != changed["ids"].tolist()
    assert written["ids"].sort().values.tolist() == changed["ids"].sort().values.tolist()


def test_texts_are_read_once_each(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("One.\n\n Two.\u2028More. \r\nOne.\n", encoding="utf-8")
    texts = Texts(path=Location("texts.txt", tmp_path))
    assert texts.texts() == ("One.", "Two.\u2028More.")
    assert not [*texts.faults(), *texts.examine()]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "0 texts"), (b"One.\nOne.\n", "one text alone"), (b"\xff\n\xfe\n", "bytes that are not UTF-8")],
)
def test_too_few_texts_are_told(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "texts.txt").write_bytes(content)
    texts = Texts(path=Location("texts.txt", tmp_path))
    expected = (
        "error CN544 at path\n"
        f"  found     texts.txt: {reason}\n"
        "  expected  two texts or more, one a line\n"
        "  fix       # write two texts or more into texts.txt, in UTF-8 and each on a line of its own"
    )
    assert [str(fault.at()) for fault in texts.examine()] == [expected]
    with pytest.raises(DeclarationError) as raised:
        texts.texts()
    assert str(raised.value) == expected.replace("at path", "at the file")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    [fault] = Texts(path=Location("lost.txt", tmp_path)).faults()
    assert (fault.code, fault.expected) == ("CN601", "texts, one a line")
