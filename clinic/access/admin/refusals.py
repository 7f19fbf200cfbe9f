"""What a service refuses, shown in the admin with the service's own sentence: at the field, or on top."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from clinic.common.errors import DomainError, FieldError, Forbidden, NotFound

T = TypeVar("T")


def attempt(request: HttpRequest, work: Callable[[], T]) -> T | None:
    """The result of a service call, or None after its refusal was put on the next page as a message.

    Raises Http404 and PermissionDenied in place of NotFound and Forbidden.
    """
    try:
        return work()
    except NotFound as refusal:
        raise Http404(refusal.detail) from refusal
    except Forbidden as refusal:
        raise PermissionDenied(refusal.detail) from refusal
    except DomainError as refusal:
        messages.error(request, sentence(refusal))
        return None


def sentence(refusal: DomainError) -> str:
    """The refusal on one line, with what its field errors add."""
    more = [error.detail for error in refusal.errors if error.detail not in refusal.detail]
    return " ".join([refusal.detail, *more])


def put_on(form: forms.BaseForm, refusal: DomainError, *, names: Mapping[str, str] | None = None) -> None:
    """Show a refusal on a form. ``names``: what the service calls a field -> what the form calls it."""
    elsewhere = []
    placed = False
    for error in refusal.errors:
        field = _field(error, names or {})
        if field in form.fields and not form.fields[field].widget.is_hidden:
            form.add_error(field, error.detail)
            placed = True
        else:
            elsewhere.append(error.detail)
    if not placed:
        elsewhere.insert(0, refusal.detail)
    for detail in dict.fromkeys(elsewhere):
        form.add_error(None, detail)


def _field(error: FieldError, names: Mapping[str, str]) -> str:
    name = error.pointer.strip("/").split("/")[0]
    return names.get(name, name)


def submit(
    form: forms.BaseForm, work: Callable[[dict[str, Any]], T], *, names: Mapping[str, str] | None = None
) -> T | None:
    """The result of a service call with what a valid form holds; a refusal goes on the form.

    Raises Http404 and PermissionDenied in place of NotFound and Forbidden.
    """
    if not form.is_valid():
        return None
    try:
        return work(form.cleaned_data)
    except NotFound as refusal:
        raise Http404(refusal.detail) from refusal
    except Forbidden as refusal:
        raise PermissionDenied(refusal.detail) from refusal
    except DomainError as refusal:
        put_on(form, refusal, names=names)
        return None
