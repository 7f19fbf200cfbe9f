"""Why a particular start is refused, in the words a front desk reads to a patient."""

from clinic.common.errors import Conflict, DomainError, Invalid
from scheduling.domain.availability import Reason, Rule

SENTENCES = {
    Rule.NO_RESOURCE: "This site has no {kind} in service. Choose another site.",
    Rule.CLOSED: "No {kind} works then.",
    Rule.VISIT_TOO_LONG: "No {kind} works long enough to finish the visit.",
    Rule.OFF_GRID: "The working hours of every {kind} hold the visit only from times that cannot be booked.",
    Rule.FULLY_BOOKED: "Every {kind} is booked.",
    Rule.NO_COMMON_TIME: "Each resource is free at some time, but never all at once with a {kind}.",
    Rule.PATIENT_BUSY: "The patient has another appointment.",
    Rule.NOTICE: "That is sooner than this visit may be booked.",
    Rule.HORIZON: "That is later than this visit may be booked yet.",
}
_RULES_OF_THE_CLINIC = {
    Rule.NO_RESOURCE: "no_resource",
    Rule.CLOSED: "outside_hours",
    Rule.VISIT_TOO_LONG: "outside_hours",
    Rule.OFF_GRID: "off_grid",
    Rule.NOTICE: "too_soon",
    Rule.HORIZON: "too_far",
}


def sentence(reason: Reason) -> str:
    """The reason as a person reads it."""
    return SENTENCES[reason.rule].format(kind=reason.kind or "clinic")


def refusal(reason: Reason) -> DomainError:
    """The error for a start that was asked for: a rule (422), or somebody has it already (409)."""
    if code := _RULES_OF_THE_CLINIC.get(reason.rule):
        return Invalid(f"{sentence(reason)} Choose another time.", code=code, resource_kind=reason.kind)
    if reason.rule == Rule.PATIENT_BUSY:
        return Conflict(f"{sentence(reason)} Choose another time.", code="patient_busy")
    return slot_taken(reason)


def slot_taken(reason: Reason | None = None) -> Conflict:
    """409: somebody else has it."""
    detail = sentence(reason) if reason else "Someone else has just taken this time."
    return Conflict(f"{detail} Choose another time.", code="slot_taken")
