"""The conformance kit on every component of complexity."""

from consilience.testing import conformance

test_complexity = conformance("complexity", examples={"complexity.sparsity": [{"keep": 0.5, "openness": 0.6}]})
