"""Journey B of DOMAIN section 6, date for date: Ben is missed and planned anew, his chair is offered.

Staff act over HTTP, the due work runs at its own moments, and what patients are told arrives in real sinks.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from rest_framework.test import APIClient

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Consent, Message, Patient, WorkItem
from patients.services import consents
from scheduling.models import Appointment, FreedSlot, Offer, WorkingHours
from scheduling.services import appointments, holidays
from tests.factories import PatientFactory, open_clinic, visit_type
from tests.factories.racing import at_once
from tests.integration.journeys.steps import attend

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

DENVER = ZoneInfo("America/Denver")
DAYS = [f"2027-02-{day:02}T08:30" for day in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12)]
Moment = Callable[[datetime], None]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=DENVER)


def local(moment: datetime) -> str:
    return moment.astimezone(DENVER).isoformat()[:16]


@pytest.fixture
def clinic(site: Site) -> Site:
    """One chair, open on weekdays from 08:00 to 18:00, closed on the holidays of Colorado."""
    open_clinic(site, chairs=1)
    WorkingHours.objects.filter(site=site, weekday__gte=5).delete()
    now = at("2027-01-20T10:00")
    holidays.choose(actor=SYSTEM, now=now, site_id=site.pk, country="US", subdivision="CO")
    holidays.sync(actor=SYSTEM, now=now, site_id=site.pk, years=[2027])
    return site


@pytest.fixture
def desk(clinic: Site, client_as: Callable[..., APIClient]) -> APIClient:
    return client_as("front_desk", clinic)


@pytest.fixture
def nurse(clinic: Site, client_as: Callable[..., APIClient]) -> APIClient:
    return client_as("nurse", clinic)


def post(client: APIClient, path: str, body: dict[str, Any] | None = None, *, status: int = 200) -> Any:
    answer = client.post(f"/api/v1/{path}", body or {})
    assert answer.status_code == status, answer.json()
    return answer.json()


def step(client: APIClient, visit: int, verb: str) -> None:
    post(client, f"appointments/{visit}/{verb}/")


def book_course(desk: APIClient, ben: Patient) -> dict[str, Any]:
    """As the plan says: ten weekdays at 08:30."""
    asked = {"patient": ben.pk, "site": ben.site_id, "template": "ketamine-pain-10-weekdays"}
    preferences = {"preferred_hour": "08:30"}
    plans = post(desk, "courses/plan/", {**asked, "start_on": "2027-02-01", "preferences": preferences})
    sessions = [{"start": each["start"]} for each in plans["plans"][0]["sessions"]]
    course: dict[str, Any] = post(desk, "courses/", {**asked, "sessions": sessions}, status=201)
    assert [each["start"][:16] for each in course["sessions"]] == DAYS
    return course


def wait(desk: APIClient, site: Site, **wishes: Any) -> Patient:
    """A patient on the waiting list, who lives near and keeps the fast: two hours are enough."""
    patient = wishes.pop("patient", None) or PatientFactory.create(site=site)
    asked = {
        "patient": patient.pk,
        "site": site.pk,
        "visit_type": "ketamine-mood",
        "earliest": "2027-02-08",
        "latest": "2027-02-09",
        "notice_minutes": 120,
        "has_escort": True,
    }
    post(desk, "waitlist/", {**asked, **wishes}, status=201)
    return patient


def those_who_do_not_fit(desk: APIClient, site: Site) -> dict[str, Patient]:
    """Each for one reason only; all of them wait longer than those who fit."""
    stopped = wait(desk, site)
    consents.record(
        actor=SYSTEM,
        now=at("2027-01-22T12:00"),
        patient_id=stopped.pk,
        channel="sms",
        granted=False,
        source=Consent.Source.REPLY,
    )
    beside = PatientFactory.create(site=site)
    starts = [f"2027-02-{day:02}T15:00:00-07:00" for day in (3, 5, 9, 11, 16, 18)]
    course = post(
        desk,
        "courses/",
        {
            "patient": beside.pk,
            "site": site.pk,
            "template": "ketamine-mood-3-per-week",
            "sessions": [{"start": start} for start in starts],
            "override_reason": "the family's week",
        },
        status=201,
    )
    post(desk, f"appointments/{course['sessions'][-1]['appointment']}/cancel/")
    return {
        "texted STOP": stopped,
        "needs the usual fast": wait(desk, site, notice_minutes=None),
        "has no escort": wait(desk, site, has_escort=False),
        "takes no messages": wait(
            desk, site, patient=PatientFactory.create(site=site, accepts_email=False, accepts_sms=False)
        ),
        "is too long": wait(desk, site, visit_type="ketamine-pain"),
        "the day after is taken": wait(
            desk, site, patient=beside, visit_type=None, course=course["id"], weekdays=[0]
        ),
    }


def asked_to_call(visit: int) -> list[str]:
    rows = WorkItem.objects.filter(kind="unconfirmed", summary__contains=f"Appointment {visit} ")
    return list(rows.order_by("pk").values_list("status", flat=True))


def ledger(visit: int, channel: str = "email") -> list[tuple[str, str, str]]:
    """What a visit's patient was or will be told: kind, local time, status."""
    rows = Message.objects.filter(subject_kind="appointment", subject_id=visit, channel=channel)
    return [(row.kind, local(row.due_at), row.status) for row in rows.order_by("due_at", "pk")]


def say_yes(client: APIClient, offer: Offer) -> tuple[int, str]:
    try:
        answer = client.post(f"/api/v1/offers/{offer.pk}/accept/", {})
        return answer.status_code, answer.json().get("code", "")
    finally:
        connection.close()


def test_ben(
    clinic: Site,
    desk: APIClient,
    nurse: APIClient,
    clock: Moment,
    live_until: Moment,
    arrived: Callable[[str], list[str]],
) -> None:
    clock(at("2027-01-20T10:00"))
    ben = PatientFactory.create(site=clinic, first_name="Ben")
    course = book_course(desk, ben)
    visits = [each["appointment"] for each in course["sessions"]]
    lost = visits[5]
    left_out = those_who_do_not_fit(desk, clinic)
    carla, dora = wait(desk, clinic), wait(desk, clinic)
    # Something else needs the chair at 14:15, so a visit of 345 minutes does not fit behind Ben's.
    appointments.book(
        actor=SYSTEM,
        now=at("2027-01-20T10:00"),
        patient_id=PatientFactory.create(site=clinic).pk,
        visit_type=visit_type(),
        site=clinic,
        start=at("2027-02-08T14:15"),
    )
    for visit in visits:
        if visit != lost:
            step(desk, visit, "confirm")

    # 02-01 to 02-05: five sessions.
    for visit, day in zip(visits[:5], DAYS, strict=False):
        live_until(at(day))
        assert asked_to_call(visit) == [], "confirmed"
        attend(nurse, visit)

    # 02-07 08:30: unconfirmed a day before, somebody is to call.
    live_until(at("2027-02-07T08:29"))
    assert asked_to_call(lost) == []
    live_until(at("2027-02-07T08:30"))
    assert asked_to_call(lost) == ["open"]
    reminded = ledger(lost)
    assert {status for _kind, _at, status in reminded} == {"sent"}
    assert {"confirm_request", "day_before"} <= {kind for kind, _at, _status in reminded}

    # 02-08 09:00: not there.
    live_until(at("2027-02-08T09:00"))
    assert asked_to_call(lost) == ["open"], "nobody settled it"
    step(desk, lost, "no-show")
    assert asked_to_call(lost) == ["resolved"]
    slot = FreedSlot.objects.get(appointment=lost)
    assert (local(slot.start_at), local(slot.end_at)) == ("2027-02-08T08:30", "2027-02-08T14:15")

    # The chair is offered to those who fit, at 11:00: two hours from now.
    live_until(at("2027-02-08T09:01"))
    offers = {offer.patient_id: offer for offer in Offer.objects.filter(slot=slot)}
    assert set(offers) == {carla.pk, dora.pk}
    assert {local(offer.start_at) for offer in offers.values()} == {"2027-02-08T11:00"}
    for patient in (carla, dora):
        assert len(arrived(patient.email)) == 1
        assert len(arrived(patient.phone)) == 1
    for why, patient in left_out.items():
        assert not Message.objects.filter(patient=patient, subject_kind="offer").exists(), why

    # Two say yes at the same moment: exactly one gets it, the other is told.
    clock(at("2027-02-08T09:05"))
    answers = dict(
        zip(offers, at_once([partial(say_yes, desk, offer) for offer in offers.values()]), strict=True)
    )
    assert sorted(map(str, answers.values())) == ["(200, '')", "(409, 'offer_gone')"]
    winner, loser = sorted((carla, dora), key=lambda patient: str(answers[patient.pk]))
    live_until(at("2027-02-08T09:06"))
    chair = Appointment.objects.get(pk=lost).allocations.filter(resource__kind="chair").get().resource
    taken = chair.allocations.filter(
        released_at=None, start_at__gte=at("2027-02-08T08:30"), end_at__lte=at("2027-02-08T14:15")
    ).get()
    assert taken.appointment is not None
    assert (taken.appointment.patient_id, local(taken.start_at)) == (winner.pk, "2027-02-08T11:00")
    told = Message.objects.filter(subject_kind="offer", kind="waitlist_gone")
    assert set(told.values_list("patient_id", flat=True)) == {loser.pk}
    assert "11:00" in arrived(loser.email)[-1]
    assert "taken" in arrived(loser.email)[-1]
    assert told.get(channel="email").status == "sent"
    assert not Offer.objects.filter(status="offered").exists()

    # The course is planned anew: the tenth day moves past Presidents' Day (02-15) to 02-16.
    clock(at("2027-02-08T09:30"))
    proposed = post(desk, f"courses/{course['id']}/replan/", {"limit": 1})["plans"][0]["sessions"]
    assert [each["start"][:16] for each in proposed] == [*DAYS[6:], "2027-02-16T08:30"]
    starts = [{"start": each["start"]} for each in proposed]
    replanned = post(desk, f"courses/{course['id']}/replan/", {"sessions": starts, "reason": "missed"})
    tenth = next(each for each in replanned["sessions"] if each["start"].startswith("2027-02-16"))
    assert tenth["number"] == 10
    assert WorkItem.objects.get(kind="course_gap", patient=ben).status == "resolved"

    # Reminders of the lost visit stop; the new date gets its own, each at its own moment.
    assert ledger(lost) == reminded
    own = [(kind, due) for kind, due, _status in ledger(tenth["appointment"])]
    assert own == [
        ("confirmation", "2027-02-08T09:30"),
        ("confirm_request", "2027-02-12T18:00"),
        ("day_before", "2027-02-14T18:00"),
    ]
    live_until(at("2027-02-15T08:29"))
    assert {status for _kind, _at, status in ledger(tenth["appointment"])} == {"sent"}
    assert ledger(lost) == reminded
    assert asked_to_call(tenth["appointment"]) == []
    live_until(at("2027-02-15T08:30"))
    assert asked_to_call(tenth["appointment"]) == ["open"]
    step(desk, tenth["appointment"], "confirm")
    assert asked_to_call(tenth["appointment"]) == ["resolved"]
    live_until(at("2027-02-16T08:30") + timedelta(minutes=10))
    attend(nurse, tenth["appointment"])
    last = [Appointment.objects.get(pk=visit).status for visit in (*visits[:6], tenth["appointment"])]
    assert last == [*["completed"] * 5, "no_show", "completed"]
