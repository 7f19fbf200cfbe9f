"""Consent follows what people say, addresses carry it, and unsent messages follow it."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.utils import DatabaseError

from clinic.access.models import Site
from clinic.access.policy import Actor
from patients.domain.messages import WantedMessage
from patients.models import Consent, Message, Patient
from patients.services import consents, outreach, patients
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

ANA: dict[str, Any] = {"first_name": "Ana", "last_name": "O'Neil-Peña", "date_of_birth": date(1980, 5, 17)}


@pytest.fixture
def desk(site: Site, actor_at: Callable[..., Actor]) -> Actor:
    """The front desk of the site."""
    return actor_at(site, "front_desk")


def register(actor: Actor, site: Site, now: datetime = NOW, **more: Any) -> Patient:
    options = {name: more.pop(name) for name in ("contact_preferences", "confirm_duplicate") if name in more}
    return patients.register(actor=actor, now=now, site_id=site.pk, given=ANA | more, **options)


def update(actor: Actor, patient: Patient, now: datetime = NOW, **changes: Any) -> Patient:
    preferences = changes.pop("contact_preferences", None)
    site_id = changes.pop("site_id", None)
    return patients.update(
        actor=actor,
        now=now,
        patient_id=patient.pk,
        expected_version=None,
        changes=changes,
        contact_preferences=preferences,
        site_id=site_id,
    )


def said(patient: Patient) -> list[tuple[str, bool, str]]:
    """Channel, yes or no, and source of each consent, oldest first."""
    rows = Consent.objects.filter(patient=patient).order_by("id")
    return list(rows.values_list("channel", "granted", "source"))


def queue_a_message(patient: Patient) -> None:
    """Something is to be told tomorrow on both channels."""
    wanted = WantedMessage(
        kind="reminder_1_day",
        due_at=NOW + timedelta(days=1),
        not_after=NOW + timedelta(days=2),
        context={"start_at": "2027-01-06T16:00:00+00:00"},
        email=True,
        sms=True,
    )
    with transaction.atomic():
        locked = Patient.objects.select_for_update().get(pk=patient.pk)
        outreach.reconcile(
            patient=locked,
            subject_kind="appointment",
            subject_id=1,
            plan_version=1,
            wanted=[wanted],
            now=NOW,
            reason="test",
        )


def waiting(patient: Patient) -> set[str]:
    """The channels on which something waits for this patient."""
    return set(Message.objects.filter(patient=patient, status="queued").values_list("channel", flat=True))


def test_a_new_address_is_tried_again_and_carries_consent_unless_refused_before(
    desk: Actor, site: Site
) -> None:
    patient = register(desk, site, phone="3035550123")
    Patient.objects.update(phone_failed_at=NOW, email_failed_at=NOW)
    update(desk, patient, phone="3035550124")
    patient = update(desk, patient, email="ana@example.org")
    assert (patient.phone_failed_at, patient.email_failed_at) == (None, None)
    assert said(patient) == [("sms", True, "registration"), ("email", True, "registration")]
    assert patient.accepts_email is True


def test_withdrawn_stays_withdrawn_until_given_again(desk: Actor, site: Site) -> None:
    patient = register(desk, site, phone="3035550123")
    update(desk, patient, contact_preferences={"sms": False})
    patient = update(desk, patient, phone="3035550124")
    assert patient.accepts_sms is False
    patient = update(desk, patient, contact_preferences={"sms": True, "email": False})
    assert patient.accepts_sms is True
    assert said(patient) == [
        ("sms", True, "registration"),
        ("sms", False, "staff"),
        ("sms", True, "staff"),
    ]


def test_a_new_number_with_a_no_is_a_no(desk: Actor, site: Site) -> None:
    patient = register(desk, site)
    patient = update(desk, patient, phone="3035550123", contact_preferences={"sms": False})
    assert said(patient) == [("sms", False, "staff")]
    assert patient.accepts_sms is False


def test_consent_for_another_purpose_leaves_care_alone(desk: Actor, site: Site) -> None:
    patient = register(desk, site, phone="3035550123")
    consents.record(
        actor=desk, now=NOW, patient_id=patient.pk, channel="sms", purpose="frequent", granted=False
    )
    patient.refresh_from_db()
    assert (patient.accepts_sms, patient.version) == (True, 1)


def test_the_last_word_counts_even_when_its_clock_is_behind(desk: Actor, site: Site) -> None:
    patient = register(desk, site, phone="3035550123")
    earlier = NOW - timedelta(days=3)
    consents.record(actor=desk, now=earlier, patient_id=patient.pk, channel="sms", granted=False)
    patient.refresh_from_db()
    latest = Consent.objects.filter(patient=patient).first()
    assert latest is not None
    assert (patient.accepts_sms, latest.granted, latest.recorded_at) == (False, False, NOW)


def test_consent_rows_are_never_changed(desk: Actor, site: Site) -> None:
    register(desk, site, phone="3035550123")
    with pytest.raises(DatabaseError), transaction.atomic():
        Consent.objects.update(granted=False)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"contact_preferences": {"sms": False}}, {"email"}),
        ({"status": "deceased"}, set()),
        ({"status": "inactive"}, set()),
        ({"email": ""}, {"sms"}),
        ({"last_name": "Reyes"}, {"email", "sms"}),
    ],
)
def test_unsent_messages_follow_the_change(
    desk: Actor, site: Site, change: dict[str, Any], left: set[str]
) -> None:
    patient = register(desk, site, phone="3035550123", email="ana@example.org")
    queue_a_message(patient)
    assert waiting(patient) == {"email", "sms"}
    update(desk, patient, **change)
    assert waiting(patient) == left


def test_a_recorded_no_stops_what_waits_and_a_yes_brings_it_back(desk: Actor, site: Site) -> None:
    patient = register(desk, site, phone="3035550123", email="ana@example.org")
    queue_a_message(patient)
    for granted, channels in ((False, {"email"}), (True, {"email", "sms"})):
        consents.record(actor=desk, now=NOW, patient_id=patient.pk, channel="sms", granted=granted)
        assert waiting(patient) == channels
