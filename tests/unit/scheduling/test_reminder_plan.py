"""What the rules bring a visit: which kinds, when, and why not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scheduling.domain.reminders import (
    Anchor,
    Rule,
    Skip,
    Visit,
    course_cancellation,
    course_confirmation,
    decide,
    plan,
)
from scheduling.domain.transitions import UNDO_WITHIN, Status

DENVER = ZoneInfo("America/Denver")
START = datetime(2027, 1, 11, 16, tzinfo=UTC)
"""Monday 09:00 in Denver."""
DAY = 24 * 60


def rule(kind: str, before: int = 0, **changes: Any) -> Rule:
    """A rule for every visit, on both channels, useful for half a day."""
    fields: dict[str, Any] = {
        "kind": kind,
        "anchor": Anchor.START if before else Anchor.BOOKING,
        "minutes_before": before,
        "late_minutes": DAY // 2,
        "first_visit_only": False,
        "email": True,
        "sms": True,
    }
    return Rule(**fields | changes)


RULES = [
    rule("confirmation"),
    rule("course_confirmation"),
    rule("preparation", 7 * DAY, first_visit_only=True),
    rule("confirm_request", 3 * DAY),
    rule("day_before", DAY),
    rule("hours_before", 120, late_minutes=90),
    rule("cancellation"),
    rule("course_cancellation"),
]


def visit(**changes: Any) -> Visit:
    """A second visit, booked a month ahead."""
    fields: dict[str, Any] = {
        "start_at": START,
        "zone": DENVER,
        "scheduled_at": START - timedelta(days=30),
        "status": Status.BOOKED,
        "first_visit": False,
        "context": {},
    }
    return Visit(**fields | changes)


def kinds(visit: Visit, rules: list[Rule] = RULES) -> list[str]:
    """What is wanted, earliest first."""
    return [message.kind for message in plan(visit=visit, rules=rules)]


def skips(visit: Visit, rules: list[Rule] = RULES) -> dict[str, Skip | None]:
    """Why kinds bring nothing."""
    return {each.rule.kind: each.skip for each in decide(visit=visit, rules=rules) if each.message is None}


@pytest.mark.parametrize(
    ("hours", "wanted"),
    [
        (24 * 30, ["confirmation", "confirm_request", "day_before", "hours_before"]),
        (72, ["confirm_request", "confirmation", "day_before", "hours_before"]),
        (71, ["confirmation", "day_before", "hours_before"]),
        (24, ["confirmation", "day_before", "hours_before"]),
        (20, ["confirmation", "hours_before"]),
        (1, ["confirmation"]),
    ],
)
def test_what_was_past_at_booking_is_skipped_and_the_nearest_next_kept(hours: int, wanted: list[str]) -> None:
    assert kinds(visit(scheduled_at=START - timedelta(hours=hours))) == wanted


def test_a_first_visit_is_prepared_for() -> None:
    assert "preparation" in kinds(visit(first_visit=True))
    assert skips(visit())["preparation"] == Skip.NOT_FIRST


def test_a_confirmed_visit_is_not_asked_about_again() -> None:
    assert skips(visit(status=Status.CONFIRMED))["confirm_request"] == Skip.CONFIRMED


@pytest.mark.parametrize("status", set(Status) - {Status.BOOKED, Status.CONFIRMED})
def test_what_is_not_awaited_is_not_reminded_of(status: Status) -> None:
    assert kinds(visit(status=status)) == []
    assert skips(visit(status=status))["day_before"] == Skip.NOT_AWAITED


class TestTheNarrowestRuleCounts:
    """Visit type and site, then visit type, then site, then every visit."""

    def test_its_offset_replaces_the_wider_one(self) -> None:
        [message] = plan(
            visit=visit(), rules=[rule("day_before", 2 * DAY, specificity=1), rule("day_before", DAY)]
        )
        assert message.due_at == START - timedelta(days=2)

    def test_with_neither_channel_it_switches_the_kind_off(self) -> None:
        off = rule("day_before", DAY, email=False, sms=False, specificity=2)
        assert kinds(visit(), [rule("day_before", DAY), off]) == []
        assert skips(visit(), [rule("day_before", DAY), off]) == {"day_before": Skip.OFF}

    def test_a_still_narrower_one_switches_it_on_again(self) -> None:
        off = rule("day_before", DAY, email=False, sms=False, specificity=2)
        here = rule("day_before", DAY, specificity=3)
        assert kinds(visit(), [here, rule("day_before", DAY), off]) == ["day_before"]


class TestCancellation:
    """Whoever was told of a visit is told that it is cancelled."""

    cancelled = visit(status=Status.CANCELLED, cancelled_at=START - timedelta(days=2), told=True)

    def test_once_the_step_can_no_longer_be_taken_back(self) -> None:
        [message] = plan(visit=self.cancelled, rules=RULES)
        assert (message.kind, message.due_at) == ("cancellation", START - timedelta(days=2) + UNDO_WITHIN)

    def test_at_once_when_the_visit_is_nearer_than_that(self) -> None:
        at = START - timedelta(minutes=5)
        [message] = plan(visit=replace(self.cancelled, cancelled_at=at), rules=RULES)
        assert (message.due_at, message.not_after) == (at, START)

    def test_not_after_the_visit_would_have_begun(self) -> None:
        assert skips(replace(self.cancelled, cancelled_at=START))["cancellation"] == Skip.TOO_LATE

    def test_not_to_whom_nothing_was_said(self) -> None:
        assert skips(replace(self.cancelled, told=False))["cancellation"] == Skip.NEVER_TOLD

    def test_nor_after_a_no_show_or_while_it_stands(self) -> None:
        assert skips(replace(self.cancelled, status=Status.NO_SHOW))["cancellation"] == Skip.NOT_CANCELLED
        assert skips(visit())["cancellation"] == Skip.NOT_CANCELLED


class TestCourses:
    """One message confirms all sessions."""

    def test_the_sessions_own_confirmation_is_left_out(self) -> None:
        assert skips(visit(with_course=True))["confirmation"] == Skip.WITH_COURSE
        assert "day_before" in kinds(visit(with_course=True))

    def test_it_counts_from_when_the_sessions_were_chosen(self) -> None:
        chosen = START - timedelta(days=3)
        message = course_confirmation(rules=RULES, scheduled_at=chosen, first_start=START, context={"a": "b"})
        assert message is not None
        assert (message.kind, message.due_at, message.not_after, message.context) == (
            "course_confirmation",
            chosen,
            chosen + timedelta(hours=12),
            {"a": "b"},
        )

    def test_switched_off_there_is_none(self) -> None:
        off = [*RULES, rule("course_confirmation", email=False, sms=False, specificity=1)]
        assert course_confirmation(rules=off, scheduled_at=START, first_start=START, context={}) is None
        assert course_confirmation(rules=[], scheduled_at=START, first_start=START, context={}) is None

    def test_a_session_cancelled_with_its_course_has_no_cancellation_of_its_own(self) -> None:
        cancelled = replace(TestCancellation.cancelled, with_course=True)
        assert skips(cancelled)["cancellation"] == Skip.WITH_COURSE
        assert kinds(cancelled) == []

    @pytest.mark.parametrize("minutes", [15, 16, 5])
    def test_the_end_of_a_course_is_told_when_the_first_session_cannot_be_taken_back(
        self, minutes: int
    ) -> None:
        at = START - timedelta(minutes=minutes)
        message = course_cancellation(rules=RULES, cancelled_at=at, first_start=START, context={})
        assert message is not None
        due_at = at + UNDO_WITHIN if minutes == 16 else at
        assert (message.kind, message.due_at, message.not_after) == ("course_cancellation", due_at, START)
        assert course_cancellation(rules=[], cancelled_at=at, first_start=START, context={}) is None
