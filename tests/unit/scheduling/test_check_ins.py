"""Journey C date by date, and bringing a record in line with its plan."""

from dataclasses import replace
from decimal import Decimal

import pytest

from scheduling.domain.check_in_contacts import merge_contacts, overdue, reminder_on
from scheduling.domain.check_in_history import DoseEvent
from scheduling.domain.check_ins import CheckInStatus, PlannedCheckIn
from tests.fakes.onset_record import START, YOUNG_DEPRESSED, Record, event, listed, on, only, planned_rows


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
