"""Broken files, each with the diagnostics it must get, and what becomes of it when their fixes are pasted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from consilience.errors import Diagnostic
from consilience.host import Registry

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))
EXPECTED = re.compile(r"# expect: (CN\d{3}) line (\d+) column (\d+)\n# fix: (.*)\n")
COMMANDS = ("pip ", "hf ", "consilience ")

Faults = Callable[..., list[Diagnostic]]


def expected(file: Path) -> list[tuple[str, int, int, str]]:
    found = EXPECTED.findall(file.read_text(encoding="utf-8"))
    return [(code, int(line), int(column), fix) for code, line, column, fix in found]


def told(faults: list[Diagnostic], folder: Path) -> Iterator[tuple[str, int, int, str]]:
    for fault in faults:
        assert fault.place is not None
        yield fault.code, fault.place.line, fault.place.column, fault.fix.replace(f"{folder}/", "")


@pytest.mark.usefixtures("demo_file")
@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_a_broken_file_gets_its_code_place_and_fix(file: Path, faults: Faults, registry: Registry) -> None:
    assert list(told(faults(file, registry), file.parent)) == expected(file)


def test_every_class_of_fault_has_a_file() -> None:
    classes = {file.stem.partition("_")[0] for file in BROKEN}
    assert classes == {"shape", "names", "wiring", "types", "learning", "resources", "six"}
    assert len(BROKEN) >= 90


@pytest.mark.usefixtures("demo_file")
def test_all_faults_are_told_in_one_run_in_the_order_of_the_file(faults: Faults, registry: Registry) -> None:
    [file] = [file for file in BROKEN if file.stem == "six_faults_at_once"]
    found = faults(file, registry)
    assert len({fault.code for fault in found}) >= 5
    assert len(found) == 6
    assert [fault.place for fault in found] == sorted(fault.place for fault in found if fault.place)


def mechanical(fix: str) -> bool:
    """Tells whether a fix can be pasted without thought: YAML, or the removal of a key."""
    if fix.startswith("# remove the key "):
        return True
    return not fix.startswith(("#", *COMMANDS))


@pytest.mark.usefixtures("demo_file")
@pytest.mark.parametrize("file", [file for file in BROKEN if "six" not in file.stem], ids=lambda file: file.stem)
def test_the_fix_mends_the_file_when_it_is_pasted(file: Path, faults: Faults, registry: Registry) -> None:
    text = file.read_text(encoding="utf-8")
    found = faults(text, registry, file.parent)
    for fault in found:
        assert mechanical(fault.fix) or fault.fix.startswith(("# ", *COMMANDS)), fault.fix
        if mechanical(fault.fix):
            left = faults(pasted(text, fault), registry, file.parent)
            assert (fault.code, fault.where) not in {(other.code, other.where) for other in left}
            if len(found) == 1:
                # The table that is now named has yet to be written; the labels' own rows are now idle.
                named = {"CN406": {"CN601"}, "CN407": {"CN409"}}.get(fault.code, set())
                assert {other.code for other in left} <= named, "\n".join(map(str, left))


@pytest.mark.usefixtures("demo_file")
def test_most_fixes_can_be_pasted() -> None:
    fixes = [fix for file in BROKEN for *_, fix in expected(file)]
    assert sum(map(mechanical, fixes)) > 0.75 * len(fixes)


@pytest.mark.usefixtures("demo_file")
def test_six_fixes_pasted_one_after_another_mend_the_file(faults: Faults, registry: Registry) -> None:
    [file] = [file for file in BROKEN if file.stem == "six_faults_at_once"]
    text = file.read_text(encoding="utf-8")
    for _ in range(9):
        left = faults(text, registry, file.parent)
        if not left:
            break
        text = pasted(text, left[0])
    assert not left


def pasted(text: str, fault: Diagnostic) -> str:
    """Pastes a fix: over the key at fault, under the key that its comment names, or where a key is missing."""
    path = [part for part in fault.path if not isinstance(part, int)]
    if fault.fix.startswith("*"):
        [name] = re.findall(r"\*(\w+)", text.splitlines()[fault.place.line - 1])
        return text.replace(f"*{name}", fault.fix)
    if fault.fix.startswith("# remove the key "):
        return replaced(text, path, None)
    yaml_part, _, where = fault.fix.partition("  # under ")
    [(key, value)] = yaml.safe_load(yaml_part).items()
    if where:
        return inserted(text, where.split("."), yaml_part, str(key))
    if len(path) == 3 and path[0] in ("resources", "sources") and (key != path[-1] or not is_written(text, path)):
        return inserted(text, path[:-1], yaml_part, str(key))
    if fault.found.startswith("no ") or not path or fault.code == "CN401":  # what is missing is told at its mapping
        return inserted(text, path, yaml_part, str(key))
    if value is None:
        return replaced(text, path, f"{key}:", keep_value=True)
    if fault.code == "CN120":  # the key itself is at fault
        return replaced(text, path, yaml_part)
    if path[-1] == "tune" or key in ("use", "share", "in", "space") or fault.path[-1] != path[-1]:
        while path[-1] != key and len(path) > 2:
            path.pop()
    return replaced(text, path, yaml_part.partition("  #")[0])


def is_written(text: str, path: list[Any]) -> bool:
    try:
        pair_at(text, path)
    except StopIteration:
        return False
    return True


def pair_at(text: str, path: list[Any]) -> tuple[yaml.Node, yaml.Node]:
    node, key = yaml.compose(text), None
    for part in path:
        key, node = next((key, value) for key, value in node.value if key.value == part)
    return key, node


def replaced(text: str, path: list[Any], fix: str | None, keep_value: bool = False) -> str:
    key, value = pair_at(text, path)
    start, end = key.start_mark.index, value.end_mark.index
    if isinstance(value, yaml.CollectionNode) and not value.flow_style:
        last = value.value[-1]
        end = (last[1] if isinstance(value, yaml.MappingNode) else last).end_mark.index
    if keep_value:
        return text[:start] + str(fix) + text[key.end_mark.index + 1 :]
    if fix is None:
        before = text[:start].rstrip()
        return (before[:-1] if before.endswith(",") else text[:start]) + text[end:]
    return text[:start] + fix + text[end:]


def inserted(text: str, path: list[Any], fix: str, key: str) -> str:
    fix = fix.partition("  #")[0]
    node = pair_at(text, path)[1] if path else yaml.compose(text)
    if any(old.value == key for old, _ in node.value):
        return replaced(text, [*path, key], fix)
    start = node.start_mark.index
    if node.flow_style:
        return text[: start + 1] + fix + (", " if node.value else "") + text[start + 1 :]
    return text[:start] + f"{fix}\n{' ' * node.start_mark.column}" + text[start:]
