"""What re-anchors, adds and ends check-ins: DOMAIN section 3, the anchor rules."""

from datetime import date
from itertools import permutations

import pytest

from scheduling.domain.check_in_history import DoseEvent, InvalidHistory
from tests.fakes.onset_record import MARCH_1, START, YOUNG_DEPRESSED, event, listed, on, planned_rows


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

    @pytest.mark.parametrize(("withdrawn_on", "returns"), [(on(4, 5), True), (on(4, 6), False)])
    def test_efficacy_rows_that_can_still_be_answered_that_day_return(
        self, withdrawn_on: date, *, returns: bool
    ) -> None:
        step = event(2, "increase", "75", on(4, 20), planned=True)
        rows = planned_rows(START, step, event(3, "decrease", "25", withdrawn_on))
        assert (("REV28", on(3, 29)) in listed(rows)) is returns  # its window ends on 5 April

    def test_of_two_orders_that_withdraw_a_step_the_earlier_in_effect_counts(self) -> None:
        step = event(2, "increase", "75", on(4, 20), planned=True)
        increase = event(3, "increase", "50", on(4, 20), ordered_on=on(3, 2))
        rows = planned_rows(START, step, increase, event(4, "decrease", "25", on(3, 3)))
        assert ("REV28", on(3, 29)) in listed(rows)

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
