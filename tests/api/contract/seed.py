"""A clinic with one of everything, and a way in for each role."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.apps import apps
from django.db.models import Model
from rest_framework.test import APIClient

from clinic.access import tokens
from clinic.access.models import Site, User
from clinic.access.policy import SYSTEM, Role
from clinic.common import clock
from patients.models import Condition, Patient
from patients.services import assessments, conditions, work_items
from patients.services.assessments import Submission
from scheduling.models import Appointment, Prescription, Resource
from scheduling.services import appointments, calendars, follow_ups, offers, rems
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, UserFactory, open_clinic, visit_type
from tests.factories.prescriptions import prescribed
from tests.factories.treated import session_at

ROLES = ("front_desk", "nurse", "prescriber", "manager", "auditor", "admin", "anonymous")
START = NOW + timedelta(days=7, hours=1)
"""Monday 09:00 in Denver, a week from now: the booked visit."""


BACKGROUND: Mapping[str, dict[str, Any]] = {
    "symptoms": {"symptom": "allodynia", "body_sites": ["feet"], "severity": 6},
    "allergies": {"substance": "Penicillin"},
    "medicines": {"name": "Metformin", "medicine_class": "other"},
    "family-history": {"relation": "mother", "condition": "depression"},
    "pregnancy": {"state": "not_pregnant", "as_of_on": "2027-01-04"},
    "other-conditions": {"concern": "cancer"},
    "pain-assessments": {
        "assessed_on": "2027-01-04",
        "results": [{"test": "emg", "question": "source", "finding": "Slow"}],
    },
}


@dataclass
class Clinic:
    """The records by name, and a token for each role."""

    site: Site
    resources: list[Resource]
    patient: Patient
    appointment: Appointment
    prescription: Prescription
    secrets: dict[str, str] = field(default_factory=dict)

    def client(self, role: str) -> APIClient:
        """Signed in with a real token, or not at all."""
        client = APIClient(raise_request_exception=False)
        if role in self.secrets:
            client.credentials(HTTP_AUTHORIZATION=f"Token {self.secrets[role]}")
        return client

    def ids(self) -> Mapping[type, int]:
        """The first record of each model that has one."""
        found = {model: _first(model) for model in _models()}
        return {model: pk for model, pk in found.items() if pk is not None}


def _models() -> Iterator[type[Model]]:
    for label in ("access", "patients", "scheduling"):
        yield from apps.get_app_config(label).get_models()


def _first(model: type[Model]) -> int | None:
    first: int | None = model._default_manager.order_by("pk").values_list("pk", flat=True).first()
    return first


def make_clinic() -> Clinic:
    """Through the services, as the clinic would."""
    site = SiteFactory.create()
    resources = open_clinic(site)
    patient = PatientFactory.create(site=site)
    appointment = appointments.book(
        actor=SYSTEM, now=NOW, patient_id=patient.pk, visit_type=visit_type(), site=site, start=START
    )
    prescription = prescribed(patient, first_dose_on=date(2027, 1, 5))
    _make_the_rest(site=site, resource=resources[0], patient=patient)
    clinic = Clinic(site, resources, patient, appointment, prescription)
    for role in ROLES:
        if role != "anonymous":
            clinic.secrets[role] = _token(role, site)
    _make_waiting_and_courses(clinic)
    _make_background(clinic)
    _make_session(clinic)
    _post(clinic, "calendar-feeds/", {"resource": resources[0].pk})
    return clinic


def _make_the_rest(*, site: Site, resource: Resource, patient: Patient) -> None:
    follow_ups.create(actor=SYSTEM, now=NOW, patient_id=patient.pk, kind="call", due_on=date(2027, 1, 8))
    calendars.add_closure(
        actor=SYSTEM,
        now=NOW,
        resource_id=resource.pk,
        start=NOW + timedelta(days=30),
        end=NOW + timedelta(days=31),
        reason="Repair",
    )
    work_items.open_item(
        kind="call_back",
        key="contract",
        severity="routine",
        site_id=site.pk,
        patient=patient,
        summary="Call back.",
        owner_role=Role.FRONT_DESK,
        due_at=NOW,
        now=NOW,
    )
    code = Condition.objects.order_by("code").values_list("code", flat=True)[0]
    submission = Submission(instrument="PHQ-9", answers={"9": 1}, answered_at=NOW, source="in_clinic")
    assessments.record(actor=SYSTEM, now=NOW, patient_id=patient.pk, submission=submission)
    conditions.add(actor=SYSTEM, now=NOW, patient_id=patient.pk, code=code, onset_on=None)


def _make_session(clinic: Clinic) -> None:
    """An esketamine session under way: a reading to be looked at, an entry of its log, its REMS record."""
    session = session_at(clinic.site, code="esketamine", start=NOW - timedelta(hours=1))
    rems.begin(session=session, now=NOW)
    below = f"infusion-sessions/{session.pk}"
    _post(clinic, f"{below}/vitals/", {"systolic": 172, "diastolic": 104, "spo2": 97})
    _post(clinic, f"{below}/drug-log/", {"kind": "drawn", "mg": "56.00", "lot": "A1"})


def _make_background(clinic: Clinic) -> None:
    """An entry of each kind, a flag by hand, a treatment plan."""
    below = f"patients/{clinic.patient.pk}"
    for kind, body in BACKGROUND.items():
        _post(clinic, f"{below}/background/{kind}/", body)
    _post(clinic, f"{below}/flags/", {"kind": "other", "value": "Faints easily"})
    item = {"kind": "therapy", "starts_on": "2027-01-05"}
    plan = {"title": "Walk again", "starts_on": "2027-01-04", "items": [item]}
    _post(clinic, "treatment-plans/", {**plan, "patient": clinic.patient.pk})


def _make_waiting_and_courses(clinic: Clinic) -> None:
    """A hold, a course, a repair, and somebody who waits and is offered what another patient gave back."""
    waiting, held, gave_back = (PatientFactory.create(site=clinic.site).pk for _ in range(3))
    visit = {"visit_type": "ketamine-mood", "site": clinic.site.pk}
    tomorrow, later = (f"{START + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}" for days in (1, 2))
    _post(clinic, "holds/", {**visit, "patient": held, "start": tomorrow})
    _post(
        clinic, "waitlist/", {**visit, "patient": waiting, "earliest": "2027-01-11", "latest": "2027-01-22"}
    )
    booked = _post(clinic, "appointments/", {**visit, "patient": gave_back, "start": later})
    _post(clinic, f"appointments/{booked['id']}/cancel/", {})
    offers.offer_freed_slots(now=NOW + timedelta(hours=2), limit=9)  # patients are not written to before 9
    _post(clinic, "appointments/replan/", {"site": clinic.site.pk, "appointments": [clinic.appointment.pk]})
    course = {"patient": held, "template": "ketamine-mood-3-per-week", "site": clinic.site.pk}
    plans = _post(clinic, "courses/plan/", {**course, "start_on": "2027-01-18"})["plans"]
    sessions = [{"start": session["start"]} for session in plans[0]["sessions"]]
    _post(clinic, "courses/", {**course, "sessions": sessions})


def _post(clinic: Clinic, path: str, body: dict[str, Any]) -> Any:
    answer = clinic.client("admin").post(f"/api/v1/{path}", body, format="json")
    assert answer.status_code < 300, answer.content
    return answer.json()


def _token(role: str, site: Site) -> str:
    user: User = UserFactory.create(
        is_superuser=role == "admin", roles={} if role == "admin" else {site: [role]}
    )
    secret, _token = tokens.issue(user=user, lifetime=timedelta(days=1), wall=clock.wall())
    return secret
