"""What is expected of every refusal, and how a request is sent to many routes."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.api.contract.routes import Route

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}
Send = Callable[[Route], Any]
Sender = Callable[..., Send]
"""``sender(body, content_type, query, **headers)`` makes the function that sends this to a route."""


def fault(response: Any, *statuses: int, code: str | None = None) -> str | None:
    """What is wrong with a refusal; None when it is the problem document that was expected."""
    if response.status_code not in statuses:
        return f"{response.status_code} {response.content[:200]!r}"
    if response["Content-Type"] != "application/problem+json":
        return str(response["Content-Type"])
    body = json.loads(response.content)
    sound = (
        body.keys() >= PROBLEM_MEMBERS
        and body["status"] == response.status_code
        and body["request_id"] == response["X-Request-ID"]
        and body["detail"]
        and body["code"] == (code or body["code"])
    )
    return None if sound else f"expected a sound problem document {code or ''}: {body}"


def faults(
    routes: list[Route], sends: Mapping[str, Send] | Send, *statuses: int, code: str | None = None
) -> dict[str, str]:
    """Route and kind of request -> what is wrong with its answer. Empty when all is well."""
    assert routes
    kinds = sends if isinstance(sends, Mapping) else {"": sends}
    assert kinds
    found = {
        f"{route} {kind}": fault(send(route), *statuses, code=code)
        for kind, send in kinds.items()
        for route in routes
    }
    return {where: wrong for where, wrong in found.items() if wrong}
