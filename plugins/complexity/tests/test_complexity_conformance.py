"""The conformance kit on every component of complexity."""

from consilience.testing import conformance

test_complexity = conformance("complexity")
