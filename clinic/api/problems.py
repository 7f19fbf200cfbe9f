"""Turns every refusal into an RFC 9457 problem document. The only place that knows HTTP statuses."""

import math
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DatabaseError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response

from clinic.api import outcomes
from clinic.api.requests import request_id_of
from clinic.common.errors import (
    Busy,
    Conflict,
    DomainError,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    StaleVersion,
)
from clinic.common.transactions import is_contention

CONTENT_TYPE = "application/problem+json"
_STATUS: Mapping[type[DomainError], int] = {
    NotFound: 404,
    Forbidden: 403,
    Invalid: 422,
    Conflict: 409,
    StaleVersion: 412,
    Busy: 503,
}
_CODES = {
    "parse_error": "malformed_body",
    "authentication_failed": "not_authenticated",
    "permission_denied": "forbidden",
    "invalid": "invalid_request",
}


class PreconditionRequired(exceptions.APIException):
    """A PATCH without If-Match."""

    status_code = 428
    default_code = "precondition_required"
    default_detail = "Send If-Match with the ETag of the version you are changing."


def problem(
    *,
    request: Any,
    status: int,
    code: str,
    detail: str,
    errors: tuple[FieldError, ...] = (),
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document itself. ``extra`` holds typed details such as ``alternatives``."""
    return {
        "type": f"urn:onset:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _writable(detail),
        "instance": request.path,
        "code": code,
        "request_id": request_id_of(request),
        "errors": [{name: _writable(text) for name, text in vars(error).items()} for error in errors],
        **(extra or {}),
    }


def _writable(text: str) -> str:
    """The text without what a message may repeat from the input although UTF-8 or PostgreSQL cannot hold it.

    That is halves of characters, and the null character (a stored reply is a jsonb).
    """
    return text.encode(errors="replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def handle(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler: a problem document, or None for what is our own fault (a 500)."""
    request = context["request"]
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        error = exceptions.ParseError(
            f"The body is larger than {most} bytes. Send less at once.", code="body_too_large"
        )
    elif isinstance(error, DatabaseError) and (is_contention(error) or isinstance(error, OperationalError)):
        error = Busy("The database is busy or restarting. Try again in a moment.", code="unavailable")
    if isinstance(error, DomainError):
        return _domain(request, error)
    if isinstance(error, exceptions.APIException):
        return _api(request, error)
    return None


def _domain(request: Any, error: DomainError) -> Response:
    status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    headers = {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(error.retry_after)
    body = problem(
        request=request,
        status=status,
        code=error.code,
        detail=error.detail,
        errors=error.errors,
        extra=error.data,
    )
    return Response(body, status=status, headers=headers, content_type=CONTENT_TYPE)


def _api(request: Any, error: exceptions.APIException) -> Response:
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if isinstance(error, exceptions.Throttled):
        headers["Retry-After"] = str(max(1, math.ceil(getattr(error, "wait", None) or 0)))
    errors: tuple[FieldError, ...] = ()
    if isinstance(error, exceptions.ValidationError):
        errors = tuple(_flatten(error.get_full_details(), ""))
        code, detail = "invalid_request", "Some fields are missing or wrong. See errors for each one."
    else:
        raw = error.get_codes()
        raw = raw if isinstance(raw, str) else error.default_code
        code, detail = _CODES.get(raw, raw), str(error.detail)
    body = problem(request=request, status=error.status_code, code=code, detail=detail, errors=errors)
    return Response(body, status=error.status_code, headers=headers, content_type=CONTENT_TYPE)


def _flatten(details: Any, pointer: str) -> Iterator[FieldError]:
    """Each leaf of DRF's nested error details, with a JSON pointer to its field."""
    if isinstance(details, Mapping):
        if set(details) == {"message", "code"}:
            yield FieldError(
                pointer=pointer or "/", code=str(details["code"]), detail=str(details["message"])
            )
            return
        for key, value in details.items():
            step = "" if key == "non_field_errors" else f"/{key}"
            yield from _flatten(value, pointer + step)
    elif isinstance(details, list):
        leaves = all(isinstance(item, Mapping) and set(item) == {"message", "code"} for item in details)
        for index, item in enumerate(details):
            yield from _flatten(item, pointer if leaves else f"{pointer}/{index}")


_PLAIN = {
    400: ("bad_request", "This request could not be read."),
    403: ("forbidden", "This request is not allowed."),
    404: ("not_found", "There is nothing at this address."),
    500: ("server_error", "Something failed on our side. The request id lets us find out what."),
}


def outside_views(request: HttpRequest, status: int) -> JsonResponse:
    """A problem document for what fails before or outside any API view; FHIR has its own form of it."""
    code, detail = _PLAIN[status]
    body = problem(request=request, status=status, code=code, detail=detail)
    if request.path.startswith("/fhir/"):
        return JsonResponse(outcomes.outcome_of(body), status=status, content_type=outcomes.CONTENT_TYPE)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)
