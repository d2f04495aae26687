"""The conformance kit on every component of linguistics."""

from consilience.testing import conformance

test_linguistics = conformance(
    "linguistics", examples={"linguistics.mask": [{"rate": 0.5, "replaced": 0.3, "random": 0.7}, {"rate": 1.0}]}
)
