"""The pytest suite of a plugin: one test for each check of each component."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

from consilience.testing._check import Status
from consilience.testing._lab import Examples
from consilience.testing._run import Case, make_suite

__all__ = ["PROPERTY", "conformance"]

PROPERTY = "consilience"
"""The name of the property of a test's report that the outcome travels in."""

ExpectedFailures = Mapping[str, str | Mapping[str, str]]


def conformance(
    plugin: object,
    namespace: str | None = None,
    *,
    expected_failures: ExpectedFailures | None = None,
    examples: Examples | None = None,
    build_with: Mapping[str, Mapping[str, str]] | None = None,
    sizes: Mapping[str, Mapping[str, int]] | None = None,
) -> Callable[..., None]:
    """Gives a parametrised pytest test over every check of every component of a plugin.

    `plugin` is its namespace, or the plugin itself (an object or module with hooks) with the `namespace` to give it.
    `expected_failures` tells what cannot pass, and why: `{"mine.head": {"exports": "the reason"}}`, or the check alone
    for the plugin as a whole; one that passes fails. `examples` gives further settings to build with, as a file has
    them; `build_with` the component that a key which names a node is given; `sizes` the sizes that dims must have.
    Raises ValueError where they tell of what is not there, and for a namespace to give that is installed.

        test_plugin = conformance("psychology")
    """
    import pytest

    suite = make_suite(plugin, namespace, expected_failures, examples, build_with, sizes)

    @pytest.mark.parametrize("case", suite.cases, ids=str)
    def test_plugin(case: Case, record_property: Callable[[str, object], None]) -> None:
        outcome = suite.run(case)
        # Plain values: a report may travel from another process, as pytest-xdist's do.
        plain = {"namespace": suite.lab.namespace, **asdict(outcome), "status": outcome.status.value}
        record_property(PROPERTY, plain)
        match outcome.status:
            case Status.FAILED:
                pytest.fail(outcome.detail, pytrace=False)
            case Status.SKIPPED:
                pytest.skip(outcome.detail)
            case Status.EXPECTED:
                pytest.xfail(outcome.detail)

    return test_plugin
