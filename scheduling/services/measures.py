"""Counting measures beforehand: what is due, a few days at a time, and on demand.

The idea to know: a batch of days is counted from the records and replaces what was stored of those days, in
one short transaction with the site's row locked. So a batch may be repeated, lost or done by two at once,
and the numbers are the same.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.db.models import F, Min

from clinic.access.models import Site
from clinic.common.transactions import durable
from scheduling.domain.calendars import ONE_DAY
from scheduling.models import Appointment, CheckIn, MeasureDay, MeasuredSite, MeasurePolicy
from scheduling.selectors import measure_counts as counts
from scheduling.selectors.measure_counts import Counted, Span
from scheduling.selectors.measure_outcomes import course_outcomes

TASK = "scheduling.tasks.count_measures"
BATCH_DAYS = 15
"""Days counted in one transaction: one or two seconds of a clinic with 1,200 visits a day."""


@durable
def count_next(*, now: datetime) -> bool:
    """Count the next batch of days of a site that is due and that nobody else is counting; False when there
    is none.

    The recent days of every site come first, the latest first, then the older ones back to its first record.
    """
    _begin_new_sites(now)
    waiting = (
        MeasuredSite.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("site")
        .filter(site__active=True)
    )
    for due_at, sweep in (("recent_due_at", _recent), ("older_due_at", _older)):
        state = waiting.filter(**{f"{due_at}__lte": now}).order_by(due_at, "pk").first()
        if state is not None:
            state.first_on = first_day(state.site)
            sweep(state, _policy(state.site), now)
            state.save()
            return True
    return False


@durable
def count(*, site: Site, first: date, last: date, now: datetime) -> int:
    """Count the days from ``first`` to ``last`` (at most :data:`BATCH_DAYS`) anew, now; how many rows they
    have. Waits for whoever counts days of this site."""
    _begin_new_sites(now)
    MeasuredSite.objects.select_for_update().filter(site=site).first()
    return _replace(Span(site=site, first=first, last=last, now=now, policy=_policy(site)))


def batches(*, first: date, last: date) -> Iterator[tuple[date, date]]:
    """The days from ``first`` to ``last`` in parts that one transaction takes, the latest first."""
    while first <= last:
        begin = max(first, last - timedelta(days=BATCH_DAYS - 1))
        yield begin, last
        last = begin - ONE_DAY


def first_day(site: Site) -> date | None:
    """The day of the site's first visit or check-in; None before there is any. Two queries."""
    visit = Appointment.objects.filter(site=site).aggregate(at=Min("start_at"))["at"]
    days = [
        visit.astimezone(site.zone).date() if visit else None,
        CheckIn.objects.filter(patient__site=site).aggregate(on=Min("window_end_on"))["on"],
    ]
    return min((day for day in days if day is not None), default=None)


def _recent(state: MeasuredSite, policy: MeasurePolicy, now: datetime) -> None:
    today = now.astimezone(state.site.zone).date()
    first = max(today - timedelta(days=policy.recent_days - 1), min(state.first_on or today, today))
    state.recent_next_on = _batch(state.site, policy, now, first, min(state.recent_next_on or today, today))
    if state.recent_next_on is None:
        state.recent_due_at = now + timedelta(minutes=policy.recent_minutes)


def _older(state: MeasuredSite, policy: MeasurePolicy, now: datetime) -> None:
    last = now.astimezone(state.site.zone).date() - timedelta(days=policy.recent_days)
    first = state.first_on or last + ONE_DAY
    state.older_next_on = _batch(state.site, policy, now, first, min(state.older_next_on or last, last))
    if state.older_next_on is None:
        state.older_due_at = now + timedelta(days=policy.older_days)


def _batch(site: Site, policy: MeasurePolicy, now: datetime, first: date, last: date) -> date | None:
    """Count the latest days up to ``last``; the day to go on with, None when ``first`` was reached."""
    part = next(batches(first=first, last=last), None)
    if part is None:
        return None
    begin, end = part
    _replace(Span(site=site, first=begin, last=end, now=now, policy=policy))
    return None if begin == first else begin - ONE_DAY


def _replace(span: Span) -> int:
    """The site's row is locked. Rows of what is not there any more are removed, the others written."""
    rows = [
        MeasureDay(
            site=span.site,
            day=each.day,
            measure=each.code.value,
            visit_type=each.visit_type,
            numerator=each.tally.numerator,
            denominator=each.tally.denominator,
            computed_at=span.now,
        )
        for each in _counted(span)
    ]
    kept = {(row.day, row.measure, row.visit_type) for row in rows}
    stored = MeasureDay.objects.filter(site=span.site, day__range=(span.first, span.last))
    gone = [
        pk for pk, *key in stored.values_list("pk", "day", "measure", "visit_type") if tuple(key) not in kept
    ]
    MeasureDay.objects.filter(pk__in=gone).delete()
    MeasureDay.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["site", "day", "measure", "visit_type"],
        update_fields=["numerator", "denominator", "computed_at"],
    )
    return len(rows)


def _counted(span: Span) -> Iterator[Counted]:
    yield from counts.chairs(span)
    yield from counts.visits(span)
    yield from counts.reminders(span)
    yield from counts.check_ins(span)
    yield from counts.waiting_list(span)
    yield from course_outcomes(span)


def _policy(site: Site) -> MeasurePolicy:
    """The site's own, or the default."""
    rows = MeasurePolicy.objects.filter(site=site) | MeasurePolicy.objects.filter(site=None)
    return rows.order_by(F("site").asc(nulls_last=True))[0]


def _begin_new_sites(now: datetime) -> None:
    """Every site is counted from its first day on."""
    unknown = Site.objects.filter(measured__isnull=True)
    MeasuredSite.objects.bulk_create(
        (MeasuredSite(site=site, recent_due_at=now, older_due_at=now) for site in unknown),
        ignore_conflicts=True,
    )
