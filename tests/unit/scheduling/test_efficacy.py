"""When a measure has fallen too little: exact, against the plain definition in fractions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.domain.check_in_answers import Efficacy, falls_short

TWENTY = Efficacy(better_by_percent=20, baseline_at_least=5)


@pytest.mark.parametrize(
    ("baseline", "score", "short"),
    [
        (14, 12, True),  # journey C: 14 % better
        (14, 11, False),  # 21 %
        (15, 12, False),  # exactly 20 %
        (14, 6, False),
        (14, 14, True),
        (14, 17, True),  # worse
        (5, 4, False),
        (4, 4, False),  # too little to fall by
        (0, 0, False),
    ],
)
def test_twenty_percent(baseline: int, score: int, short: bool) -> None:
    assert falls_short(score=score, baseline=baseline, rule=TWENTY) is short


@given(
    baseline=st.integers(0, 80),
    score=st.integers(0, 80),
    percent=st.integers(1, 100),
    least=st.integers(1, 20),
)
def test_it_is_the_fraction_that_counts(baseline: int, score: int, percent: int, least: int) -> None:
    short = falls_short(score=score, baseline=baseline, rule=Efficacy(percent, least))
    judged = baseline >= least
    assert short == (judged and Fraction(baseline - score, baseline) < Fraction(percent, 100))
