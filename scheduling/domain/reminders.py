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
from scheduling.domain.transitions import Status

AWAITED = frozenset({Status.BOOKED, Status.CONFIRMED})
_MINUTES_IN_A_DAY = 24 * 60
ONLY_UNTIL_CONFIRMED = frozenset({"confirm_request"})


class Anchor(StrEnum):
    """From which moment a rule counts."""

    BOOKING = "booking"
    START = "start"


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


@dataclass(frozen=True, slots=True)
class Visit:
    """What the rules ask about an appointment. ``zone`` is the patient's."""

    start_at: datetime
    zone: ZoneInfo
    scheduled_at: datetime
    status: Status
    first_visit: bool
    context: dict[str, str]


def plan(*, visit: Visit, rules: Iterable[Rule]) -> list[WantedMessage]:
    """The messages this visit wants, earliest first. Source of the offsets: DOMAIN section 5.

    A reminder whose moment had passed when the start was chosen is skipped; the later ones stay.
    """
    if visit.status not in AWAITED:
        return []
    narrowest: dict[str, Rule] = {}
    for rule in rules:
        known = narrowest.get(rule.kind)
        if known is None or rule.specificity > known.specificity:
            narrowest[rule.kind] = rule
    wanted = []
    for rule in narrowest.values():
        if rule.first_visit_only and not visit.first_visit:
            continue
        if visit.status == Status.CONFIRMED and rule.kind in ONLY_UNTIL_CONFIRMED:
            continue
        due_at = _due_at(rule, visit)
        if rule.anchor == Anchor.START and due_at < visit.scheduled_at:
            continue
        not_after = min(due_at + timedelta(minutes=rule.late_minutes), visit.start_at)
        if due_at < not_after:
            wanted.append(
                WantedMessage(
                    kind=rule.kind,
                    due_at=due_at,
                    not_after=not_after,
                    context=visit.context,
                    email=rule.email,
                    sms=rule.sms,
                )
            )
    return sorted(wanted, key=lambda message: (message.due_at, message.kind))


def _due_at(rule: Rule, visit: Visit) -> datetime:
    if rule.anchor == Anchor.BOOKING:
        return visit.scheduled_at
    # Whole days are calendar days, so that "the day before at 09:00" stays 09:00 when the clocks change.
    days, minutes = divmod(rule.minutes_before, _MINUTES_IN_A_DAY)
    wall = visit.start_at.astimezone(visit.zone).replace(tzinfo=None) - timedelta(days=days)
    return wall_to_instant(wall, visit.zone, later=False) - timedelta(minutes=minutes)
