"""Choosing the patient that something is for: one box that posts, then an address that holds the id only."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from clinic.access.admin.base import OnsetAdmin
from clinic.access.policy import Actor
from patients.admin import matches
from patients.models import Patient

LONGEST_ID = 18
"""Digits of an id; more do not fit its column."""


def chosen(pk: str | None, actor: Actor) -> Patient | None:
    """The patient of this id; None when nobody was named. Raises Http404 for one who may not be seen."""
    if not pk:
        return None
    found = None
    if pk.isdecimal() and len(pk) <= LONGEST_ID:
        found = Patient.objects.visible_to(actor).select_related("site").filter(pk=int(pk)).first()
    if found is None:
        raise Http404("There is no such patient at your sites.")
    return found


def ask(
    admin: OnsetAdmin, request: HttpRequest, *, template: str, title: str, **context: Any
) -> HttpResponse:
    """The page without a patient yet: look for one."""
    return admin.page(request, template, title=title, **matches.found_by(request), **context)
