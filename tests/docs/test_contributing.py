"""What CONTRIBUTING.md says of adding a discipline is true of those that are here."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from docs_pages import ROOT

DISCIPLINES = sorted(path.name for path in (ROOT / "plugins").iterdir() if (path / "pyproject.toml").is_file())


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_makefile_installs_every_discipline() -> None:
    [line] = re.findall(r"^PLUGINS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(line.split()) == [f"plugins/{name}" for name in DISCIPLINES]


def test_strict_types_see_every_discipline(project: dict[str, Any]) -> None:
    mypy = project["tool"]["mypy"]
    wanted = {f"plugins/{name}/src" for name in DISCIPLINES}
    assert wanted <= set(mypy["files"])
    assert wanted <= set(mypy["mypy_path"])


def test_the_import_contract_holds_every_discipline(project: dict[str, Any]) -> None:
    linter = project["tool"]["importlinter"]
    wanted = {f"consilience_{name}" for name in DISCIPLINES}
    assert wanted <= set(linter["root_packages"])
    contracts = {contract["id"]: contract for contract in linter["contracts"]}
    assert wanted <= set(contracts["core"]["forbidden_modules"])
    assert wanted <= set(contracts["contract"]["source_modules"])
    assert wanted <= set(contracts["disciplines"]["modules"])


@pytest.mark.parametrize("name", DISCIPLINES)
def test_a_discipline_has_what_the_steps_ask_for(name: str) -> None:
    folder = ROOT / "plugins" / name
    written = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert written["entry-points"]["consilience.plugins"] == {name: f"consilience_{name}"}
    assert (folder / "src" / f"consilience_{name}" / "__init__.py").is_file()
    assert list((folder / "tests").glob(f"test_{name}_*.py"))
    assert "```yaml" in (folder / "README.md").read_text()
    assert f"plugins/{name}/README.md" in (ROOT / "README.md").read_text()
