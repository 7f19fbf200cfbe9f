"""Recording which conditions a patient has, from the catalogue."""

from datetime import date, datetime

from clinic.access.policy import Actor
from clinic.common.errors import Conflict, FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from clinic.common.versions import require_version
from patients.models import Condition, Patient, PatientCondition


@durable
def add(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    code: str,
    onset_on: date | None = None,
    expected_version: int | None = None,
) -> PatientCondition:
    """Record a condition, with the day on which it began if that is known.

    Raises NotFound, Forbidden, StaleVersion, Invalid (``unknown_condition``; ``in_the_future`` and
    ``before_birth`` in the patient's zone), Conflict (``condition_already_recorded``).
    """
    patient = Patient.objects.visible_to(actor).select_for_update(no_key=True).filter(pk=patient_id).first()
    if patient is None:
        raise NotFound("There is no such patient at your sites.")
    actor.require("background.write", patient.site_id)
    require_version(patient, expected_version)
    condition = Condition.objects.filter(code=code).first()
    if condition is None:
        raise _refused("condition", "unknown_condition", "Use the code of a condition in the catalogue.")
    if onset_on and onset_on > now.astimezone(patient.zone).date():
        raise _refused("onset_on", "in_the_future", "This date is in the future.")
    if onset_on and onset_on < patient.date_of_birth:
        raise _refused("onset_on", "before_birth", "This date is before the patient's birth.")
    recorded, added = PatientCondition.objects.get_or_create(
        patient=patient, condition=condition, onset_on=onset_on, defaults={"source": "staff"}
    )
    if not added:
        raise Conflict(
            "This condition is already recorded with this date of onset.", code="condition_already_recorded"
        )
    return recorded


def _refused(field: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(pointer=f"/{field}", code=code, detail=detail)])
