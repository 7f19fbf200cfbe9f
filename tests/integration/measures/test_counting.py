"""When measures are counted: what is due, in batches, twice, by two at once, and never for another site."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common import due
from scheduling import tasks
from scheduling.domain.measures import CATALOGUE, Code, Group, Period
from scheduling.due import Measures
from scheduling.models import Appointment, MeasureDay, MeasuredSite, MeasurePolicy
from scheduling.selectors import measures as selector
from scheduling.services import measures
from tests.conftest import NOW
from tests.factories import SiteFactory, open_clinic, visit_type
from tests.factories.bookings import booked
from tests.factories.racing import race

pytestmark = pytest.mark.django_db

TODAY = date(2027, 1, 4)
DAY = timedelta(days=1)
Clock = Callable[[datetime], None]


def rows(site: Site) -> list[tuple[object, ...]]:
    stored = MeasureDay.objects.filter(site=site).order_by("day", "measure", "visit_type")
    return list(stored.values_list("day", "measure", "visit_type", "numerator", "denominator"))


def days(site: Site) -> list[date]:
    return sorted(
        MeasureDay.objects.filter(site=site, measure=Code.CHAIR_UTILISATION).values_list("day", flat=True)
    )


def busy(site: Site, *days_ago: int) -> None:
    chair = open_clinic(site)[0]
    for ago in days_ago:
        booked(site, NOW - ago * DAY + timedelta(hours=2), on={chair: 0}, status="completed")


def settle(now: datetime = NOW) -> int:
    """Count what is due; how many batches that took."""
    batches = 0
    while measures.count_next(now=now):
        batches += 1
    return batches


def test_from_the_first_record_to_today_and_then_nothing_is_due(site: Site, clock: Clock) -> None:
    busy(site, 0, 100)
    assert Measures().next_due_at() == NOW
    assert settle() == 4 + 3, "60 recent days and 41 older ones, 15 at a time"
    assert days(site) == [TODAY - n * DAY for n in range(100, -1, -1)]
    assert Measures().next_due_at() is None
    assert settle() == 0


def test_the_recent_days_of_every_site_come_before_older_ones(site: Site) -> None:
    busy(site, 400)
    other = SiteFactory.create()
    busy(other, 20)
    while measures.count_next(now=NOW) and MeasuredSite.objects.filter(recent_due_at__lte=NOW).exists():
        pass
    assert len(days(site)) == 60
    assert len(days(other)) == 21


def test_recent_days_hourly_and_older_ones_weekly(site: Site, clock: Clock) -> None:
    busy(site, 0, 100)
    settle()
    hour, week = NOW + timedelta(hours=1), NOW + 7 * DAY
    clock(hour)
    assert Measures().next_due_at() == hour
    settle(hour)
    ages = dict(MeasureDay.objects.filter(measure=Code.CHAIR_UTILISATION).values_list("day", "computed_at"))
    assert {at for day, at in ages.items() if day > TODAY - 60 * DAY} == {hour}
    assert {at for day, at in ages.items() if day <= TODAY - 60 * DAY} == {NOW}
    settle(week)
    assert set(MeasureDay.objects.values_list("computed_at", flat=True)) == {week}


def test_how_often_is_a_row_of_policy(site: Site) -> None:
    busy(site, 0, 30)
    MeasurePolicy.objects.filter(site=None).update(recent_days=10, recent_minutes=30)
    settle()
    state = MeasuredSite.objects.get(site=site)
    assert state.recent_due_at == NOW + timedelta(minutes=30)
    assert len(days(site)) == 31, "older days are counted all the same"


def test_counting_twice_gives_the_same(site: Site) -> None:
    busy(site, 0, 1, 5)
    settle()
    first = rows(site)
    assert first
    for _ in range(2):
        measures.count(site=site, first=TODAY - 5 * DAY, last=TODAY, now=NOW)
        assert rows(site) == first


def test_what_is_gone_is_no_longer_counted(site: Site) -> None:
    busy(site, 0)
    later = NOW + timedelta(hours=5)
    measures.count(site=site, first=TODAY, last=TODAY, now=later)
    assert (TODAY, "no_show", "ketamine-mood", 0, 1) in rows(site)
    Appointment.objects.update(visit_type=visit_type("ketamine-pain"))
    measures.count(site=site, first=TODAY, last=TODAY, now=later)
    assert [row for row in rows(site) if row[1] == "no_show"] == [(TODAY, "no_show", "ketamine-pain", 0, 1)]


def test_another_site_is_never_counted(site: Site) -> None:
    busy(SiteFactory.create(), 0, 1)
    settle(NOW + timedelta(hours=5))
    assert [(row[1], *row[3:]) for row in rows(site)] == [("chair_utilisation", 0, 0)]


def test_a_site_out_of_use_is_left_alone(site: Site, clock: Clock) -> None:
    busy(site, 3)
    Site.objects.update(active=False)
    assert Measures().next_due_at() is None
    assert settle() == 0


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_many_at_once_give_what_one_gives() -> None:
    site = SiteFactory.create()
    busy(site, 0, 1, 20, 70)
    settle()
    alone = rows(site)
    MeasureDay.objects.all().delete()
    MeasuredSite.objects.all().delete()

    def count() -> None:
        measures.count(site=site, first=TODAY - 14 * DAY, last=TODAY, now=NOW)

    def all_due() -> None:
        settle()

    assert race([count, all_due, count, all_due]) == ["ok"] * 4
    settle()
    assert rows(site) == alone


def test_the_task_counts_and_the_page_knows_how_old_it_is(site: Site, clock: Clock) -> None:
    busy(site, 0, 3)
    tasks.count_measures()
    clock(NOW + timedelta(minutes=12))
    period = Period(TODAY - 3 * DAY, TODAY + DAY)
    found = selector.report(
        actor=SYSTEM, sites=[site], period=period, group=Group.DAY, now=NOW + timedelta(minutes=12)
    )
    assert (found.computed_at, found.oldest_computed_at, found.days_missing) == (NOW, NOW, 0)


def test_days_that_wait_are_said_to_be_missing(site: Site) -> None:
    busy(site, 100)
    MeasuredSite.objects.create(site=site, recent_due_at=NOW, older_due_at=NOW)
    measures.count_next(now=NOW)
    period = Period(TODAY - 200 * DAY, TODAY + 30 * DAY)
    found = selector.report(actor=SYSTEM, sites=[site], period=period, group=Group.MONTH, now=NOW)
    assert found.days_missing == 101 - 15, "not those before the first visit, nor those to come"


def test_a_report_takes_four_queries_whatever_there_is(site: Site) -> None:
    busy(site, 0, 40)
    settle()
    sites = [site, *SiteFactory.create_batch(3)]

    def queries(period: Period) -> int:
        with CaptureQueriesContext(connection) as asked:
            selector.report(actor=SYSTEM, sites=sites, period=period, group=Group.DAY, now=NOW)
        return len(asked)

    assert queries(Period(TODAY, TODAY + DAY)) == 4
    assert queries(Period(TODAY - 400 * DAY, TODAY + DAY)) == 4


def test_a_batch_takes_the_same_queries_whatever_there_is(site: Site) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            measures.count(site=site, first=TODAY - 14 * DAY, last=TODAY, now=NOW)
        return len(asked)

    open_clinic(site)
    queries()
    few = queries()
    busy(SiteFactory.create(), *range(15))
    busy_days = [NOW - n * DAY for n in range(15)]
    for start in busy_days:
        booked(site, start, on={}, status="completed")
    queries()
    assert queries() == few


def test_by_hand(site: Site, clock: Clock) -> None:
    busy(site, 0, 40)
    said = StringIO()
    call_command("measures", "--site", str(site.pk), "--from", "2026-12-01", stdout=said)
    assert said.getvalue() == f"Site {site.pk}: counted 35 days from 2026-12-01 to 2027-01-04, 35 rows.\n"
    call_command("measures", stdout=said)
    assert len(days(site)) == 41
    with pytest.raises(CommandError, match="no site with the id"):
        call_command("measures", "--site", "0")
    with pytest.raises(CommandError, match="there is no day"):
        call_command("measures", "--from", "2027-01-02", "--to", "2027-01-01")
    with pytest.raises(CommandError, match="is no date"):
        call_command("measures", "--from", "yesterday")


def test_beat_knows_of_it() -> None:
    assert "measures" in {work.name for work in due.kinds()}
    assert set(CATALOGUE) == set(Code)
