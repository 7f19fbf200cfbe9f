"""Merging into contacts, closed days, reminders and lapses."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from scheduling.domain.check_in_contacts import merge_contacts, overdue, reminder_on, staff_contact_day
from scheduling.domain.check_ins import PlannedCheckIn
from tests.fakes.onset_record import START, on, planned_rows


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

    def test_mandatory_leads_before_staff_contact_and_both_are_kept(self) -> None:
        call = replace(due("A", on(3, 1), after=3), staff_contact=True)
        must = replace(due("B", on(3, 2), before=3, after=3), mandatory=True)
        (contact,) = merge_contacts(rows=[call, must])
        assert contact.lead is must
        assert (contact.mandatory, contact.staff_contact) == (True, True)

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
