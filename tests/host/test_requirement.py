"""What a plugin requires of Consilience is read as packaging reads it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from consilience.host._requirement import unmet_requirement

numbers = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
versions = st.tuples(numbers, st.sampled_from(["", "", "", ".dev1", "a1", "rc2", ".post1", "+local"])).map("".join)
signs = st.sampled_from([">=", "<", ">= ", " <", "==", "!=", "~=", ">", "<="])
bounds = st.lists(st.tuples(signs, numbers).map("".join), max_size=3).map(",".join)

quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(bounds, versions)
def test_bounds_hold_the_versions_that_packaging_says_they_hold(wanted: str, version: str) -> None:
    try:
        holds = SpecifierSet(wanted).contains(version, prereleases=True)
    except ValueError:  # `~=1` needs two numbers
        holds = True
    assert (unmet_requirement([f"consilience{wanted}"], version) is None) is holds


@pytest.mark.parametrize(
    ("requirement", "is_met"),
    [
        ("consilience", True),
        ("consilience>=0.1,<0.2", True),
        ("Consilience[demo] (>=0.1, <0.2)", True),
        ("consilience>=0.1.0.0", True),
        ("consilience<0.1.0", False),
        ("consilience>=0.2; python_version > '3'", False),
        ("consilience>=0.2; extra == 'own'", True),
        ("consilience-psychology>=9", True),
        ("consilience>=nine", True),
        ("consilience>=0.2; python_version ~= 'three'", True),
        ("consilience>=0.2; os_name ~= '3'", True),
        ("consilience>=0.2; 'a' < 'b'", True),
        ("consilience>=0.2; 'own' in extras", True),
        ("consilience>=0.2; no marker", True),
        ("consilience>=0.2; " + "(" * 3000, True),
        ("consilience>=" + "9" * 5000, True),
    ],
)
def test_forms_of_requirements(requirement: str, is_met: bool) -> None:
    assert (unmet_requirement(["numpy>=9", requirement], "0.1.0") is None) is is_met
    assert unmet_requirement([requirement, "consilience>=99"], "0.1.0") is not None
