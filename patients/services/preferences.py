"""What patients decide about our messages on their page: the channels, and the language. Saying the same
again changes nothing and leaves no second row."""

from datetime import datetime

from clinic.access.policy import PATIENT_ON_PAGE
from clinic.common import versions
from clinic.common.transactions import durable
from patients.models import Consent, Patient
from patients.services import consents, outreach
from patients.services.patients import update


@durable
def choose_channel(*, patient_id: int, channel: str, granted: bool, now: datetime) -> bool:
    """Care messages on this channel: yes or no. Unsent messages follow. Whether anything changed."""
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient_id)
    if consents.in_force(patient)[channel] == granted:
        return False
    consents.append(
        patient=patient,
        actor=PATIENT_ON_PAGE,
        now=now,
        channel=channel,
        purpose=Consent.Purpose.CARE,
        granted=granted,
        source=Consent.Source.PAGE,
    )
    versions.save(patient, consents.ACCEPTS[channel])
    outreach.contact_changed(patient=patient, now=now)
    return True


def choose_language(*, patient_id: int, language: str, now: datetime) -> None:
    """The language of messages and pages from now on. Raises Invalid (``invalid_patient``)."""
    update(
        actor=PATIENT_ON_PAGE,
        now=now,
        patient_id=patient_id,
        expected_version=None,
        changes={"language": language},
    )
