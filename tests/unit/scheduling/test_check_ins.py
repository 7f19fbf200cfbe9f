"""The onset engine against DOMAIN section 3, row by row, and journey C, date by date."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from scheduling.domain.check_in_contacts import merge_contacts, overdue, reminder_on, staff_contact_day
from scheduling.domain.check_in_history import DoseEvent, InvalidHistory
from scheduling.domain.check_in_rules import CheckInRule, Follows, InvalidRules, PatientFacts
from scheduling.domain.check_ins import CheckInStatus, PlannedCheckIn, plan
from tests.fakes.onset_record import ADULT, RULES, YOUNG_DEPRESSED, Record, event, planned_rows

MARCH_1 = date(2027, 3, 1)
START = event(1, "start", "37.5", MARCH_1)


def on(month: int, day: int) -> date:
    return date(2027, month, day)


def listed(rows: list[PlannedCheckIn]) -> list[tuple[str, date]]:
    return [(row.code, row.due_on) for row in rows]


def only(rows: list[PlannedCheckIn], code: str, *, sequence: int = 1) -> PlannedCheckIn:
    (row,) = [row for row in rows if row.code == code and row.anchor_sequence == sequence]
    return row


class TestJourneyC:
    """Fay, 24, nerve injury and depression, venlafaxine; 2027, every date that DOMAIN section 6 names."""

    start = event(1, "start", "37.5", on(3, 1))
    step = event(2, "increase", "75", on(3, 8), ordered_on=on(3, 1), planned=True)
    increase = event(3, "increase", "112.5", on(4, 6), ordered_on=on(4, 5))
    old_efficacy = (
        ("REV42", on(4, 19)),
        ("MAX56", on(5, 3)),
        ("REV84", on(5, 31)),
        ("REM180", on(9, 4)),
    )

    def rows(self, *events: DoseEvent) -> list[PlannedCheckIn]:
        return planned_rows(*events, facts=YOUNG_DEPRESSED)

    def test_prescribing_with_a_planned_step(self) -> None:
        assert listed(self.rows(self.start, self.step)) == [
            ("SAFE7", on(3, 8)),
            ("REV14", on(3, 15)),
            ("SAFE7", on(3, 15)),
            ("REV14", on(3, 22)),
            ("REV28", on(4, 5)),
            *self.old_efficacy,
        ]

    def test_the_first_contact_is_by_phone_and_the_step_s_merges_with_the_start_s_review(self) -> None:
        contacts = merge_contacts(rows=self.rows(self.start, self.step))
        assert [(contact.due_on, len(contact.rows)) for contact in contacts] == [
            (on(3, 8), 1),
            (on(3, 15), 2),
            (on(3, 22), 1),
            (on(4, 5), 1),
            (on(4, 19), 1),
            (on(5, 3), 1),
            (on(5, 31), 1),
            (on(9, 4), 1),
        ]
        assert contacts[0].staff_contact
        both = contacts[1]
        assert (both.lead.code, [row.code for row in both.merged]) == ("SAFE7", ["REV14"])
        assert (both.mandatory, both.staff_contact) == (True, True)
        assert (both.window_start_on, both.window_end_on) == (on(3, 14), on(3, 16))
        assert both.asks == ("ASQ", "PHQ-9", "NRS")

    def test_the_whole_journey(self) -> None:
        record = Record()
        record.reconcile(self.rows(self.start, self.step))
        for day in (on(3, 8), on(3, 15), on(3, 22), on(4, 5)):
            assert record.sweep(day) == []
            record.answer(day)

        record.reconcile(self.rows(self.start, self.step, self.increase))
        assert record.listed(CheckInStatus.SUPERSEDED) == set(self.old_efficacy)
        assert record.listed(CheckInStatus.PLANNED) == {
            ("SAFE7", on(4, 13)),
            ("REV14", on(4, 20)),
            ("REV28", on(5, 4)),
            ("REV42", on(5, 18)),
            ("MAX56", on(6, 1)),
            ("REV84", on(6, 29)),
            ("REM180", on(10, 3)),
        }

        (missed,) = [row.check_in for row in record.open if row.check_in.due_on == on(4, 13)]
        assert reminder_on(row=missed) == on(4, 14)
        assert record.sweep(on(4, 14)) == []
        assert record.sweep(on(4, 15)) == [missed]
        assert overdue(row=missed, today=on(4, 15), answered=False) is not None

        record.answer(on(4, 20), on(5, 4), on(5, 18), on(6, 1))
        # The record shows both sets of anchors, and a further reconciliation changes none of it.
        assert {row.check_in.anchor_on for row in record.rows} == {on(3, 1), on(3, 8), on(4, 6)}
        changes = record.reconcile(self.rows(self.start, self.step, self.increase))
        assert (changes.create, changes.supersede) == ((), ())
        assert record.listed(CheckInStatus.MISSED) == {("SAFE7", on(4, 13))}
        assert record.listed(CheckInStatus.PLANNED) == {("REV84", on(6, 29)), ("REM180", on(10, 3))}

    def test_an_efficacy_row_left_open_gives_way_to_the_increase(self) -> None:
        record = Record()
        record.reconcile(self.rows(self.start, self.step))
        record.answer(on(3, 8), on(3, 15), on(3, 22))
        record.reconcile(self.rows(self.start, self.step, self.increase))
        assert record.listed(CheckInStatus.SUPERSEDED) == {("REV28", on(4, 5)), *self.old_efficacy}

    def test_rows_explain_themselves(self) -> None:
        rows = self.rows(self.start, self.step, self.increase)
        assert (
            only(rows, "SAFE7", sequence=2).explanation == "day 7 after first dose of 75 mg on 8 March 2027"
        )
        assert only(rows, "REV42", sequence=3).explanation == (
            "day 42 after first dose of 112.5 mg on 6 April 2027"
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


class TestAnchors:
    @pytest.mark.parametrize("kind", ["increase", "switch", "restart"])
    def test_a_new_dose_re_anchors_every_row_that_could_still_be_answered(self, kind: str) -> None:
        rows = planned_rows(START, event(2, kind, "75", on(3, 5)))
        assert {row.anchor_sequence for row in rows} == {2}
        assert listed(rows)[:3] == [("ONSET7", on(3, 12)), ("REV14", on(3, 19)), ("REV28", on(4, 2))]

    @pytest.mark.parametrize("kind", ["switch", "restart"])
    def test_a_prescription_may_begin_with(self, kind: str) -> None:
        rows = planned_rows(event(1, kind, "75", MARCH_1))
        assert rows[0].explanation == f"day 7 after first dose of 75 mg after a {kind} on 1 March 2027"

    def test_the_anchor_is_the_effective_day_never_the_order_s(self) -> None:
        rows = planned_rows(event(1, "start", "50", on(3, 10), ordered_on=on(3, 1)))
        assert rows[0].due_on == on(3, 17)

    def test_a_change_ordered_ahead_leaves_the_weeks_before_it(self) -> None:
        increase = event(2, "increase", "75", on(4, 1), ordered_on=on(3, 3))
        assert listed(planned_rows(START, increase))[:3] == [
            ("ONSET7", on(3, 8)),
            ("REV14", on(3, 15)),
            ("ONSET7", on(4, 8)),
        ]

    @pytest.mark.parametrize(
        ("change_on", "stays"), [(on(3, 7), False), (on(3, 8), True), (on(3, 9), True), (on(3, 10), True)]
    )
    def test_a_mandatory_row_that_came_due_is_never_superseded(self, change_on: date, *, stays: bool) -> None:
        rows = planned_rows(START, event(2, "increase", "75", change_on), facts=YOUNG_DEPRESSED)
        assert (("SAFE7", on(3, 8)) in listed(rows)) is stays

    @pytest.mark.parametrize(("change_on", "stays"), [(on(3, 11), False), (on(3, 12), True)])
    def test_another_row_stays_once_its_window_closed_before_the_change(
        self, change_on: date, *, stays: bool
    ) -> None:
        rows = planned_rows(START, event(2, "increase", "75", change_on))
        assert (("ONSET7", on(3, 8)) in listed(rows)) is stays

    def test_several_planned_steps_each_add_safety_rows_and_the_last_carries_efficacy(self) -> None:
        steps = [
            event(2, "increase", "75", on(3, 8), planned=True),
            event(3, "increase", "150", on(3, 29), planned=True),
        ]
        rows = planned_rows(START, *steps)
        assert [(row.code, row.anchor_sequence) for row in rows if row.day <= 14] == [
            ("ONSET7", 1),
            ("REV14", 1),
            ("ONSET7", 2),
            ("REV14", 2),
            ("ONSET7", 3),
            ("REV14", 3),
        ]
        assert {row.anchor_sequence for row in rows if row.day >= 28} == {3}

    def test_a_stop_ends_the_onset_rows_and_loads_withdrawal(self) -> None:
        rows = planned_rows(START, event(2, "stop", "0", on(3, 20)))
        assert listed(rows) == [
            ("ONSET7", on(3, 8)),
            ("REV14", on(3, 15)),
            ("TAPER", on(3, 23)),
            ("TAPER", on(3, 27)),
            ("TAPER", on(4, 3)),
            ("TAPER", on(4, 17)),
        ]

    def test_a_decrease_adds_withdrawal_rows_and_the_onset_rows_go_on(self) -> None:
        before = planned_rows(START)
        after = planned_rows(START, event(2, "decrease", "25", on(3, 20)))
        assert [row for row in after if row.code != "TAPER"] == before
        assert len(after) == len(before) + 4

    def test_a_second_decrease_takes_over_from_the_first(self) -> None:
        rows = planned_rows(START, event(2, "decrease", "30", on(6, 1)), event(3, "decrease", "20", on(6, 8)))
        taper = [(row.anchor_sequence, row.due_on) for row in rows if row.code == "TAPER"]
        assert taper == [(2, on(6, 4)), (3, on(6, 11)), (3, on(6, 15)), (3, on(6, 22)), (3, on(7, 6))]

    def test_a_taper_planned_in_one_order_keeps_the_rows_of_every_step(self) -> None:
        rows = planned_rows(
            START,
            event(2, "decrease", "20", on(6, 1)),
            event(3, "stop", "0", on(6, 15), planned=True),
        )
        assert [row.anchor_sequence for row in rows if row.code == "TAPER"].count(2) == 4
        assert [row.anchor_sequence for row in rows if row.code == "TAPER"].count(3) == 4

    def test_a_planned_stop_ends_the_onset_rows_from_its_day(self) -> None:
        rows = planned_rows(START, event(2, "stop", "0", on(5, 24), planned=True))
        onset = [row.code for row in rows if row.code != "TAPER"]
        assert onset == ["ONSET7", "REV14", "REV28", "REV42", "MAX56"]

    def test_a_restart_ends_the_withdrawal_rows(self) -> None:
        rows = planned_rows(START, event(2, "stop", "0", on(6, 1)), event(3, "restart", "37.5", on(6, 10)))
        assert [row.due_on for row in rows if row.code == "TAPER"] == [on(6, 4)]
        assert {row.anchor_sequence for row in rows if row.due_on > on(6, 10)} == {3}

    def test_a_decrease_before_a_planned_step_withdraws_it_and_efficacy_returns(self) -> None:
        step = event(2, "increase", "75", on(3, 15), planned=True)
        rows = planned_rows(START, step, event(3, "decrease", "25", on(3, 8)))
        assert {row.anchor_sequence for row in rows} == {1, 3}
        assert ("REV28", on(3, 29)) in listed(rows)

    def test_efficacy_rows_that_return_do_not_come_back_already_missed(self) -> None:
        step = event(2, "increase", "75", on(4, 20), planned=True)
        rows = planned_rows(START, step, event(3, "decrease", "25", on(4, 15)))
        assert [code for code, _ in listed(rows) if code.startswith(("REV", "MAX"))] == [
            "REV14",
            "REV42",
            "MAX56",
            "REV84",
        ]

    def test_a_decrease_with_a_planned_rise_moves_the_efficacy_rows_there(self) -> None:
        rows = planned_rows(
            START,
            event(2, "decrease", "25", on(3, 20)),
            event(3, "increase", "75", on(4, 3), planned=True),
        )
        assert {row.anchor_sequence for row in rows if row.day >= 28 and row.code != "TAPER"} == {3}

    def test_an_order_given_later_that_takes_effect_earlier_cancels_the_other(self) -> None:
        increase = event(2, "increase", "75", on(3, 20), ordered_on=on(3, 2))
        decrease = event(3, "decrease", "25", on(3, 5))
        rows = planned_rows(START, increase, decrease)
        assert {row.anchor_sequence for row in rows} == {1, 3}
        assert ("REV28", on(3, 29)) in listed(rows)

    def test_nothing_is_planned_without_a_history(self) -> None:
        assert planned_rows() == []

    def test_the_order_in_which_events_are_given_does_not_matter(self) -> None:
        events = [START, event(2, "increase", "75", on(3, 8), planned=True), event(3, "stop", "0", on(4, 1))]
        assert len({tuple(planned_rows(*mixed)) for mixed in permutations(events)}) == 1


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


class TestRefusedHistories:
    @pytest.mark.parametrize(
        ("events", "code", "sequence"),
        [
            ([event(1, "increase", "50", MARCH_1)], "no_start", 1),
            ([event(1, "start", "50", MARCH_1, planned=True)], "no_start", 1),
            ([START, event(2, "start", "50", on(3, 9))], "already_started", 2),
            ([START, event(2, "stop", "0", on(2, 28))], "change_before_start", 2),
            (
                [START, event(2, "stop", "0", on(3, 9)), event(3, "stop", "0", on(3, 12))],
                "already_stopped",
                3,
            ),
            (
                [START, event(2, "stop", "0", on(3, 9)), event(3, "decrease", "5", on(3, 12))],
                "already_stopped",
                3,
            ),
            ([START, event(2, "increase", "75", MARCH_1, planned=True)], "planned_step_out_of_order", 2),
            ([START, event(1, "increase", "75", on(3, 9))], "duplicate_sequence", 1),
        ],
    )
    def test_says_which_rule_and_which_event(self, events: list[DoseEvent], code: str, sequence: int) -> None:
        with pytest.raises(InvalidHistory) as refused:
            planned_rows(*events)
        assert (refused.value.code, refused.value.data) == (code, {"sequence": sequence})

    def test_a_stop_that_a_later_order_cancelled_does_not_count(self) -> None:
        stop = event(2, "stop", "0", on(4, 1), ordered_on=on(3, 2))
        rows = planned_rows(START, stop, event(3, "decrease", "25", on(3, 20)))
        assert {row.anchor_sequence for row in rows} == {1, 3}


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


class TestReconcile:
    def test_a_corrected_start_asks_about_the_right_days_and_keeps_the_answer(self) -> None:
        record = Record()
        record.reconcile(planned_rows(START))
        record.answer(on(3, 8))
        record.reconcile(planned_rows(replace(START, effective_on=on(3, 10))))
        assert record.listed(CheckInStatus.ANSWERED) == {("ONSET7", on(3, 8))}
        assert ("ONSET7", on(3, 17)) in record.listed(CheckInStatus.PLANNED)
        assert {row.check_in.anchor_on for row in record.open} == {on(3, 10)}

    def test_a_corrected_dose_corrects_the_explanation(self) -> None:
        record = Record()
        record.reconcile(planned_rows(START))
        record.reconcile(planned_rows(replace(START, dose_mg=Decimal(75))))
        assert {row.check_in.anchor_dose_mg for row in record.open} == {Decimal(75)}

    def test_the_same_dose_written_otherwise_changes_nothing(self) -> None:
        record = Record()
        record.reconcile(planned_rows(START))
        changes = record.reconcile(planned_rows(replace(START, dose_mg=Decimal("37.500"))))
        assert (changes.create, changes.supersede) == ((), ())

    @pytest.mark.parametrize(
        "status", [CheckInStatus.ANSWERED, CheckInStatus.MISSED, CheckInStatus.CANCELLED]
    )
    def test_a_closed_row_settles_its_place(self, status: CheckInStatus) -> None:
        record = Record()
        record.reconcile(planned_rows(START))
        record.set_status(status, lambda row: row.check_in.code == "REV28")
        changes = record.reconcile(planned_rows(START))
        assert (changes.create, changes.supersede) == ((), ())

    def test_a_row_wanted_again_is_created_anew_beside_the_superseded_one(self) -> None:
        record = Record()
        record.reconcile(planned_rows(START))
        record.reconcile(planned_rows(START, event(2, "increase", "75", on(3, 5))))
        record.reconcile(planned_rows(START))
        history = [row.status.value for row in record.rows if row.check_in.key == "1:2027-03-01:REV28:28"]
        assert history == ["superseded", "planned"]

    def test_a_row_that_is_sent_is_superseded_like_a_planned_one(self) -> None:
        record = Record()
        record.reconcile(planned_rows(START))
        record.set_status(CheckInStatus.SENT, lambda row: row.check_in.code == "ONSET7")
        changes = record.reconcile(planned_rows(START, event(2, "stop", "0", on(3, 8))))
        assert "ONSET7" in [row.check_in.code for row in changes.supersede]

    def test_a_double_in_the_store_is_reduced_to_one(self) -> None:
        record = Record()
        record.reconcile(planned_rows(START))
        record.rows.append(replace(record.rows[0], id=99))
        changes = record.reconcile(planned_rows(START))
        assert [row.id for row in changes.supersede] == [99]


def due(code: str, day: date, *, before: int = 0, after: int = 0, strict: bool = False) -> PlannedCheckIn:
    """A row due on ``day``."""
    return replace(
        planned_rows(START)[0],
        key=f"{code}:{day}",
        code=code,
        due_on=day,
        window_start_on=day - timedelta(days=before),
        window_end_on=day + timedelta(days=after),
        mandatory=strict,
        staff_contact=strict,
        asks=(code,),
    )


class TestContacts:
    def test_three_days_apart_merge_four_do_not(self) -> None:
        first = due("A", on(3, 1), after=9)
        assert len(merge_contacts(rows=[first, due("B", on(3, 4), before=9)])) == 1
        assert len(merge_contacts(rows=[first, due("B", on(3, 5), before=9)])) == 2

    def test_a_chain_does_not_slide_into_one_contact(self) -> None:
        rows = [
            due(code, on(3, day), before=9, after=9) for code, day in (("A", 1), ("B", 3), ("C", 5), ("D", 8))
        ]
        contacts = merge_contacts(rows=rows)
        assert [[row.code for row in contact.rows] for contact in contacts] == [["A", "B"], ["C", "D"]]

    def test_the_stricter_is_kept(self) -> None:
        gentle = due("A", on(3, 1), before=2, after=6)
        strict = due("B", on(3, 3), before=1, after=1, strict=True)
        (contact,) = merge_contacts(rows=[gentle, strict])
        assert contact.lead is strict
        assert contact.merged == (gentle,)
        assert contact.due_on == on(3, 3)
        assert (contact.window_start_on, contact.window_end_on) == (on(3, 2), on(3, 4))
        assert (contact.mandatory, contact.staff_contact) == (True, True)
        assert contact.asks == ("B", "A")

    def test_the_due_day_stays_inside_the_window_all_rows_share(self) -> None:
        taper = due("A", on(3, 4), before=2, after=2)
        strict = due("B", on(3, 7), before=1, after=1, strict=True)
        (contact,) = merge_contacts(rows=[taper, strict])
        assert (contact.window_start_on, contact.due_on, contact.window_end_on) == (
            on(3, 6),
            on(3, 6),
            on(3, 6),
        )

    def test_rows_whose_windows_share_no_day_stay_apart(self) -> None:
        rows = [due(code, on(3, day), before=1, after=1, strict=True) for code, day in (("A", 7), ("B", 10))]
        assert len(merge_contacts(rows=rows)) == 2

    def test_questions_asked_by_both_are_asked_once(self) -> None:
        rows = [replace(due(code, on(3, 1)), asks=("PHQ-9", code)) for code in ("A", "B")]
        assert merge_contacts(rows=rows)[0].asks == ("PHQ-9", "A", "B")

    def test_nothing_makes_no_contact(self) -> None:
        assert merge_contacts(rows=[]) == []


class TestStaffContactDay:
    call = due("A", on(3, 14), before=2, after=3, strict=True)  # a Sunday; Friday 12 to Wednesday 17

    @pytest.mark.parametrize(
        ("open_days", "expected"),
        [
            ({13, 14, 15}, on(3, 14)),
            ({12, 15}, on(3, 15)),
            ({13, 15}, on(3, 13)),  # equally near: the earlier
            ({12, 16}, on(3, 12)),
            ({17}, on(3, 17)),
            ({11, 18}, None),  # open only outside the window
            (set(), None),
        ],
    )
    def test_moves_to_the_nearest_open_day_of_the_window(
        self, open_days: set[int], expected: date | None
    ) -> None:
        assert staff_contact_day(row=self.call, is_open=lambda day: day.day in open_days) == expected

    def test_a_link_goes_out_on_a_closed_day_too(self) -> None:
        link = replace(self.call, staff_contact=False)
        assert staff_contact_day(row=link, is_open=lambda _day: False) == on(3, 14)

    def test_a_contact_moves_as_a_row_does(self) -> None:
        (contact,) = merge_contacts(rows=[self.call])
        assert staff_contact_day(row=contact, is_open=lambda day: day.weekday() < 5) == on(3, 15)


class TestOverdue:
    @pytest.mark.parametrize("mandatory", [True, False])
    def test_the_last_day_of_the_window_still_counts(self, *, mandatory: bool) -> None:
        row = replace(due("A", on(4, 13), before=1, after=1), mandatory=mandatory)
        assert overdue(row=row, today=on(4, 14), answered=False) is None
        lapse = overdue(row=row, today=on(4, 15), answered=False)
        assert lapse is not None
        assert (lapse.on, lapse.opens_work_item) == (on(4, 15), mandatory)

    def test_found_late_it_still_says_when_it_lapsed(self) -> None:
        lapse = overdue(row=due("A", on(4, 13), after=1), today=on(6, 1), answered=False)
        assert lapse is not None
        assert lapse.on == on(4, 15)

    def test_an_answered_row_never_lapses(self) -> None:
        assert overdue(row=due("A", on(4, 13)), today=on(6, 1), answered=True) is None

    def test_a_reminder_needs_a_day_of_the_window_after_the_due_date(self) -> None:
        assert reminder_on(row=due("A", on(4, 13), after=1)) == on(4, 14)
        assert reminder_on(row=due("A", on(4, 13))) is None
