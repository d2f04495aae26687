"""The pytest plugin: the fixtures, and the counts at the end of a run. Light, since every run of pytest imports it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROPERTY = "consilience"


@pytest.fixture(scope="session")
def tiny_encoder() -> Path:
    """The folder of a BERT of width 16 with random weights and a tokenizer of a few words."""
    from consilience.testing._tiny import write_encoder

    return write_encoder()


@pytest.fixture
def registry() -> Any:
    """A registry of what is installed, made afresh for each test."""
    from consilience.host import Registry

    return Registry()


@pytest.fixture
def fusion(registry: Any) -> Any:
    """A small fusion of standard components on the tiny encoder, with a field of every type, to change and to check."""
    from consilience.testing._reference import base_fusion

    return base_fusion()


@pytest.fixture
def tiny_batch(fusion: Any, registry: Any) -> dict[str, Any]:
    """A batch of four rows of the small fusion: the tensors of its fields and inputs, by name."""
    from consilience.testing._reference import batch_of

    return batch_of(fusion, registry)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tells, for each plugin, how many checks ran, were skipped and failed as expected, and what was reported."""
    found = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    if not found:
        return
    from consilience.testing._check import Outcome, Status
    from consilience.testing._run import told

    terminalreporter.section("conformance")
    for namespace in sorted({value["namespace"] for value in found}):
        own = [{**value, "status": Status(value["status"])} for value in found if value["namespace"] == namespace]
        outcomes = [Outcome(**{key: item for key, item in value.items() if key != "namespace"}) for value in own]
        terminalreporter.write_line(told(namespace, tuple(outcomes)))
