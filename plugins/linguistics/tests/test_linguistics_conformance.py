"""The conformance kit on every component of linguistics."""

from consilience.testing import conformance

test_linguistics = conformance("linguistics")
