"""Two at once on real PostgreSQL, each with a connection of its own."""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM, Actor
from patients.models import Consent, Patient
from patients.services import consents, patients
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory
from tests.factories.racing import race

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

ANA: dict[str, Any] = {"first_name": "Ana", "last_name": "O'Neil-Peña", "date_of_birth": date(1980, 5, 17)}


def register(actor: Actor, site: Site, now: datetime = NOW, **more: Any) -> Patient:
    options = {name: more.pop(name) for name in ("contact_preferences", "confirm_duplicate") if name in more}
    return patients.register(actor=actor, now=now, site_id=site.pk, given=ANA | more, **options)


def test_one_person_is_registered_once() -> None:
    site = SiteFactory.create()
    came = Counter(race([lambda: register(SYSTEM, site, phone="3035550123")] * 6))
    assert came == {"ok": 1, "possible_duplicate": 5}
    assert (Patient.objects.count(), Consent.objects.count()) == (1, 1)


def test_one_mrn_goes_to_one_patient_even_at_different_sites() -> None:
    sites = [SiteFactory.create() for _ in range(6)]
    jobs = [lambda site=site: register(SYSTEM, site, mrn="A-77") for site in sites]
    assert Counter(race(jobs)) == {"ok": 1, "mrn_taken": 5}
    assert Patient.objects.count() == 1


def test_made_mrns_never_clash() -> None:
    site = SiteFactory.create()
    jobs = [lambda n=n: register(SYSTEM, site, first_name=f"Ana{chr(97 + n)}") for n in range(8)]
    assert Counter(race(jobs)) == {"ok": 8}
    assert Patient.objects.values("mrn").distinct().count() == 8


def test_changes_on_one_version_let_one_through() -> None:
    patient = PatientFactory.create()

    def change(n: int) -> Callable[[], object]:
        return lambda: patients.update(
            actor=SYSTEM,
            now=NOW,
            patient_id=patient.pk,
            expected_version=1,
            changes={"first_name": f"Ana{chr(97 + n)}"},
        )

    assert Counter(race(list(map(change, range(6))))) == {"ok": 1, "stale_version": 5}
    assert Patient.objects.get().version == 2


def test_the_field_equals_the_latest_consent_however_many_speak() -> None:
    patient = PatientFactory.create()

    def say(granted: bool) -> Callable[[], object]:
        return lambda: consents.record(
            actor=SYSTEM, now=NOW, patient_id=patient.pk, channel="sms", granted=granted
        )

    assert Counter(race(list(map(say, [True, False] * 4)))) == {"ok": 8}
    latest = Consent.objects.filter(patient=patient).first()
    assert latest is not None
    assert Patient.objects.get().accepts_sms is latest.granted
    assert Consent.objects.count() == 8
