"""What the page, the API and the CSV show of the measures: sums of rows that were counted beforehand.

The idea to know: four queries whatever the volume. Nothing is counted here; each row has its age.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Count, Max, Min, Sum
from django.db.models.functions import Coalesce, Least

from clinic.access.models import Site
from clinic.access.policy import Actor
from scheduling.domain import measures as domain
from scheduling.domain.calendars import ONE_DAY
from scheduling.domain.measures import CATALOGUE, Code, Group, Measure, Period, Tally
from scheduling.models import MeasureDay, MeasuredSite

MOST_DAYS = 1100
"""Of one report: three years and a little."""
OF_EVERY_DAY = Code.CHAIR_UTILISATION
"""Has a row for each day that was counted."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One measure over a period: in all, along it, by visit type, and over the period before."""

    measure: Measure
    total: Tally
    before: Tally
    series: Sequence[tuple[Period, Tally]]
    by_visit_type: Sequence[tuple[str, Tally]]

    @property
    def value(self) -> Decimal | None:
        """In the measure's unit."""
        return self.total.value(self.measure.unit)

    @property
    def change(self) -> Decimal | None:
        """Against the period before, in the same unit."""
        return domain.change(self.value, self.before.value(self.measure.unit))


@dataclass(frozen=True, slots=True)
class Report:
    """All measures of some sites over a period, and how old the numbers are."""

    period: Period
    group: Group
    computed_at: datetime | None
    """Of the numbers counted last; None when none is there."""
    oldest_computed_at: datetime | None
    days_missing: int
    """Days of the period, for each site, that wait to be counted. Days to come are not among them."""
    shown: Sequence[Shown]


def visible_sites(actor: Actor) -> list[Site]:
    """The sites whose reports this actor reads. One query."""
    sites = Site.objects.filter(active=True)
    if not actor.sees_every_site:
        sites = sites.filter(pk__in=actor.sites("reports.read"))
    return list(sites.order_by("name"))


def report(
    *,
    actor: Actor,
    sites: Sequence[Site],
    period: Period,
    group: Group,
    now: datetime,
    codes: Iterable[Code] = tuple(CATALOGUE),
) -> Report:
    """The measures over a period, each site by its own days. Four queries.

    Rows of sites whose reports the actor may not read are never among them.
    """
    wanted = list(codes)
    rows = MeasureDay.objects.visible_to(actor).filter(site__in=sites).order_by()
    inside = rows.filter(day__gte=period.start, day__lt=period.end)
    ages = inside.filter(measure=OF_EVERY_DAY).aggregate(
        newest=Max("computed_at"), oldest=Min("computed_at"), days=Count("pk")
    )
    daily: Mapping[str, list[tuple[date, Tally]]] = defaultdict(list)
    for measure, day, numerator, denominator in (
        rows.filter(measure__in=wanted, day__gte=period.before.start, day__lt=period.end)
        .values_list("measure", "day")
        .annotate(Sum("numerator"), Sum("denominator"))
    ):
        daily[measure].append((day, Tally(numerator, denominator)))
    types: Mapping[str, list[tuple[str, Tally]]] = defaultdict(list)
    for measure, visit_type, numerator, denominator in (
        inside.filter(measure__in=wanted)
        .exclude(visit_type="")
        .values_list("measure", "visit_type")
        .annotate(Sum("numerator"), Sum("denominator"))
        .order_by("visit_type")
    ):
        types[measure].append((visit_type, Tally(numerator, denominator)))
    return Report(
        period=period,
        group=group,
        computed_at=ages["newest"],
        oldest_computed_at=ages["oldest"],
        days_missing=max(0, _days_to_count(sites, period, now) - ages["days"]),
        shown=[_shown(CATALOGUE[code], daily[code], types[code], period, group) for code in wanted],
    )


def _shown(
    measure: Measure,
    daily: list[tuple[date, Tally]],
    by_visit_type: Sequence[tuple[str, Tally]],
    period: Period,
    group: Group,
) -> Shown:
    steps = domain.steps(period, group)
    along = domain.along(steps, daily)
    [before] = domain.along([period.before], daily)
    return Shown(
        measure=measure,
        total=domain.total(along),
        before=before,
        series=list(zip(steps, along, strict=True)),
        by_visit_type=by_visit_type,
    )


def _days_to_count(sites: Iterable[Site], period: Period, now: datetime) -> int:
    """From each site's first record to its today. One query."""
    begun = dict(MeasuredSite.objects.filter(site__in=sites).values_list("site", "first_on"))
    days = 0
    for site in sites:
        today = now.astimezone(site.zone).date()
        first = max(period.start, begun.get(site.pk) or today)
        days += max(0, (min(today + ONE_DAY, period.end) - first).days)
    return days


def next_due_at(*, now: datetime) -> datetime | None:
    """Since when counting has been due at some site; None when it is not due now. One query.

    What is only due later is not told: whoever turns the clock need not stop at every hour for it.
    """
    due_at = Least(Coalesce("measured__recent_due_at", now), Coalesce("measured__older_due_at", now))
    earliest: datetime | None = Site.objects.filter(active=True).aggregate(at=Min(due_at))["at"]
    return earliest if earliest is not None and earliest <= now else None
