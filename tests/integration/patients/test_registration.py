"""Registering and changing patients: rules, consents, duplicates, messages, and two at once."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common.errors import Conflict, Forbidden, Invalid, NotFound, StaleVersion
from patients.domain import mrn
from patients.models import Consent, Patient
from patients.services import outreach, patients
from tests.conftest import NOW
from tests.factories import SiteFactory

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


def test_what_is_absent_is_made_and_defaulted(desk: Actor, site: Site) -> None:
    patient = register(desk, site, phone="(303) 555-0123")
    patient.refresh_from_db()
    assert patient.mrn.startswith("ONS")
    assert patient.phone == "+13035550123"
    assert (patient.timezone, patient.language, patient.sex, patient.status) == (
        "America/Denver",
        "en",
        "unknown",
        "active",
    )
    assert patient.sort_name == "oneil pena ana oneilpena"
    assert patient.created_at == NOW


def test_an_address_carries_consent_to_care_messages(desk: Actor, site: Site) -> None:
    patient = register(desk, site, phone="3035550123")
    assert said(patient) == [("sms", True, "registration")]
    assert (patient.accepts_sms, patient.accepts_email) == (True, False)
    assert Consent.objects.get().recorded_by_id == desk.user_id


def test_a_stated_no_is_kept_with_and_without_an_address(desk: Actor, site: Site) -> None:
    preferences = {"email": False, "sms": False}
    patient = register(desk, site, phone="3035550123", contact_preferences=preferences)
    assert sorted(said(patient)) == [("email", False, "registration"), ("sms", False, "registration")]
    update(desk, patient, email="ana@example.org")
    assert Patient.objects.get().accepts_email is False


def test_every_fault_is_named_at_once(desk: Actor, site: Site) -> None:
    with pytest.raises(Invalid) as refused:
        patients.register(
            actor=desk,
            now=NOW,
            site_id=site.pk,
            given={
                "first_name": "=1",
                "date_of_birth": NOW.date() + timedelta(days=1),
                "sex": "x",
                "email": "no",
                "phone": "1",
                "timezone": "Mars/Olympus",
                "language": "de",
                "status": "gone",
                "mrn": "?",
            },
        )
    assert {error.pointer for error in refused.value.errors} == {
        f"/{field}"
        for field in (
            [
                "first_name",
                "last_name",
                "date_of_birth",
                "sex",
                "email",
                "phone",
                "timezone",
                "language",
                "status",
                "mrn",
            ]
        )
    }
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    ("born", "accepted"),
    [
        (date(2027, 1, 4), True),
        (date(2027, 1, 5), False),
        (date(1897, 1, 4), True),
        (date(1897, 1, 3), False),
    ],
)
def test_a_birth_date_lies_within_the_last_130_years(
    desk: Actor,
    site: Site,
    born: date,
    accepted: bool,
) -> None:
    if accepted:
        assert register(desk, site, date_of_birth=born).date_of_birth == born
    else:
        with pytest.raises(Invalid):
            register(desk, site, date_of_birth=born)


def test_the_same_name_and_birth_date_at_one_site_is_asked_about(desk: Actor, site: Site) -> None:
    first = register(desk, site)
    with pytest.raises(Conflict) as refused:
        register(desk, site, first_name="ANA", last_name="ONeil Pena")
    assert refused.value.code == "possible_duplicate"
    assert refused.value.data["existing"] == [first.pk]
    second = register(desk, site, confirm_duplicate=True)
    assert second.mrn != first.mrn
    with pytest.raises(Conflict) as refused:
        register(desk, site)
    assert refused.value.data["existing"] == [first.pk, second.pk]


def test_another_birth_date_or_another_site_is_another_person(
    desk: Actor, site: Site, actor_at: Callable[..., Actor]
) -> None:
    register(desk, site)
    register(desk, site, date_of_birth=date(1980, 5, 18))
    elsewhere = SiteFactory.create()
    register(actor_at(elsewhere, "nurse"), elsewhere)
    assert Patient.objects.count() == 3


def test_an_mrn_belongs_to_one_patient(desk: Actor, site: Site, actor_at: Callable[..., Actor]) -> None:
    register(desk, site, mrn=" a-77 ")
    elsewhere = SiteFactory.create()
    with pytest.raises(Conflict) as refused:
        register(actor_at(elsewhere, "nurse"), elsewhere, first_name="Bo", mrn="A-77")
    assert refused.value.code == "mrn_taken"
    other = register(desk, site, first_name="Cy")
    with pytest.raises(Conflict):
        update(desk, other, mrn="A-77")
    assert update(desk, other, mrn=other.mrn.lower()).version == 1


def test_a_made_mrn_steps_over_one_that_somebody_typed(desk: Actor, site: Site) -> None:
    first = register(desk, site)
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM patients_mrn_seq")
        (last,) = cursor.fetchone()
    typed = mrn.made_from(last + 1)
    register(desk, site, first_name="Bo", mrn=typed)
    third = register(desk, site, first_name="Cy")
    assert third.mrn == mrn.made_from(last + 2)
    assert first.mrn == mrn.made_from(last)


@pytest.mark.parametrize("role", ["manager", "auditor"])
def test_other_roles_do_not_register(site: Site, actor_at: Callable[..., Actor], role: str) -> None:
    with pytest.raises(Forbidden):
        register(actor_at(site, role), site)


def test_other_and_closed_sites_do_not_exist(desk: Actor, site: Site) -> None:
    with pytest.raises(NotFound):
        register(desk, SiteFactory.create())
    Site.objects.filter(pk=site.pk).update(active=False)
    with pytest.raises(NotFound):
        register(desk, site)


def test_a_change_counts_once_and_nothing_to_change_counts_not_at_all(desk: Actor, site: Site) -> None:
    patient = register(desk, site, phone="3035550123")
    changed = update(desk, patient, last_name="Reyes", phone="+1 303 555 0123")
    assert (changed.version, changed.sort_name) == (2, "reyes ana")
    assert update(desk, patient, last_name="Reyes").version == 2
    assert said(patient) == [("sms", True, "registration")]


def test_a_stale_version_and_an_invisible_patient_are_refused(
    desk: Actor, site: Site, actor_at: Callable[..., Actor]
) -> None:
    patient = register(desk, site)
    options: dict[str, Any] = {"now": NOW, "patient_id": patient.pk, "changes": {"first_name": "Bo"}}
    with pytest.raises(StaleVersion):
        patients.update(actor=desk, expected_version=7, **options)
    with pytest.raises(NotFound):
        patients.update(actor=actor_at(SiteFactory.create(), "nurse"), expected_version=None, **options)
    with pytest.raises(Forbidden):
        patients.update(actor=actor_at(site, "manager"), expected_version=None, **options)
    assert Patient.objects.get().first_name == "Ana"


def test_moving_to_another_site_needs_the_role_at_both(
    desk: Actor, site: Site, actor_at: Callable[..., Actor]
) -> None:
    patient = register(desk, site)
    elsewhere = SiteFactory.create()
    with pytest.raises(NotFound):
        update(desk, patient, site_id=elsewhere.pk)
    both = Actor(user_id=None, roles={**desk.roles, **actor_at(elsewhere, "nurse").roles})
    assert update(both, patient, site_id=elsewhere.pk).site_id == elsewhere.pk


def test_what_fails_halfway_leaves_nothing(desk: Actor, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(**_kwargs: Any) -> None:
        raise SystemExit

    patient = register(desk, site, phone="3035550123")
    monkeypatch.setattr(outreach, "contact_changed", die)
    with pytest.raises(SystemExit):
        update(desk, patient, phone="3035550124", contact_preferences={"email": True})
    patient.refresh_from_db()
    assert (patient.phone, patient.version, said(patient)) == (
        "+13035550123",
        1,
        [("sms", True, "registration")],
    )


def test_now_is_taken_as_given(desk: Actor, site: Site) -> None:
    later = datetime(2030, 1, 1, tzinfo=UTC)
    register(desk, site, now=later, phone="3035550123")
    assert Consent.objects.get().recorded_at == later
