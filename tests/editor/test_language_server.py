"""An editor with yaml-language-server completes, explains and checks a fusion file by the schema."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from language_client import LanguageClient, Squiggle

from consilience.declare import SECTIONS
from consilience.host import Registry

ROOT = Path(__file__).parents[2]
BROKEN = sorted((ROOT / "tests/plan/broken").glob("*.yaml"))
EXPECTED = re.compile(r"# expect: (CN\d{3}) line (\d+) column (\d+)\n")
MODELINE = "# yaml-language-server: $schema=fusion.schema.json\n"
HEAD = f"{MODELINE}consilience: 1\nname: film\n"


def names_of(kind: str) -> list[str]:
    registry = Registry()
    registry.plugins()
    return [offer.name for offer in registry.components(kind)]


def spaces() -> set[str]:
    registry = Registry()
    registry.plugins()
    return set(registry.label_spaces())


def offered(editor: LanguageClient, text: str) -> set[str]:
    """Gives what is offered for keys and values; not the one item that writes all missing keys, named as the node."""
    found = editor.completions(HEAD + text)
    return {label for label, item in found.items() if not item.get("sortText", "").startswith("_")}


# Completion


def test_the_sections_are_completed(editor: LanguageClient) -> None:
    sections = {"fields", "mixing", "objective", "train", *SECTIONS}
    assert offered(editor, "|\n") == sections
    assert offered(editor, "modules: {}\nlo|\n") == sections - {"modules"}
    assert {"consilience", "name"} < set(editor.completions(f"{MODELINE}|\n"))


TUNING = ("tune", "learning_rate", "weight_decay", "layer_decay")
"""What every module may say of how it is trained."""


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("node", ["\n  one:\n    use: |\n", "\n  one: {use: |}\n", " {one: {use: |}}\n"])
def test_components_are_completed_after_use(editor: LanguageClient, section: str, node: str) -> None:
    assert offered(editor, f"{section}:{node}") == set(names_of(SECTIONS[section].kind))


def test_a_component_is_offered_with_its_docs_and_its_ports(editor: LanguageClient) -> None:
    item = editor.completions(f"{HEAD}modules:\n  one:\n    use: psy|\n")["psychology.emotion_head"]
    assert item["textEdit"]["newText"] == "psychology.emotion_head"
    assert item["documentation"]["value"].splitlines() == [
        "Scores every emotion of a label space from one vector an example.",
        "",
        "- reads `features`: `Float[batch hidden]`",
        "- gives `logits`: `Float[batch emotion] as logits`",
        "",
        "From consilience-psychology.",
    ]


@pytest.mark.parametrize(
    ("node", "keys"),
    [
        ("\n    use: psychology.emotion_head\n    |\n", {"in", *TUNING, "dropout", "width"}),
        ("\n    use: psychology.emotion_head\n    in: fused\n    dro|\n", {*TUNING, "dropout", "width"}),
        ("\n    dropout: 0.2\n    |\n    use: psychology.emotion_head\n", {"in", *TUNING, "width"}),
        (" {use: psychology.emotion_head, in: fused, d|}\n", {*TUNING, "dropout", "width"}),
        (" {use: psychology.emotion_head, d|, in: fused}\n", {*TUNING, "dropout", "width"}),
        ("\n    use: concat\n    |\n", {"in", *TUNING}),
        ("\n    |\n", {"use", "share"}),
        ("\n    share: other\n    |\n", {"in"}),
        ("\n    use: psychology.emotion_hd\n    |\n", set()),
    ],
)
def test_the_keys_of_the_component_are_completed_and_no_others(
    editor: LanguageClient, node: str, keys: set[str]
) -> None:
    assert offered(editor, f"modules:\n  one:{node}") == keys


def test_a_key_is_completed_with_its_default(editor: LanguageClient) -> None:
    item = editor.completions(f"{HEAD}modules:\n  one:\n    use: psychology.emotion_head\n    |\n")["dropout"]
    assert item["insertText"] == "dropout: ${1:0.1}"
    assert item["documentation"] == "The share of values dropped before each layer while training."


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("modules:\n  one:\n    use: text_encoder\n    pooling: |\n", {"cls", "mean", "max"}),
        ("modules:\n  one: {use: text_encoder, in: tokens, pooling: |}\n", {"cls", "mean", "max"}),
        ("modules:\n  one: {use: text_encoder, in: tokens, pooling: m|}\n", {"cls", "mean", "max"}),
        ("modules:\n  one: {use: text_encoder, tune: |}\n", set(names_of("tuner"))),
        ("modules:\n  one:\n    use: text_encoder\n    tune:\n      use: |\n", set(names_of("tuner"))),
        ("modules:\n  one:\n    use: text_encoder\n    tune:\n      use: lora\n      dropout: 0.1\n      |\n",
         {"r", "alpha", "targets"}),
        ("modules:\n  one:\n    use: cross_attention\n    in:\n      |\n", {"queries", "states", "mask", "query_mask"}),
        ("fields:\n  one: |\n", {"text", "number"}),
        ("fields:\n  one:\n    categories: |\n", spaces()),
        ("sources:\n  one:\n    use: table\n    split:\n      |\n", {"aside", "test", "validation", "train"}),
        ("objective: {balance: |}\n", set()),
        ("train: {bf16: |}\n", {"true", "false", "null"}),
    ],
)  # fmt: skip
def test_values_are_completed(editor: LanguageClient, text: str, values: set[str]) -> None:
    # One that cannot do without a key of its own is no value by its name alone.
    assert offered(editor, text) == (values or set(names_of("balancer")) - {"torchjd.pcd"})


# Hover


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("modules:\n  one: {use: psychology.emotion_head, in: fused, dro|pout: 0.1}\n",
         ["#### psychology.emotion\\_head", "The share of values dropped before each layer while training."]),
        ("modules:\n  one:\n    use: psychology.emotion_head\n    in: fused\n    dropout: 0|.1\n",
         ["#### psychology.emotion\\_head", "The share of values dropped before each layer while training."]),
        ("modules:\n  one: {use: psychology.emo|tion_head, in: fused}\n",
         ["#### psychology.emotion\\_head", "Scores every emotion of a label space from one vector an example.",
          "- reads `features`: `Float[batch hidden]`", "- gives `logits`: `Float[batch emotion] as logits`",
          "From consilience-psychology."]),
        ("modules:\n  one: {use: concat, i|n: [a, b]}\n",
         ["#### concat", "What it reads: a node or `node.port`, a list of them, or a mapping from",
          "- `parts`: one or more `Float[batch part]`"]),
        ("modules:\n  one: {use: cross_attention, in: {quer|ies: a.b, states: c.d}}\n",
         ["#### cross\\_attention", "`Float[batch seq hidden]`"]),
        ("modules:\n  one: {use: text_encoder, in: tokens, check|point: minilm}\n",
         ["The checkpoint whose encoder it is; when left out, the one that the tokens were made with.",
          "Names a node of `resources` that uses `checkpoint`."]),
        ("modules:\n  one: {use: text_encoder, in: tokens, tu|ne: {use: lora}}\n",
         ["Which parameters are trained: `full`, `frozen`, or a tuner such as `{use: lora, r: 8}`."]),
        ("modules:\n  one: {use: text_encoder, in: tokens, tune: {use: lora, r|: 4}}\n",
         ["#### lora", "The rank of the additions."]),
        ("modules:\n  two: {sh|are: one, in: masked}\n",
         ["The module whose parameters are applied here once more, to other inputs."]),
        ("losses:\n  one: {use: complexity.sparsity, of: encoder, wei|ght: 0.1}\n",
         ["#### complexity.sparsity", "What the loss counts in the sum of its discipline."]),
        ("fields:\n  one: {categories: psych|ology.sentiment}\n",
         ["Any number of labels of a label space at once.",
          "Its labels: `ambiguous`, `negative`, `neutral`, `positive`."]),
        ("train: {warm|up_steps: 10}\n",
         ["#### train", "Over how many steps the learning rate rises; below 1, the share of all steps."]),
    ],
)  # fmt: skip
def test_a_word_is_explained(editor: LanguageClient, text: str, shown: list[str]) -> None:
    lines = editor.hover(HEAD + text).splitlines()
    assert [line for line in shown if line not in lines] == []


# Squiggles


@pytest.mark.parametrize(
    ("line", "under", "message"),
    [
        ("one: {use: classifier, in: a, dropuot: 0.1}", "dropuot", "Property dropuot is not allowed."),
        ("one: {use: concat, in: [a], dropout: 0.1}", "dropout", "Property dropout is not allowed."),
        ("one: {use: classifier, in: a, dropout: '0.1'}", "'0.1'", 'Incorrect type. Expected "number".'),
        ("one: {use: classifier, in: a, width: 1.5}", "1.5", "Incorrect type. Expected one of integer, null."),
        ("one: {use: classifier, in: a, dropout: 1.0}", "1.0", "Value is above the exclusive maximum of 1."),
        ("one: {use: classifier, in: a, width: 0}", "0", "Value is below the minimum of 1."),
        ("one: {use: gated, in: [a], gate: sigmoidal}", "sigmoidal",
         'Value is not accepted. Valid values: "softmax", "sigmoid".'),
        ("one: {use: clasifier, in: a, dropout: 5}", "clasifier", "Value must be {module}."),
        ("one: {use: cross_entropy, in: a}", "cross_entropy", "Value must be {module}."),
        ("one: {use: lora.classifier, in: a}", "lora.classifier", "Value must be {module}."),
        ("one: {use: classifier}", "one", 'Missing property "in".'),
        ("one: {in: a}", "one", 'Missing property "use".'),
        ("one: {use: linguistics.masked_lm_head, in: a}", "one", 'Missing property "tie".'),
        ("one: {use: classifier, in: a, target: b}", "target", "Property target is not allowed."),
        ("one: {use: classifier, in: 5}", "5", "Incorrect type. Expected one of string, array, object."),
        ("one: {use: classifier, in: {features: a, more: b}}", "more", "Property more is not allowed."),
        ("one: {use: classifier, in: {features: [a, b]}}", "[a, b]", "Array has too many items. Expected 1 or fewer."),
        ("one: {use: classifier, in: a, tune: ful}", "ful", "Value must be {tuner}."),
        ("one: {use: classifier, in: a, tune: {use: lora, rank: 8}}", "rank", "Property rank is not allowed."),
        ("one: {share: two, in: a, tune: full}", "tune", "Property tune is not allowed."),
        ("one-two: {use: concat, in: [a]}", "one-two",
         "A name is of letters, digits and underscores, and starts with a letter."),
    ],
)  # fmt: skip
def test_a_fault_of_a_module_is_underlined_exactly(editor: LanguageClient, line: str, under: str, message: str) -> None:
    for kind in ("module", "tuner"):
        message = message.replace(f"{{{kind}}}", " | ".join(f'"{name}"' for name in names_of(kind)))
    flow = f"{HEAD}modules:\n  {line}\n"
    place = Squiggle(under, message, 5, 3 + line.index(under))
    assert editor.squiggles(flow) == [[place]]


def test_the_same_in_block_style(editor: LanguageClient) -> None:
    text = f"{HEAD}modules:\n  one:\n    use: classifier\n    in: a\n    dropuot: 0.1\n    width: wide\n"
    [found] = editor.squiggles(text)
    assert [(item.text, item.line, item.column) for item in found] == [("dropuot", 8, 5), ("wide", 9, 12)]


def test_faults_of_the_other_sections_are_underlined_exactly(editor: LanguageClient) -> None:
    lines = {
        "feilds: {}": "feilds",
        "fields: {one: txt}": "txt",
        "fields: {one: {category: [good]}}": "[good]",
        "fields: {one: {categry: [good, bad]}}": "categry",
        "fields: {one: {categories: psychology.ekmann}}": "psychology.ekmann",
        "sources: {one: {use: table, path: a, map: {text: {colunm: a, column: b}}}}": "colunm",
        "sources: {one: {use: table, path: a, map: {}, split: {trian: 1}}}": "trian",
        "resources: {one: {use: checkpoint, path: a, weights: old}}": "old",
        "objective: {balance: fixd}": "fixd",
        "objective: {weights: {task: -1}}": "-1",
        "losses: {one: {use: mse, in: a, target: b, weight: -1}}": "-1",
        "train: {optim: adam}": "adam",
        "train: {epochz: 1}": "epochz",
    }
    found = editor.squiggles(*(f"{HEAD}{line}\n" for line in lines))
    for (line, under), squiggles in zip(lines.items(), found, strict=True):
        assert [(item.text, item.line, item.column) for item in squiggles] == [(under, 4, 1 + line.index(under))], line


def test_what_is_right_has_no_squiggle(editor: LanguageClient) -> None:
    found = sorted((ROOT / "examples").rglob("*.yaml"))
    files = [file for file in found if not (file.parent / "pyproject.toml").exists()]  # whose own plugin is installed
    assert ROOT / "examples/film-reviews/fusion.yaml" in files
    assert editor.squiggles(*(MODELINE + file.read_text(encoding="utf-8") for file in files)) == [[] for _ in files]


def test_what_the_check_refuses_is_underlined_at_the_same_place_and_nothing_else_is(editor: LanguageClient) -> None:
    """A fault that the schema can know is underlined where the check tells it; others, only the check tells."""
    told = editor.squiggles(*(MODELINE + file.read_text(encoding="utf-8") for file in BROKEN))
    underlined, wrong = 0, {}
    for file, squiggles in zip(BROKEN, told, strict=True):
        expected = [(code, int(line), int(column)) for code, line, column in EXPECTED.findall(file.read_text())]
        wanted = {(line, column) for code, line, column in expected if is_of_the_schema(file, code)}
        found = {(item.line - 1, item.column) for item in squiggles}
        told_at = {(line, column) for _, line, column in expected}
        if file.stem not in ELSEWHERE and not wanted <= found <= told_at:
            wrong[file.stem] = squiggles
        underlined += bool(found)
    assert wrong == {}
    assert underlined >= 18


ELSEWHERE = {
    "shape_no_name": "a missing key is told at the first line, and underlined at the first key",
    "shape_no_version": "a missing section is told at the first line, and underlined at the first key",
    "shape_misspelt_in": "the key that is missing is underlined beside the one that it was meant by",
    "shape_component_under_class": "the key that is missing is underlined at the node, not the one meant by it",
    "shape_component_under_type": "the key that is missing is underlined at the node, not the one meant by it",
    "shape_label_of_null": "the check tells it at the field's name, and the label itself is underlined",
    "shape_label_twice": "the check tells it at the field's name, and the list itself is underlined",
    "shape_labels_with_numbers": "the check tells it at the field's name, and the mapping itself is underlined",
    "shape_node_deeper_than_the_one_above": "the whole line is underlined, where the check tells where it begins",
    "shape_one_label": "the check tells it at the field's name, and the list itself is underlined",
    "shape_node_without_a_name": "each of its keys is underlined, where the check tells the node",
    "shape_null_node": "a node of nothing is told at its name, and underlined behind it",
    "shape_unknown_alias": "an anchor that is not used is underlined too",
    "shape_use_and_share": "of the two keys one is underlined, where the check tells it at the node",
    "shape_section_inside_another": "each node below it is underlined too, where the check tells the section alone",
    "shape_syntax": "what follows the bracket that is not closed is read as its content",
    "shape_values_the_wrong_way_round": "the values are underlined, where the check tells the key that holds them",
    "shape_tag": "what stands behind the tag has the wrong type besides",
    "shape_weights_by_label": "a mapping is told at its key, and itself underlined",
    "wiring_port_that_nothing_fits": "the port that is missing is underlined beside the one that is unknown",
}


def is_of_the_schema(file: Path, code: str) -> bool:
    return (
        file.stem.startswith("shape_") and file.stem not in ELSEWHERE and code in ("CN120", "CN122", "CN123", "CN124")
    )
