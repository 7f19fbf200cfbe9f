"""When a patient may be reached. One idea: a message that would fall inside the quiet hours goes out
earlier, the evening before; only what is asked for too late for that waits until the morning."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Local times between which nobody is texted or written to: [start, end), usually over midnight.

    ``pull_to`` is when a message goes out instead, the last time it was reached before ``start``.
    Equal ``start`` and ``end`` mean no quiet hours. Raises ValueError when ``pull_to`` is itself quiet.
    """

    start: time
    end: time
    pull_to: time

    def __post_init__(self) -> None:
        if self.covers(self.pull_to):
            raise ValueError("the time that messages are pulled to must lie outside the quiet hours")

    def covers(self, local: time) -> bool:
        """Whether this time on the patient's wall clock is quiet."""
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


def is_quiet(moment: datetime, quiet: QuietHours, zone: ZoneInfo) -> bool:
    """Whether the patient should be left alone at this instant."""
    return quiet.covers(moment.astimezone(zone).time())


def pull(
    due_at: datetime, quiet: QuietHours, zone: ZoneInfo, *, not_before: datetime | None = None
) -> datetime:
    """``due_at`` itself, or the instant before these quiet hours at which the message goes out instead.

    When that instant is before ``not_before`` (the present), the first allowed one from there on:
    the caller must check that this is still useful.
    """
    moment = _evening_before(due_at, quiet, zone) if is_quiet(due_at, quiet, zone) else due_at
    if not_before is None or moment >= not_before:
        return moment
    return next_allowed(not_before, quiet, zone)


def next_allowed(moment: datetime, quiet: QuietHours, zone: ZoneInfo) -> datetime:
    """``moment`` itself, or the end of the quiet hours it falls in."""
    if not is_quiet(moment, quiet, zone):
        return moment
    local = moment.astimezone(zone)
    over_midnight = quiet.start > quiet.end and local.time() >= quiet.start
    day = local.date() + timedelta(days=1) if over_midnight else local.date()
    end = _instant(day, quiet.end, zone)
    # Clocks turned back over the end repeat some quiet minutes: the second end is the real one.
    return end if end > moment else _instant(day, quiet.end, zone, fold=1)


def moment_to_send(
    *, planned_at: datetime, not_after: datetime, now: datetime, quiet: QuietHours, zone: ZoneInfo
) -> datetime | None:
    """When a message planned for ``planned_at`` goes out, or None when it would come too late to help.

    Quiet hours pull it earlier; what is already late, or can no longer go earlier, goes at the next
    allowed moment up to ``not_after``. (Source: DOMAIN section 5.)
    """
    moment = pull(planned_at, quiet, zone, not_before=now)
    return moment if moment <= not_after else None


def _evening_before(moment: datetime, quiet: QuietHours, zone: ZoneInfo) -> datetime:
    local = moment.astimezone(zone)
    day = local.date() if local.time() >= quiet.start else local.date() - timedelta(days=1)
    if quiet.pull_to > quiet.start:
        day -= timedelta(days=1)
    return _instant(day, quiet.pull_to, zone)


def _instant(day: date, local: time, zone: ZoneInfo, *, fold: int = 0) -> datetime:
    return datetime.combine(day, local.replace(fold=fold), zone).astimezone(UTC)
