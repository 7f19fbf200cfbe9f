"""A nurse calls in sick: asking for a repair, looking at it, accepting it; and closing on public holidays."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import WorkItem
from scheduling.models import Appointment, Closure, Repair, Resource, SiteHolidayCalendar
from scheduling.services import calendars, repair_runs, repairs
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic
from tests.factories.bookings import booked
from tests.integration.admin.furnished import course_of
from tests.integration.admin.pages import said, stamp, version, words

NEW = "admin:scheduling_repair_new"
TOMORROW = NOW + timedelta(days=1)


def page(repair: Repair, name: str = "change") -> str:
    """A page of a repair."""
    return reverse(f"admin:scheduling_repair_{name}", args=[repair.pk])


@pytest.fixture
def visit(site: Site) -> Appointment:
    """A visit tomorrow at 10 on Chair 1 with Nurse 1; Nurse 2 is free."""
    open_clinic(site, nurses=2)
    patient = PatientFactory.create(site=site, first_name="Ana", last_name="Reyes")
    course = course_of(patient)
    held = {
        Resource.objects.get(site=site, name="Chair 1"): 0,
        Resource.objects.get(site=site, name="Nurse 1"): 0,
    }
    return booked(
        site,
        TOMORROW + timedelta(hours=2),
        on=held,
        minutes=120,
        patient=patient,
        course=course,
        session_number=1,
    )


@pytest.fixture
def nurse(visit: Appointment) -> Resource:
    """Who calls in sick."""
    return Resource.objects.get(site=visit.site, name="Nurse 1")


def absence(nurse: Resource, **more: Any) -> dict[str, Any]:
    """What the form asks."""
    span = {"start": "2027-01-05T08:00", "end": "2027-01-05T18:00"}
    return {"site": nurse.site_id, "resource": nurse.pk, "horizon_days": "14", **span, **more}


def test_a_nurse_calls_in_sick_and_somebody_else_takes_over(
    visit: Appointment, nurse: Resource, staff: Callable[..., Client]
) -> None:
    client = staff("front_desk", visit.site)
    asked = client.post(reverse(NEW), absence(nurse), follow=True)
    repair = Repair.objects.get()
    assert said(asked) == ["Asked for. The proposal appears below as soon as it is ready."]
    assert "Waiting for a worker." in words(asked)
    assert '<meta http-equiv="refresh" content="3">' in asked.content.decode()
    assert "Nurse 1 is away" in words(client.get(reverse("admin:index")))

    repair_runs.run_next(now=NOW)
    shown = client.get(page(repair))
    assert 'http-equiv="refresh"' not in shown.content.decode()
    assert "Reyes, Ana" in words(shown)
    repair.refresh_from_db()
    change = repair.changes.get()
    to = set(Resource.objects.filter(pk__in=change.to_resources).values_list("name", flat=True))
    assert "Nurse 1" not in to
    assert all(name in words(shown) for name in to)

    done = client.post(page(repair, "accept"), {"version": version(shown), "visit": [visit.pk]}, follow=True)
    assert said(done) == ["1 visit moved or given to somebody else; messages follow."]
    repair.refresh_from_db()
    assert repair.status == "accepted"
    held = visit.allocations.filter(released_at__isnull=True).values_list("resource__name", flat=True)
    assert set(held) == to
    again = client.post(page(repair, "accept"), {"version": repair.version}, follow=True)
    assert again.status_code == 200


def test_nothing_ticked_moves_nothing_and_reject_leaves_all_as_it_is(
    visit: Appointment, nurse: Resource, staff: Callable[..., Client]
) -> None:
    client = staff("nurse", visit.site)
    client.post(reverse(NEW), absence(nurse))
    repair = Repair.objects.get()
    repair_runs.run_next(now=NOW)
    shown = version(client.get(page(repair)))
    none = client.post(page(repair, "accept"), {"version": shown}, follow=True)
    assert said(none) == ["Tick the visits that shall be moved, or reject the proposal."]
    stale = client.post(page(repair, "reject"), {"version": "1"}, follow=True)
    assert said(stale)
    repair.refresh_from_db()
    assert repair.status == "proposed"
    gone = client.post(page(repair, "reject"), {"version": shown}, follow=True)
    assert said(gone) == ["Rejected. Visits stay where they are."]
    late = client.post(page(repair, "accept"), {"version": shown, "visit": [visit.pk]}, follow=True)
    assert said(late) == ["This repair is discarded. Ask for a new one if visits still need a place."]
    assert visit.allocations.filter(resource=nurse, released_at__isnull=True).exists()


def test_what_changed_meanwhile_stays_and_is_named(
    visit: Appointment, nurse: Resource, staff: Callable[..., Client]
) -> None:
    client = staff("front_desk", visit.site)
    client.post(reverse(NEW), absence(nurse))
    repair = Repair.objects.get()
    repair_runs.run_next(now=NOW)
    step = reverse("admin:scheduling_appointment_step", args=[visit.pk])
    client.post(step, {"verb": "confirm", "version": visit.version})
    given = {"version": version(client.get(page(repair))), "visit": [visit.pk]}
    done = client.post(page(repair, "accept"), given, follow=True)
    assert "1 visit changed meanwhile and stayed. The reasons are below." in said(done)
    assert "The visit was changed after the proposal was made." in words(done)


@pytest.mark.parametrize(
    ("given", "said_there"),
    [
        ({"resource": ""}, "Choose who or what is away, or tick that the whole site is closed."),
        ({"whole_site": "on"}, "Choose who or what is away, or tick that the whole site is closed."),
        ({"end": "2027-01-05T08:00"}, "The end must be after the start."),
        ({"horizon_days": "15"}, "less than or equal to 14"),
    ],
)
def test_a_question_that_cannot_be_answered(
    given: dict[str, str], said_there: str, nurse: Resource, staff: Callable[..., Client]
) -> None:
    refused = staff("front_desk", nurse.site).post(reverse(NEW), absence(nurse, **given))
    assert said_there in words(refused)
    assert not Repair.objects.exists()


def test_too_many_repairs_at_a_time(nurse: Resource, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", nurse.site)
    for _ in range(repairs.MAX_WAITING):
        client.post(reverse(NEW), absence(nurse))
    refused = client.post(reverse(NEW), absence(nurse))
    assert "Several repairs of this site are being computed." in words(refused)


def test_from_a_closure_and_from_the_visit_it_hits(
    visit: Appointment, nurse: Resource, staff: Callable[..., Client]
) -> None:
    closure = calendars.add_closure(
        actor=SYSTEM,
        now=NOW,
        site_id=None,
        resource_id=nurse.pk,
        start=TOMORROW,
        end=TOMORROW + timedelta(hours=10),
        reason="Sick",
    )
    client = staff("front_desk", visit.site)
    where = f"{reverse(NEW)}?closure={closure.pk}"
    closed = client.get(reverse("admin:scheduling_closure_change", args=[closure.pk]))
    assert where in closed.content.decode()
    assert "Nurse 1 is closed: Sick. 1 visit is hit." in words(client.get(where))
    client.post(where, {"horizon_days": "3"})
    repair = Repair.objects.get()
    assert (repair.closure, repair.horizon_days) == (closure, 3)

    shown = client.get(reverse("admin:scheduling_appointment_change", args=[visit.pk]))
    where = f"{reverse(NEW)}?visits={visit.pk}"
    assert where in shown.content.decode()
    client.post(where, {"horizon_days": "0"})
    assert Repair.objects.get(closure=None).appointment_ids == [visit.pk]
    for query in ("closure=999999", "closure=x", "visits=999999", "visits=,"):
        assert client.get(f"{reverse(NEW)}?{query}").status_code == 404, query


def test_a_manager_who_closes_is_told_but_may_not_ask(
    visit: Appointment, nurse: Resource, staff: Callable[..., Client]
) -> None:
    client = staff("manager", visit.site)
    span = {"start": "2027-01-05T08:00", "end": "2027-01-05T18:00"}
    add = reverse("admin:scheduling_closure_add")
    done = client.post(add, {"resource": nurse.pk, "reason": "Sick", **span}, follow=True)
    assert any("1 visit must be moved" in each for each in said(done))
    assert reverse(NEW) not in done.content.decode()
    closure = Closure.objects.get()
    page_ = client.get(reverse("admin:scheduling_closure_change", args=[closure.pk]))
    assert reverse(NEW) not in page_.content.decode()


def test_a_repair_of_nothing_is_closed(site: Site, staff: Callable[..., Client]) -> None:
    open_clinic(site)
    client = staff("front_desk", site)
    nurse = Resource.objects.get(site=site, kind="nurse")
    client.post(reverse(NEW), absence(nurse))
    repair = Repair.objects.get()
    repair_runs.run_next(now=NOW)
    shown = client.get(page(repair))
    assert "No visit is hit any more; there is nothing to move." in words(shown)
    client.post(page(repair, "accept"), {"version": version(shown)})
    repair.refresh_from_db()
    assert repair.status == "accepted"


# --- holidays ------------------------------------------------------------------------------------
def calendar_page(calendar: SiteHolidayCalendar, name: str = "change") -> str:
    """A page of a holiday calendar."""
    return reverse(f"admin:scheduling_siteholidaycalendar_{name}", args=[calendar.pk])


def test_choose_holidays_and_close_the_site(site: Site, staff: Callable[..., Client]) -> None:
    open_clinic(site)
    client = staff("manager", site)
    add = reverse("admin:scheduling_siteholidaycalendar_add")
    given = {"site": site.pk, "country": "us", "subdivision": "co", "names": "Independence Day"}
    unknown = client.post(add, {**given, "country": "XX"})
    assert "Use codes such as US and CO." in words(unknown)
    wrong = client.post(add, {**given, "names": "Pancake Day"})
    assert "Choose among:" in words(wrong)
    assert client.post(add, given).status_code == 302
    calendar = SiteHolidayCalendar.objects.get()
    assert (calendar.country, calendar.names) == ("US", ["Independence Day"])
    assert not Closure.objects.exists()

    hit = booked(site, NOW.replace(month=7, day=5), on={})
    shown = words(client.get(calendar_page(calendar)))
    assert "Mon, Jul 5, 2027 Independence Day (observed) open, not decided yet 1" in shown
    done = client.post(calendar_page(calendar, "close"), follow=True)
    assert said(done)[0] == f"{Closure.objects.count()} dates closed."
    assert f"visit {hit.pk}" in words(done)
    assert WorkItem.objects.filter(kind="closure_hit").count() == 1
    assert "Independence Day (observed) closed 1" in words(done)

    closure = Closure.objects.get(start_at__lte=hit.start_at, end_at__gt=hit.start_at)
    calendars.remove_closure(actor=SYSTEM, now=NOW, closure_id=closure.pk, expected_version=None)
    again = client.post(calendar_page(calendar, "close"), follow=True)
    assert said(again) == ["0 dates closed."]
    assert "open, taken back by a manager" in words(again)


def test_a_holiday_calendar_is_changed_by_who_saw_it(site: Site, staff: Callable[..., Client]) -> None:
    calendar = SiteHolidayCalendar.objects.create(site=site, country="US", subdivision="CO")
    client = staff("manager", site)
    shown = stamp(client.get(calendar_page(calendar)))
    given = {"country": "US", "subdivision": "NY", "names": "", "stamp": shown}
    assert client.post(calendar_page(calendar), given).status_code == 302
    stale = client.post(calendar_page(calendar), {**given, "subdivision": "UT"})
    assert stale.status_code == 200
    calendar.refresh_from_db()
    assert calendar.subdivision == "NY"


def test_only_managers_close_on_holidays(site: Site, staff: Callable[..., Client]) -> None:
    calendar = SiteHolidayCalendar.objects.create(site=site, country="US", subdivision="CO")
    client = staff("front_desk", site)
    assert "Close the site on these dates" not in words(client.get(calendar_page(calendar)))
    assert client.post(calendar_page(calendar, "close")).status_code == 403
    assert not Closure.objects.exists()
    elsewhere = SiteHolidayCalendar.objects.create(site=SiteFactory.create(), country="US", subdivision="CO")
    assert client.get(calendar_page(elsewhere)).status_code == 404
