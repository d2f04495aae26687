"""Taxonomies, lexicons and EmoBank from files, and the exact texts of what is told of bad ones."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

import consilience_psychology
from consilience import DeclarationError, Fusion, check
from consilience.data import examine, prepare
from consilience.declare import Dims, LabelSpace, Location
from consilience_psychology import EKMAN, PLUTCHIK
from consilience_psychology._declarations._losses import AsymmetricLoss, EmotionLoss
from consilience_psychology._declarations._resources import EmoBank, Lexicon, Taxonomy
from consilience_psychology.commands import krippendorff_alpha
from consilience_psychology.lexicons import LexiconScores, read_lexicon

DATA = Path(__file__).parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the data are not beside the repository")
WHEEL = Path(consilience_psychology.__file__).parent / "data" / "plutchik.toml"
OWN = """
labels = ["calm", "glad", "sad", "cross"]
opposites = [["glad", "sad"]]
[aliases]
cross = ["angry"]
[onto."psychology.ekman"]
calm = "neutral"
glad = "joy"
sad = "sadness"
cross = "anger"
"""


def told(component: Any) -> list[str]:
    return [str(fault.at("resources", "own")) for fault in component.faults()]


def taxonomy(folder: Path, text: str, name: str = "own.toml") -> Taxonomy:
    (folder / name).write_text(text)
    return Taxonomy(path=Location(name, folder))


def test_a_taxonomy_is_read(tmp_path: Path) -> None:
    own = taxonomy(tmp_path, OWN)
    assert told(own) == []
    space = own.label_space()
    assert (space.name, space.labels, space.position("angry")) == ("own", ("calm", "glad", "sad", "cross"), 3)
    assert EKMAN.mapping_from(space) == {"calm": "neutral", "glad": "joy", "sad": "sadness", "cross": "anger"}
    assert own.read().opposites == (("glad", "sad"),)
    same = taxonomy(tmp_path, json.dumps({"labels": ["a", "b"], "maps": {"psychology.ekman": {"joy": "a"}}}), "o.json")
    assert same.label_space().mapping_from(EKMAN) == {"joy": "a"}
    kept = tmp_path / "kept"
    kept.mkdir()
    assert own.save(kept) == {"path": "own.toml"}
    assert Taxonomy(path=Location("own.toml", kept)).label_space() == space


def test_the_wheel_that_comes_along_is_plutchiks() -> None:
    wheel = Taxonomy(path=Location(str(WHEEL))).read()
    assert (wheel.space.labels, wheel.space.aliases) == (PLUTCHIK.labels, PLUTCHIK.aliases)
    places = [(PLUTCHIK.labels.index(one), PLUTCHIK.labels.index(other)) for one, other in wheel.opposites]
    assert all((first - second) % 8 == 4 for first, second in places)
    assert len({place for pair in places for place in pair}) == 8


@pytest.mark.parametrize(
    ("text", "found", "fix"),
    [
        ('labels = ["a"]', "labels: List should have at least 2 items after validation, not 1", None),
        ("labels = [", "Invalid value (at end of document)", None),
        ('labels = ["a", "b"]\ncolour = 1', "colour: Extra inputs are not permitted", None),
        (
            'labels = ["glad", "sad"]\nopposites = [["glad", "sda"]]',
            "opposites has sda, which is no label of it",
            '# write "sad" under opposites',
        ),
        (
            'labels = ["glad", "sad"]\n[onto.ekman]\ngald = "joy"',
            "Value error, onto['ekman'] has 'gald', which is no label of own, perhaps 'glad'",
            "# let each label stand once, and the mappings name labels",
        ),
    ],
    ids=["one label", "no TOML", "unknown key", "opposite", "mapping"],
)
def test_tells_a_file_that_is_no_taxonomy(tmp_path: Path, text: str, found: str, fix: str | None) -> None:
    fix = fix or '# write labels = ["calm", "glad"] and, where there are any, [onto.ekman] with calm = "joy"'
    assert told(taxonomy(tmp_path, text)) == [
        "error CN670 at resources.own.path\n"
        f"  found     own.toml: {found}\n"
        "  expected  a taxonomy of at least two labels\n"
        f"  fix       {fix}"
    ]
    assert taxonomy(tmp_path, text).label_space() is None


FILES = {
    "vader": ("dull\t-1.6\t0.8\t[-1]\nFine\t2.0\t0.5\t[2]\n", ["valence"], {"fine": [0.5], "dull": [-0.4]}),
    "nrc": (
        "fine\tjoy\t1\nfine\tfear\t0\ndull\tjoy\t0\ndull\tfear\t1\n",
        ["fear", "joy"],
        {"fine": [0, 1], "dull": [1, 0]},
    ),
    "nrc_vad": (
        "Word\tV\tA\tD\nfine\t0.9\t0.5\t0.75\n",
        ["valence", "arousal", "dominance"],
        {"fine": [0.8, 0.0, 0.5]},
    ),
    "table": ("word\tx\ty\nfine\t1\t-2\n", ["x", "y"], {"fine": [1, -2]}),
}


@pytest.mark.parametrize("form", FILES)
def test_a_lexicon_of_each_format_is_read(tmp_path: Path, form: str) -> None:
    text, dimensions, words = FILES[form]
    with gzip.open(tmp_path / "words.gz", "wt") as stream:
        stream.write(text)
    lexicon = Lexicon(path=Location("words.gz", tmp_path), format=form)
    assert told(lexicon) == []
    read = lexicon.words()
    assert list(read.dimensions) == dimensions
    assert set(read.words) == set(words)
    for word, scores in words.items():
        assert read.words[word] == pytest.approx(scores)


@needs_data
def test_the_published_lexicons_are_read() -> None:
    warriner = read_lexicon(DATA / "lexicons" / "Ratings_Warriner_et_al.csv.gz", "warriner")
    assert len(warriner.words) == 13_905  # of 13,915 words, ten stand in capitals too
    assert warriner.words["aardvark"] == pytest.approx([0.315, -0.6475, -0.1825])
    vader = read_lexicon(DATA / "lexicons" / "vader_lexicon.txt", "vader")
    assert vader.words["great"] == pytest.approx([3.1 / 4])


def test_tells_a_file_that_is_no_lexicon(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(FILES["nrc"][0])
    assert told(Lexicon(path=Location("words.txt", tmp_path), format="nrc_vad")) == [
        "error CN671 at resources.own.path\n"
        "  found     words.txt: line 1: 3 cells, where a line of the NRC VAD lexicon has 4\n"
        "  expected  a lexicon in the format nrc_vad\n"
        "  fix       format: nrc"
    ]


def test_texts_are_scored_by_the_words_that_a_lexicon_has(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("word\tvalence\tarousal\nfine\t0.8\t0.1\ndull\t-0.4\t-0.5\n")
    reader = pickle.loads(pickle.dumps(LexiconScores(tmp_path / "words.tsv", "table")))
    scores, coverage, present = reader(["A FINE, dull film!", ["fine"], "nothing here", ""])
    torch.testing.assert_close(scores, torch.tensor([[0.2, -0.2], [0.8, 0.1], [0.0, 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(coverage, torch.tensor([0.5, 1.0, 0.0, 0.0]))
    assert present.tolist() == [True, True, False, False]


@pytest.mark.parametrize("kind", [EmotionLoss, AsymmetricLoss])
def test_tells_counts_that_are_not_those_of_the_emotions(kind: Any) -> None:
    dims = Dims({"emotion": 3}, {"emotion": LabelSpace(name="own", labels=("glad", "sad", "calm"))})
    [unknown] = kind(counts={"glad": 5, "sda": 2, "calm": 1}).faults_with(dims)
    assert str(unknown.at("losses", "feeling")) == (
        "error CN550 at losses.feeling.counts\n"
        "  found     sda, which is none of the emotions\n"
        "  expected  counts of [glad, sad, calm]\n"
        "  fix       # write sad in place of sda"
    )
    [lacking] = kind(counts={"glad": 5}).faults_with(dims)
    assert str(lacking.at("losses", "feeling")) == (
        "error CN550 at losses.feeling.counts\n"
        "  found     no count of sad, and 1 more\n"
        "  expected  a count for each of [glad, sad, calm]\n"
        "  fix       # add to counts {sad: 100}, with how many training examples have it"
    )
    assert list(kind(counts={"glad": 5, "sad": 2, "calm": 1}).faults_with(dims)) == []


def test_emobank_is_read_with_its_perspectives(tmp_path: Path) -> None:
    rows = 'id,split,V,A,D,text\n1,train,3.5,3,2,"a ""fine"" film"\n2,dev,1,3,3,dull\n3,test,3,3,3,film\n'
    (tmp_path / "emobank.csv").write_text(rows)
    with gzip.open(tmp_path / "reader.csv.gz", "wt") as stream:
        stream.write('"id","V","A","D","stdV"\n"1","4.0","3.0","2.0","0.1"\n')
    source = EmoBank(path=Location(".", tmp_path))
    assert (list(source.faults()), source.splits()) == ([], {"train", "validation", "test"})
    opened = source.open()
    assert {split: len(rows) for split, rows in opened.items()} == {"train": 1, "validation": 1, "test": 1}
    assert opened["train"][0] == {
        "id": "1",
        "text": 'a "fine" film',
        "vad": [0.5, 0.0, -1.0],
        "reader": [1.0, 0.0, -1.0],
        "writer": None,
    }
    assert len(list(source.files())) == 2


def test_tells_a_folder_that_is_not_emobanks(tmp_path: Path) -> None:
    (tmp_path / "EmoBank.csv").write_text("")
    [fault] = EmoBank(path=Location(".", tmp_path)).faults()
    assert str(fault.at("sources", "own")) == (
        "error CN672 at sources.own.path\n"
        "  found     ., without emobank.csv\n"
        "  expected  the folder of EmoBank\n"
        "  fix       # rename EmoBank.csv to emobank.csv"
    )


@needs_data
def test_the_published_emobank_is_read() -> None:
    opened = EmoBank(path=Location(str(DATA / "emobank"))).open()
    assert {split: len(rows) for split, rows in opened.items()} == {"train": 8062, "validation": 1000, "test": 1000}
    assert sum(row["reader"] is not None for row in opened["test"]) > 990


def test_alpha_is_that_of_krippendorffs_example() -> None:
    """The data of Krippendorff (2011), section C: four observers, twelve units, alpha 0.743 nominal, 0.815 ordinal."""
    observers = {
        "A": "1 2 3 3 2 1 4 1 2 . . .",
        "B": "1 2 3 3 2 2 4 1 2 5 . 3",
        "C": ". 3 3 3 2 3 4 2 2 5 1 .",
        "D": "1 2 3 3 2 4 4 1 2 5 1 .",
    }
    ratings = [
        (str(unit), name, value)
        for name, values in observers.items()
        for unit, value in enumerate(values.split())
        if value != "."
    ]
    assert krippendorff_alpha(ratings) == pytest.approx(0.743, abs=0.001)
    assert krippendorff_alpha(ratings, "ordinal") == pytest.approx(0.815, abs=0.001)
    assert krippendorff_alpha(ratings, "interval") == pytest.approx(0.849, abs=0.001)
    assert krippendorff_alpha(ratings[:3]) is None
    with pytest.raises(ValueError, match="A rated 0 twice"):
        krippendorff_alpha([*ratings, ("0", "A", "2")])


HEADER = """
consilience: 1
name: own
resources:
  tiny: {use: checkpoint, path: CHECKPOINT}
  own:  {use: psychology.taxonomy, path: own.toml}
fields: {text: text, feelings: {categories: own}, basic: {categories: psychology.ekman}}
sources:
  rows: {use: table, path: rows.csv, map: {text: text, feelings: feelings, basic: {column: feelings, space: own}}}
inputs: {tokens: {use: tokens, in: text, checkpoint: tiny}}
modules:
  encoder: {use: text_encoder, in: tokens}
  feeling: {use: psychology.emotion_head, in: encoder.pooled}
losses:
  feeling_loss:  {use: psychology.emotion_loss, in: feeling, target: feelings}
  opposite_loss: {use: psychology.opposition_loss, in: feeling, taxonomy: own}
"""


def test_a_field_takes_the_labels_of_a_taxonomy_and_what_it_leads_onto(tmp_path: Path, tiny_encoder: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "rows.csv").write_text('text,feelings\na fine film,"calm,glad"\na dull plot,angry\n')
    plan = check(Fusion.parse(HEADER.replace("CHECKPOINT", str(tiny_encoder)), base=tmp_path))
    rows = prepare(plan, progress=False).train
    assert [sorted(row["feelings"]) for row in (rows[0], rows[1])] == [[0, 1], [3]]
    assert [sorted(row["basic"]) for row in (rows[0], rows[1])] == [[3, 4], [0]]
    (tmp_path / "own.toml").write_text(OWN.replace('opposites = [["glad", "sad"]]', ""))
    with pytest.raises(DeclarationError) as error:
        check(Fusion.parse(HEADER.replace("CHECKPOINT", str(tiny_encoder)), base=tmp_path))
    [fault] = error.value.diagnostics
    assert str(fault.at(None)) == (
        "error CN551 at losses.opposite_loss.taxonomy\n"
        "  found     own, in which no two of [calm, glad, sad, cross] are opposite\n"
        "  expected  a taxonomy in which two of them are opposite\n"
        "  fix       # name a taxonomy with opposites among these labels"
    )


def test_warns_of_texts_of_which_a_lexicon_knows_no_word(tmp_path: Path, tiny_encoder: Path) -> None:
    (tmp_path / "words.tsv").write_text("word\tx\ty\nbeau\t1\t2\n")
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "rows.csv").write_text("text,feelings\n" + "".join(f"film {i},glad\n" for i in range(60)))
    text = HEADER.replace("CHECKPOINT", str(tiny_encoder)).replace(
        "  own:  {", "  words: {use: psychology.lexicon, path: words.tsv, format: table}\n  own:  {"
    )
    text = text.replace("inputs: {", "inputs: {priors: {use: psychology.lexicon_scores, in: text, lexicon: words}, ")
    text = text.replace(
        "losses:", "  prior: {use: psychology.lexicon_prior, in: {logits: feeling, scores: priors.scores}}\nlosses:"
    )
    text = text.replace("emotion_loss, in: feeling", "emotion_loss, in: prior")
    plan = check(Fusion.parse(text, base=tmp_path))
    assert str(plan.solved["prior"].labels("dimension")) == "[x, y]"
    [warning] = [fault for fault in examine(plan) if fault.code == "CN552"]
    assert str(warning.at(None)) == (
        "warning CN552 at inputs.priors.lexicon\n"
        "  found     60 texts, and words has no word of them\n"
        "  expected  texts with words of the lexicon\n"
        "  fix       # name a lexicon of the language of the texts"
    )
