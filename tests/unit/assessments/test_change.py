"""Change from the own baseline: DOMAIN section 4 row by row, journeys A and C, and a slow oracle."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.domain.change import BaselineRule, Meaning, Scored, choose_baseline, compare, worsened
from tests.unit.assessments.shipped import thresholds

DAY = datetime(2027, 1, 4, 15, tzinfo=UTC)
M = Meaning


@pytest.mark.parametrize(
    ("code", "baseline", "score", "points", "percent", "meets"),
    [
        # journeys A and C
        ("PHQ-9", 21, 9, -12, "-57.1", [M.RESPONSE, M.IMPROVED]),
        ("PHQ-9", 14, 6, -8, "-57.1", [M.RESPONSE, M.IMPROVED]),
        ("PHQ-9", 14, 4, -10, "-71.4", [M.REMISSION, M.RESPONSE, M.IMPROVED]),
        ("PHQ-9", 14, 12, -2, "-14.3", []),
        # PHQ-9: 5 points; response from 50 %; remission below 5
        ("PHQ-9", 20, 16, -4, "-20.0", []),
        ("PHQ-9", 20, 15, -5, "-25.0", [M.IMPROVED]),
        ("PHQ-9", 20, 11, -9, "-45.0", [M.IMPROVED]),
        ("PHQ-9", 20, 10, -10, "-50.0", [M.RESPONSE, M.IMPROVED]),
        ("PHQ-9", 21, 11, -10, "-47.6", [M.IMPROVED]),
        ("PHQ-9", 10, 5, -5, "-50.0", [M.RESPONSE, M.IMPROVED]),
        ("PHQ-9", 5, 4, -1, "-20.0", [M.REMISSION]),
        ("PHQ-9", 4, 2, -2, "-50.0", [M.RESPONSE]),
        ("PHQ-9", 10, 14, 4, "40.0", []),
        ("PHQ-9", 10, 15, 5, "50.0", [M.WORSE]),
        ("PHQ-9", 0, 3, 3, None, []),
        # GAD-7: 4 points
        ("GAD-7", 12, 9, -3, "-25.0", []),
        ("GAD-7", 12, 8, -4, "-33.3", [M.IMPROVED]),
        ("GAD-7", 12, 3, -9, "-75.0", [M.IMPROVED]),
        ("GAD-7", 12, 16, 4, "33.3", [M.WORSE]),
        # NRS: 2 points or 30 %; 50 % substantial; rise of 2
        ("NRS", 9, 8, -1, "-11.1", []),
        ("NRS", 9, 7, -2, "-22.2", [M.IMPROVED]),
        ("NRS", 3, 2, -1, "-33.3", [M.IMPROVED]),
        ("NRS", 8, 4, -4, "-50.0", [M.SUBSTANTIAL, M.IMPROVED]),
        ("NRS", 1, 2, 1, "100.0", []),
        ("NRS", 5, 7, 2, "40.0", [M.WORSE]),
        # PCL-5: 10 points
        ("PCL-5", 50, 41, -9, "-18.0", []),
        ("PCL-5", 50, 40, -10, "-20.0", [M.IMPROVED]),
        ("PCL-5", 40, 50, 10, "25.0", [M.WORSE]),
    ],
)
def test_what_a_change_means(
    code: str, baseline: int, score: int, points: int, percent: str | None, meets: list[Meaning]
) -> None:
    change = compare(score=score, baseline=baseline, thresholds=thresholds(code))
    assert (change.points, change.percent) == (points, None if percent is None else Decimal(percent))
    assert list(change.meets) == meets
    assert change.meaning == (meets[0] if meets else Meaning.UNCHANGED)


def test_journey_a_is_response_and_not_remission() -> None:
    change = compare(score=9, baseline=21, thresholds=thresholds("PHQ-9"))
    assert change.percent is not None
    assert round(change.percent) == -57
    assert Meaning.REMISSION not in change.meets


@pytest.mark.parametrize(
    ("code", "score", "baseline", "previous", "opens"),
    [
        ("PHQ-9", 14, 21, 9, True),  # better than the baseline, but five points up from last time
        ("PHQ-9", 13, 21, 9, False),
        ("PHQ-9", 15, 10, 12, True),  # creeping up from the baseline
        ("PHQ-9", 14, 10, 12, False),
        ("NRS", 7, 8, 5, True),
        ("NRS", 6, 8, 5, False),
        ("GAD-7", 21, 0, 0, False),
        ("PHQ-9", 27, None, None, False),
    ],
)
def test_worsening_counts_from_the_baseline_or_the_previous_answer(
    code: str, score: int, baseline: int | None, previous: int | None, opens: bool
) -> None:
    found = worsened(score=score, baseline=baseline, previous=previous, thresholds=thresholds(code))
    assert bool(found) == opens


@given(st.sampled_from([("PHQ-9", 27), ("GAD-7", 21), ("NRS", 10), ("PCL-5", 80)]), st.data())
def test_against_an_oracle_in_fractions(kind: tuple[str, int], data: st.DataObject) -> None:
    code, most = kind
    baseline = data.draw(st.integers(0, most))
    score = data.draw(st.integers(0, most))
    change = compare(score=score, baseline=baseline, thresholds=thresholds(code))
    fallen = Fraction(baseline - score, baseline) if baseline else Fraction(0)
    points = {"PHQ-9": 5, "GAD-7": 4, "NRS": 2, "PCL-5": 10}[code]
    better = baseline - score >= points or (code == "NRS" and fallen >= Fraction(3, 10))
    oracle = {
        Meaning.REMISSION: code == "PHQ-9" and score < 5 <= baseline,
        Meaning.RESPONSE: code == "PHQ-9" and fallen >= Fraction(1, 2),
        Meaning.SUBSTANTIAL: code == "NRS" and fallen >= Fraction(1, 2),
        Meaning.IMPROVED: better,
        Meaning.WORSE: score - baseline >= points,
    }
    assert set(change.meets) == {meaning for meaning, is_so in oracle.items() if is_so}
    assert change.points == score - baseline
    if baseline:
        assert change.percent is not None
        assert abs(Fraction(change.percent) + fallen * 100) <= Fraction(1, 20)


def test_the_baseline_is_the_latest_before_the_treatment_began() -> None:
    earlier = [Scored(n, 20 + n, DAY + timedelta(days=n)) for n in range(4)]
    began = DAY + timedelta(days=1)
    found = choose_baseline(earlier=earlier, treatment_began=began)
    assert found is not None
    assert (found.scored.id, found.rule) == (1, BaselineRule.BEFORE_TREATMENT)


@pytest.mark.parametrize("began", [None, DAY - timedelta(days=1)])
def test_else_it_is_the_first_of_all(began: datetime | None) -> None:
    earlier = [Scored(n, 20 + n, DAY + timedelta(days=n)) for n in (2, 0, 1)]
    found = choose_baseline(earlier=earlier, treatment_began=began)
    assert found is not None
    assert (found.scored.id, found.rule) == (0, BaselineRule.FIRST)


def test_the_first_answer_has_no_baseline() -> None:
    assert choose_baseline(earlier=[], treatment_began=DAY) is None
