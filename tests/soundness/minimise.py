"""Makes a finding small: drops whatever can go while the finding stays what it is.

python -m tests.soundness.minimise FILE
"""

from __future__ import annotations

import copy
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import yaml
from tests.soundness.properties import try_mutant
from tests.soundness.step import keep_what_is_read, registry_of_all
from tests.soundness.trial import Trial
from tests.soundness.world import write_world

from consilience.declare._reader import read_text

__all__ = ["minimised"]

_SECTIONS = ("fields", "resources", "inputs", "modules", "losses", "metrics")
_REQUIRED = {("consilience",), ("name",)}


def minimised(text: str, try_it: Callable[[str], Trial]) -> str:
    """Gives the smallest file found that has the same finding; a text that no mapping can be read of stays as it is."""
    wanted = _kind(try_it(text))
    written: Any = read_text(text).value
    if _kind(try_it(_text(written))) != wanted:
        return text
    news = True
    while news:
        news = False
        for path in sorted(_paths(written), key=len):
            for smaller in (_without(written, path), _without_readers(written, path)):
                if smaller is not None and _kind(try_it(_text(smaller))) == wanted:
                    written, news = smaller, True
                    break
    return _text(written)


def _kind(trial: Trial) -> tuple[object, ...]:
    """Tells what a finding is, whatever its nodes are called and however large its tensors are."""
    found = re.sub(r"[\d.]+", "0", trial.found.partition("\n")[0].partition(" (")[0])
    words = found.split(" at ")
    kind = words[0].partition(":")[0] if len(words) > 1 else found
    return (
        trial.verdict,
        tuple(sorted(set(trial.codes))),
        re.sub(r"\bnodes\S+", "", kind),
        words[-1:] if words[1:] else (),
    )


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _paths(item, (*path, key))


def _without(written: Any, path: tuple[Any, ...]) -> Any:
    if path in _REQUIRED:
        return None
    smaller = copy.deepcopy(written)
    holder = smaller
    try:
        for part in path[:-1]:
            holder = holder[part]
        del holder[path[-1]]
    except (KeyError, IndexError, TypeError):  # gone with something above it
        return None
    return smaller


def _without_readers(written: Any, path: tuple[Any, ...]) -> Any:
    """Leaves out a node, and all that reads it or refers to it."""
    if len(path) != 2 or path[0] not in _SECTIONS:
        return None
    smaller = copy.deepcopy(written)
    gone = [str(path[1])]
    while gone:
        name = gone.pop()
        for section in _SECTIONS:
            nodes = smaller.get(section)
            for other in list(nodes) if isinstance(nodes, dict) else ():
                if (section == path[0] and other == name) or _mentions(nodes[other], name):
                    del nodes[other]
                    gone.append(str(other))
    return smaller


def _mentions(value: Any, name: str) -> bool:
    if isinstance(value, dict | list):
        return any(_mentions(item, name) for item in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and value.partition(".")[0] == name


def _text(written: Any) -> str:
    return str(yaml.safe_dump(written, sort_keys=False, allow_unicode=True, default_flow_style=None, width=118))


def main() -> None:
    """Makes the finding in a file small, and prints it."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, keep_what_is_read():
        world = write_world(Path(folder))
        registry = registry_of_all()
        small = minimised(text, lambda other: try_mutant(Random(0), other, world, registry))
        trial = try_mutant(Random(0), small, world, registry)
    sys.stdout.write(f"# {trial.verdict}: {trial.found.splitlines()[0] if trial.found else ''}\n{small}")


if __name__ == "__main__":
    main()
