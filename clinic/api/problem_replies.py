"""The refusals and headers that many operations share, as the OpenAPI document words them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ProblemReply:
    """A refusal: what its component is called, what it means, and the headers it carries."""

    name: str
    meaning: str
    headers: tuple[str, ...] = ()


PROBLEMS: Mapping[str, ProblemReply] = {
    "400": ProblemReply("Malformed", "The request cannot be read; `errors` names each fault."),
    "401": ProblemReply("NotSignedIn", "No valid token or session.", ("WWW-Authenticate",)),
    "403": ProblemReply("NotYourRole", "The role does not allow it."),
    "404": ProblemReply("NotThere", "Not there, or not yours to see."),
    "409": ProblemReply("Conflict", "The present state forbids it."),
    "412": ProblemReply("StaleVersion", "If-Match names a version that is no longer the current one."),
    "415": ProblemReply("NotJson", "The body is not application/json."),
    "422": ProblemReply("RuleForbids", "A rule of the clinic forbids it."),
    "428": ProblemReply("IfMatchMissing", "Send If-Match with the ETag of the version being changed."),
    "429": ProblemReply("TooOften", "Too many requests, wrong passwords or wrong codes.", ("Retry-After",)),
    "503": ProblemReply("Busy", "Contention or an outage; the same request may succeed.", ("Retry-After",)),
}
CARRYING_REPLAYS = frozenset({"400", "403", "404", "409", "412", "422"})
"""Refusals that are stored under an Idempotency-Key, and so may come back as replays."""

_HEADERS: Mapping[str, dict[str, Any]] = {
    "ETag": {
        "description": "The version of the record; send it back in If-Match.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    },
    "Idempotency-Replayed": {
        "description": "Present when this is the stored reply to an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "How to sign in.",
        "required": True,
        "schema": {"type": "string", "enum": ["Token"]},
    },
}


def shared_header(name: str) -> dict[str, Any]:
    """The header object of that name. Raises KeyError for one that nothing shares."""
    return _HEADERS[name]


def problem_reply(problem: ProblemReply, document: dict[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
    """The response object: a problem document (a reference to its schema) with these headers."""
    reply: dict[str, Any] = {"description": problem.meaning}
    if headers:
        reply["headers"] = headers
    reply["content"] = {"application/problem+json": {"schema": document}}
    return reply
