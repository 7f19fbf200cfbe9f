"""Which messages a visit wants, and when: a pure function of the visit and the rules.

It looks only at when the present start was chosen, never at the clock, so planning twice gives the
same answer and a message that is merely late is not taken back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from patients.domain.messages import WantedMessage
from scheduling.domain.calendars import wall_to_instant
from scheduling.domain.transitions import UNDO_WITHIN, Status

AWAITED = frozenset({Status.BOOKED, Status.CONFIRMED})
_MINUTES_IN_A_DAY = 24 * 60
ONLY_UNTIL_CONFIRMED = frozenset({"confirm_request"})
CONFIRMATION, COURSE_CONFIRMATION = "confirmation", "course_confirmation"
CANCELLATION, COURSE_CANCELLATION = "cancellation", "course_cancellation"
_OF_COURSE = frozenset({COURSE_CONFIRMATION, COURSE_CANCELLATION})
_SAID_TOGETHER = frozenset({CONFIRMATION, CANCELLATION})
"""Kinds that a message about the whole course may stand in for."""


class Anchor(StrEnum):
    """From which moment a rule counts."""

    BOOKING = "booking"
    """When the start was chosen; for a cancellation, when it was cancelled."""
    START = "start"


class Skip(StrEnum):
    """Why a rule brings no message. The values are said to whoever asks, after "because"."""

    OFF = "it is switched off for this visit type or site"
    NOT_AWAITED = "the visit is not awaited any more"
    NOT_FIRST = "it goes only to a patient's first visit"
    CONFIRMED = "the visit is confirmed already"
    PASSED = "its moment had passed when the visit was booked"
    TOO_LATE = "it could only come after the visit began"
    WITH_COURSE = "one message tells of all sessions of the course"
    NOT_CANCELLED = "the visit is not cancelled"
    NEVER_TOLD = "the patient had not been told of the visit"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the policy. Minutes count back from the start; at most ``late_minutes`` late."""

    kind: str
    anchor: Anchor
    minutes_before: int
    late_minutes: int
    first_visit_only: bool
    email: bool
    sms: bool
    specificity: int = 0
    """How narrowly the rule is meant: of several for one kind the narrowest counts."""

    @property
    def off(self) -> bool:
        """On neither channel: how a narrow rule switches off what a wider one asks for."""
        return not self.email and not self.sms


@dataclass(frozen=True, slots=True)
class Visit:
    """What the rules ask about an appointment. ``zone`` is the patient's."""

    start_at: datetime
    zone: ZoneInfo
    scheduled_at: datetime
    status: Status
    first_visit: bool
    context: dict[str, str]
    with_course: bool = False
    """A message about its course tells of it: that it is booked, or, when it is cancelled, of that."""
    cancelled_at: datetime | None = None
    told: bool = False
    """Some message about it went out, or may have."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule brings: a message, or the reason why not."""

    rule: Rule
    message: WantedMessage | None
    skip: Skip | None


def plan(*, visit: Visit, rules: Iterable[Rule]) -> list[WantedMessage]:
    """The messages this visit wants, earliest first. Source of the offsets: DOMAIN section 5."""
    wanted = [each.message for each in decide(visit=visit, rules=rules) if each.message is not None]
    return sorted(wanted, key=lambda message: (message.due_at, message.kind))


def decide(*, visit: Visit, rules: Iterable[Rule]) -> list[Decision]:
    """What the narrowest rule of each kind brings this visit.

    A reminder whose moment had passed when the start was chosen is skipped; the later ones stay. A cancelled
    visit whose patient had been told of it brings a cancellation, once the step can no longer be taken back.
    """
    kinds = {kind: rule for kind, rule in narrowest(rules).items() if kind not in _OF_COURSE}
    return [_decision(rule, visit) for rule in kinds.values()]


def narrowest(rules: Iterable[Rule]) -> dict[str, Rule]:
    """The rule that counts for each kind."""
    found: dict[str, Rule] = {}
    for rule in rules:
        known = found.get(rule.kind)
        if known is None or rule.specificity > known.specificity:
            found[rule.kind] = rule
    return found


def course_confirmation(
    *, rules: Iterable[Rule], scheduled_at: datetime, first_start: datetime, context: dict[str, str]
) -> WantedMessage | None:
    """The one message that confirms all sessions of a course, or None where each is confirmed by its own.

    ``scheduled_at`` is when the last of them was chosen, ``first_start`` when the first begins.
    """
    rule = narrowest(rules).get(COURSE_CONFIRMATION)
    if rule is None or rule.off:
        return None
    return _message(rule, scheduled_at, first_start, context)


def course_cancellation(
    *, rules: Iterable[Rule], cancelled_at: datetime, first_start: datetime, context: dict[str, str]
) -> WantedMessage | None:
    """The one message that tells of all sessions cancelled with their course, or None where each is told of
    by its own. Due when the first can no longer be taken back, as :func:`decide` says of one visit."""
    rule = narrowest(rules).get(COURSE_CANCELLATION)
    if rule is None or rule.off:
        return None
    return _message(rule, _settled_at(cancelled_at, first_start), first_start, context)


def _decision(rule: Rule, visit: Visit) -> Decision:
    skip = _skip(rule, visit)
    if skip is not None:
        return Decision(rule, None, skip)
    message = _message(rule, _due_at(rule, visit), visit.start_at, visit.context)
    return Decision(rule, message, None if message else Skip.TOO_LATE)


def _skip(rule: Rule, visit: Visit) -> Skip | None:
    cancels = rule.kind == CANCELLATION
    cancelled = visit.status == Status.CANCELLED and visit.cancelled_at is not None
    awaited = visit.status in AWAITED
    reminds = rule.anchor == Anchor.START and not cancels
    checks = (
        (rule.off, Skip.OFF),
        (cancels and not cancelled, Skip.NOT_CANCELLED),
        (cancels and not visit.told, Skip.NEVER_TOLD),
        (not cancels and not awaited, Skip.NOT_AWAITED),
        (rule.first_visit_only and not visit.first_visit, Skip.NOT_FIRST),
        (visit.status == Status.CONFIRMED and rule.kind in ONLY_UNTIL_CONFIRMED, Skip.CONFIRMED),
        (rule.kind in _SAID_TOGETHER and visit.with_course, Skip.WITH_COURSE),
        (reminds and _due_at(rule, visit) < visit.scheduled_at, Skip.PASSED),
    )
    return next((reason for holds, reason in checks if holds), None)


def _message(
    rule: Rule, due_at: datetime, start_at: datetime, context: dict[str, str]
) -> WantedMessage | None:
    not_after = min(due_at + timedelta(minutes=rule.late_minutes), start_at)
    if due_at >= not_after:
        return None
    return WantedMessage(
        kind=rule.kind,
        due_at=due_at,
        not_after=not_after,
        context=context,
        email=rule.email,
        sms=rule.sms,
    )


def _due_at(rule: Rule, visit: Visit) -> datetime:
    if rule.kind == CANCELLATION and visit.cancelled_at is not None:
        return _settled_at(visit.cancelled_at, visit.start_at)
    if rule.anchor == Anchor.BOOKING:
        return visit.scheduled_at
    # Whole days are calendar days, so that "the day before at 09:00" stays 09:00 when the clocks change.
    days, minutes = divmod(rule.minutes_before, _MINUTES_IN_A_DAY)
    wall = visit.start_at.astimezone(visit.zone).replace(tzinfo=None) - timedelta(days=days)
    return wall_to_instant(wall, visit.zone, later=False) - timedelta(minutes=minutes)


def _settled_at(cancelled_at: datetime, start_at: datetime) -> datetime:
    """When a cancellation can no longer be taken back; at once where the visit would begin before that."""
    settled_at = cancelled_at + UNDO_WITHIN
    return settled_at if settled_at < start_at else cancelled_at
