"""The conformance kit on every component of torchjd."""

from consilience.testing import conformance

test_torchjd = conformance("torchjd", examples={"torchjd.pcd": [{"primary": "first"}]})
