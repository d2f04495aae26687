"""A plugin's `quality.yaml` is read, proved where a machine can, and not believed."""

from __future__ import annotations

import shutil
from importlib import invalidate_caches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from consilience.host import Registry
from consilience.testing import RULES, Quality, Tier, quality

PROVED = [rule.name for rule in RULES if rule.proof is not None and not rule.is_stated]
STATED = [rule.name for rule in RULES if rule.is_stated]

PROJECT = """\
[project]
name = "consilience-folk"
version = "0.2.0"
license = "MIT"
dependencies = ["torch>=2", "consilience>=0.1,<0.3"]
[project.entry-points."consilience.plugins"]
folk = "PACKAGE"
[tool.mypy]
strict = true
files = ["src"]
"""
README = """\
# consilience-folk

Folklore for Consilience: scales what is told so that it grows with every telling, as stories do, and loses a little of
what was true in them at first.

```sh
pip install consilience-folk
```

| component | takes | gives | keys |
|---|---|---|---|
| `folk.tale` | `told: Float[batch hidden]` | `retold: Float[batch hidden]` | `times`, `rate`, `portion` |

The label space `folk.tones` names the tones. FOLK001 is told where `times` is odd.

## Results

On 500 tales `consilience train examples/folk.yaml` gave an accuracy of 0.71.
"""
CODE = '''\
"""Declares folklore."""

from typing import Annotated

from consilience.declare import Fault, Field, Float, LabelSpace, Module, Ports, hookimpl


class Tale(Module):
    """Tells a tale again."""

    times: int = Field(2, ge=1, le=9)
    """How often."""
    rate: Annotated[float, Field(gt=0)] | None = None
    """How much it grows."""
    portion_: float = Field(0.5, alias="portion", ge=0, le=1)
    """What stays of it."""

    inputs = Ports(told=Float["batch hidden"])
    outputs = Ports(retold=Float["batch hidden"])

    def faults(self):
        if self.times % 2:
            yield Fault("FOLK001", "times", "odd", "even", "times: 2")

    def build(self, dims): ...


@hookimpl
def consilience_components():
    return [Tale]


@hookimpl
def consilience_label_spaces():
    return [LabelSpace(name="tones", labels=("dark", "light"))]
'''
EXAMPLE = """\
consilience: 1
name: folk
resources: {tiny: {use: checkpoint, path: CHECKPOINT}}
fields: {text: text, tone: {category: folk.tones}}
sources: {tales: {use: table, path: tales.csv, map: {text: text, tone: tone}}}
inputs: {tokens: {use: tokens, in: text, checkpoint: tiny}}
modules:
  encoder: {use: text_encoder, in: tokens}
  tale: {use: folk.tale, in: encoder.pooled}
  tone_head: {use: classifier, in: tale}
losses: {tone_loss: {use: cross_entropy, in: tone_head, target: tone}}
"""
CONFORMANCE = 'from consilience.testing import conformance\n\ntest_plugin = conformance("folk")\n'
BESIDE = '"""A test."""\nimport pytest\n\n\n@pytest.mark.skipif(True, reason="no folk here")\ndef test_it(): ...\n'

BRINGS = README.split("Folklore for Consilience: ")[1].split("\n\n")[0]


@pytest.fixture
def plugin(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """The tree of a plugin that keeps every rule, as its file says; under a folder that is no project."""
    folder = tmp_path / "folk"
    name = f"consilience_folk_{abs(hash(request.node.name))}"
    files = {
        "pyproject.toml": PROJECT.replace("PACKAGE", name),
        "README.md": README,
        "LICENSE": "Do what you like.\n",
        "CHANGELOG.md": "# Changes\n\n## 0.2.0\n\n- Tells tales.\n",
        f"src/{name}/__init__.py": CODE,
        f"src/{name}/py.typed": "",
        "tests/test_folk_conformance.py": CONFORMANCE,
        "tests/test_folk.py": BESIDE,
        "examples/folk.yaml": EXAMPLE.replace("CHECKPOINT", str(tiny)),
        "examples/tales.csv": "text,tone\na fine film,light\nthe dull plot,dark\n",
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    write(folder)
    monkeypatch.syspath_prepend(str(folder / "src"))
    return folder


def write(folder: Path, tier: str = "platinum", **said: Any) -> None:
    rules = dict.fromkeys(PROVED, "done") | {name: {"done": "here"} for name in STATED} | said
    rules = {name: given for name, given in rules.items() if given is not None}
    (folder / "quality.yaml").write_text(yaml.safe_dump({"quality": 1, "tier": tier, "rules": rules}))


def judged(folder: Path) -> Quality:
    invalidate_caches()
    [package] = (folder / "src").iterdir()
    own = EntryPoint("folk", package.name, "consilience.plugins")
    standard = [point for point in entry_points(group="consilience.plugins") if point.name == "standard"]
    return quality(folder, Registry([*standard, own]))


def code_of(folder: Path) -> Path:
    [package] = (folder / "src").iterdir()
    return package / "__init__.py"


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_a_plugin_that_keeps_every_rule_is_platinum(plugin: Path) -> None:
    found = judged(plugin)
    assert found.problems == ()
    assert found.tier is Tier.PLATINUM
    assert found.to_text().startswith("folk: platinum\n  + bronze   readme       done\n")


@pytest.mark.parametrize(
    ("rule", "file", "old", "new", "told"),
    [
        ("readme", "README.md", BRINGS, "tales.", "README.md begins with no paragraph of 20 words or more"),
        (
            "readme",
            "README.md",
            "pip install consilience-folk",
            "pip install it",
            "README.md has no `pip install consilience-folk`",
        ),
        ("licence", "pyproject.toml", 'license = "MIT"\n', "", "pyproject.toml has no license under [project]"),
        (
            "bounded",
            "pyproject.toml",
            ">=0.1,<0.3",
            ">=0.1",
            "consilience>=0.1 has not both bounds, as in consilience>=0.1,<0.2",
        ),
        ("bounded", "pyproject.toml", ', "consilience>=0.1,<0.3"', "", "the dependencies have no consilience"),
        ("conformance", "tests/test_folk_conformance.py", '"folk"', '"other"', 'no conformance("folk") in tests'),
        ("documented", "CODE", '    """How often."""\n', "", "folk.tale has no literal below its key times"),
        ("documented", "CODE", '    """What stays of it."""\n', "", "folk.tale has no literal below its key portion"),
        ("documented", "CODE", '    """Tells a tale again."""\n', "", "folk.tale has no docstring"),
        ("described", "README.md", "`folk.tale`", "the tale", "README.md does not name `folk.tale`"),
        (
            "described",
            "README.md",
            "`told: Float[batch hidden]`",
            "a vector",
            "README.md does not name the port `told` of folk.tale",
        ),
        (
            "described",
            "README.md",
            "`retold: Float[batch hidden]`",
            "retold",
            "README.md does not name the port `retold` of folk.tale",
        ),
        ("described", "README.md", "`portion`", "and more", "README.md does not name the key `portion` of folk.tale"),
        ("described", "README.md", "`folk.tones`", "of tones", "README.md does not name `folk.tones`"),
        (
            "example",
            "examples/folk.yaml",
            "folk.tale, in",
            "folk.tail, in",
            "folk.yaml: CN201 at modules.tale.use: the unknown module folk.tail",
        ),
        ("example", "examples/folk.yaml", "consilience: 1", "consilience: [", "folk.yaml: CN101 at "),
        ("ranges", "CODE", "Field(2, ge=1, le=9)", "2", "folk.tale takes any number as times: Field(ge=..., le=...)"),
        (
            "ranges",
            "CODE",
            "Annotated[float, Field(gt=0)] | None",
            "float | None",
            "folk.tale takes any number as rate: Field(ge=..., le=...)",
        ),
        ("codes", "README.md", "FOLK001", "A fault", "README.md does not name FOLK001"),
        ("excused", "tests/test_folk.py", ', reason="no folk here"', "", "test_folk.py:5: skipif without a reason"),
        (
            "excused",
            "tests/test_folk.py",
            '@pytest.mark.skipif(True, reason="no folk here")',
            "@pytest.mark.xfail",
            "test_folk.py:5: xfail without a reason",
        ),
        (
            "excused",
            "tests/test_folk.py",
            'reason="no folk here"',
            'reason=""',
            "test_folk.py:5: skipif without a reason",
        ),
        (
            "promises",
            "CODE",
            "ge=1, le=9",
            "ge=1, le=9, deprecated='since 0.1, until 0.2: use x'",
            "__init__.py:11: from 0.1 until 0.2 are fewer than 2 minor releases",
        ),
        (
            "promises",
            "CODE",
            "ge=1, le=9",
            "ge=1, le=9, deprecated='since 0.0, until 0.2: use x'",
            "__init__.py:11: it should be gone since 0.2, and this is 0.2.0",
        ),
        ("results", "README.md", "## Results", "## Figures", "README.md has no section Results"),
        (
            "results",
            "README.md",
            "`consilience train examples/folk.yaml`",
            "it",
            "the section Results of README.md has no command",
        ),
        ("results", "README.md", "0.71", "a lot", "the section Results of README.md has no figure"),
        (
            "strict",
            "pyproject.toml",
            "strict = true",
            "strict = false",
            "no pyproject.toml here or above has [tool.mypy] with strict = true",
        ),
        (
            "strict",
            "pyproject.toml",
            '"src"',
            '"other"',
            "no pyproject.toml here or above has [tool.mypy] with strict = true",
        ),
        (
            "changelog",
            "CHANGELOG.md",
            "0.2.0",
            "0.1.0",
            "no changelog here or above has a section for consilience-folk 0.2.0",
        ),
    ],
)
def test_a_broken_rule_is_told(plugin: Path, rule: str, file: str, old: str, new: str, told: str) -> None:
    change(code_of(plugin) if file == "CODE" else plugin / file, old, new)
    found = judged(plugin)
    broken = {verdict.rule.name: verdict.wanting for verdict in found.verdicts if verdict.wanting}
    assert list(broken) == [rule]
    assert any(text.startswith(told) for text in broken[rule]), broken
    below = next(item.tier for item in RULES if item.name == rule) - 1
    assert found.tier == below
    assert found.problems[-1] == f"tier: platinum is said, and {Tier(below)} is reached"


@pytest.mark.parametrize(
    ("rule", "file", "told"),
    [
        ("licence", "LICENSE", "no file LICENSE beside pyproject.toml"),
        ("typed", "py.typed", "no py.typed in "),
        ("example", "examples", "no fusion in examples/ uses folk"),
        ("conformance", "tests", 'no conformance("folk") in tests'),
        ("changelog", "CHANGELOG.md", "no changelog here or above"),
    ],
)
def test_what_is_missing_is_told(plugin: Path, rule: str, file: str, told: str) -> None:
    path = code_of(plugin).with_name(file) if file == "py.typed" else plugin / file
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert any(problem.startswith(f"{rule}: {told}") for problem in judged(plugin).problems)


def test_the_changelog_of_the_repository_counts_where_it_names_the_plugin(plugin: Path) -> None:
    (plugin / "CHANGELOG.md").unlink()
    shared = plugin.parent / "CHANGELOG.md"
    shared.write_text("## [0.2.0] - 2026-01-01\n\n- More tales.\n")
    assert judged(plugin).tier is Tier.SILVER
    shared.write_text("## [0.2.0] - 2026-01-01\n\n- consilience-folk: more tales.\n")
    assert judged(plugin).problems == ()


def test_a_version_that_nobody_knows_is_told_by_what_needs_it(plugin: Path) -> None:
    change(plugin / "pyproject.toml", 'version = "0.2.0"', 'dynamic = ["version"]')
    (plugin / "CHANGELOG.md").write_text("# Changes\n\n## Unreleased\n", encoding="utf-8")
    assert judged(plugin).problems == (
        "changelog: the version is not known: install the project",
        "tier: platinum is said, and silver is reached",
    )


def test_a_deprecation_is_not_judged_by_a_version_that_nobody_knows(plugin: Path) -> None:
    change(plugin / "pyproject.toml", 'version = "0.2.0"', 'dynamic = ["version"]')
    change(code_of(plugin), "class Tale(Module)", 'class Tale(Module, deprecated="since 0.1, until 0.3: use tell")')
    assert "promises: the version is not known: install the project" in judged(plugin).problems


@pytest.mark.parametrize("rule", ["typed", "promises", "strict"])
def test_no_rule_is_kept_by_a_package_that_is_not_there(plugin: Path, rule: str) -> None:
    code_of(plugin).unlink()
    assert f"{rule}: no package that an entry point names" in judged(plugin).problems


def test_a_plugin_that_fails_to_load_is_told_with_the_reason(plugin: Path) -> None:
    code_of(plugin).write_text("import nowhere_at_all\n", encoding="utf-8")
    [text] = [problem for problem in judged(plugin).problems if problem.startswith("documented: ")]
    assert "ModuleNotFoundError: No module named 'nowhere_at_all'" in text


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"gpu": "done"}, "gpu: done needs a reason; write {done: ...}"),
        ({"gpu": {"done": " "}}, "gpu: done needs a reason; write {done: ...}"),
        ({"codes": "exempt"}, "codes: exempt needs a reason; write {exempt: ...}"),
        ({"typed": "yes"}, "typed: write `done`, `todo`, or one of"),
        ({"typed": {"done": "here", "todo": "there"}}, "typed: write `done`, `todo`, or one of"),
        ({"typed": {"done": 3}}, "typed: write `done`, `todo`, or one of"),
        ({"typed": None}, "typed: nothing is said of it; write"),
        ({"typd": "done"}, "typd: no such rule; typed is one"),
    ],
)
def test_a_file_of_another_form_is_told(plugin: Path, said: dict[str, Any], problem: str) -> None:
    write(plugin, **said)
    assert any(text.startswith(problem) for text in judged(plugin).problems)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("quality: [", "quality.yaml cannot be read: "),
        ("- quality", "quality: write `quality: 1`"),
        ("quality: 2\ntier: gold\nrules: {}", "quality: write `quality: 1`"),
        (
            "quality: 1\ntier: tin\nrules: {}",
            "tier: tin, where one of none, bronze, silver, gold, platinum is to stand",
        ),
    ],
)
def test_what_is_no_quality_is_told(plugin: Path, text: str, problem: str) -> None:
    (plugin / "quality.yaml").write_text(text, encoding="utf-8")
    assert any(told.startswith(problem) for told in judged(plugin).problems)


def test_without_the_file_there_is_nothing_to_judge(plugin: Path) -> None:
    (plugin / "quality.yaml").unlink()
    with pytest.raises(FileNotFoundError):
        judged(plugin)


def test_what_is_to_do_holds_the_tier_and_is_no_problem(plugin: Path) -> None:
    write(plugin, tier="silver", results={"todo": "toys alone"}, gpu="todo")
    found = judged(plugin)
    assert (found.tier, found.problems) == (Tier.SILVER, ())
    assert "  - gold     results      todo   toys alone" in found.to_text()


def test_what_does_not_apply_holds_nothing(plugin: Path) -> None:
    write(plugin, gpu={"exempt": "it trains nothing"})
    assert (judged(plugin).tier, judged(plugin).problems) == (Tier.PLATINUM, ())


def test_a_tier_that_could_be_said_is_said(plugin: Path) -> None:
    write(plugin, tier="gold")
    assert judged(plugin).problems == ("tier: gold is said, and platinum is reached",)


def test_what_is_exempt_is_not_proved(plugin: Path) -> None:
    (plugin / "LICENSE").unlink()
    write(plugin, licence={"exempt": "it is nobody's"})
    assert judged(plugin).problems == ()
