"""What libyaml reads, PyYAML's own parser reads alike: the same values, places and faults."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consilience.declare._events import Unreadable, exact_events, has_quick_events, quick_events
from consilience.declare._reader import _Reader, read_text
from consilience.errors import DeclarationError

pytestmark = pytest.mark.skipif(not yaml.__with_libyaml__, reason="this PyYAML was built without libyaml")

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for folder in ("examples", "tests", "benchmarks", "plugins") for path in ROOT.glob(f"{folder}/**/*.yaml")
)


def assert_alike(text: str) -> bool:
    """Asserts that both parsers give the same document, and tells whether the quick one gave any."""
    try:
        quick = _Reader(text, "f.yaml").read(quick_events)
    except (Unreadable, DeclarationError):
        return False  # the exact parser reads it again
    exact = _Reader(text, "f.yaml").read(exact_events)
    assert repr(quick.value) == repr(exact.value)
    assert quick == exact
    return True


def test_the_files_of_this_repository_are_read_quickly_and_alike() -> None:
    read = [path for path in FILES if assert_alike(path.read_text(encoding="utf-8"))]
    assert len(read) > 0.9 * len(FILES) > 9


UNEQUAL = {
    "a tab": "a:\t1",
    "a question mark in a flow collection": "{a: b?c}",
    "a question mark before a space": "[a? b]",
    "a handle that YAML does not allow": "a: !)!x b",
    "a tag of a list": "a: !)! [b]",
    "a comment right behind a block's head": "a: |#c\n",
    "a comment right behind a block's head, below its anchor": "a: &b\n  |#c\n",
    "a comment right behind a block's indent": "a: >1-#c\n b\n",
}


@pytest.mark.parametrize("text", UNEQUAL.values(), ids=UNEQUAL)
def test_what_the_two_parsers_do_not_agree_on_is_left_to_the_exact_one(text: str) -> None:
    with pytest.raises(Unreadable):
        list(exact_events(text))
    assert not (has_quick_events(text) and assert_alike(text))
    with pytest.raises(DeclarationError) as caught:
        read_text(text)
    assert [fault.code for fault in caught.value.diagnostics] == ["CN101"]


SEEN = {
    "no value in a flow mapping": "e: [y, {z: 1, w: }, ]",
    "no value in a pair of a list": "g: [a: ]",
    "no value behind an alias as a key": "a:\n  - &z\n  - [{ }, # c\n   *x:\n ]",
    "no key in a flow mapping": "a: {? # b\n }",
    "no key behind a comment with a question mark": "a: {b: 1, # c?\n ? }",
    "question marks outside of flow collections": "a: {b: [c]}\nd: what?\n? e? f\n: ?g\nh:\n- [i]\n- j ? k\n",
}


@pytest.mark.parametrize("text", SEEN.values(), ids=SEEN)
def test_where_nothing_stands_or_a_question_is_asked_the_parsers_agree(text: str) -> None:
    assert assert_alike(text)


def test_without_libyaml_a_text_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: {b: [1, *c]}\nd: |\n  e\nd: 2"
    quick = read_text(text)
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert not has_quick_events(text)
    assert read_text(text) == quick


SCALARS = [
    "a", "1", "-2.5e3", "x y", "no", "null", "~", ".nan", "a:b", "a#b", "-x", "12:30", "é", "😀", "a'b", "a!b", "x/?y",
    "c?", "d ? e", "", "''", "'it''s'", '"q\\n\\u00e9\\x41"', '"\\ud83d\\ude00"', '"a\\/b"', '"\\0"', "a\x07", "..",
    "'a\n{}  b'", '"a\\\n{}  b"', '"a\n\n{}  b"', "a\n{}  b", "a\n{} b: c", "a\n{} # d", "*x", "*y", "*x:",
    "&x v", "&y", "&y 'w'", "!t u", "@a", "%b", "`c", "a: b", "- a", "{{x}}",
]  # fmt: skip
BLOCKS = ["|", ">", "|-", ">+", "|2", ">1-", "| # c", "|#c"]
LINES = ["", "  ", "{}  text", "{}    deep", "{}  # text", "{} less", "{}  é😀  "]
KEYS = ["a", "b", "c d", "'e'", '"f"', "é", "null", "<<", "? g", "? ", "[h]", "&z i", "*x ", "1"]
GAPS = ["", "", "", " ", "\n{}  ", " # c\n{}   "]
MARKS = [
    *":-?[]{},&*!|>'\"%@#~ \n",
    "\n  ",
    ": ",
    "- ",
    "? ",
    "---",
    "...",
    "\r\n",
    "\n---\n",
    "%YAML 1.1\n---\n",
    "!!str ",
    "<<: ",
]


def is_flow(node: Any) -> bool:
    return isinstance(node, str) or (node[0] in "[{" and all(is_flow(part) for _, *parts in node[1] for part in parts))


def render(node: Any, indent: int) -> str:
    """Writes a node as YAML, most often; its lines stand below `indent` spaces."""
    pad = " " * indent
    if isinstance(node, str):
        return node.replace("{}", pad)
    kind, parts, step = node
    if kind in BLOCKS:
        return "\n".join([kind, *(line.replace("{}", pad) for line in parts)])
    if kind in "[{":
        gap = GAPS[step].replace("{}", pad)
        keys = [f"{key.replace('{}', pad)}: " if kind == "{" else "" for key, _ in parts]
        inside = f",{gap}".join(key + gap + render(value, indent) for key, (_, value) in zip(keys, parts, strict=True))
        return f"{kind}{gap}{inside}{gap}{']' if kind == '[' else '}'}"
    below = " " * (indent + step)
    heads = [f"{key}:" if kind == ":" else "-" for key, _ in parts]
    lines = [f"\n{below}{head} {render(value, indent + step)}" for head, (_, value) in zip(heads, parts, strict=True)]
    return "".join(lines)


def inner(nodes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    pairs = st.lists(st.tuples(st.sampled_from(KEYS), nodes), min_size=1, max_size=3)
    return st.tuples(st.sampled_from("::-[{"), pairs, st.integers(1, 4))


blocks = st.tuples(st.sampled_from(BLOCKS), st.lists(st.sampled_from(LINES), max_size=4), st.just(0))
nodes = st.recursive(st.sampled_from(SCALARS) | blocks, inner, max_leaves=8)
tops = st.tuples(st.just(":"), st.lists(st.tuples(st.sampled_from(KEYS), nodes), min_size=1, max_size=4), st.just(0))
quick = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(tops, st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3), st.sampled_from(["", *MARKS])), max_size=2))
def test_texts_like_yaml_are_read_alike(top: Any, changes: list[tuple[int, int, str]]) -> None:
    text = render(top, 0).removeprefix("\n")
    for start, taken, put in changes:
        start = start % (len(text) + 1)
        text = text[:start] + put + text[start + taken :]
    assert_alike(text)


@quick
@given(st.lists(st.sampled_from([*SCALARS, *MARKS, *(f"{key}: " for key in KEYS)]), max_size=20))
def test_any_texts_are_read_alike(parts: list[str]) -> None:
    assert_alike("a: " + "".join(parts))


NESTS = [
    "[",
    "{",
    "{a: ",
    "- ",
    "? ",
    "[? ",
    "[[a]: ",
    "- [",
    "&a [",
    "!x [",
    "{? [",
    "a: [",
    '{"a":',
    "{'a': {b: [",
    "? - ",
]


def test_no_depth_of_nesting_crashes_the_quick_parser() -> None:
    """A crash would end the process, so that another one tries."""
    code = """
import sys
from consilience.declare._reader import read_text
from consilience.errors import DeclarationError

for form in sys.argv[1:]:
    for depth in 65, 1000, (1 << 20) // len(form):
        try:
            read_text(form * depth)
        except DeclarationError as error:
            print(*sorted({fault.code for fault in error.diagnostics}))
"""
    command = [sys.executable, "-c", code, *NESTS]
    tried = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert tried.returncode == 0, tried.stderr
    assert len(tried.stdout.splitlines()) == 3 * len(NESTS)
    assert set(tried.stdout.split()) <= {"CN101", "CN103", "CN106", "CN107"}
