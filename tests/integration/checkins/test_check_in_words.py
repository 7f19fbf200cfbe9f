"""What a patient reads: every check-in message that is queued can be written, and says nothing clinical."""

from datetime import date

import pytest

from clinic.access.models import Site
from patients.domain.wording import revealing_words
from patients.models import Message
from patients.selectors.messages import templates
from patients.services.composing import compose
from tests.conftest import NOW
from tests.factories import PatientFactory
from tests.factories.prescriptions import prescribed

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("language", "day"), [("en", "January 15"), ("es", "15 de enero")])
def test_asked_and_reminded_by_the_last_day_of_the_window(site: Site, language: str, day: str) -> None:
    patient = PatientFactory.create(site=site, language=language)
    prescribed(patient, first_dose_on=date(2027, 1, 5))
    first = patient.check_ins.get(code="ONSET7")
    words = templates({"check_in", "check_in_reminder"})
    bodies = {}
    for message in Message.objects.filter(subject_kind="check_in", subject_id=first.pk):
        template = words[message.kind, message.channel, language]
        composed = compose(message, template=template, number=1, now=NOW)
        assert revealing_words(f"{composed.subject} {composed.body}") == []
        bodies[message.kind, message.channel] = composed.body
    assert set(bodies) == {
        (kind, channel) for kind in ("check_in", "check_in_reminder") for channel in ("email", "sms")
    }
    for (_kind, channel), body in bodies.items():
        assert "/p/" in body
        assert channel == "sms" or "303" in body
    assert day in bodies["check_in", "email"]
    assert day in bodies["check_in_reminder", "email"]
