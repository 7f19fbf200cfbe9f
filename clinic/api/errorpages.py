"""The project's 400, 403, 404 and 500: documents for programs under /api/ and /fhir/, pages elsewhere."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from clinic.api.problems import outside_views

_FOR_PROGRAMS = ("/api/", "/fhir/")


def bad_request(request: HttpRequest, exception: Exception, *_args: Any) -> HttpResponse:
    """400: a host or a header that cannot be accepted."""
    if request.path.startswith(_FOR_PROGRAMS):
        return outside_views(request, 400)
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception, *_args: Any) -> HttpResponse:
    """403: for instance a failed CSRF check."""
    if request.path.startswith(_FOR_PROGRAMS):
        return outside_views(request, 403)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception, *_args: Any) -> HttpResponse:
    """404: no such route."""
    if request.path.startswith(_FOR_PROGRAMS):
        return outside_views(request, 404)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest, *_args: Any) -> HttpResponse:
    """500: our own fault; details are in the log under the request id."""
    if request.path.startswith(_FOR_PROGRAMS):
        return outside_views(request, 500)
    return defaults.server_error(request)
