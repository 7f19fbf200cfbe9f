"""What is served: the one table from which routes and the CapabilityStatement are made."""

import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import Q

from scheduling.fhir.kinds import ID, Kind, OfRows
from scheduling.fhir.mappers import (
    appointments,
    medication_requests,
    places,
    questionnaire_responses,
)
from scheduling.fhir.observations import OBSERVATIONS
from scheduling.fhir.parameters import Asked, Parameter, ids, moment, reference, status
from scheduling.fhir.patients import PATIENTS
from scheduling.fhir.slots import SLOTS
from scheduling.selectors import fhir as rows

_VERSION = re.compile(r"[0-9]{1,4}")
_PATIENT = reference("patient", "patient_id", "Patient", documentation="Whose they are.")


def _of_actor(value: str, _asked: Asked) -> Q:
    return Q(pk__in=ids("actor", value, *sorted(set(places.ACTORS.values()))))


def _of_questionnaire(value: str, _asked: Asked) -> Q:
    """Our address of it, with or without its version, its code, or LOINC's."""
    ways = Q(pk__in=[])
    for part in value.split(","):
        plain, _bar, version = part.rpartition("/")[2].partition("|")
        named = Q(code__iexact=plain) | Q(instrument__loinc=plain or None)
        if version:
            named &= Q(instrument__version=version) if _VERSION.fullmatch(version) else Q(pk__in=[])
        ways |= named
    return ways


def _appointment(row: Any) -> Mapping[str, Any]:
    held = [allocation.resource for allocation in row.held]
    return appointments.appointment(row, held=held, home=settings.PUBLIC_URL)


def _schedule(row: Any) -> Mapping[str, Any]:
    return places.schedule(row, home=settings.PUBLIC_URL)


def _medication_request(row: Any) -> Mapping[str, Any]:
    return medication_requests.medication_request(row, home=settings.PUBLIC_URL)


def _response(row: Any) -> Mapping[str, Any]:
    return questionnaire_responses.response(row, corrected_at=row.corrected_at, home=settings.PUBLIC_URL)


KINDS: tuple[Kind, ...] = (
    PATIENTS,
    OfRows("Location", "setup.read", (ID,), rows=rows.sites, show=places.location),
    OfRows(
        "Schedule",
        "setup.read",
        (ID, Parameter("actor", "reference", "The id of the resource whose time it is.", _of_actor)),
        rows=rows.resources,
        show=_schedule,
    ),
    SLOTS,
    OfRows(
        "Appointment",
        "appointments.read",
        (
            ID,
            _PATIENT,
            moment("date", "start_at", zone="site__timezone", documentation="When it starts."),
            status("status", appointments.STATUSES, value_set="appointmentstatus"),
            reference("location", "site_id", "Location", documentation="At which site."),
        ),
        rows=rows.appointments,
        show=_appointment,
        order=("start_at", "pk"),
    ),
    OfRows(
        "MedicationRequest",
        "prescriptions.read",
        (
            ID,
            _PATIENT,
            status("status", medication_requests.STATUSES, value_set="medicationrequest-status"),
        ),
        rows=rows.prescriptions,
        show=_medication_request,
    ),
    OfRows(
        "QuestionnaireResponse",
        "assessments.read",
        (
            ID,
            _PATIENT,
            Parameter(
                "questionnaire",
                "reference",
                "Our address of the questionnaire, its code, or its LOINC code.",
                _of_questionnaire,
            ),
            moment(
                "authored",
                "answered_at",
                zone="patient__site__timezone",
                documentation="When it was answered.",
            ),
            moment(
                "_lastUpdated",
                "updated_at",
                zone="patient__site__timezone",
                documentation="When it was stored or corrected.",
            ),
        ),
        rows=rows.assessments,
        show=_response,
    ),
    OBSERVATIONS,
)
