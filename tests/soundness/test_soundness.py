"""What passes the check trains, what does not is told in words, what is valid is not refused, in any order of keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.soundness.fusions import MOST_NODES, grow
from tests.soundness.mutants import mutate
from tests.soundness.objectives import draw_by_gradients
from tests.soundness.pasting import pasted
from tests.soundness.properties import try_mutant, try_valid
from tests.soundness.spelling import to_yaml
from tests.soundness.trial import Verdict, errors_of, plain, try_fusion

from consilience.errors import Diagnostic
from consilience.host import Registry

FOUND = sorted((Path(__file__).parent / "found").glob("*.yaml"))
WAYS: dict[str, list[Any]] = {
    "over": ["parameters", "representation"],
    "per": ["loss", "discipline"],
    "by": ["size", "proportions", "temperature", "round_robin"],
    "batches": ["mixed", "homogeneous"],
    "shape": ["linear", "cosine", "exponential"],
    "streaming": [True],
    "cache": [True],
    **{key: [None] for key in ("schedule", "schedules", "example_weight", "gradients_every", "balance", "weights")},
    **{key: [None] for key in ("until", "rows", "repeat", "layer_decay", "learning_rate", "weight_decay")},
}
"""What a valid fusion says of its learning, now and then; None for any value of the key."""
UNGROWN = Path(__file__).with_name("ungrown.txt")
PAGE = Path(__file__).parents[2] / "docs" / "soundness.md"
EXPECTED = re.compile(r"# expect: (trains|CN\d{3}(?:, CN\d{3})*)\n# ")

# Without shrinking, which would take minutes: `python -m tests.soundness.minimise FILE` makes a finding small.
_SETTINGS = settings(
    derandomize=True, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
randoms = st.randoms(use_true_random=False)


@settings(_SETTINGS, max_examples=60)
@given(random=randoms)
def test_a_valid_fusion_is_never_refused_and_trains(random: Random, world: Path, everything: Registry) -> None:
    text = to_yaml(random, grow(random, everything))
    trial = try_valid(random, text, world, everything)
    assert trial.verdict is Verdict.TRAINED, f"{trial.found}\n{text}"
    assert not trial.warnings, f"{trial.warnings}\n{text}"


@settings(_SETTINGS, max_examples=240)
@given(random=randoms)
def test_a_mutant_trains_or_is_refused_in_words(random: Random, world: Path, everything: Registry) -> None:
    mutant = mutate(random, everything, grow(random, everything))
    trial = try_mutant(random, mutant.text, world, everything)
    assert not trial.verdict.is_finding, f"{trial.verdict}: {trial.found}\n{mutant.changes}\n{mutant.text}"


@settings(_SETTINGS, max_examples=25)
@given(random=randoms)
def test_a_balancer_by_gradients_trains_or_is_refused_in_words(
    random: Random, world: Path, everything: Registry
) -> None:
    written = grow(random, everything)
    written.setdefault("objective", {})["balance"] = draw_by_gradients(random, everything, list(written["losses"]))
    trial = try_mutant(random, to_yaml(random, written), world, everything)
    assert not trial.verdict.is_finding, f"{trial.verdict}: {trial.found}\n{to_yaml(random, written)}"


def test_most_mutants_are_refused_and_many_fixes_are_pasted(world: Path, everything: Registry) -> None:
    """What is tried is there to be tried: without it, the test above could not fail."""
    mutants = [mutate(Random(seed), everything, grow(Random(seed), everything)) for seed in range(100)]
    written = [value for mutant in mutants if (value := plain(mutant.text)) is not None]
    faults = [errors_of(json.dumps(value, ensure_ascii=False), world, everything) for value in written]
    refused = [(value, found) for value, found in zip(written, faults, strict=True) if found]
    assert len(written) - len(refused) > 15
    assert len(refused) > 40
    able = [value for value, found in refused if any(pasted(value, fault) for fault in found)]
    assert len(able) > 0.6 * len(refused)


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.stem)
def test_what_was_found_once_stays_mended(file: Path, world: Path, everything: Registry) -> None:
    text = file.read_text(encoding="utf-8")
    match = EXPECTED.match(text)
    assert match is not None, "a found file begins with `# expect: trains` or its codes, and then tells why"
    trial = try_fusion(text, world, everything)
    if match[1] == "trains":
        assert trial.verdict is Verdict.TRAINED, trial.found
    else:
        assert trial.verdict in (Verdict.REFUSED, Verdict.NO_DATA), trial.found
        assert sorted(set(trial.codes)) == match[1].split(", ")
        assert not list(fixes_that_leave_it(trial.faults, text, world, everything))


def fixes_that_leave_it(
    faults: Iterable[Diagnostic], text: str, world: Path, registry: Registry
) -> Iterator[Diagnostic]:
    """Gives the faults that stay when their fix is pasted."""
    written = plain(text)
    assert written is not None
    for fault in faults:
        mended = pasted(written, fault)
        left = errors_of(json.dumps(mended), world, registry) if mended else ()
        if (fault.code, fault.path) in {(other.code, other.path) for other in left}:
            yield fault


def test_the_page_lists_what_was_found() -> None:
    listed = re.findall(r"^\| `(\d{3}_\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [file.stem for file in FOUND]


@pytest.fixture(scope="module")
def grown(everything: Registry) -> list[dict[str, Any]]:
    return [grow(Random(seed), everything) for seed in range(600)]


def test_the_fusions_have_every_size_and_every_component(grown: list[dict[str, Any]], everything: Registry) -> None:
    sizes = [
        sum(len(fusion.get(section, ())) for section in ("inputs", "modules", "losses", "metrics")) for fusion in grown
    ]
    assert min(sizes) <= 4
    assert max(sizes) >= MOST_NODES * 2 // 3
    used = {use for fusion in grown for use in _uses(fusion)}
    listed = UNGROWN.read_text(encoding="utf-8").splitlines()
    assert {offer.name for offer in everything.components()} - used == {line for line in listed if line[0] != "#"}


def test_the_fusions_learn_in_every_way(grown: list[dict[str, Any]]) -> None:
    said = {pair for fusion in grown for pair in _said(fusion)}
    lacking = {(key, value) for key, values in WAYS.items() for value in values} - said
    assert not lacking


def _uses(value: Any) -> set[str]:
    if isinstance(value, list):
        return {use for item in value for use in _uses(item)}
    if not isinstance(value, dict):
        return set()
    named = {value[key] for key in ("use", "tune", "balance") if isinstance(value.get(key), str)}
    return named | {use for item in value.values() for use in _uses(item)}


def _said(value: Any, key: str = "") -> set[tuple[str, Any]]:
    """Gives every plain value with its key, and every key by itself, with None."""
    if isinstance(value, list):
        return {pair for item in value for pair in _said(item, key)}
    if not isinstance(value, dict):
        return {(key, value), (key, None)}
    return {(key, None)} | {pair for name, item in value.items() for pair in _said(item, str(name))}
