"""How many texts one patient may get: so many in a day of theirs, so many in any seven days. One idea: a
text that is worth less never takes the place of one that is worth more and is already waiting.

A reminder of the day before is worth more than anything else: without it people come unprepared or not at
all (DOMAIN section 5). Answers to a text the patient has just sent count for nothing here.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from patients.domain.quiet_hours import QuietHours, next_allowed

WEEK = timedelta(days=7)
WORTH_MORE = frozenset({"day_before"})
"""Kinds for which others keep room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Texts to one patient: ``per_day`` of the patient's calendar days, ``per_week`` in any 168 hours."""

    per_day: int
    per_week: int


def allows(
    moment: datetime,
    *,
    sent: Collection[datetime],
    kept: Collection[datetime],
    cap: Allowance,
    zone: ZoneInfo,
) -> bool:
    """Whether one more text may go out at ``moment``.

    ``sent`` are the moments of earlier texts, ``kept`` those at which texts that are worth more are due: each
    of them must still find room on its day and in the seven days up to it.
    """
    others = [*sent, *kept]
    day = moment.astimezone(zone).date()
    if 1 + sum(other.astimezone(zone).date() == day for other in others) > cap.per_day:
        return False
    ends = [moment, *(end for end in kept if moment <= end < moment + WEEK)]
    return all(1 + sum(end - WEEK < other <= end for other in others) <= cap.per_week for end in ends)


def first_allowed(
    *,
    now: datetime,
    not_after: datetime,
    sent: Collection[datetime],
    kept: Collection[datetime],
    cap: Allowance,
    quiet: QuietHours,
    zone: ZoneInfo,
) -> datetime | None:
    """The first moment from ``now`` to ``not_after``, outside quiet hours, at which the text may go out.

    None when there is none: it would come too late to help.
    """
    moments = {next_allowed(each, quiet, zone) for each in _reliefs(now, not_after, [*sent, *kept], zone)}
    return next(
        (
            moment
            for moment in sorted(moments)
            if now <= moment <= not_after and allows(moment, sent=sent, kept=kept, cap=cap, zone=zone)
        ),
        None,
    )


def _reliefs(
    now: datetime, not_after: datetime, texts: Collection[datetime], zone: ZoneInfo
) -> Iterator[datetime]:
    """Every moment at which a refusal may end: a day begins, or a text is seven days old."""
    yield now
    yield from (text + WEEK for text in texts if now < text + WEEK <= not_after)
    day = now.astimezone(zone).date()
    while True:
        day += timedelta(days=1)
        midnight = datetime.combine(day, time(), zone).astimezone(UTC)
        if midnight > not_after:
            return
        yield midnight
