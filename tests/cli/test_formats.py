"""What machines read of a check: golden texts of one broken file in each form, and the rules of each form."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from consilience.cli import _excerpt, main
from consilience.cli._codes import meanings
from consilience.cli._machines import to_github, to_json
from consilience.cli._report import Report, from_here
from consilience.cli._sarif import to_sarif
from consilience.errors import Diagnostic, Part, Place, Related, Severity
from consilience.host import consilience_version

GOLDEN = Path(__file__).parent / "golden"
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(GOLDEN)
    return lambda *arguments: CliRunner().invoke(main, ["check", *arguments])


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8").replace("VERSION", consilience_version())


def fault(path: tuple[str | int, ...] = ("name",), **more: Any) -> Diagnostic:
    parts = {"code": "CN399", "found": "this", "expected": "that", "fix": "mend: it"} | more
    return Diagnostic(path=path, **parts)


def without_help(report: dict[str, Any]) -> dict[str, Any]:
    """Takes out what the page of diagnostics says, after looking at it."""
    for file in report["files"]:
        for item in file["diagnostics"]:
            meaning = meanings()[item["code"]]
            assert item.pop("title") == meaning.title
            assert item.pop("help") == {"text": "\n\n".join(meaning.paragraphs), "uri": meaning.anchor}
    return report


def without_rules(log: dict[str, Any]) -> dict[str, Any]:
    for rule in log["runs"][0]["tool"]["driver"]["rules"]:
        meaning = meanings()[rule["id"]]
        assert rule.pop("shortDescription") == {"text": meaning.title}
        assert rule.pop("help") == {"text": "\n\n".join(meaning.paragraphs), "markdown": meaning.markdown}
    return log


def test_text_is_golden(run: Run) -> None:
    result = run("broken.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == golden("broken.txt")


def test_json_is_golden(run: Run) -> None:
    result = run("broken.yaml", "--format", "json")
    assert (result.exit_code, result.stderr) == (1, "")
    assert without_help(json.loads(result.stdout)) == json.loads(golden("broken.json"))


def test_sarif_is_golden(run: Run) -> None:
    result = run("broken.yaml", "--format", "sarif")
    assert (result.exit_code, result.stderr) == (1, "")
    assert without_rules(json.loads(result.stdout)) == json.loads(golden("broken.sarif"))


def test_github_is_golden(run: Run) -> None:
    result = run("broken.yaml", "--format", "github")
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == golden("broken.github")


def test_every_form_tells_every_fault(run: Run) -> None:
    told = re.findall(r"^error (CN\d{3}) at (\S+)", golden("broken.txt"), re.MULTILINE)
    [file] = json.loads(golden("broken.json"))["files"]
    assert [(item["code"], item["where"]) for item in file["diagnostics"]] == told
    [log] = json.loads(golden("broken.sarif"))["runs"]
    assert [item["ruleId"] for item in log["results"]] == [code for code, _ in told]
    assert re.findall(r"title=(CN\d{3}) at ([^:]+)::", golden("broken.github")) == told


def test_nothing_at_fault(run: Run, small_fusion: Path) -> None:
    assert json.loads(run(str(small_fusion), "--format", "json").stdout) == {
        "format": 1,
        "consilience": consilience_version(),
        "errors": 0,
        "warnings": 0,
        "files": [{"file": str(small_fusion), "diagnostics": []}],
    }
    [log] = json.loads(run(str(small_fusion), "--format", "sarif").stdout)["runs"]
    assert log["results"] == []
    assert log["invocations"] == [{"executionSuccessful": True, "exitCode": 0}]
    quiet = run(str(small_fusion), "--format", "github")
    assert (quiet.exit_code, quiet.output) == (0, "")


def test_several_files_in_one_report(run: Run, small_fusion: Path) -> None:
    result = run("broken.yaml", str(small_fusion), "gone.yaml", "broken.yaml", "--format", "json")
    assert result.exit_code == 1
    files = json.loads(result.stdout)["files"]
    assert [file["file"] for file in files] == ["broken.yaml", str(small_fusion), "gone.yaml"]
    assert [len(file["diagnostics"]) for file in files] == [6, 0, 1]


SHAPES: dict[str, dict[str, Any]] = {
    "sarifLog": {"$schema": str, "version!": {"2.1.0"}, "runs!": ["run"]},
    "run": {
        "tool!": "tool",
        "invocations": ["invocation"],
        "artifacts": ["artifact"],
        "columnKind": {"utf16CodeUnits", "unicodeCodePoints"},
        "results": ["result"],
    },
    "tool": {"driver!": "toolComponent"},
    "toolComponent": {"name!": str, "version": str, "rules": ["reportingDescriptor"]},
    "reportingDescriptor": {"id!": str, "shortDescription": "multiformat", "help": "multiformat"},
    "multiformat": {"text!": str, "markdown": str},
    "invocation": {"executionSuccessful!": bool, "exitCode": int},
    "artifact": {"location": "artifactLocation"},
    "artifactLocation": {"uri": str, "uriBaseId": str},
    "result": {
        "ruleId": str,
        "ruleIndex": int,
        "level": {"none", "note", "warning", "error"},
        "message!": "message",
        "locations": ["location"],
        "relatedLocations": ["location"],
        "fixes": ["fix"],
    },
    "message": {"text": str},
    "location": {
        "id": int,
        "physicalLocation": "physicalLocation",
        "logicalLocations": ["logicalLocation"],
        "message": "message",
    },
    "physicalLocation": {"artifactLocation": "artifactLocation", "region": "region"},
    "logicalLocation": {"fullyQualifiedName": str},
    "region": {"startLine": int, "startColumn": int, "endLine": int, "endColumn": int},
    "fix": {"description": "message", "artifactChanges!": ["artifactChange"]},
    "artifactChange": {"artifactLocation!": "artifactLocation", "replacements!": ["replacement"]},
    "replacement": {"deletedRegion!": "region", "insertedContent": "artifactContent"},
    "artifactContent": {"text": str},
}
"""The objects of SARIF 2.1.0 that are written here, with their properties; ! marks those that must be there."""


def conforms(value: Any, shape: Any, at: str = "log") -> None:
    if isinstance(shape, list):
        assert isinstance(value, list), at
        for index, item in enumerate(value):
            conforms(item, shape[0], f"{at}[{index}]")
        assert len({json.dumps(item) for item in value}) == len(value), f"{at}: equal items"
    elif isinstance(shape, set):
        assert value in shape, at
    elif isinstance(shape, type):
        assert type(value) is shape, at
    else:
        properties = {name.removesuffix("!"): inner for name, inner in SHAPES[shape].items()}
        assert set(value) <= set(properties), at
        assert {name.removesuffix("!") for name in SHAPES[shape] if name.endswith("!")} <= set(value), at
        for name, inner in value.items():
            conforms(inner, properties[name], f"{at}.{name}")


@pytest.mark.parametrize("files", [["broken.yaml"], ["gone.yaml"], ["broken.yaml", "gone.yaml", "broken.yaml"]])
def test_sarif_has_the_objects_and_properties_of_its_standard(run: Run, files: list[str]) -> None:
    log = json.loads(run(*files, "--format", "sarif").stdout)
    conforms(log, "sarifLog")
    [done] = log["runs"]
    rules = [rule["id"] for rule in done["tool"]["driver"]["rules"]]
    for result in done["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        region = result["locations"][0]["physicalLocation"]["region"]
        assert all(number >= 1 for number in region.values())
        assert (region["startLine"], region["startColumn"]) <= (
            region.get("endLine", 1 << 30),
            region.get("endColumn", 1),
        )


def applied(text: str, fix: dict[str, Any]) -> str:
    [change] = fix["artifactChanges"]
    [replacement] = change["replacements"]
    region = replacement["deletedRegion"]
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[: region["startLine"] - 1]) + region["startColumn"] - 1
    end = sum(len(line) + 1 for line in lines[: region["endLine"] - 1]) + region["endColumn"] - 1
    return text[:start] + str(replacement["insertedContent"]["text"]) + text[end:]


def test_every_fix_of_sarif_mends_its_fault(run: Run, tmp_path: Path) -> None:
    [log] = json.loads(run("broken.yaml", "--format", "sarif").stdout)["runs"]
    text = (GOLDEN / "broken.yaml").read_text(encoding="utf-8")
    (tmp_path / "rows.csv").write_bytes((GOLDEN / "rows.csv").read_bytes())
    mended = [result for result in log["results"] if "fixes" in result]
    assert [result["ruleId"] for result in mended] == ["CN212", "CN213", "CN120", "CN123", "CN122"]
    for result in mended:
        [fix] = result["fixes"]
        (tmp_path / "broken.yaml").write_text(applied(text, fix), encoding="utf-8")
        [left] = json.loads(run(str(tmp_path / "broken.yaml"), "--format", "sarif").stdout)["runs"]
        assert result["ruleId"] not in {other["ruleId"] for other in left["results"]}


@pytest.mark.parametrize(
    ("text", "column", "part", "fix"),
    [
        ("name: x\n", 1, Part.VALUE, "name: y"),  # the place is the key's: the value has none
        ("name: x\n", 1, Part.KEY, "title: y"),  # the value is another too
        ("name: x\n", 7, Part.VALUE, "other: y"),
        ("name: x\n", 7, Part.VALUE, "# name it y"),
        ("name: x\n", 7, Part.VALUE, "pip install: y"),
        ("name: x\n", 7, Part.VALUE, "name: y\nother: z"),
        ("name: x\n", 7, Part.VALUE, "name:"),
    ],
)
def test_no_fix_is_written_that_is_not_exact(text: str, column: int, part: Part, fix: str, tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(text, encoding="utf-8")
    place = Place(str(tmp_path / "f.yaml"), 1, column, 1, column + (4 if column == 1 else 1))
    item = fault(place=place, part=part, fix=fix)
    [log] = json.loads(to_sarif([Report("f.yaml", (item,))]))["runs"]
    assert "fixes" not in log["results"][0]
    exact = fault(place=place, part=part, fix="name: y" if part is Part.VALUE else "title: x")
    [log] = json.loads(to_sarif([Report("f.yaml", (exact,))]))["runs"]
    assert ("fixes" in log["results"][0]) == (part is Part.KEY or column == 7)


@pytest.mark.parametrize("value", ['{"a":1}', "[1]", '"x"'])
def test_the_key_of_compact_json_is_no_value(value: str, tmp_path: Path) -> None:
    text = f'{{"weight":{value}}}\n'
    (tmp_path / "f.yaml").write_text(text, encoding="utf-8")
    item = fault(("losses", "a", "weight"), place=Place(str(tmp_path / "f.yaml"), 1, 2, 1, 10), fix="weight: 1.0")
    [log] = json.loads(to_sarif([Report("f.yaml", (item,))]))["runs"]
    assert "fixes" not in log["results"][0]


def test_sarif_reads_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    reading = _excerpt._read
    monkeypatch.setattr(_excerpt, "_read", lambda file: read.append(file) or reading(file))
    for name in ("f.yaml", "g.yaml"):
        (tmp_path / name).write_text("name: x\n" * 9, encoding="utf-8")
    files = [str(tmp_path / name) for name in ("f.yaml", "g.yaml")]
    items = [fault(place=Place(file, line, 7, line, 8), fix="name: y") for file in files for line in range(1, 10)]
    [log] = json.loads(to_sarif([Report("f.yaml", tuple(items))]))["runs"]
    assert len([result for result in log["results"] if "fixes" in result]) == len(items)
    assert read == files


def test_a_fault_without_a_place_is_the_files() -> None:
    report = [Report("a b/fusion.yaml", (fault(),))]
    [log] = json.loads(to_sarif(report))["runs"]
    assert log["results"][0]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b/fusion.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 1, "startColumn": 1},
    }
    assert to_github(report) == (
        "::error file=a b/fusion.yaml,line=1,col=1,title=CN399 at name::found this%0Aexpected that%0Afix mend: it"
    )
    [file] = json.loads(to_json(report))["files"]
    assert file["diagnostics"][0]["place"] is None
    assert file["diagnostics"][0]["help"] is None


def test_githubs_commands_are_escaped() -> None:
    item = fault(
        ("losses", "a,b:c"),
        found="100% of\nit\r, or: \x1b[2J",
        severity=Severity.WARNING,
        place=Place("x,y:z%.yaml", 2, 3, 2, 9),
        related=(Related(("fields", "a"), "declared here", Place("x.yaml", 9, 1)), Related(("b",), "and")),
    )
    assert to_github([Report("x", (item,))]) == (
        "::warning file=x%2Cy%3Az%25.yaml,line=2,col=3,endLine=2,endColumn=9,title=CN399 at losses.a%2Cb%3Ac"
        "::found 100%25 of%0Ait\\r, or: \\x1b[2J%0Aexpected that%0Afix mend: it"
        "%0Adeclared here: fields.a (x.yaml:9)%0Aand: b"
    )


def test_paths_are_told_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert from_here("./fusion.yaml") == "fusion.yaml"
    assert from_here(str(tmp_path / "inner" / "a" / "fusion.yaml")) == "a/fusion.yaml"
    assert from_here(str(tmp_path / "fusion.yaml")) == str(tmp_path / "fusion.yaml")
    assert from_here(os.path.join("..", "fusion.yaml")) == "../fusion.yaml"  # noqa: PTH118


def test_what_is_not_unicode_breaks_no_form() -> None:
    report = [Report("bad\udcff.yaml", (fault(found="\ud800", place=Place("bad\udcff.yaml", 1, 1)),))]
    for written in (to_json(report), to_sarif(report), to_github(report)):
        assert written.encode("utf-8")


def test_what_a_plugin_prints_stands_in_no_report(monkeypatch: pytest.MonkeyPatch, small_fusion: Path) -> None:
    from consilience.cli import _check, _plugins, _schema

    def noisy(called: Any) -> Any:
        def call(*given: Any) -> Any:
            print("a plugin says hello")  # noqa: T201
            return called(*given)

        return call

    monkeypatch.setattr(_check, "survey", noisy(_check.survey))
    monkeypatch.setattr(_plugins, "default_registry", noisy(_plugins.default_registry))
    monkeypatch.setattr(_schema, "default_registry", noisy(_schema.default_registry))
    for arguments in (["check", str(small_fusion), "--format", "json"], ["plugins", "--json"], ["schema"]):
        result = CliRunner().invoke(main, arguments)
        json.loads(result.stdout)
        assert "a plugin says hello" in result.stderr
