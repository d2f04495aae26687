"""`consilience explain`: every code has its page, as a terminal shows it, from a repository and from a wheel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from consilience.cli import _codes, main
from consilience.cli._codes import meanings
from consilience.host import _discovery

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
CODES = re.findall(r"^### (CN\d{3}) (.+)$", PAGE, re.MULTILINE)
Explain = Callable[..., Result]


@pytest.fixture
def explain() -> Explain:
    return lambda *arguments: CliRunner().invoke(main, ["explain", *arguments])


def test_a_code_is_explained_in_its_paragraph(explain: Explain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    result = explain("CN211")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "CN211 an unknown port\n"
        "\n"
        "The node is there and has no such port.\n"
        "\n"
        "Mend: `in: encoder.poled` → `in: encoder.pooled`.\n"
    )


@pytest.mark.parametrize(("code", "title"), CODES)
def test_every_code_of_the_page_is_explained(code: str, title: str, explain: Explain) -> None:
    result = explain(code)
    assert result.exit_code == 0
    head, blank, *rest = result.stdout.splitlines()
    assert (head, blank) == (f"{code} {title}", "")
    section = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", PAGE.partition(f"### {code} ")[2].partition("\n")[2])
    assert " ".join(rest).split() == re.split(r"^##", section, flags=re.MULTILINE)[0].split()
    assert any(line.startswith("Mend:") for line in rest)


def test_lower_case_will_do(explain: Explain) -> None:
    assert explain("cn211").stdout == explain("CN211").stdout


def test_an_explanation_is_as_wide_as_can_be_read(explain: Explain, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, widest in (("50", 50), ("300", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        lines = explain("CN207").stdout.splitlines()
        assert widest - 15 < max(map(len, lines)) <= widest


def test_code_is_coloured_on_a_terminal(explain: Explain, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = explain("CN211").stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = explain("CN211").stdout
    assert "\x1b[36min: encoder.pooled\x1b[0m" in coloured
    assert click.unstyle(coloured) == plain.replace("`", "")


def test_alone_it_lists_all_codes(explain: Explain) -> None:
    listed = explain().stdout
    assert re.findall(r"^  (CN\d{3})  (.+)$", listed, re.MULTILINE) == CODES
    assert listed.startswith("Shape of the file\n  CN101  the file is not readable YAML\n")
    assert "\n\nWiring and types\n  CN301  a tensor that does not fit\n" in listed


@pytest.mark.parametrize(("code", "near"), [("CN308", "CN307"), ("cn2111", "CN211"), ("CN", "CN101"), ("?", "CN101")])
def test_an_unknown_code_is_wrong_usage(code: str, near: str, explain: Explain) -> None:
    result = explain(code)
    assert result.exit_code == 2
    assert f"Invalid value for CODE: {code.upper()} is no code. The nearest are\n" in result.stderr
    assert f"\n  {near}  {meanings()[near].title}\n" in result.stderr
    assert result.stderr.endswith("\n`consilience explain` lists them all.\n")


def test_a_plugins_own_code_names_the_plugin(explain: Explain, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = [EntryPoint("folklore", "nowhere", "consilience.plugins")]
    monkeypatch.setattr(_discovery, "entry_points", lambda group: installed)
    result = explain("FOLK001")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "FOLK001 is no code of Consilience. The plugin folklore (an unknown distribution) may tell it, and explains it "
        "in its own pages.\n"
    )
    assert explain("folklore-7").stderr.startswith("folklore-7 is no code of Consilience. The plugin folklore")
    other = explain("TALE12")
    assert other.exit_code == 1
    assert other.stderr == (
        "TALE12 is no code of Consilience, and no installed plugin has a name that begins with tale.\n"
    )


def test_a_page_that_is_missing_is_told(
    explain: Explain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    meanings.cache_clear()
    request.addfinalizer(meanings.cache_clear)
    monkeypatch.setattr(_codes.consilience, "__file__", str(tmp_path / "a" / "b" / "__init__.py"))
    result = explain("CN211")
    assert result.exit_code == 1
    assert result.stderr == (
        "error CN601 at the file\n"
        "  found     no page of diagnostics\n"
        "  expected  the page that comes along\n"
        "  fix       pip install --force-reinstall consilience\n"
        "\n1 error\n"
    )


def test_to_explain_imports_nothing_heavy() -> None:
    code = "import sys; from consilience.cli import main; main(['explain', 'CN211'], standalone_mode=False)"
    code += "; print(sorted({'torch', 'pydantic', 'networkx', 'numpy', 'pluggy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("\n[]\n"), done.stdout + done.stderr


@pytest.mark.slow
def test_the_page_travels_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    program = (
        "import consilience, runpy, sys; print(consilience.__file__); sys.argv = ['consilience', 'explain', 'CN211'];"
        "runpy.run_module('consilience', run_name='__main__')"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.stdout.startswith(f"{tmp_path / 'site'}"), done.stderr
    assert "CN211 an unknown port\n" in done.stdout
