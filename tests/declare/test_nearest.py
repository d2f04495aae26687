"""The name that a misspelt one meant, among few and among thousands."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consilience.errors import nearest, shortlist

MANY = [f"{kind}_{number}" for number in range(1000) for kind in ("gate", "opinion", "rating")]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("opinoin_17", "opinion_17"), ("opinio_999", "opinion_999"), ("ratting_5", "rating_5"), ("gade_12", "gate_12")],
)
def test_a_slip_is_known_again_among_thousands(name: str, meant: str) -> None:
    assert nearest(name, MANY) == meant
    assert nearest(name, [meant, "other"]) == meant


def test_among_thousands_nothing_is_guessed_and_among_few_something_is() -> None:
    assert nearest("enc", ["text", "encoder"]) == "encoder"
    assert nearest("enc", [*MANY, "encoder"]) is None
    assert nearest("zzqq", ["text", "encoder"]) is None


letters = st.text("abc_1", min_size=3, max_size=8)

quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(letters, st.integers(0, 7), letters, st.sampled_from(["drop", "put", "change", "swap"]))
def test_every_slip_of_one_letter_is_known_again(name: str, place: int, other: str, slip: str) -> None:
    place %= len(name)
    slips = {
        "drop": name[:place] + name[place + 1 :],
        "put": name[:place] + other[0] + name[place:],
        "change": name[:place] + other[0] + name[place + 1 :],
        "swap": name[:place] + name[place : place + 2][::-1] + name[place + 2 :],
    }
    known = [*MANY[:400], f"known_{name}"]
    assert nearest(f"known_{slips[slip]}", known) == f"known_{name}"


def test_a_long_list_is_cut() -> None:
    assert shortlist("abc") == "a, b, c"
    assert shortlist(map(str, range(14))) == ", ".join(map(str, range(14)))
    assert shortlist(map(str, range(1015))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 1,003 more"
