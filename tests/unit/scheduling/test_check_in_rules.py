"""The onset check-in table of DOMAIN section 3, row by row, and who each row is for."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from scheduling.domain.check_in_history import InvalidHistory
from scheduling.domain.check_in_rules import CheckInRule, Follows, InvalidRules, PatientFacts
from scheduling.domain.check_ins import CheckInStatus, PlannedCheckIn, plan
from tests.fakes.onset_record import (
    ADULT,
    MARCH_1,
    RULES,
    START,
    YOUNG_DEPRESSED,
    Record,
    event,
    on,
    only,
    planned_rows,
)


class TestTable:
    """Every row of the table: day, window, who it is for, and what it asks."""

    @pytest.mark.parametrize(
        ("code", "day", "before", "after", "asks", "mandatory", "staff_contact"),
        [
            ("SAFE7", 7, 1, 1, {"ASQ", "PHQ-9"}, True, True),
            ("ONSET7", 7, 1, 3, {"NRS", "SIDE-EFFECTS"}, False, False),
            ("REV14", 14, 2, 3, {"NRS", "PHQ-9"}, False, False),
            ("REV28", 28, 3, 7, {"NRS", "PHQ-9", "GAD-7"}, False, False),
            ("REV42", 42, 7, 7, {"NRS", "PHQ-9", "GAD-7"}, False, False),
            ("MAX56", 56, 7, 7, {"NRS", "PHQ-9", "GAD-7"}, False, False),
            ("REV84", 84, 7, 7, {"NRS", "PHQ-9", "GAD-7"}, False, False),
            ("REM180", 180, 30, 30, {"PHQ-9"}, False, False),
        ],
    )
    def test_onset_row(
        self,
        *,
        code: str,
        day: int,
        before: int,
        after: int,
        asks: set[str],
        mandatory: bool,
        staff_contact: bool,
    ) -> None:
        facts = ADULT if code == "ONSET7" else YOUNG_DEPRESSED
        row = only(planned_rows(START, facts=facts), code)
        due = MARCH_1 + timedelta(days=day)
        assert (row.day, row.due_on) == (day, due)
        assert (row.window_start_on, row.window_end_on) == (
            due - timedelta(days=before),
            due + timedelta(days=after),
        )
        assert set(row.asks) == asks
        assert (row.mandatory, row.staff_contact) == (mandatory, staff_contact)

    @pytest.mark.parametrize(
        ("kind", "explanation"),
        [
            ("decrease", "day 3 after reducing to 25 mg on 1 June 2027"),
            ("stop", "day 3 after stopping on 1 June 2027"),
        ],
    )
    def test_taper_rows(self, kind: str, explanation: str) -> None:
        rows = [row for row in planned_rows(START, event(2, kind, "25", on(6, 1))) if row.code == "TAPER"]
        assert [row.due_on for row in rows] == [on(6, 4), on(6, 8), on(6, 15), on(6, 29)]
        assert {(row.due_on - row.window_start_on).days for row in rows} == {2}
        assert {(row.window_end_on - row.due_on).days for row in rows} == {2}
        assert {frozenset(row.asks) for row in rows} == {frozenset({"PHQ-9", "NRS", "ASQ"})}
        assert rows[0].explanation == explanation

    def test_every_row_carries_its_source_and_mark(self) -> None:
        assert len(RULES) == 12
        for rule in RULES:
            assert rule.mark in {"S", "K", "D"}
            assert rule.source
            assert rule.purpose

    @pytest.mark.parametrize("drug_class", ["ssri", "snri", "tca", "maoi", "other"])
    def test_every_class_gets_the_onset_rows(self, drug_class: str) -> None:
        codes = [row.code for row in planned_rows(START, drug_class=drug_class)]
        assert codes == ["ONSET7", "REV14", "REV28", "REV42", "MAX56", "REV84"]

    def test_remission_is_asked_in_depression_only(self) -> None:
        depressed = replace(ADULT, indications=frozenset({"neuropathic_pain", "depression"}))
        in_pain = replace(ADULT, indications=frozenset({"neuropathic_pain"}))
        assert "REM180" in [row.code for row in planned_rows(START, facts=depressed)]
        assert "REM180" not in [row.code for row in planned_rows(START, facts=in_pain)]


class TestSafetyRow:
    """SAFE7 in place of ONSET7: 25 or under on the anchor day, or a risk flag."""

    @pytest.mark.parametrize(
        ("born", "anchor", "code"),
        [
            (date(2001, 3, 2), date(2027, 3, 1), "SAFE7"),  # 26 tomorrow
            (date(2001, 3, 1), date(2027, 3, 1), "ONSET7"),  # 26 today
            (date(2002, 3, 1), date(2027, 3, 1), "SAFE7"),  # 25 today
            (date(2001, 12, 31), date(2027, 12, 30), "SAFE7"),
            (date(2002, 1, 1), date(2028, 1, 1), "ONSET7"),
            (date(2004, 2, 29), date(2030, 2, 28), "SAFE7"),  # born on a leap day: 26 on 1 March
            (date(2004, 2, 29), date(2030, 3, 1), "ONSET7"),
            (date(2002, 2, 28), date(2028, 2, 28), "ONSET7"),
        ],
    )
    def test_age_is_taken_on_the_anchor_day(self, born: date, anchor: date, code: str) -> None:
        rows = planned_rows(event(1, "start", "50", anchor), facts=PatientFacts(date_of_birth=born))
        assert [row.code for row in rows if row.day == 7] == [code]

    def test_a_birthday_between_two_anchors_changes_the_row(self) -> None:
        facts = PatientFacts(date_of_birth=date(2001, 3, 5))
        step = event(2, "increase", "75", on(3, 8), planned=True)
        rows = planned_rows(START, step, facts=facts)
        assert [(row.anchor_sequence, row.code) for row in rows if row.day == 7] == [
            (1, "SAFE7"),
            (2, "ONSET7"),
        ]

    def test_a_risk_flag_asks_for_it_at_any_age(self) -> None:
        rows = planned_rows(START, facts=replace(ADULT, risk_flag=True))
        assert [row.code for row in rows if row.day == 7] == ["SAFE7"]

    def test_a_flag_raised_later_replaces_the_open_row(self) -> None:
        record = Record()
        record.reconcile(planned_rows(START))
        record.reconcile(planned_rows(START, facts=replace(ADULT, risk_flag=True)))
        assert record.listed(CheckInStatus.SUPERSEDED) == {("ONSET7", on(3, 8))}
        assert ("SAFE7", on(3, 8)) in record.listed(CheckInStatus.PLANNED)

    def test_a_flag_cleared_after_the_answer_does_not_ask_again(self) -> None:
        record = Record()
        record.reconcile(planned_rows(START, facts=replace(ADULT, risk_flag=True)))
        record.answer(on(3, 8))
        changes = record.reconcile(planned_rows(START))
        assert (changes.create, changes.supersede) == ((), ())


class TestCalendar:
    @pytest.mark.parametrize(
        ("anchor", "day", "due"),
        [
            (date(2028, 2, 22), 7, date(2028, 2, 29)),
            (date(2028, 2, 29), 7, date(2028, 3, 7)),
            (date(2027, 2, 22), 7, date(2027, 3, 1)),
            (date(2027, 1, 31), 28, date(2027, 2, 28)),
            (date(2027, 12, 25), 7, date(2028, 1, 1)),
            (date(2027, 12, 31), 84, date(2028, 3, 24)),
            (date(2027, 9, 3), 180, date(2028, 3, 1)),
            (date(2100, 2, 22), 7, date(2100, 3, 1)),
        ],
    )
    def test_days_are_counted_across_month_leap_and_year_ends(
        self, anchor: date, day: int, due: date
    ) -> None:
        rows = planned_rows(event(1, "start", "50", anchor), facts=YOUNG_DEPRESSED)
        assert due in [row.due_on for row in rows if row.day == day]

    def test_a_date_that_would_leave_the_calendar_is_refused(self) -> None:
        with pytest.raises(InvalidHistory) as refused:
            planned_rows(event(1, "start", "50", date(9999, 12, 1)))
        assert refused.value.code == "date_out_of_range"


class TestRules:
    base = CheckInRule(
        code="LAB14",
        day=14,
        window_before=1,
        window_after=1,
        purpose="level",
        asks=(),
        follows=Follows.EACH_DOSE,
    )

    def rows(self, *rules: CheckInRule, drug_class: str = "tca") -> list[PlannedCheckIn]:
        return plan(events=[START], rules=rules, facts=ADULT, drug_class=drug_class)

    def test_a_row_may_be_for_some_classes_only(self) -> None:
        rule = replace(self.base, drug_classes=frozenset({"tca"}))
        assert [row.code for row in self.rows(rule)] == ["LAB14"]
        assert self.rows(rule, drug_class="ssri") == []

    def test_two_rows_for_one_place_are_refused(self) -> None:
        with pytest.raises(InvalidRules) as refused:
            self.rows(self.base, replace(self.base, window_after=2))
        assert refused.value.data == {"check_in": "LAB14", "day": 14}

    def test_rows_that_replace_each_other_are_refused(self) -> None:
        with pytest.raises(InvalidRules):
            self.rows(replace(self.base, replaces="B"), replace(self.base, code="B", replaces="LAB14"))

    def test_a_replacement_may_be_replaced(self) -> None:
        chain = (
            self.base,
            replace(self.base, code="B", replaces="LAB14"),
            replace(self.base, code="C", replaces="B"),
        )
        (row,) = self.rows(*chain)
        assert (row.code, row.key) == ("C", "1:2027-03-01:LAB14:14")

    def test_an_unknown_field_or_a_negative_window_is_refused(self) -> None:
        with pytest.raises(InvalidRules):
            CheckInRule.from_row({"code": "X", "windw_before": 1})
        with pytest.raises(InvalidRules):
            replace(self.base, window_before=-1)

    def test_a_changed_rule_replaces_the_open_row_only(self) -> None:
        record = Record()
        record.reconcile(self.rows(self.base, replace(self.base, code="LAB28", day=28)))
        record.answer(on(3, 15))
        wider = [replace(self.base, window_after=5), replace(self.base, code="LAB28", day=28, window_after=5)]
        changes = record.reconcile(self.rows(*wider))
        assert [row.code for row in changes.create] == ["LAB28"]
        assert [row.check_in.code for row in changes.supersede] == ["LAB28"]
