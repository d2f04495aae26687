"""Whatever a plugin does to the process that imports it, the kit gets an answer, and can ask again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from consilience.testing import _fresh, _witness
from consilience.testing._fresh import import_fresh
from consilience.testing._witness import Unreachable, import_elsewhere

UNENDED = "print('loading', end='', flush=True)"
DEADLY = "import os\nos._exit(3)"
ENDLESS = "import time\ntime.sleep(60)"
PLUGIN = """
from consilience.declare import hookimpl

@hookimpl
def consilience_components():
    return []
"""


def written(folder: Path, name: str, first: str) -> str:
    (folder / f"{name}.py").write_text(first + PLUGIN, encoding="utf-8")
    return name


def still_answers(folder: Path) -> bool:
    name = written(folder, "alive", "")
    return import_elsewhere(name, folder) == {name: str(folder / "alive.py")}


def test_a_line_without_an_end_does_not_hide_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = written(tmp_path, "unended", UNENDED)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert import_elsewhere(name, tmp_path) == {name: str(tmp_path / "unended.py")}
    assert import_fresh(name, name).error == ""


def test_a_plugin_that_ends_its_process_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = written(tmp_path, "deadly", DEADLY)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Unreachable, match=r"^the process ended with 3$"):
        import_elsewhere(name, tmp_path)
    assert import_fresh(name, name).error == "the process ends with 3: no word"
    assert still_answers(tmp_path)


def test_a_plugin_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = written(tmp_path, "endless", ENDLESS)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert still_answers(tmp_path)  # so that the seconds below are those of the answer alone
    monkeypatch.setattr(_witness, "_PLENTY", 5.0)
    monkeypatch.setattr(_fresh, "_PLENTY", 5.0)
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"^the process gave no answer in 5 s$"):
        import_elsewhere(name, tmp_path)
    assert import_fresh(name, name).error == "the process does not end in 5 s"
    assert time.monotonic() - start < 50
    assert still_answers(tmp_path)
