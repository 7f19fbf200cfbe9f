"""Choosing the patient that something is for: one box that posts, then an address that holds the id only."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from clinic.access.admin.base import OnsetAdmin
from clinic.access.admin.refusals import sentence
from clinic.access.policy import Actor
from clinic.common.errors import Invalid
from patients.admin import finding
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
    admin: OnsetAdmin, request: HttpRequest, actor: Actor, *, template: str, title: str, **context: Any
) -> HttpResponse:
    """The page without a patient yet: look for one."""
    found, fault = None, ""
    if request.method == "POST":
        try:
            found = finding.find(actor=actor, text=request.POST.get("find", ""))
        except Invalid as refused:
            fault = sentence(refused)
    return admin.page(request, template, title=title, found=found, fault=fault, **context)
