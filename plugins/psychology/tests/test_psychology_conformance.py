"""The conformance kit on every component of psychology."""

from consilience.testing import conformance

test_psychology = conformance("psychology")
