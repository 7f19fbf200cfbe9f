"""Public holidays as closures: made once, theirs to change who run the site, and shipped with the demo."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from clinic.access.models import Site
from clinic.access.policy import SYSTEM, Actor
from clinic.common.errors import DomainError, Forbidden
from patients.models import WorkItem
from scheduling.domain.public_holidays import public_holidays
from scheduling.models import Closure, SiteHoliday, SiteHolidayCalendar
from scheduling.services import holidays
from tests.conftest import NOW
from tests.factories import SiteFactory
from tests.factories.bookings import booked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def kept(site: Site) -> Site:
    holidays.choose(actor=SYSTEM, now=NOW, site_id=site.pk, country="US", subdivision="CO")
    return site


def sync(site: Site, *years: int) -> list[Closure]:
    return holidays.sync(actor=SYSTEM, now=NOW, site_id=site.pk, years=years)


def closed_on(site: Site) -> list[date]:
    return [row.start_at.astimezone(site.zone).date() for row in Closure.objects.filter(site=site)]


def test_a_holiday_closes_its_whole_local_day(kept: Site) -> None:
    sync(kept, 2027)
    king = Closure.objects.get(reason="Martin Luther King Jr. Day")
    assert (king.start_at, king.end_at) == (
        datetime(2027, 1, 18, 7, tzinfo=UTC),
        datetime(2027, 1, 19, 7, tzinfo=UTC),
    )
    assert date(2027, 1, 1) not in closed_on(kept), "that day has passed"
    assert {date(2027, 7, 4), date(2027, 7, 5), date(2027, 11, 25), date(2027, 12, 24)} <= set(
        closed_on(kept)
    )


def test_a_day_on_which_the_clocks_change_is_closed_whole() -> None:
    cairo = SiteFactory.create(timezone="Africa/Cairo")  # the clocks skip its midnight on 2027-04-30
    holidays.choose(actor=SYSTEM, now=NOW, site_id=cairo.pk, country="EG")
    lengths = {row.end_at - row.start_at for row in sync(cairo, 2027)}
    assert lengths <= {timedelta(hours=23), timedelta(hours=24), timedelta(hours=25)}


def test_only_the_chosen_ones_with_the_days_they_are_observed_on(site: Site) -> None:
    names = ["Christmas Day", "Labor Day"]
    holidays.choose(actor=SYSTEM, now=NOW, site_id=site.pk, country="US", names=names)
    sync(site, 2027)
    assert closed_on(site) == [date(2027, 9, 6), date(2027, 12, 24), date(2027, 12, 25)]


def test_two_holidays_on_one_day_can_be_chosen_apart() -> None:
    of_new_york = {"country": "US", "subdivision": "NY", "years": [2027]}
    found = public_holidays(**of_new_york, names=["Washington's Birthday"])  # type: ignore[arg-type]
    assert found == {date(2027, 2, 15): "Washington's Birthday"}
    assert "; " in public_holidays(**of_new_york)[date(2027, 2, 15)]  # type: ignore[arg-type]


def test_repeating_makes_nothing_new_and_another_year_only_its_own(kept: Site) -> None:
    first = sync(kept, 2027)
    assert first
    assert sync(kept, 2027) == []
    more = sync(kept, 2027, 2028)
    assert {row.start_at.astimezone(kept.zone).year for row in more} == {2028}


def test_what_a_manager_changed_or_took_back_stays_so(
    kept: Site, client_as: Callable[..., APIClient]
) -> None:
    manager = client_as("manager", kept)
    sync(kept, 2027)
    king, labor = (Closure.objects.get(reason=name) for name in ("Martin Luther King Jr. Day", "Labor Day"))
    assert manager.delete(f"/api/v1/closures/{king.pk}/").status_code == 204
    noon = {"end": "2027-09-06T12:00:00-06:00"}
    changed = manager.patch(f"/api/v1/closures/{labor.pk}/", noon, headers={"If-Match": "*"})
    assert changed.status_code == 200, changed.json()
    assert sync(kept, 2027) == []
    assert not Closure.objects.filter(reason=king.reason).exists()
    assert Closure.objects.get(pk=labor.pk).end_at == datetime(2027, 9, 6, 18, tzinfo=UTC)
    assert SiteHoliday.objects.get(site=kept, on="2027-01-18").closure is None


def test_visits_that_are_hit_get_work_items(kept: Site) -> None:
    visit = booked(kept, datetime(2027, 1, 18, 17, tzinfo=UTC), on={})
    sync(kept, 2027)
    assert WorkItem.objects.get().patient == visit.patient


def test_choosing_again_changes_the_calendar(kept: Site) -> None:
    again = holidays.choose(actor=SYSTEM, now=NOW, site_id=kept.pk, country="CA", subdivision="ON")
    assert (SiteHolidayCalendar.objects.get(), again.version, str(again)) == (again, 2, "CA-ON")


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ({"country": "XX"}, "unknown_country"),
        ({"country": "US", "subdivision": "ZZ"}, "unknown_country"),
        ({"country": "US", "names": ["Towel Day"]}, "unknown_holiday"),
    ],
)
def test_what_cannot_be_chosen(site: Site, chosen: dict[str, object], code: str) -> None:
    with pytest.raises(DomainError) as refused:
        holidays.choose(actor=SYSTEM, now=NOW, site_id=site.pk, **chosen)  # type: ignore[arg-type]
    assert refused.value.code == code
    assert not SiteHolidayCalendar.objects.exists()


def test_managers_only(kept: Site, actor_at: Callable[..., Actor]) -> None:
    desk, stranger = actor_at(kept, "front_desk"), actor_at(SiteFactory.create(), "manager")
    for actor, expected in ((desk, "forbidden"), (stranger, "not_found")):
        with pytest.raises(DomainError) as refused:
            holidays.sync(actor=actor, now=NOW, site_id=kept.pk, years=[2027])
        assert refused.value.code == expected
    with pytest.raises(Forbidden):
        holidays.choose(actor=desk, now=NOW, site_id=kept.pk, country="US")
    assert holidays.sync(actor=actor_at(kept, "manager"), now=NOW, site_id=kept.pk, years=[2027])


def test_the_command_chooses_and_closes(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    other = SiteFactory.create()
    call_command("sync_holidays", site=site.pk, country="US", names=["Labor Day"], years=[2027])
    assert f"{site.name}: 1 closed days added" in capsys.readouterr().out
    call_command("sync_holidays")  # this year and the next, for every site that has a calendar
    assert closed_on(site) == [date(2027, 9, 6), date(2028, 9, 4)]
    assert closed_on(other) == []


@pytest.mark.parametrize(
    "options", [{"country": "US"}, {"years": [1]}, {"site": 10**9, "country": "US"}, {"site": 10**9}]
)
def test_the_command_says_what_is_wrong(db: None, options: dict[str, object]) -> None:
    if "site" in options and "country" not in options:
        call_command("sync_holidays", **options)  # no such site: nothing to do
        return
    with pytest.raises(CommandError):
        call_command("sync_holidays", **options)


def test_the_demo_is_closed_when_the_country_is(db: None) -> None:
    call_command("seed_demo")
    cedar = Site.objects.get(name="Cedar Street")
    closed = set(closed_on(cedar))
    assert {date(2027, 1, 18), date(2027, 2, 15), date(2027, 11, 25), date(2028, 1, 1)} <= closed
    assert {date(2027, 12, 25), date(2027, 12, 24), date(2027, 5, 31), date(2027, 9, 6)} <= closed
    assert date(2027, 6, 18) not in closed
    harbor = Site.objects.get(name="Harbor View")
    assert date(2027, 2, 15) in closed_on(harbor)
    before = Closure.objects.count()
    call_command("seed_demo")
    assert Closure.objects.count() == before
