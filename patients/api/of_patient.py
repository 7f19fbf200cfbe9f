"""What clinical records below /patients/{id}/ share: the patient is there for the caller, or 404 and 403."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.policy import Actor
from clinic.api.views import ReadMixin
from clinic.common.errors import NotFound
from patients.models import Patient

PATIENT = r"patients/(?P<patient_id>[0-9]{1,18})"
"""The beginning of their addresses."""


class OfPatient:
    """Mixed into a view set whose queryset has a ``patient``: its list, single records, and the guard."""

    actor: Actor
    kwargs: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After every other refusal, and before anything is read: may the caller read this patient's?"""
        super().initial(request, *args, **kwargs)  # type: ignore[misc]  # the view set follows in the MRO
        if not self.action_map_missing(request):  # type: ignore[attr-defined]
            self.patient()

    def patient(self) -> Patient:
        """Raises NotFound for a patient of other sites, Forbidden where the role there is not clinical."""
        visible = Patient.objects.visible_to(self.actor).select_related("site")
        found = visible.filter(pk=self.kwargs["patient_id"]).first()
        if found is None:
            raise NotFound("There is no such patient at your sites.")
        self.actor.require("background.read", found.site_id)
        return found

    def list(self: Any, request: Request, patient_id: str) -> Response:
        """One page of this patient's, the latest first."""
        return ReadMixin.list(self, request)

    def retrieve(self: Any, request: Request, pk: str, patient_id: str) -> Response:
        """One of this patient's; 404 when it is not there or not the caller's to see."""
        return ReadMixin.retrieve(self, request, pk)

    def get_queryset(self) -> QuerySet[Any]:
        """Those of this patient."""
        rows: QuerySet[Any] = super().get_queryset()  # type: ignore[misc]
        return rows.filter(patient_id=self.kwargs.get("patient_id"))
