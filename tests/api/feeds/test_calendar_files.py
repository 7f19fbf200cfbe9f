"""The calendars themselves: what they hold, what they never hold, and what ends them."""

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
import structlog
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinic.access.models import Site, User
from clinic.access.policy import SYSTEM, Actor, Role
from clinic.common import tokens
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, CalendarFeed, Resource
from scheduling.services import appointments, calendar_feeds, visit_steps
from tests.conftest import NOW
from tests.factories import PatientFactory, ResourceFactory, UserFactory, open_clinic, visit_type
from tests.factories.bookings import booked

DENVER = ZoneInfo("America/Denver")


@pytest.fixture(autouse=True)
def at_eight(clock: Callable[[datetime], None]) -> Callable[[datetime], None]:
    """Monday morning."""
    return clock


@pytest.fixture
def chair(site: Site) -> Resource:
    made: Resource = ResourceFactory.create(site=site, name="Chair 3")
    return made


@pytest.fixture
def path(chair: Resource) -> str:
    """Of the feed of the chair."""
    return made(resource=chair)


def made(*, resource: Resource | None = None, actor: Actor = SYSTEM) -> str:
    issued = calendar_feeds.create(
        actor=actor, now=NOW, resource_id=None if resource is None else resource.pk
    )
    assert issued.address.startswith(settings.PUBLIC_URL)
    return issued.address.removeprefix(settings.PUBLIC_URL)


def read(path: str) -> Any:
    answer = Client().get(path)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    return icalendar.Calendar.from_ical(answer.content)


def events(path: str) -> list[Any]:
    return list(read(path).walk("VEVENT"))


def test_a_visit_in_the_calendar_of_its_chair(site: Site, chair: Resource, path: str) -> None:
    visit = booked(site, NOW + timedelta(days=1), on={chair: 0}, minutes=120, plan_version=3)
    calendar = read(path)
    [event] = calendar.walk("VEVENT")
    assert event["UID"] == f"visit-{visit.pk}@{settings.PUBLIC_URL.split('/')[2].split(':')[0]}"
    assert (event["SUMMARY"], event["LOCATION"]) == ("Visit", "Cedar Street Office, Chair 3")
    assert (event["SEQUENCE"], event["STATUS"], event["CLASS"]) == (3, "CONFIRMED", "PRIVATE")
    assert event["DTSTART"].dt == datetime(2027, 1, 5, 8, tzinfo=DENVER)
    assert event["DTEND"].dt == datetime(2027, 1, 5, 10, tzinfo=DENVER)
    assert event["DTSTART"].params["TZID"] == "America/Denver"
    assert event["DTSTAMP"].dt == visit.scheduled_at
    assert calendar["REFRESH-INTERVAL"].dt == timedelta(hours=1)
    assert calendar["X-WR-CALNAME"] == "Chair 3, Cedar Street Office"


@pytest.mark.parametrize(
    ("day", "offset"), [(13, "-0700"), (14, "-0600"), (15, "-0600")], ids=["before", "on the day", "after"]
)
def test_nine_is_nine_when_the_clocks_go_forward(
    day: int, offset: str, site: Site, chair: Resource, path: str, clock: Callable[[datetime], None]
) -> None:
    _at_nine(datetime(2027, 3, day, 9, tzinfo=DENVER), offset, site, chair, path, clock)


@pytest.mark.parametrize(("day", "offset"), [(6, "-0600"), (7, "-0700"), (8, "-0700")])
def test_nine_is_nine_when_the_clocks_go_back(
    day: int, offset: str, site: Site, chair: Resource, path: str, clock: Callable[[datetime], None]
) -> None:
    _at_nine(datetime(2027, 11, day, 9, tzinfo=DENVER), offset, site, chair, path, clock)


def _at_nine(start: datetime, offset: str, site: Site, chair: Resource, path: str, clock: Any) -> None:
    """Read by a program that knows zones only from the file."""
    clock(start - timedelta(days=5))
    booked(site, start, on={chair: 0}, minutes=30)
    calendar = read(path)
    [event] = calendar.walk("VEVENT")
    assert event.to_ical().decode().count(f"DTSTART;TZID=America/Denver:{start:%Y%m%d}T090000") == 1
    [zone] = calendar.walk("VTIMEZONE")
    assert zone["TZID"] == "America/Denver"
    told = start.replace(tzinfo=zone.to_tz(lookup_tzid=False))
    assert told.strftime("%z") == offset
    assert told.timestamp() == start.timestamp()


def test_nothing_in_it_tells_who_comes_for_what(site: Site, path: str, chair: Resource) -> None:
    patient = PatientFactory.create(
        site=site, first_name="Anatolia", last_name="Quetzal", preferred_name="Tolly"
    )
    kind = visit_type()
    visit = booked(site, NOW, on={chair: 0}, patient=patient, reason="bipolar")
    assert visit.visit_type == kind
    text = Client().get(path).content.decode().replace("\r\n ", "").lower()
    told = [patient.first_name, patient.last_name, patient.preferred_name, patient.mrn, patient.phone]
    told += [patient.email, kind.name, kind.code, kind.discreet_name, site.name, "bipolar"]
    told += ["ketamine", "infusion", "mood", "pain", "treatment", "1980"]
    assert [word for word in told if word.lower() in text] == []


def test_what_is_cancelled_stays_as_cancelled(site: Site, clock: Callable[[datetime], None]) -> None:
    chair, *_others = open_clinic(site, chairs=1)
    path = made(resource=chair)
    patient = PatientFactory.create(site=site)
    visit = appointments.book(
        actor=SYSTEM, now=NOW, patient_id=patient.pk, visit_type=visit_type(), site=site,
        start=NOW + timedelta(days=1),
    )  # fmt: skip
    [before] = events(path)
    appointments.reschedule(actor=SYSTEM, now=NOW, appointment_id=visit.pk, start=NOW + timedelta(days=2))
    [moved] = events(path)
    assert (moved["UID"], moved["SEQUENCE"]) == (before["UID"], before["SEQUENCE"] + 1)
    assert moved["DTSTART"].dt - before["DTSTART"].dt == timedelta(days=1)
    visit_steps.step(actor=SYSTEM, now=NOW, appointment_id=visit.pk, verb=Verb.CANCEL)
    [cancelled] = events(path)
    assert (cancelled["UID"], cancelled["STATUS"]) == (before["UID"], "CANCELLED")
    assert cancelled["LOCATION"] == before["LOCATION"]
    assert cancelled["DTSTART"].dt == moved["DTSTART"].dt


def test_two_weeks_back_and_sixty_days_ahead(site: Site, chair: Resource, path: str) -> None:
    days = (-15, -13, 0, 59, 61)
    visits = {day: booked(site, NOW + timedelta(days=day), on={chair: 0}).pk for day in days}
    shown = {int(event["UID"].split("@")[0].removeprefix("visit-")) for event in events(path)}
    assert shown == {visits[day] for day in (-13, 0, 59)}


def nurse_at(site: Site) -> tuple[User, Resource, Actor]:
    user = UserFactory.create(roles={site: ["nurse"]})
    resource = ResourceFactory.create(site=site, kind="nurse", user=user)
    return user, resource, Actor(user_id=user.pk, roles={site.pk: frozenset({Role.NURSE})})


def test_a_person_has_the_visits_of_all_their_resources_once(site: Site, chair: Resource) -> None:
    _user, nurse, actor = nurse_at(site)
    _other, someone_else, _actor = nurse_at(site)
    path = made(actor=actor)
    visit = booked(site, NOW, on={chair: 0, nurse: 1}, minutes=120)
    visit.allocations.create(
        resource=nurse, use="exclusive", lane=0, start_at=NOW, end_at=NOW + timedelta(minutes=15)
    )
    booked(site, NOW, on={someone_else: 1})
    calendar = read(path)
    [event] = calendar.walk("VEVENT")
    assert event["LOCATION"] == "Cedar Street Office, Chair 3"
    assert event["DTEND"].dt - event["DTSTART"].dt == timedelta(hours=2)
    assert calendar["X-WR-CALNAME"] == "Visits"


def test_it_ends_with_the_work(site: Site) -> None:
    user, _nurse, actor = nurse_at(site)
    path = made(actor=actor)
    assert Client().get(path).status_code == 200
    user.memberships.all().delete()
    assert Client().get(path).status_code == 404
    user.memberships.create(site=site, role="nurse")
    assert Client().get(path).status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert Client().get(path).status_code == 404


def test_unknown_and_revoked_answer_alike(path: str) -> None:
    feed = CalendarFeed.objects.get()
    calendar_feeds.revoke(actor=SYSTEM, now=NOW, feed_id=feed.pk)
    answers = [Client().get(each) for each in (path, f"/feeds/{tokens.make()}.ics", "/feeds/x.ics")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    headers = [{**answer.headers, "X-Request-ID": ""} for answer in answers]
    assert headers[0] == headers[1] == headers[2]
    assert headers[0]["Cache-Control"] == "no-store"


def test_what_has_not_changed_is_not_sent_again(
    site: Site, chair: Resource, path: str, clock: Callable[[datetime], None]
) -> None:
    visit = booked(site, NOW + timedelta(days=1), on={chair: 0})
    first = Client().get(path)
    assert first["Cache-Control"] == "private, max-age=3600"
    clock(NOW + timedelta(hours=5))
    again = Client().get(path, headers={"If-None-Match": f'"other", W/{first["ETag"]}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    Appointment.objects.filter(pk=visit.pk).update(plan_version=2)
    changed = Client().get(path, headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_the_last_use_is_kept_to_the_hour(path: str, clock: Callable[[datetime], None]) -> None:
    def used() -> datetime | None:
        return CalendarFeed.objects.get().last_used_at

    assert used() is None
    for minutes, expected in ((0, 0), (59, 0), (61, 61)):
        clock(NOW + timedelta(minutes=minutes))
        Client().get(path)
        assert used() == NOW + timedelta(minutes=expected)


def test_queries_do_not_grow(site: Site, chair: Resource, path: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert Client().get(path).status_code == 200
        return len([each for each in seen if "SAVEPOINT" not in each["sql"]])

    queries()
    few = queries()
    for day in range(12):
        booked(site, NOW + timedelta(days=day), on={chair: 0})
    assert queries() == few + 1 == 4  # and where the visits take place


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_only_read(method: str, path: str) -> None:
    assert getattr(Client(), method)(path).status_code == 405


@pytest.mark.usefixtures("empty_cache")
def test_guessing_is_slow(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "FEED_RATE", "2/min")
    answers = [Client().get(f"/feeds/{tokens.make()}.ics") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert int(answers[-1]["Retry-After"]) > 0


def test_no_log_line_holds_a_token(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even of a request that fails, whose path Django logs."""
    formatter = structlog.stdlib.ProcessorFormatter(
        **{name: value for name, value in settings.LOGGING["formatters"]["json"].items() if name != "()"}
    )
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        Client().get(path)
        monkeypatch.setattr("scheduling.feeds.views.feeds.visits", None)
        failed = Client(raise_request_exception=False).get(path)
        Client(raise_request_exception=False).get("/p/0123456789abcdef/")
        logging.getLogger("django.request").error("Internal Server Error: %s", "/p/0123456789abcdef/answer/")
    finally:
        root.removeHandler(handler)
    assert failed.status_code == 500
    said = lines.getvalue()
    events_logged = [json.loads(line)["event"] for line in said.splitlines()]
    assert "Internal Server Error: /feeds/…" in events_logged
    assert "Internal Server Error: /p/…/answer/" in events_logged
    token = path.removeprefix("/feeds/").removesuffix(".ics")
    assert token not in said
    assert "0123456789abcdef" not in said
