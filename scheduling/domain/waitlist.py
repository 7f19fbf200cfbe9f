"""Which waiting patients a freed time fits, and who is asked first. Pure: services load and store.

The idea to know: a patient who does not fit now may fit in an hour (once the quiet hours end, or once
they have answered another offer), so the answer is a start to offer, a moment to look again, or a reason.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from clinic.common import steps
from clinic.common.intervals import Interval
from scheduling.domain.courses import OpenDays, Stage, gaps


class EntryStatus(StrEnum):
    """Where an entry is; that its time has passed is read off ``latest``, never written."""

    ACTIVE = "active"
    BOOKED = "booked"
    CANCELLED = "cancelled"


class Verb(StrEnum):
    """What is done to an entry."""

    CHANGE = "change"
    BOOK = "book"
    CANCEL = "cancel"


TRANSITIONS = MappingProxyType(
    {
        EntryStatus.ACTIVE: MappingProxyType(
            {
                Verb.CHANGE: EntryStatus.ACTIVE,
                Verb.BOOK: EntryStatus.BOOKED,
                Verb.CANCEL: EntryStatus.CANCELLED,
            }
        ),
        EntryStatus.BOOKED: MappingProxyType({}),
        EntryStatus.CANCELLED: MappingProxyType({}),
    }
)


def after(status: EntryStatus, verb: Verb) -> EntryStatus:
    """The status that ``verb`` leads to. Raises InvalidTransition."""
    return steps.after(
        TRANSITIONS, status, verb, called="entry", over="Make a new one if the patient still waits."
    )


class Misfit(StrEnum):
    """Why a waiting patient is not offered a freed time."""

    OWN = "own"  # it is the time they gave up
    OFFERED_BEFORE = "offered_before"
    ESCORT = "escort"  # nobody to take them home from a visit that needs it
    NOT_CONTACTABLE = "not_contactable"  # no allowed channel, or they asked for no more texts
    NOTHING_FREED = "nothing_freed"  # nothing their visit needs was freed
    NO_START = "no_start"  # none that fits their window, weekdays, hours, notice, gaps and other visits


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One entry, with what is known about the patient.

    ``notice`` is what patient and visit need before the start. ``quiet_until`` is when the patient may next
    be written to, ``answering_until`` when another offer to them ends; None: at once, and none.
    """

    id: int
    patient_id: int
    priority: int
    since: datetime
    window: Interval
    weekdays: frozenset[int] = frozenset()
    earliest_time: time | None = None
    latest_time: time | None = None
    notice: timedelta = timedelta(0)
    needs_escort: bool = False
    has_escort: bool = True
    contactable: bool = True
    quiet_until: datetime | None = None
    answering_until: datetime | None = None
    busy: tuple[Interval, ...] = ()
    allowed_days: frozenset[date] | None = None
    """Local dates that keep the gaps of the patient's course; None: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """The freed time, and for one visit type the starts in it at which search finds everything free."""

    zone: ZoneInfo
    starts: Sequence[datetime]
    length: timedelta
    given_up_by: int | None
    """The patient whose time it was."""
    offered_to: Collection[int] = ()
    """Patients who were offered some of this time, and said no or let it pass."""
    lost: Mapping[int, Collection[datetime]] = field(default_factory=dict)
    """Patient -> starts they were offered and lost to somebody else: another start may be theirs."""
    useful: bool = True
    """Whether anything that this visit type needs is among what was freed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A start to offer now, else a moment to look again, else why never."""

    entry_id: int
    start: datetime | None = None
    later: datetime | None = None
    misfit: Misfit | None = None


def verdict(waiting: Waiting, freed: Freed, *, now: datetime) -> Verdict:
    """Whether this patient is offered the freed time. Rules: DOMAIN section 6, journey B."""
    if misfit := _never(waiting, freed):
        return Verdict(waiting.id, misfit=misfit)
    postponed = [until for until in (waiting.quiet_until, waiting.answering_until) if until and until > now]
    told_at = max(postponed, default=now)
    start = first_start(waiting, freed, told_at=told_at)
    if start is None:
        return Verdict(waiting.id, misfit=Misfit.NO_START)
    if postponed:
        return Verdict(waiting.id, later=told_at)
    return Verdict(waiting.id, start=start)


def _never(waiting: Waiting, freed: Freed) -> Misfit | None:
    checks = (
        (waiting.patient_id == freed.given_up_by, Misfit.OWN),
        (waiting.patient_id in freed.offered_to, Misfit.OFFERED_BEFORE),
        (waiting.needs_escort and not waiting.has_escort, Misfit.ESCORT),
        (not waiting.contactable, Misfit.NOT_CONTACTABLE),
        (not freed.useful, Misfit.NOTHING_FREED),
    )
    return next((misfit for applies, misfit in checks if applies), None)


def first_start(waiting: Waiting, freed: Freed, *, told_at: datetime) -> datetime | None:
    """The earliest of the free starts that suits the patient when they hear of it at ``told_at``."""
    lost = freed.lost.get(waiting.patient_id, ())
    return next(
        (start for start in freed.starts if start not in lost and _suits(waiting, freed, start, told_at)),
        None,
    )


def _suits(waiting: Waiting, freed: Freed, start: datetime, told_at: datetime) -> bool:
    local = start.astimezone(freed.zone)
    visit = Interval(start, start + freed.length)
    return (
        waiting.window.contains(start)
        and start - told_at >= waiting.notice
        and start > told_at
        and (not waiting.weekdays or local.weekday() in waiting.weekdays)
        and (waiting.earliest_time is None or local.time() >= waiting.earliest_time)
        and (waiting.latest_time is None or local.time() <= waiting.latest_time)
        and (waiting.allowed_days is None or local.date() in waiting.allowed_days)
        and not any(visit.overlaps(other) for other in waiting.busy)
    )


def in_order(entries: Iterable[Waiting]) -> list[Waiting]:
    """Who is asked first: by priority, then by how long they wait."""
    return sorted(entries, key=lambda entry: (-entry.priority, entry.since, entry.id))


def keeps_gaps(sessions: Iterable[date], day: date, *, stages: Sequence[Stage], calendar: OpenDays) -> bool:
    """Whether one more session on ``day`` leaves the gaps beside it in range."""
    days = sorted([*sessions, day])
    number = days.index(day) + 1
    beside = [
        gap for gap in gaps(days, stages=stages, calendar=calendar) if gap.number in {number, number + 1}
    ]
    return days.count(day) == 1 and all(gap.in_range for gap in beside)


def notice_needed(
    *, asked: timedelta | None, fasting: bool, usual: timedelta, fasting_usual: timedelta, floor: timedelta
) -> timedelta:
    """What must lie between hearing of a visit and its start.

    ``asked`` is the patient's own word, else the clinic's usual applies. Before a visit to which one comes
    fasting it is never under ``floor``: clear fluids stop 2 h before (DOMAIN section 2).
    """
    if not fasting:
        return usual if asked is None else asked
    return max(fasting_usual if asked is None else asked, floor)
