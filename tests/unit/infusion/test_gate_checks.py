"""Each gate against a table of facts, and against slow obvious oracles: exact limits, month ends, both edges
of daylight saving."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.domain.gate_checks import CHECKS
from scheduling.domain.gate_facts import Facts, Finding, Reading, State
from scheduling.domain.gates import LIMITS

DENVER = ZoneInfo("America/Denver")
AT = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)
"""Monday 09:00 in Denver."""
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
OPEN, PASS, FAIL = State.OPEN, State.PASS, State.FAIL


def check(
    code: str, answers: Mapping[str, Any] | None = None, *, limits: Any = None, **facts: Any
) -> Finding:
    known = Facts(**{"at": AT, "zone": DENVER, **facts})
    return CHECKS[code](answers, known, {**LIMITS[code], **(limits or {})})


def reading(minutes: int, pressure: str = "124/78", *, spo2: int | None = 98, **fields: Any) -> Reading:
    """Taken so many minutes after AT."""
    systolic, diastolic = (int(part) for part in pressure.split("/"))
    at = AT + minutes * MINUTE
    return Reading(
        id=fields.pop("id", minutes),
        measured_at=at,
        systolic=systolic,
        diastolic=diastolic,
        spo2=spo2,
        **fields,
    )


def test_every_code_has_a_check() -> None:
    assert set(CHECKS) == set(LIMITS)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("identity", "checked"),
        ("driving", "acknowledged"),
        ("oriented", "oriented"),
        ("gait", "steady"),
        ("escort_present", "present"),
        ("driving_advice", "told"),
    ],
)
def test_a_yes_passes_a_no_fails_and_silence_is_open(code: str, name: str) -> None:
    assert check(code).state == OPEN
    assert check(code, {name: True}).state == PASS
    assert check(code, {name: False}).state == FAIL


class TestConsent:
    @pytest.mark.parametrize(
        ("signed_on", "valid_days", "state"),
        [
            ("2027-01-11", 365, PASS),
            ("2026-01-11", 365, PASS),  # exactly
            ("2026-01-10", 365, FAIL),
            ("2026-12-31", 11, PASS),  # over the end of a month and of a year
            ("2026-12-31", 10, FAIL),
            ("1999-01-01", 0, PASS),  # switched off
            (None, 365, FAIL),
        ],
    )
    def test_it_is_in_date_for_so_many_days(
        self, signed_on: str | None, valid_days: int, state: State
    ) -> None:
        found = check("consent", {"signed_on": signed_on}, limits={"valid_days": valid_days})
        assert found.state == state

    def test_the_day_is_the_sites(self) -> None:
        answers, limits = {"signed_on": "2027-01-10"}, {"valid_days": 1}
        late = datetime(2027, 1, 11, 23, 59, tzinfo=DENVER)
        assert check("consent", answers, limits=limits, at=late).state == PASS  # it is the 12th in UTC
        assert check("consent", answers, limits=limits, at=late + MINUTE).state == FAIL

    @given(st.dates(date(2024, 1, 1), date(2030, 1, 1)), st.integers(0, 800), st.integers(1, 800))
    def test_against_counting_days(self, signed: date, ago: int, valid: int) -> None:
        at = datetime(signed.year, signed.month, signed.day, 12, tzinfo=DENVER)
        for _day in range(ago):
            at += timedelta(days=1)  # on the wall: noon stays noon over both changes of the clocks
        found = check("consent", {"signed_on": signed.isoformat()}, limits={"valid_days": valid}, at=at)
        assert (found.state == PASS) == (ago <= valid)


class TestFasting:
    NOTHING = {"clear_fluids_at": None, "light_meal_at": None, "fatty_meal_at": None}

    @pytest.mark.parametrize(
        ("name", "minutes"), [("clear_fluids", 120), ("light_meal", 360), ("fatty_meal", 480)]
    )
    def test_exactly_at_the_limit_is_long_enough(self, name: str, minutes: int) -> None:
        for early, state in ((0, PASS), (1, FAIL)):
            taken = AT - (minutes - early) * MINUTE
            assert check("fasting", {**self.NOTHING, f"{name}_at": taken.isoformat()}).state == state

    def test_since_yesterday_evening_passes_and_unasked_is_open(self) -> None:
        assert check("fasting", self.NOTHING).state == PASS
        assert check("fasting").state == OPEN

    def test_a_limit_of_0_is_off(self) -> None:
        just_now = {**self.NOTHING, "clear_fluids_at": AT.isoformat()}
        assert check("fasting", just_now, limits={"clear_fluids_minutes": 0}).state == PASS

    def test_it_says_until_when_on_the_sites_clocks(self) -> None:
        found = check("fasting", {**self.NOTHING, "light_meal_at": (AT - HOUR).isoformat()})
        assert found.detail == "A light meal less than 6 h ago: enough from 14:00 on 2027-01-11."

    def test_waiting_passes_and_the_facts_stay_the_same(self) -> None:
        eaten = {**self.NOTHING, "light_meal_at": (AT - 2 * HOUR).isoformat()}
        early, later = check("fasting", eaten), check("fasting", eaten, at=AT + HOUR)
        assert (early.state, later.state, early.basis) == (FAIL, FAIL, later.basis)
        assert check("fasting", eaten, at=AT + 4 * HOUR).state == PASS

    @pytest.mark.parametrize(
        ("eaten", "now"),
        [
            # The night of 14 March has 23 hours, that of 7 November 25.
            ("2027-03-13T23:00:00-07:00", "2027-03-14T06:00:00-06:00"),
            ("2027-11-06T23:00:00-06:00", "2027-11-07T04:00:00-07:00"),
        ],
    )
    def test_minutes_are_real_minutes_when_the_clocks_change(self, eaten: str, now: str) -> None:
        """Both are six hours, whatever the clocks on the wall say."""
        answers, at = {**self.NOTHING, "light_meal_at": eaten}, datetime.fromisoformat(now)
        assert check("fasting", answers, at=at).state == PASS
        assert check("fasting", answers, at=at - MINUTE).state == FAIL

    @given(*[st.none() | st.integers(0, 700)] * 3)
    def test_against_an_oracle(self, fluids: int | None, light: int | None, fatty: int | None) -> None:
        ago = {"clear_fluids": fluids, "light_meal": light, "fatty_meal": fatty}
        answers = {
            f"{name}_at": None if minutes is None else (AT - minutes * MINUTE).isoformat()
            for name, minutes in ago.items()
        }
        fine = all(
            minutes is None or minutes >= LIMITS["fasting"][f"{name}_minutes"]
            for name, minutes in ago.items()
        )
        assert check("fasting", answers).state == (PASS if fine else FAIL)


class TestWeight:
    def test_within_its_hours(self) -> None:
        assert check("weight").state == OPEN
        assert check("weight", weighed_at=AT - 12 * HOUR).state == PASS
        assert check("weight", weighed_at=AT - 12 * HOUR - MINUTE).state == OPEN
        assert check("weight", weighed_at=AT - 999 * HOUR, limits={"valid_hours": 0}).state == PASS


class TestVitals:
    def test_nothing_or_half_of_it_is_open(self) -> None:
        assert check("vitals").state == OPEN
        assert check("vitals", readings=[reading(-5, spo2=None)]).state == OPEN
        half = Reading(id=1, measured_at=AT - 5 * MINUTE, spo2=98)
        assert check("vitals", readings=[half]).state == OPEN

    def test_within_its_minutes(self) -> None:
        assert check("vitals", readings=[reading(-60)]).state == PASS
        assert check("vitals", readings=[reading(-61)]).state == OPEN

    @pytest.mark.parametrize(
        ("level", "nurse", "prescriber"),
        [("", PASS, PASS), ("acknowledge", PASS, PASS), ("review", FAIL, PASS), ("urgent", FAIL, PASS)],
    )
    def test_what_was_flagged_is_answered_by_whom_it_asks(
        self, level: str, nurse: State, prescriber: State
    ) -> None:
        flagged = [reading(-5, level=level)]
        assert check("vitals", readings=flagged).state == (FAIL if level else PASS)
        assert check("vitals", readings=[reading(-5, level=level, acknowledged=True)]).state == nurse
        by_prescriber = reading(-5, level=level, acknowledged=True, acknowledged_by_prescriber=True)
        assert check("vitals", readings=[by_prescriber]).state == prescriber

    def test_measured_again_and_found_lower(self) -> None:
        high, lower = reading(-20, "172/104", level="review"), reading(-5, "138/86")
        assert check("vitals", readings=[high]).state == FAIL
        assert check("vitals", readings=[high, lower]).state == PASS

    def test_symptoms_after_the_full_reading_count(self) -> None:
        symptoms = Reading(id=9, measured_at=AT - MINUTE, level="urgent")
        assert check("vitals", readings=[reading(-5), symptoms]).state == FAIL

    def test_a_worse_reading_is_another_fact(self) -> None:
        first = check("vitals", readings=[reading(-20, level="review")])
        second = check("vitals", readings=[reading(-20, level="review"), reading(-5, level="urgent")])
        stale = check("vitals", readings=[reading(-20, level="review")], at=AT + HOUR)
        assert len({first.basis.__repr__(), second.basis.__repr__(), stale.basis.__repr__()}) == 3

    def test_what_came_after_the_start_does_not_count(self) -> None:
        during = reading(10, "172/104", level="review")
        assert check("vitals", readings=[reading(-5), during], started_at=AT, at=AT).state == PASS


@pytest.mark.parametrize("name", ["pregnancy", "new_medicines", "substances"])
def test_any_yes_at_the_rescreen_fails(name: str) -> None:
    asked = {"pregnancy": "not_applicable", "new_medicines": "no", "substances": "no"}
    assert check("rescreen").state == OPEN
    assert check("rescreen", asked).state == PASS
    assert check("rescreen", {**asked, name: "yes"}).state == FAIL


def test_open_flags_fail_and_a_new_one_is_another_fact() -> None:
    assert check("flags").state == PASS
    one, two = check("flags", open_flags=[3]), check("flags", open_flags=[3, 4])
    assert (one.state, two.state) == (FAIL, FAIL)
    assert one.basis != two.basis
    assert (one.detail, two.detail) == (
        "1 screening flag is not acknowledged.",
        "2 screening flags are not acknowledged.",
    )


class TestMood:
    def test_an_alarm_is_not_overridable(self) -> None:
        found = check("mood", alarms=[1], phq9_at=AT)
        assert (found.state, found.overridable) == (FAIL, False)

    def test_the_phq9_within_its_hours(self) -> None:
        assert check("mood").state == OPEN
        assert check("mood", phq9_at=AT - 24 * HOUR).state == PASS
        assert check("mood", phq9_at=AT - 24 * HOUR - MINUTE).state == OPEN
        assert check("mood", limits={"phq9_valid_hours": 0}).state == PASS
        assert check("mood", limits={"phq9_valid_hours": 0}, alarms=[1]).state == FAIL


@given(st.lists(st.integers(0, 2), min_size=5, max_size=5), st.integers(0, 10))
def test_aldrete_is_a_sum(points: list[int], least: int) -> None:
    names = ("activity", "respiration", "circulation", "consciousness", "oxygen_saturation")
    found = check("aldrete", dict(zip(names, points, strict=True)), limits={"least": least})
    assert found.state == (PASS if sum(points) >= least else FAIL)


class TestBloodPressure:
    """Started at AT, ended after 40 minutes, judged 60 minutes after the start unless said otherwise."""

    def judged(self, *readings: Reading, minutes: int = 60, **limits: int) -> State:
        ended = AT + 40 * MINUTE
        return check(
            "blood_pressure",
            limits=limits,
            readings=readings,
            started_at=AT,
            ended_at=ended,
            at=AT + minutes * MINUTE,
        ).state

    def test_journey_a(self) -> None:
        """172/104 half an hour in is reviewed, 138/86 after an hour is near 128/82."""
        before, during = reading(-10, "128/82"), reading(30, "172/104")
        assert self.judged(before, during) == OPEN
        assert self.judged(before, during, reading(60, "138/86")) == PASS

    @pytest.mark.parametrize(
        ("after", "state"),
        [
            ("120/80", PASS),
            ("144/96", PASS),  # exactly a fifth more
            ("145/96", FAIL),
            ("144/97", FAIL),
            ("96/64", PASS),  # exactly a fifth less
            ("95/64", FAIL),
            ("96/63", FAIL),
        ],
    )
    def test_within_a_fifth_either_way(self, after: str, state: State) -> None:
        assert self.judged(reading(-10, "120/80"), reading(45, after)) == state

    def test_recent_and_after_the_end(self) -> None:
        before = reading(-10, "120/80")
        assert self.judged(before, reading(39, "120/80")) == OPEN
        assert self.judged(before, reading(40, "120/80"), minutes=70) == PASS
        assert self.judged(before, reading(40, "120/80"), minutes=71) == OPEN

    def test_without_a_baseline_somebody_decides(self) -> None:
        assert self.judged(reading(45, "120/80")) == FAIL
        assert self.judged(reading(45, "120/80"), within_percent=0) == PASS

    def test_the_baseline_is_the_latest_before_the_start(self) -> None:
        assert self.judged(reading(-60, "180/110"), reading(0, "120/80"), reading(45, "124/82")) == PASS

    @given(
        st.integers(60, 250),
        st.integers(60, 250),
        st.integers(31, 59),
        st.integers(31, 59),
        st.integers(1, 60),
    )
    def test_against_fractions(self, was: int, is_now: int, low_was: int, low_now: int, percent: int) -> None:
        part = Fraction(percent, 100)
        near = all(
            then - then * part <= value <= then + then * part
            for then, value in ((was, is_now), (low_was, low_now))
        )
        state = self.judged(
            reading(-1, f"{was}/{low_was}"), reading(45, f"{is_now}/{low_now}"), within_percent=percent
        )
        assert state == (PASS if near else FAIL)


class TestObservation:
    def test_since_the_start_or_the_recorded_dose(self) -> None:
        at = AT + 120 * MINUTE
        assert check("observation").state == OPEN
        assert check("observation", started_at=AT, at=at).state == PASS
        assert check("observation", started_at=AT, at=at - MINUTE).state == FAIL
        dosed = AT + 10 * MINUTE
        assert check("observation", started_at=AT, dosed_at=dosed, at=at).state == FAIL
        assert check("observation", started_at=AT, dosed_at=dosed, at=at + 10 * MINUTE).state == PASS

    def test_over_the_change_of_the_clocks_it_is_two_real_hours(self) -> None:
        start = datetime(2027, 3, 14, 0, 30, tzinfo=DENVER).astimezone(UTC)
        four = datetime(2027, 3, 14, 3, 30, tzinfo=DENVER).astimezone(UTC)  # 3:30 after 0:30: two hours
        assert check("observation", started_at=start, at=four).state == PASS
        found = check("observation", started_at=start, at=four - MINUTE)
        assert (found.state, found.detail) == (FAIL, "Observed until 03:30 at least.")


def test_sedation_and_dissociation_have_both_resolved() -> None:
    both: dict[str, Any] = {"sedation_resolved_at": AT, "dissociation_resolved_at": AT}
    assert check("resolved", **both).state == PASS
    for name in both:
        assert check("resolved", **{**both, name: None}).state == OPEN
        assert check("resolved", **{**both, name: AT + MINUTE}).state == OPEN
