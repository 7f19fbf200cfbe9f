"""Counts of what a manager measures, for some local days of one site, straight from the records.

The idea to know: each function reads through an index that begins with the days asked for, so what it costs
is theirs and not the history's; it yields one row for each day, measure and visit type.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Greatest, Least, TruncDate

from clinic.access.models import Site
from clinic.common.intervals import Interval
from patients.models import Message
from scheduling.domain.calendars import ONE_DAY, day_start
from scheduling.domain.measures import Code, Tally
from scheduling.domain.offers import OfferStatus
from scheduling.domain.phases import MAX_VISIT_MINUTES
from scheduling.models import Allocation, CheckIn, MeasurePolicy, Offer, ReminderRule, Resource
from scheduling.selectors.availability import Calendar

_LONGEST = timedelta(minutes=MAX_VISIT_MINUTES)
_MINUTE = timedelta(minutes=1)

# By hand: the steps of a visit are rows of their own, and each visit's are summed up before visits are.
_VISITS = """
WITH visit AS MATERIALIZED (
    SELECT id, visit_type_id, status, start_at, (start_at AT TIME ZONE %(zone)s)::date AS day
    FROM scheduling_appointment
    WHERE site_id = %(site)s AND start_at >= %(start)s AND start_at < %(end)s AND start_at <= %(now)s
), step AS (
    SELECT appointment_id,
           max(at) FILTER (WHERE verb = 'check_in') AS arrived_at,
           max(at) FILTER (WHERE verb = 'start') AS started_at,
           max(at) FILTER (WHERE verb = 'cancel') AS cancelled_at,
           (array_agg(from_status ORDER BY id DESC) FILTER (WHERE verb = 'cancel'))[1] AS cancelled_from
    FROM scheduling_appointmentevent
    WHERE appointment_id IN (SELECT id FROM visit) AND verb IN ('check_in', 'start', 'cancel')
    GROUP BY appointment_id
), known AS (
    SELECT day, visit_type_id, status, start_at, arrived_at, started_at,
           cancelled_from = 'arrived' AS sent_home,
           CASE WHEN status = 'cancelled' THEN coalesce(cancelled_at, '-infinity') END AS cancelled_at,
           start_at - %(late)s AS limit_at,
           status IN ('in_progress', 'completed') AND arrived_at <= started_at AS waited
    FROM visit LEFT JOIN step ON appointment_id = visit.id
)
SELECT day, type.code,
       count(*) FILTER (WHERE status = 'no_show'),
       count(*) FILTER (WHERE cancelled_at IS NULL OR cancelled_at >= start_at),
       count(*) FILTER (WHERE cancelled_at > limit_at AND NOT sent_home),
       count(*) FILTER (WHERE cancelled_at IS NULL OR cancelled_at > limit_at),
       coalesce(round(extract(epoch FROM sum(started_at - arrived_at) FILTER (WHERE waited))), 0)::bigint,
       count(*) FILTER (WHERE waited)
FROM known JOIN scheduling_visittype AS type ON type.id = visit_type_id
GROUP BY day, type.code
"""
# By hand: a message points to its visit by a number, which no relation of the ORM follows.
_REMINDERS = """
SELECT (visit.start_at AT TIME ZONE %(zone)s)::date, type.code,
       count(*) FILTER (WHERE message.status = ANY (%(arrived)s)), count(*)
FROM scheduling_appointment AS visit
JOIN scheduling_visittype AS type ON type.id = visit.visit_type_id
JOIN patients_message AS message ON message.subject_kind = 'appointment' AND message.subject_id = visit.id
WHERE visit.site_id = %(site)s AND visit.start_at >= %(start)s AND visit.start_at < %(end)s
    AND message.kind = ANY (%(kinds)s)
    AND (message.status = ANY (%(over)s) OR message.status = ANY (%(waits)s) AND message.due_at <= %(now)s)
GROUP BY 1, 2
"""
_ARRIVED = [Message.Status.SENT.value, Message.Status.DELIVERED.value]
_OVER = [*_ARRIVED, Message.Status.FAILED.value, Message.Status.UNCERTAIN.value]
_WAITS = [status.value for status in Message.UNFINISHED]
_NOT_ASKED = (CheckIn.Status.SUPERSEDED, CheckIn.Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Span:
    """Local days of a site, ``first`` to ``last`` included, as they are known at ``now``."""

    site: Site
    first: date
    last: date
    now: datetime
    policy: MeasurePolicy

    @property
    def interval(self) -> Interval:
        """From the first instant of the first day to the last of the last one."""
        zone = self.site.zone
        return Interval(day_start(self.first, zone), day_start(self.last + ONE_DAY, zone))

    @property
    def days(self) -> list[date]:
        """All of them."""
        return [self.first + ONE_DAY * number for number in range((self.last - self.first).days + 1)]


@dataclass(frozen=True, slots=True)
class Counted:
    """What one day adds to one measure."""

    day: date
    code: Code
    tally: Tally
    visit_type: str = ""


def visits(span: Span) -> Iterator[Counted]:
    """No-shows, late cancellations and waits of the visits whose time has come. One query."""
    late = timedelta(hours=span.policy.late_cancel_hours)
    for day, visit_type, *counts in _rows(_VISITS, span, late=late):
        for place, code in enumerate((Code.NO_SHOW, Code.LATE_CANCEL, Code.WAITING_ROOM)):
            tally = Tally(*counts[2 * place : 2 * place + 2])
            if tally.denominator:
                yield Counted(day, code, tally, visit_type)


def reminders(span: Span) -> Iterator[Counted]:
    """Reminders of the visits of these days: every kind that a rule sends some time before the start, but
    no news. Two queries."""
    kinds = set(
        ReminderRule.objects.filter(anchor=ReminderRule.Anchor.START)
        .order_by()
        .values_list("kind", flat=True)
    )
    for day, visit_type, *counts in _rows(
        _REMINDERS, span, kinds=sorted(kinds), arrived=_ARRIVED, over=_OVER, waits=_WAITS
    ):
        yield Counted(day, Code.REMINDERS_DELIVERED, Tally(*counts), visit_type)


def check_ins(span: Span) -> Iterator[Counted]:
    """Check-ins of the site's patients whose window closed on these days. One query."""
    today = span.now.astimezone(span.site.zone).date()
    rows = (
        CheckIn.objects.filter(
            patient__site=span.site,
            window_end_on__range=(span.first, span.last),
            window_end_on__lt=today,
        )
        .exclude(status__in=_NOT_ASKED)
        .order_by()
        .values_list("window_end_on")
        .annotate(answered=Count("pk", filter=Q(status=CheckIn.Status.ANSWERED)), closed=Count("pk"))
    )
    for day, answered, closed in rows:
        yield Counted(day, Code.CHECK_INS_ANSWERED, Tally(answered, closed))


def waiting_list(span: Span) -> Iterator[Counted]:
    """From joining the list to the accepted time. One query."""
    within = span.interval
    rows = (
        Offer.objects.filter(
            status=OfferStatus.ACCEPTED,
            slot__site=span.site,
            start_at__gte=within.start,
            start_at__lt=within.end,
        )
        .order_by()
        .annotate(day=TruncDate("start_at", tzinfo=span.site.zone))
        .values_list("day", "entry__visit_type__code")
        .annotate(waited=Sum(F("start_at") - F("entry__created_at")), accepted=Count("pk"))
    )
    for day, visit_type, waited, accepted in rows:
        yield Counted(day, Code.WAITING_LIST, Tally(round(waited.total_seconds()), accepted), visit_type)


def chairs(span: Span) -> Iterator[Counted]:
    """Minutes held and open of the chairs in use, one row for every day. Three queries."""
    chairs = list(
        Resource.objects.filter(site=span.site, kind=Resource.Kind.CHAIR, active=True).values_list(
            "pk", flat=True
        )
    )
    days = {
        day: Interval(day_start(day, span.site.zone), day_start(day + ONE_DAY, span.site.zone))
        for day in span.days
    }
    open_minutes = _open_minutes(span, chairs, days)
    held = _held(span, chairs, days)
    for day in span.days:
        yield Counted(day, Code.CHAIR_UTILISATION, Tally(held[day], open_minutes[day]))


def _open_minutes(span: Span, chairs: list[int], days: dict[date, Interval]) -> dict[date, int]:
    calendar = Calendar.load(site=span.site, resource_ids=chairs, span=span.interval)
    minutes = dict.fromkeys(days, 0.0)
    # Most chairs keep the same hours: what is open is cut into days once for all of them.
    for stretches, count in Counter(tuple(calendar.open_for(chair)) for chair in chairs).items():
        for stretch in stretches:
            for day, whole in days.items():
                common = stretch.intersect(whole)
                minutes[day] += count * common.minutes if common else 0
    return {day: round(each) for day, each in minutes.items()}


def _held(span: Span, chairs: list[int], days: dict[date, Interval]) -> dict[date, int]:
    """A visit across midnight counts for each day by its minutes there."""
    within = span.interval
    sums = {
        f"on_{number}": Sum(
            Least(F("end_at"), whole.end) - Greatest(F("start_at"), whole.start),
            filter=Q(start_at__lt=whole.end, end_at__gt=whole.start),
        )
        for number, whole in enumerate(days.values())
    }
    found = Allocation.objects.filter(
        resource__in=chairs,
        appointment__isnull=False,
        released_at__isnull=True,
        start_at__lt=within.end,
        end_at__gt=within.start,
        # Follows from the lines above, but the index is on the end.
        end_at__lte=within.end + _LONGEST,
    ).aggregate(**sums)
    return {
        day: round((held or timedelta()) / _MINUTE) for day, held in zip(days, found.values(), strict=True)
    }


def _rows(statement: str, span: Span, **values: Any) -> list[tuple[Any, ...]]:
    within = span.interval
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "site": span.site.pk,
                "zone": span.site.timezone,
                "start": within.start,
                "end": within.end,
                "now": span.now,
                **values,
            },
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
