"""A problem document as FHIR writes it: an OperationOutcome with the same code and the same sentence."""

from collections.abc import Mapping
from typing import Any

CONTENT_TYPE = "application/fhir+json"
ISSUE_TYPES: Mapping[int, str] = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "business-rule",
    429: "throttled",
    503: "transient",
}
"""HTTP status -> http://hl7.org/fhir/ValueSet/issue-type; what is not listed is our own fault."""
CODES = "urn:onset:problem"


def outcome_of(problem: Mapping[str, Any]) -> dict[str, Any]:
    """One issue for the problem, or one for each fault it lists."""
    kind = ISSUE_TYPES.get(problem["status"], "exception")
    faults = problem["errors"] or [problem]
    asked = f"Request {problem['request_id']}"
    return outcome(
        [
            issue(
                kind,
                code=fault["code"],
                text=_sentence(fault),
                diagnostics=asked if problem["request_id"] else "",
            )
            for fault in faults
        ]
    )


def outcome(issues: list[dict[str, Any]]) -> dict[str, Any]:
    """The resource that holds these issues."""
    return {"resourceType": "OperationOutcome", "issue": issues}


def issue(
    kind: str, *, code: str, text: str, severity: str = "error", diagnostics: str = ""
) -> dict[str, Any]:
    """One thing to say; ``kind`` is of the value set issue-type."""
    said: dict[str, Any] = {
        "severity": severity,
        "code": kind,
        "details": {"coding": [{"system": CODES, "code": code}], "text": text},
    }
    if diagnostics:
        said["diagnostics"] = diagnostics
    return said


def _sentence(fault: Mapping[str, Any]) -> str:
    """The parameter's name goes before what is wrong with it."""
    name = str(fault.get("pointer", "")).strip("/")
    return f"{name}: {fault['detail']}" if name else str(fault["detail"])
