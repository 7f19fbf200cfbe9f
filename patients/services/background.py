"""Entries of the background: added, corrected by superseding, marked as entered in error. Never deleted.

Every write ends by refreshing the screening flags in the same transaction.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Conflict, FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from patients.domain.background import Person, faults
from patients.models import FlagKind, PainAssessment, PainResult, Patient, Recorded
from patients.selectors.background import MODELS, catalogue
from patients.services import flags
from patients.services.flags import lock_for_background

_KEPT = frozenset({"id", "version", "status", "patient", "supersedes", "first"})
_STAMPS = frozenset({"recorded_at", "recorded_by", "closed_at", "closed_by", "closed_reason"})


@durable
def add(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    kind: str,
    given: Mapping[str, Any],
    expected_version: int | None = None,
) -> Recorded:
    """Record an entry of a kind of selectors.background.MODELS.

    Raises Invalid (``invalid_entry``, whose errors name each fault), StaleVersion (of the patient), NotFound,
    Forbidden.
    """
    patient = lock_for_background(actor, patient_id)
    versions.require_version(patient, expected_version)
    entry = _write(kind, patient, given, actor=actor, now=now)
    flags.refresh(patient=patient, now=now)
    return entry


@durable
def amend(
    *,
    actor: Actor,
    now: datetime,
    kind: str,
    entry_id: int,
    changes: Mapping[str, Any],
    reason: str = "",
    expected_version: int | None = None,
) -> Recorded:
    """Correct an entry, or say that it ended: a new entry supersedes it, and is returned.

    Nothing to change returns the entry as it is. Raises Conflict (``entry_closed``), and as :func:`add`.
    """
    old, patient = _locked(actor, kind, entry_id, expected_version)
    values = _values(old)
    if all(values[name] == value for name, value in changes.items()):
        return old
    _close(old, Recorded.Status.SUPERSEDED, reason=reason, actor=actor, now=now)
    entry = _write(kind, patient, {**values, **changes}, actor=actor, now=now, supersedes=old)
    flags.refresh(patient=patient, now=now)
    return entry


@durable
def enter_in_error(
    *,
    actor: Actor,
    now: datetime,
    kind: str,
    entry_id: int,
    reason: str,
    expected_version: int | None = None,
) -> Recorded:
    """It was never true of this person. The entry stays, marked, with the reason; it counts no more.

    Raises Invalid (``reason_required``), Conflict (``entry_closed``), StaleVersion, NotFound, Forbidden.
    """
    entry, patient = _locked(actor, kind, entry_id, expected_version)
    if not reason.strip():
        detail = "Say what was wrong."
        raise Invalid(
            detail, code="reason_required", errors=[FieldError("/reason", "reason_required", detail)]
        )
    _close(entry, Recorded.Status.ENTERED_IN_ERROR, reason=reason.strip(), actor=actor, now=now)
    flags.refresh(patient=patient, now=now)
    return entry


def _write(
    kind: str,
    patient: Patient,
    given: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
    supersedes: Recorded | None = None,
) -> Recorded:
    values = dict(given)
    _fill_in(kind, values)
    person = Person(born_on=patient.date_of_birth, today=now.astimezone(patient.zone).date())
    found = faults(kind, values, person=person, codes=catalogue().codes)
    if found:
        raise Invalid("Some of it is wrong. See errors for each.", code="invalid_entry", errors=found)
    results = values.pop("results", ())
    if supersedes is not None:
        values |= {"supersedes": supersedes, "first_id": supersedes.thread}
    entry: Recorded = MODELS[kind].objects.create(
        patient=patient, recorded_at=now, recorded_by_id=actor.user_id, **values
    )
    if isinstance(entry, PainAssessment):
        PainResult.objects.bulk_create(
            PainResult(assessment=entry, number=number, **result)
            for number, result in enumerate(results, start=1)
        )
    return entry


def _fill_in(kind: str, values: dict[str, Any]) -> None:
    """How long an answer about pregnancy may be relied on, unless it says so itself."""
    if kind == "pregnancy" and values.get("expires_on") is None and values["state"] != "not_applicable":
        days = FlagKind.objects.filter(code="pregnancy").values_list("valid_days", flat=True).first()
        values["expires_on"] = values["as_of_on"] + timedelta(days=days) if days else None


def _values(entry: Recorded) -> dict[str, Any]:
    """What an entry says, by field."""
    names = [field.name for field in entry._meta.concrete_fields]  # noqa: SLF001 - Django documents it
    values = {name: getattr(entry, name) for name in names if name not in _KEPT | _STAMPS}
    if isinstance(entry, PainAssessment):
        fields = ("test", "question", "body_sites", "value", "unit", "finding")
        values["results"] = [dict(row) for row in entry.results.values(*fields)]
    return values


def _close(entry: Recorded, status: str, *, reason: str, actor: Actor, now: datetime) -> None:
    entry.status, entry.closed_at, entry.closed_by_id = status, now, actor.user_id
    entry.closed_reason = reason
    versions.save(entry, "status", "closed_at", "closed_by", "closed_reason")


def _locked(actor: Actor, kind: str, entry_id: int, expected_version: int | None) -> tuple[Recorded, Patient]:
    """The entry, locked after its patient."""
    model = MODELS[kind]
    visible = model.objects.visible_to(actor).filter(pk=entry_id)
    patient_id = visible.values_list("patient_id", flat=True).first()
    if patient_id is None:
        raise NotFound("This entry does not exist.")
    patient = lock_for_background(actor, patient_id)
    entry: Recorded = model.objects.select_for_update().get(pk=entry_id)
    versions.require_version(entry, expected_version)
    if entry.status != Recorded.Status.CURRENT:
        raise Conflict(
            "This entry was corrected or marked as an error since. Change the one that counts now.",
            code="entry_closed",
        )
    return entry, patient
