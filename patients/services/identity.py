"""The date of birth that is asked before anything clinical. Wrong ones are counted per patient, over all
links, under the patient's lock: guessing in parallel gains nothing."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings

from clinic.access.policy import Role
from clinic.common.transactions import durable
from patients.domain.identity import Limit, locked_until
from patients.models import IdentityCheck, Patient, PatientLink, WorkItem
from patients.services.work_items import open_item

_ANSWER_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one try. ``locked_until`` is set while no try is looked at."""

    passed: bool
    locked_until: datetime | None = None


@durable
def check(*, link_id: int, given: date, at: datetime, now: datetime) -> Outcome:
    """Compare a date of birth with the link's patient's, and record the try unless the page is locked.

    ``at`` is the machine's time (clock.wall), which no demo turns; ``now`` dates the work item that the
    try which locks opens, since either somebody guesses or our record is wrong.
    """
    link = PatientLink.objects.get(pk=link_id)
    patient = Patient.objects.select_for_update(no_key=True).get(pk=link.patient_id)
    limit = limit_in_force()
    until = _locked_until(patient, limit, at)
    if until is not None and at < until:
        return Outcome(passed=False, locked_until=until)
    passed = given == patient.date_of_birth
    IdentityCheck.objects.create(patient=patient, link=link, at=at, passed=passed)
    if passed:
        return Outcome(passed=True)
    until = _locked_until(patient, limit, at)
    if until is not None:
        _tell(patient, now)
    return Outcome(passed=False, locked_until=until)


def limit_in_force() -> Limit:
    """How many wrong dates are allowed, as the settings say."""
    return Limit(
        tries=settings.BIRTH_DATE_TRIES,
        window=timedelta(seconds=settings.BIRTH_DATE_WINDOW_SECONDS),
        lock=timedelta(seconds=settings.BIRTH_DATE_LOCK_SECONDS),
    )


def _locked_until(patient: Patient, limit: Limit, at: datetime) -> datetime | None:
    wrong = IdentityCheck.objects.filter(patient=patient, passed=False, at__gt=at - limit.memory)
    return locked_until(list(wrong.order_by("-at").values_list("at", flat=True)[: limit.tries]), limit)


def _tell(patient: Patient, now: datetime) -> None:
    open_item(
        kind="identity_locked",
        key=f"patient:{patient.pk}:identity",
        severity=WorkItem.Severity.ROUTINE,
        site_id=patient.site_id,
        patient=patient,
        summary="Several wrong dates of birth on this patient's page. Check with the patient that their "
        "phone, e-mail and date of birth are right.",
        owner_role=Role.FRONT_DESK,
        due_at=now + _ANSWER_WITHIN,
        now=now,
    )
