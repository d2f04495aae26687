"""Sources of sentences and pairs: what they read, and how they tell what they cannot."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import consilience_linguistics as plugin
from consilience.declare import DataError, Dims, LabelSpace, Location
from consilience_linguistics.conll import Block, BrokenSentence, read_columns, read_tree, tree_fault
from consilience_linguistics.tagging import is_bio, stray_tags

CONLLU = """# sent_id = one
# text = Don't go!
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\tMood=Imp|VerbForm=Fin\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod:emph\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\tSpaceAfter=No|NER=O
3.1\tyou\t_\t_\t_\t_\t_\t_\t_\t_
4\t!\t!\tPUNCT\t.\t_\t3\tpunct\t_\tNER=B-ODD
"""


def written(folder: Path, text: str, name: str = "a.conllu") -> Location:
    (folder / name).write_text(text, encoding="utf-8")
    return Location(name, folder)


def told(source: plugin.Conllu | plugin.Columns | plugin.MinimalPairs) -> str:
    with pytest.raises(DataError) as refused:
        source.open()
    return str(refused.value)


def test_a_sentence_of_a_treebank_is_its_words(tmp_path: Path) -> None:
    source = plugin.Conllu(path=written(tmp_path, CONLLU), features=["Mood"], misc=["NER"])
    [row] = source.open()["all"]
    assert row == {
        "id": "one",
        "text": "Don't go!",
        "words": ["Do", "n't", "go", "!"],
        "lemmas": ["do", "not", "go", "!"],
        "upos": ["AUX", "PART", "VERB", "PUNCT"],
        "xpos": ["VB", "RB", "VB", "."],
        "feats": ["Mood=Imp|VerbForm=Fin", "_", "_", "_"],
        "heads": ["3", "3", "0", "3"],
        "deprels": ["aux", "advmod:emph", "root", "punct"],
        "relations": ["aux", "advmod", "root", "punct"],
        "Mood": ["Imp", "_", "_", "_"],
        "NER": ["O", "O", "O", "B-ODD"],
    }


def test_each_split_is_a_file_of_its_own(tmp_path: Path) -> None:
    for name in ("train", "dev"):
        with gzip.open(tmp_path / f"x-{name}.conllu.gz", "wt", encoding="utf-8") as stream:
            stream.write(CONLLU)
    source = plugin.Conllu(path=Location("x-{split}.conllu.gz", tmp_path))
    assert source.splits() == {"train", "validation"} == source.open().keys()
    assert [path.name for path in source.files()] == ["x-train.conllu.gz", "x-dev.conllu.gz"]
    lost = plugin.Conllu(path=Location("y-{split}.conllu", tmp_path))
    assert [(fault.code, fault.fix) for fault in lost.faults()] == [("CN601", "path: y-train.conllu")]


def test_conllu_plus_names_its_columns() -> None:
    block = Block(1, ("# global.columns = ID FORM UPOS", "1\tYes\tINTJ"))
    row = read_tree(block, ("id", "form", "upos"))
    assert row is not None
    assert (row["words"], row["upos"], row["heads"]) == (["Yes"], ["INTJ"], ["-100"])
    assert tree_fault(row["heads"]) is None


def test_a_line_of_other_columns_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, CONLLU + "\n1\tYes\tINTJ\n")
    assert told(plugin.Conllu(path=path)) == (
        "error CN540 at path\n"
        "  found     a.conllu, line 10: 3 columns\n"
        "  expected  CoNLL-U: ten columns divided by tabs, the words of a sentence numbered from 1\n"
        "  fix       # correct these lines, or name a CoNLL-U file under path"
    )


def test_what_is_no_tree_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, CONLLU.replace("\t0\troot", "\t4\tconj"))
    assert told(plugin.Conllu(path=path)) == (
        "error CN541 at path\n"
        "  found     a.conllu, line 1: a sentence without a root\n"
        "  expected  one tree over the words of a sentence\n"
        "  fix       # correct the HEAD column of the sentence at line 1 of a.conllu"
    )
    assert tree_fault(["2", "1", "0"]) == "a circle through word 1"
    assert tree_fault(["7", "0"]) == "the head 7 in a sentence of 2 words"


def test_columns_of_a_shared_task_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "-DOCSTART-\tO\n\nKim\tB-PER\nsat\tO\n", "b.tsv")
    assert plugin.Columns(path=path).open()["all"].to_list() == [{"words": ["Kim", "sat"], "tags": ["B-PER", "O"]}]
    with pytest.raises(BrokenSentence, match="line 8: 1 columns"):
        read_columns(Block(7, ("a\tb", "c d")), ["words", "tags"], "\t")
    [twice] = plugin.Columns(path=path, columns=["tags", "tags"]).faults()
    assert (twice.code, twice.found, twice.fix) == ("CN123", "tags twice", "columns: [tags]")


def test_a_tag_that_goes_on_with_nothing_is_warned_of(tmp_path: Path) -> None:
    path = written(tmp_path, "Kim\tI-PER\nsat\tO\n\nHere\tB-LOC\n", "c.tsv")
    [fault] = plugin.Columns(path=path).examine()
    assert str(fault.at("sources", "c")) == (
        "warning CN542 at sources.c.path\n"
        "  found     column tags of c.tsv: I-PER after O in sentence 1\n"
        "  expected  entities that begin with B-, or tags of another scheme\n"
        "  fix       # write B- where an entity begins in column tags"
    )
    assert not is_bio({"NN", "O"})
    assert list(stray_tags(["B-PER", "I-LOC", "I-LOC"])) == ["I-LOC after B-PER"]


def test_minimal_pairs_are_read_from_a_file_and_from_a_folder(tmp_path: Path) -> None:
    pair = {"sentence_good": "She sleeps.", "sentence_bad": "She sleep.", "UID": "agreement", "pairID": "7"}
    for name in ("b", "a"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(pair | {"UID": name}) + "\n")
    rows = plugin.MinimalPairs(path=Location(".", tmp_path), part="test").open()["test"].to_list()
    assert [row["paradigm"] for row in rows] == ["a", "b"]
    assert rows[0] == {
        "good": "She sleeps.",
        "bad": "She sleep.",
        "paradigm": "a",
        "phenomenon": "",
        "field": "",
        "pair": "7",
    }


def test_a_line_without_a_pair_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, '{"sentence_good": "a", "UID": "b"}\n', "p.jsonl")
    assert told(plugin.MinimalPairs(path=path)) == (
        "error CN543 at path\n"
        "  found     p.jsonl, line 1: no text under sentence_bad\n"
        "  expected  JSON lines, each with the texts sentence_good, sentence_bad and UID\n"
        "  fix       # say under good, bad and paradigm what the keys of the file are"
    )


def test_heads_that_count_no_words_are_told() -> None:
    tree = plugin.Tree()
    odd = Dims(spaces={"position": LabelSpace(name="heads", labels=("left", "right"))})
    [fault] = tree.faults_with(odd)
    assert str(fault.at("inputs", "tree")) == (
        "error CN317 at inputs.tree\n"
        "  found     the labels [left, right]\n"
        "  expected  heads that count words: 0 for the root, 1 for the first word, ...\n"
        "  fix       # declare the field of heads as {token_labels: linguistics.positions}"
    )
    tags = LabelSpace(name="tags", labels=("NOUN", "PUNC"))
    [fault] = tree.faults_with(Dims(spaces={"tag": tags}))
    assert (fault.code, fault.found, fault.fix) == (
        "CN317",
        "the tag PUNCT, which is none of [NOUN, PUNC]",
        "skip: [PUNC]",
    )


def test_labels_that_are_no_tags_of_entities_are_told() -> None:
    def faults(*labels: str, scheme: str = "conlleval") -> list[str]:
        space = LabelSpace(name="tags", labels=labels)
        score = plugin.EntityScore.model_validate({"scheme": scheme})
        return [str(fault.at("metrics", "f1")) for fault in score.faults_with(Dims(spaces={"classes": space}))]

    assert faults("O", "B-PER", "I-PER") == []
    assert faults("O", "PER", scheme="iob2") == [
        "error CN318 at metrics.f1\n"
        "  found     the label PER\n"
        "  expected  O, and B-TYPE, I-TYPE for each type of entity\n"
        "  fix       # declare the field's labels as [O, B-PER, I-PER, ...]"
    ]
    assert len(faults("O", "I-PER")) == 1


def test_the_universal_inventories_are_whole() -> None:
    spaces = {space.name: space for space in plugin.consilience_label_spaces()}
    assert (len(spaces["upos"]), len(spaces["deprel"]), len(spaces["blimp"])) == (17, 37, 67)
    assert len(spaces["blimp_phenomena"]) == 12 or len(spaces["blimp_phenomena"]) == 13
    mapping = spaces["blimp_phenomena"].mapping_from(spaces["blimp"])
    assert mapping is not None
    assert mapping["adjunct_island"] == "island_effects"
