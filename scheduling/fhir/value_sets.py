"""The codes of FHIR R4's required value sets that searches accept: http://hl7.org/fhir/ValueSet/<name>.

A code of the set that we never use finds nothing; a word outside it is a mistake that the caller hears of.
"""

from collections.abc import Mapping

CANONICAL = "http://hl7.org/fhir/ValueSet/"
CODES: Mapping[str, frozenset[str]] = {
    "appointmentstatus": frozenset(
        {
            "proposed",
            "pending",
            "booked",
            "arrived",
            "fulfilled",
            "cancelled",
            "noshow",
            "entered-in-error",
            "checked-in",
            "waitlist",
        }
    ),
    "medicationrequest-status": frozenset(
        {
            "active",
            "on-hold",
            "cancelled",
            "completed",
            "entered-in-error",
            "stopped",
            "draft",
            "unknown",
        }
    ),
    "slotstatus": frozenset({"busy", "free", "busy-unavailable", "busy-tentative", "entered-in-error"}),
}
