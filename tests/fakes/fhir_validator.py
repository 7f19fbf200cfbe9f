"""What a strict client of FHIR would refuse: structure by fhir.resources, required value sets by tables.

fhir.resources (R4B) checks elements, types and cardinalities, and no codes; these tables are written from the
specification (https://hl7.org/fhir/R4/terminologies-valuesets.html), not from our mappings.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

REQUIRED: Mapping[str, frozenset[str]] = {
    f"http://hl7.org/fhir/ValueSet/{name}": frozenset(codes.split())
    for name, codes in {
        "administrative-gender": "male female other unknown",
        "appointmentstatus": "proposed pending booked arrived fulfilled cancelled noshow entered-in-error "
        "checked-in waitlist",
        "bundle-type": "document message transaction transaction-response batch batch-response history "
        "searchset collection",
        "capability-statement-kind": "instance capability requirements",
        "contact-point-system": "phone fax email pager url sms other",
        "identifier-use": "usual official temp secondary old",
        "issue-severity": "fatal error warning information",
        "issue-type": "invalid structure required value invariant security login unknown expired forbidden "
        "suppressed processing not-supported duplicate multiple-matches not-found deleted too-long "
        "code-invalid extension too-costly business-rule conflict transient lock-error no-store exception "
        "timeout incomplete throttled informational",
        "location-mode": "instance kind",
        "location-status": "active suspended inactive",
        "medicationrequest-intent": "proposal plan order original-order reflex-order filler-order "
        "instance-order option",
        "medicationrequest-status": "active on-hold cancelled completed entered-in-error "
        "stopped draft unknown",
        "name-use": "usual official temp nickname anonymous old maiden",
        "observation-status": "registered preliminary final amended corrected cancelled entered-in-error "
        "unknown",
        "participantrequired": "required optional information-only",
        "participationstatus": "accepted declined tentative needs-action",
        "publication-status": "draft active retired unknown",
        "questionnaire-answers-status": "in-progress completed amended entered-in-error stopped",
        "restful-capability-mode": "client server",
        "search-entry-mode": "match include outcome",
        "search-param-type": "number date string token reference composite quantity uri special",
        "slotstatus": "busy free busy-unavailable busy-tentative entered-in-error",
        "type-restful-interaction": "read vread update patch delete history-instance history-type create "
        "search-type",
        "versioning-policy": "no-version versioned versioned-update",
    }.items()
}
BOUND: Mapping[str, str] = {
    "Patient.gender": "administrative-gender",
    "Patient.identifier.use": "identifier-use",
    "Patient.name.use": "name-use",
    "Patient.telecom.system": "contact-point-system",
    "Location.status": "location-status",
    "Location.mode": "location-mode",
    "Location.telecom.system": "contact-point-system",
    "Slot.status": "slotstatus",
    "Appointment.status": "appointmentstatus",
    "Appointment.participant.required": "participantrequired",
    "Appointment.participant.status": "participationstatus",
    "MedicationRequest.status": "medicationrequest-status",
    "MedicationRequest.intent": "medicationrequest-intent",
    "QuestionnaireResponse.status": "questionnaire-answers-status",
    "Observation.status": "observation-status",
    "OperationOutcome.issue.severity": "issue-severity",
    "OperationOutcome.issue.code": "issue-type",
    "Bundle.type": "bundle-type",
    "Bundle.entry.search.mode": "search-entry-mode",
    "CapabilityStatement.status": "publication-status",
    "CapabilityStatement.kind": "capability-statement-kind",
    "CapabilityStatement.rest.mode": "restful-capability-mode",
    "CapabilityStatement.rest.resource.versioning": "versioning-policy",
    "CapabilityStatement.rest.resource.interaction.code": "type-restful-interaction",
    "CapabilityStatement.rest.resource.searchParam.type": "search-param-type",
}
"""Element -> the value set that binds it (required)."""


def refuse_invalid(resource: Mapping[str, Any]) -> set[str]:
    """Raise for anything that FHIR R4 does not allow; which bound elements were looked at."""
    kind = resource["resourceType"]
    get_fhir_model_class(kind).model_validate(resource)
    looked_at = set()
    for path, value in leaves(resource, kind):
        assert value is not None, path
        assert value != "", path
        if path in BOUND:
            value_set = f"http://hl7.org/fhir/ValueSet/{BOUND[path]}"
            assert value in REQUIRED[value_set], f"{path}: {value} is not of {value_set}"
            looked_at.add(path)
    for entry in resource.get("entry", ()):
        looked_at |= refuse_invalid(entry["resource"])
    return looked_at


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each plain value with its element path; empty lists and objects, which FHIR forbids, as None."""
    if isinstance(value, Mapping):
        if not value:
            yield path, None
        for name, inner in value.items():
            if name != "resource" or not path.endswith("Bundle.entry"):
                yield from leaves(inner, f"{path}.{name}")
    elif isinstance(value, list):
        if not value:
            yield path, None
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value
